"""One alarm for all that waits: a thread that is there while something does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..errors import guard, own_work
from ..runtime.process import OfProcess


class Alarm:
    """Calls a function at the earliest of the times for which it was set.

    :param ring: sets the alarm again if there is more to wait for.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._timer: threading.Timer | None = None
        self._at_seconds = 0.0
        # Reentrant: what the garbage collector finds may log, and wait in turn.
        self._lock = OfProcess(threading.RLock)

    def set(self, at_seconds: float) -> None:
        """Let it ring at a time of the monotonic clock, if not before.

        :raises RuntimeError: the system has no thread to give.
        """
        with self._lock.get():
            timer = self._timer
            # The threads of a parent are not alive after a fork.
            is_set = timer is not None and timer.is_alive()
            if is_set and self._at_seconds <= at_seconds:
                return
            if timer is not None:
                timer.cancel()
            self._timer = threading.Timer(at_seconds - time.monotonic(), self._run)
            self._timer.name = "flask-errtrack-alarm"
            self._timer.daemon = True
            self._at_seconds = at_seconds
            self._timer.start()

    def close(self) -> None:
        """Ring no more."""
        with self._lock.get():
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            if timer.is_alive() and timer is not threading.current_thread():
                timer.join(1)

    def _run(self) -> None:
        with guard("sending events that waited"), own_work():
            with self._lock.get():
                if self._timer is threading.current_thread():
                    self._timer = None
            self._ring()
