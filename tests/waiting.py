"""Waiting in a test for what another thread or process does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: Nothing that a test waits for takes so long, however busy the machine is.
WAIT_SECONDS = 120.0

_never = threading.Event()


def wait_until(
    is_so: Callable[[], object], described: Callable[[], object] = lambda: "it is not"
) -> None:
    """Look until something is so; say what is instead if it never is."""
    until = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < until, described()
        # Who looks without a pause takes the processor from those that work.
        _never.wait(0.01)
