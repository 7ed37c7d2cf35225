"""The thread that tells: decides what is due, delivers it, and looks after monitors.

One a process, begun when there is something to do; a fork begins its own. Nobody waits
for it: whoever records an event only wakes it.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from ...errors import StoreError, guard, own_work
from ...runtime.process import OfProcess
from ...settings.alert_rules import Rule
from ..store import Store
from . import queue
from .deciding import BATCH_SIZE, decide
from .messages import alert_of
from .targets import Target, Teller

#: So often it looks at what other processes have written.
TICK_SECONDS = 5.0
#: What comes within this time goes out together.
GATHER_SECONDS = 1.0
#: So often events are counted, for the rules with numbers.
LOOK_BACK_SECONDS = 10.0
#: Check-ins that waited for a tracker that was down have this time to come in.
SETTLE_SECONDS = 60.0
#: A tracker that did not look for so long was down, or its database was.
AWAY_SECONDS = 60.0
FORGET_SECONDS = 3600.0
CLOSE_SECONDS = 2.0


class Watchman:
    """Tells the targets what the rules want told.

    :param targets: who is to be told; none: what happens is not told, and not later.
    :param dashboard_url: where the dashboard is; empty: alerts have no link.
    :param settle_seconds: for so long after a time away no monitor is missed.
    """

    def __init__(
        self,
        store: Store,
        targets: Sequence[Target] = (),
        rules: Sequence[Rule] = (),
        dashboard_url: str = "",
        *,
        settle_seconds: float = SETTLE_SECONDS,
        max_messages_per_hour: int = queue.MAX_MESSAGES_PER_HOUR,
    ) -> None:
        self.store = store
        self.teller = Teller(targets)
        self.rules = tuple(rules) if self.teller.targets else ()
        self.dashboard_url = dashboard_url.rstrip("/")
        self._settle_seconds = settle_seconds
        self._max_messages_per_hour = max_messages_per_hour
        self._began_at = self._ended_at = float("-inf")
        self._looked_back_at = self._forgot_at = float("-inf")
        self._told: list[queue.Outcome] = []
        self._thread = OfProcess(lambda: _Thread(self.round))

    def wake(self) -> None:
        """Have a look soon, in the background."""
        self._thread.get().wake()

    def close(self) -> None:
        """End the thread of this process; what is not told yet, others tell."""
        if (thread := self._thread.known()) is not None:
            thread.close()

    def round(self) -> None:
        """Do what is to do now.

        :raises StoreError: if the database cannot be used now.
        """
        now = self.store.now()
        if _is_over(now, self._ended_at, AWAY_SECONDS):
            self._began_at = now
        if now - self._began_at >= self._settle_seconds:
            self.store.report_overdue()
        looks_back = _is_over(now, self._looked_back_at, LOOK_BACK_SECONDS)
        while decide(self.store, self.rules, looks_back) >= BATCH_SIZE:
            looks_back = False
        if looks_back:
            self._looked_back_at = now
        self._write_down()
        while self.teller.targets and self._tell_next():
            self._write_down()
        if _is_over(now, self._forgot_at, FORGET_SECONDS):
            queue.forget_old(self.store)
            self._forgot_at = now
        self._ended_at = self.store.now()

    def _tell_next(self) -> bool:
        """Deliver one message, if one is due."""
        batch = queue.claim(self.store, self.dashboard_url, self._max_messages_per_hour)
        if batch is None:
            return False
        answers = self.teller.tell(alert_of(batch.issues), besides=batch.told)
        self._told.append(queue.Outcome.of(batch, answers))
        return True

    def _write_down(self) -> None:
        """Write down who was told; what cannot be written is not forgotten."""
        while self._told:
            queue.finish(self.store, self._told[0])
            del self._told[0]


def _is_over(now: float, since: float, seconds: float) -> bool:
    """Tell whether a time has passed; of a clock that was set back it is unknown."""
    return not 0 <= now - since < seconds


class _Thread:
    """The thread of one process; it does its work again whenever it is woken."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._changed = threading.Condition()
        self._is_wanted = False
        self._is_closing = False
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        with self._changed:
            self._is_wanted = True
            self._is_closing = False
            self._changed.notify_all()
            if self._thread is not None and self._thread.is_alive():
                return
            thread = threading.Thread(
                target=self._run, name="flask-errtrack-alerts", daemon=True
            )
            # At its end a process starts no thread: others do what is left.
            with suppress(RuntimeError):
                thread.start()
                self._thread = thread
                atexit.register(self.close)

    def close(self) -> None:
        """Let it do what it was woken for, in time, and end it."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(CLOSE_SECONDS)
        atexit.unregister(self.close)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closing, GATHER_SECONDS)
                self._is_wanted = False
            # That the database does not work, delivery tells.
            with guard("looking after alerts"), own_work(), suppress(StoreError):
                self._work()
            with self._changed:
                if self._is_closing and not self._is_wanted:
                    self._thread = None
                    return
                self._changed.wait_for(
                    lambda: self._is_closing or self._is_wanted, TICK_SECONDS
                )
