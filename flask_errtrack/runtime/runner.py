"""What runs the code at the moment: a task of asyncio, or else a thread."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress


def runner() -> object:
    """Return the running task, or the number of the running thread."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        with suppress(RuntimeError):
            task = asyncio.current_task()
            if task is not None:
                return task
    return threading.get_ident()
