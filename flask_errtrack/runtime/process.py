"""What belongs to one process: a fork begins it anew.

Locks and threads do not survive a fork, and what one process has counted is not
for its children to tell again. Knows nothing of what it keeps.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class OfProcess(Generic[T]):
    """A value that each process makes for itself, when it first asks for it.

    :param make: makes the value. Two threads may call it at once, and one of the two
        values is forgotten: it must start nothing.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[int, T] = {}

    def get(self) -> T:
        """Return the value of this process."""
        pid = os.getpid()
        made = self._made.get(pid)
        # One step, without a lock that a fork could find held.
        return self._made.setdefault(pid, self._make()) if made is None else made

    def known(self) -> T | None:
        """Return the value of this process, or None if it has not made one."""
        return self._made.get(os.getpid())


class Exits:
    """Calls a function when the process ends in an orderly way."""

    def __init__(self, close: Callable[[], None]) -> None:
        self.pid = os.getpid()
        self._close = close
        self._finalizer: Any = None
        atexit.register(close)
        children = sys.modules.get("multiprocessing.process")
        if children is not None and children.parent_process() is not None:
            # Such a process ends without the functions of atexit.
            from multiprocessing.util import Finalize

            self._finalizer = Finalize(None, close, exitpriority=0)

    def forget(self) -> None:
        """Call it no more."""
        atexit.unregister(self._close)
        if self._finalizer is not None:
            self._finalizer.cancel()
