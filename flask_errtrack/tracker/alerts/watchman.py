"""The thread that tells: decides what is due, delivers it, and looks after monitors.

One a process, begun when there is something to do; a fork begins its own. Nobody waits
for it: whoever records an event only wakes it.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from ...alert_rules import Rule
from ...errors import StoreError, guard, own_work
from ...process import OfProcess
from ..store import Store
from . import queue
from .deciding import BATCH_SIZE, decide
from .messages import alert_of
from .targets import Target, tell

#: So often it looks at what other processes have written.
TICK_SECONDS = 5.0
#: What comes within this time goes out together.
GATHER_SECONDS = 1.0
#: So often events are counted, for the rules with numbers.
LOOK_BACK_SECONDS = 10.0
#: Check-ins that waited for a tracker that was down have this time to come in.
SETTLE_SECONDS = 60.0
FORGET_SECONDS = 3600.0
CLOSE_SECONDS = 2.0


class Watchman:
    """Tells the targets what the rules want told.

    :param targets: who is to be told; none: what happens is not told, and not later.
    :param dashboard_url: where the dashboard is; empty: alerts have no link.
    :param settle_seconds: for so long after its first look no monitor is missed.
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
        self.targets = tuple(targets)
        self.rules = tuple(rules) if self.targets else ()
        self.dashboard_url = dashboard_url.rstrip("/")
        self._settle_seconds = settle_seconds
        self._max_messages_per_hour = max_messages_per_hour
        self._began_at: float | None = None
        self._looked_back_at = self._forgot_at = float("-inf")
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
        if self._began_at is None:
            self._began_at = now
        if now - self._began_at >= self._settle_seconds:
            self.store.report_overdue()
        looks_back = now - self._looked_back_at >= LOOK_BACK_SECONDS
        if looks_back:
            self._looked_back_at = now
        while decide(self.store, self.rules, looks_back) >= BATCH_SIZE:
            looks_back = False
        while self.targets and self._tell_next():
            pass
        if now - self._forgot_at >= FORGET_SECONDS:
            self._forgot_at = now
            queue.forget_old(self.store)

    def _tell_next(self) -> bool:
        """Deliver one message, if one is due."""
        batch = queue.claim(self.store, self.dashboard_url, self._max_messages_per_hour)
        if batch is None:
            return False
        if not batch.issues:
            return True
        left = [one for one in self.targets if one.name not in batch.told]
        answers = tell(left, alert_of(batch.issues))
        told = [one.name for one in answers if not one.problem]
        problems = [f"{one.name}: {one.problem}" for one in answers if one.problem]
        queue.finish(self.store, batch, told, problems)
        return True


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
