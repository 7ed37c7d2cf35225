"""The tracker's store: the one door in for what comes.

Owns what a caller sees: items in, :class:`Recorded` out, faults as errors that
say how to mend them. How an event is written stands in ``recording``.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar, cast

from sqlalchemy import Connection

from ..errors import EnvelopeError, Refused
from ..event import Event, UserReport
from ..protocol.envelope import Item
from ..protocol.user_reports import report_of
from .database.engine import Database
from .events.normalize import normalize_event, normalize_report
from .monitoring import check_ins
from .monitoring.runs import Run, without_secrets
from .storing import retention
from .storing.placing import Arrival
from .storing.recording import Recorded, record_event, record_report

T = TypeVar("T")
MakeSafe = Callable[[Event], Event]

#: A process looks so often for events that are too old.
PRUNE_INTERVAL_SECONDS = 3600
#: The types of items that are stored.
RECORDED = ("event", "user_report", "feedback", "check_in")


class Store:
    """The embedded tracker's data. Making this object opens nothing.

    :param database_url: ``sqlite:///path`` or ``postgresql://…``.
    :param max_events_per_issue: how many events of an issue are kept, about.
    :param retention_days: how long any event is kept.
    :param now: seconds since 1970.
    :param busy_timeout_seconds: how long to wait for another writer.
    :raises ConfigError: if the URL cannot be used.
    """

    def __init__(
        self,
        database_url: str,
        *,
        max_events_per_issue: int = 200,
        retention_days: int = 90,
        now: Callable[[], float] = time.time,
        busy_timeout_seconds: float = 5.0,
    ) -> None:
        self._database = Database(database_url, busy_timeout_seconds)
        self._max_events_per_issue = max_events_per_issue
        self._retention_days = retention_days
        self._now = now
        self._pruned_at = float("-inf")
        #: Called after something was stored; must not wait, nor raise.
        self.on_recorded: Callable[[], None] = lambda: None

    def record(
        self,
        item: Item,
        project_id: int = 1,
        make_safe: MakeSafe = lambda event: event,
        event_id: str | None = None,
        sent_at: object = None,
    ) -> Recorded | None:
        """Store an event, what a person wrote, or a check-in; None for other types.

        The same event may come again: it is counted once.

        :param make_safe: takes secrets out of what a stranger sent.
        :param event_id: that of its envelope, if it is that of the item, too.
        :param sent_at: when its envelope was sent, by the sender's clock.
        :raises StoreError: if the database cannot be used now.
        :raises Refused: if the payload can never be stored.
        """
        recorded = self._record(item, project_id, make_safe, event_id, sent_at)
        if recorded is not None:
            self.on_recorded()
        return recorded

    def report_overdue(self) -> None:
        """Record the runs of monitors that did not begin, or do not end, in time.

        :raises StoreError: if the database cannot be used now.
        """
        now, limit = self._now(), self._max_events_per_issue
        with self._database.reading() as connection:
            is_any = check_ins.is_any_overdue(connection, now)
        while is_any:
            is_any = self._database.write(
                lambda connection: check_ins.report_overdue(connection, now, limit)
            )

    def count_old(self) -> int:
        """Return how many events are too old.

        :raises StoreError: if the database cannot be used now.
        """
        with self._database.reading() as connection:
            return retention.count_old(connection, self._oldest())

    def prune(self, on_progress: Callable[[int], None] = lambda count: None) -> int:
        """Delete the events that are too old, and return how many.

        Issues and their counters stay.

        :param on_progress: is told of each batch how many went.
        :raises StoreError: if the database cannot be used now.
        """
        total = 0
        while True:
            count = self._prune_some()
            total += count
            on_progress(count)
            if count < retention.BATCH_SIZE:
                return total

    def reading(self) -> AbstractContextManager[Connection]:
        """Yield a connection for reads, each of which stands alone.

        :raises StoreError: if the database cannot be used now.
        """
        return self._database.reading()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one write transaction, again if the database asks for it.

        :raises StoreError: if the database cannot be used now.
        """
        return self._database.write(work)

    def now(self) -> float:
        """Return the time, in seconds since 1970."""
        return self._now()

    def upgrade(self) -> None:
        """Bring the database's tables up to date.

        :raises StoreError: if the database cannot be used now.
        """
        self._database.upgrade()

    def check(self) -> None:
        """Look whether the database can be written now.

        :raises StoreError: says what is wrong and how to mend it.
        """
        self._database.check()

    def close(self) -> None:
        """Close this process's connections; the next use opens new ones."""
        self._database.close()

    def _oldest(self) -> float:
        return self._now() - self._retention_days * 86400

    def _record(
        self,
        item: Item,
        project_id: int,
        make_safe: MakeSafe,
        event_id: str | None,
        sent_at: object,
    ) -> Recorded | None:
        if item.type not in RECORDED:
            return None
        raw = _object_of(item)
        if event_id is not None:
            raw["event_id"] = event_id
        if item.type == "check_in":
            return self._record_check_in(raw, project_id, make_safe)
        if item.type == "event":
            return self._record_event(raw, project_id, make_safe, sent_at)
        if item.type == "feedback":
            # Feedback about nothing is kept as well, under an id of its own.
            raw.setdefault("event_id", uuid.uuid4().hex)
            raw = report_of(raw)
        return self._record_report(raw, project_id, make_safe)

    def _record_event(
        self,
        raw: dict[str, object],
        project_id: int,
        make_safe: MakeSafe,
        sent_at: object,
    ) -> Recorded:
        received_at = self._now()
        self._prune_sometimes()
        # All that needs no database is done before other writers have to wait.
        content = make_safe(normalize_event(raw, received_at, sent_at))
        arrival = Arrival.of(content, project_id, received_at)
        limit = self._max_events_per_issue
        return self._database.write(
            lambda connection: record_event(connection, arrival, limit)
        )

    def _record_report(
        self, raw: dict[str, object], project_id: int, make_safe: MakeSafe
    ) -> Recorded:
        received_at = self._now()
        report = normalize_report(raw)
        if report is None:
            raise Refused(
                f"a user report has the event_id {raw.get('event_id')!r:.60}; "
                "expected 32 hex digits"
            )
        safe = cast("UserReport", make_safe(cast("Event", report)))
        return self._database.write(
            lambda connection: record_report(connection, safe, project_id, received_at)
        )

    def _record_check_in(
        self, raw: dict[str, object], project_id: int, make_safe: MakeSafe
    ) -> Recorded:
        run = Run.of(without_secrets(raw, make_safe))
        now, limit = self._now(), self._max_events_per_issue
        return self._database.write(
            lambda connection: check_ins.record_check_in(
                connection, run, project_id, now, limit
            )
        )

    def _prune_sometimes(self) -> None:
        """Delete a batch now and then: no event waits until all that is old is gone."""
        now = self._now()
        if now - self._pruned_at > PRUNE_INTERVAL_SECONDS:
            self._pruned_at = now
            if self._prune_some() == retention.BATCH_SIZE:
                self._pruned_at = float("-inf")

    def _prune_some(self) -> int:
        # A transaction each, so that others get their turn between.
        oldest = self._oldest()
        return self._database.write(
            lambda connection: retention.delete_old(connection, oldest)
        )


def _object_of(item: Item) -> dict[str, object]:
    try:
        raw = item.json()
    except EnvelopeError as error:
        raise Refused(str(error)) from error
    if not isinstance(raw, dict):
        raise Refused(
            f"the payload of an item of type {item.type!r} is a "
            f"{type(raw).__name__}; expected a JSON object"
        )
    return raw
