"""The thread of a process that lets its courier deliver, round after round.

Owns when a round begins: something new came, a pause is over, or it is time to look
for what other processes left behind. Knows nothing of what a round does.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..errors import guard, logger, own_work
from ..runtime.process import Exits
from .courier import Courier, Round

# So often, in first pauses, a worker looks for what other processes left behind,
# and at the ledger, where a pause may have ended early.
_IDLE_PAUSES = 30.0
# So long, in first pauses, a worker leaves the interpreter to what has just failed: it
# is to answer first, and what fails next to it goes in the same round.
_LULL_PAUSES = 0.05


class Worker:
    """Lets the courier of a process deliver, in a thread of its own.

    :param shutdown_timeout_seconds: how long :meth:`close` may take.
    """

    def __init__(
        self,
        courier: Courier,
        first_pause_seconds: float,
        shutdown_timeout_seconds: float,
    ) -> None:
        self.courier = courier
        self._first_pause_seconds = first_pause_seconds
        self._shutdown_timeout_seconds = shutdown_timeout_seconds
        self._pid = os.getpid()
        self._changed = threading.Condition()
        # How often something was put in, and how much of that is delivered.
        self._wanted = 0
        self._done = 0
        # Nothing may be sent before then, in seconds that only grow.
        self._paused_until = 0.0
        self._is_closing = False
        self._is_lull = False
        # How many wait for what was put in.
        self._flushes = 0
        self._thread: threading.Thread | None = None
        self._exits: Exits | None = None
        self._is_ending = False
        # Without threads: until when the process may still be held up.
        self._inline_until: float | None = None

    def wake(self) -> None:
        """Have what waits delivered."""
        with self._changed:
            self._wanted += 1
            self._is_closing = False
            if not self._is_lull:
                self._changed.notify_all()
            if self._thread is not None and self._thread.is_alive():
                return
            # At the end a thread would be started, but hardly come to run.
            is_last_chance = self._is_last_chance()
            if not is_last_chance:
                self._start()
        if is_last_chance:
            self._deliver_inline()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until what was put in is delivered; tell whether it is."""
        return self._flush(timeout_seconds, lambda: False)

    def _flush(self, timeout_seconds: float, is_vain: Callable[[], bool]) -> bool:
        with self._changed:
            wanted = self._wanted
            self._flushes += 1
            self._changed.notify_all()
            try:
                self._changed.wait_for(
                    lambda: self._done >= wanted or self._thread is None or is_vain(),
                    timeout_seconds,
                )
            finally:
                self._flushes -= 1
            return self._done >= wanted

    def close(self) -> None:
        """Deliver what can be delivered in time, then stop. The rest stays."""
        if self._pid != os.getpid():
            # A fork has this from its parent.
            return
        until = time.monotonic() + self._shutdown_timeout_seconds
        # Whoever is paused for longer than that delivers nothing more.
        self._flush(self._shutdown_timeout_seconds, lambda: self._paused_until > until)
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(until - time.monotonic(), 0.1))
        if self._exits is not None:
            self._exits.forget()
            self._exits = None

    def _end(self) -> None:
        """Close, and deliver without a thread from now on."""
        self._is_ending = True
        self.close()

    def is_over(self) -> bool:
        """Tell whether it is time to stop."""
        until = self._inline_until
        return self._is_closing or (until is not None and time.monotonic() > until)

    def rest(self, seconds: float) -> None:
        """Wait, or until it is time to stop."""
        with self._changed:
            self._changed.wait_for(self.is_over, seconds)

    def _start(self) -> None:
        """Start the thread; if the system has none to give, the next wake tries."""
        thread = threading.Thread(target=self._run, name="flask-errtrack", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return
        self._thread = thread
        self._inline_until = None
        if self._exits is None:
            self._exits = Exits(self._end)
            warn_if_threads_rest(sys.modules.get("uwsgi"))

    def _is_last_chance(self) -> bool:
        """Whether the process is at its end, where the functions of atexit run."""
        is_over = self._is_ending or sys.is_finalizing()
        return is_over or not threading.main_thread().is_alive()

    def _run(self) -> None:
        with own_work():
            # gevent looks names up in a thread that stays, and none can begin at the
            # end of a program, when the first envelope may go.
            with suppress(RuntimeError, OSError):
                socket.getaddrinfo("127.0.0.1", 0)
            while not self._is_stopped():
                with self._changed:
                    self._let_come()
                    wanted = self._wanted
                result = self._round()
                with self._changed:
                    if result.is_done:
                        self._done = wanted
                    pause_seconds = (result.wait_seconds or 0) * result.is_paused
                    self._paused_until = time.monotonic() + pause_seconds
                    self._changed.notify_all()
                    self._wait(wanted, result)

    def _let_come(self) -> None:
        """Let more come for a moment, unless somebody waits for what has come."""
        self._is_lull = True
        self._changed.wait_for(
            lambda: self._is_closing or self._flushes > 0,
            self._first_pause_seconds * _LULL_PAUSES,
        )
        self._is_lull = False

    def _is_stopped(self) -> bool:
        """Stop if it is time to; something may have come while the courier closed."""
        if not self._is_closing:
            return False
        self.courier.close()
        with self._changed:
            if self._is_closing:
                self._thread = None
                self._changed.notify_all()
            return self._is_closing

    def _round(self) -> Round:
        with guard("delivering events"):
            return self.courier.round(self)
        return Round(False, self._first_pause_seconds * _IDLE_PAUSES, is_paused=True)

    def _wait(self, wanted: int, result: Round) -> None:
        seconds = self._first_pause_seconds * (_IDLE_PAUSES if result.is_done else 1)
        if result.wait_seconds is not None:
            seconds = min(result.wait_seconds, self._first_pause_seconds * _IDLE_PAUSES)
        self._changed.wait_for(
            lambda: (
                self._is_closing or (self._wanted > wanted and not result.is_paused)
            ),
            seconds,
        )

    def _deliver_inline(self) -> None:
        """Deliver in the calling thread, for the time that the end may take."""
        with self._changed:
            wanted = self._wanted
        if self._inline_until is None:
            self._inline_until = time.monotonic() + self._shutdown_timeout_seconds
        left_seconds = self._inline_until - time.monotonic()
        if left_seconds <= 0:
            # What is on disk is for the next process.
            return
        with own_work():
            self.courier.hurry(left_seconds)
            if self._round().is_done:
                self._done = wanted
            self.courier.close()


def warn_if_threads_rest(uwsgi: Any) -> None:
    """Tell of a uWSGI that runs no threads between requests.

    :param uwsgi: the module that exists inside such a server, or None.
    """
    if not getattr(uwsgi, "has_threads", True):
        logger.warning(
            "This uWSGI runs no threads: events wait in the outbox until the process "
            "ends, or another one delivers them. Set enable-threads = true in its "
            "configuration."
        )
