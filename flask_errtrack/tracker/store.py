"""The tracker's store: the one door in for what comes, and what people change.

Owns what a caller sees: items in, :class:`Recorded` out, faults as errors that
say how to mend them. How an event is written stands in ``recording``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal

from sqlalchemy import Connection, func, select, update

from ..envelope import Item
from ..errors import EnvelopeError, Refused
from ..user_reports import report_of
from . import retention
from .engine import Database
from .normalize import normalize_event, normalize_report
from .placing import Arrival
from .recording import Recorded, record_event, record_report
from .schema import issue, release

Status = Literal["unresolved", "resolved", "muted"]

#: A process looks so often for events that are too old.
PRUNE_INTERVAL_SECONDS = 3600


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

    def record(self, item: Item, project_id: int = 1) -> Recorded | None:
        """Store an event or what a person wrote; None for an item of another type.

        The same event may come again: it is counted once.

        :raises StoreError: if the database cannot be used now.
        :raises Refused: if the payload can never be stored.
        """
        if item.type == "event":
            return self._record_event(_object_of(item), project_id)
        if item.type == "user_report":
            return self._record_report(_object_of(item), project_id)
        if item.type == "feedback":
            return self._record_report(report_of(_object_of(item)), project_id)
        return None

    def set_status(self, issue_id: int, status: Status) -> bool:
        """Resolve, mute or reopen an issue; False if there is no such issue.

        :raises StoreError: if the database cannot be used now.
        """
        newest = select(func.max(release.c.id)).where(
            release.c.project_id == issue.c.project_id
        )
        statement = (
            update(issue)
            .where(issue.c.id == issue_id)
            .values(
                status=status,
                is_regressed=False,
                status_changed_at=self._now(),
                # What ran before it may go on running somewhere.
                reopens_from=newest.scalar_subquery(),
            )
        )
        found = self._database.write(lambda connection: connection.execute(statement))
        return found.rowcount > 0

    def prune(self) -> int:
        """Delete the events that are too old, and return how many.

        Issues and their counters stay.

        :raises StoreError: if the database cannot be used now.
        """
        self._pruned_at = self._now()
        oldest = self._pruned_at - self._retention_days * 86400
        total = 0
        while True:
            # A transaction each, so that others get their turn between.
            count = self._database.write(
                lambda connection: retention.delete_some(connection, oldest)
            )
            total += count
            if count < retention.BATCH_SIZE:
                return total

    def reading(self) -> AbstractContextManager[Connection]:
        """Yield a connection for reads, each of which stands alone.

        :raises StoreError: if the database cannot be used now.
        """
        return self._database.reading()

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

    def _record_event(self, raw: dict[str, object], project_id: int) -> Recorded:
        received_at = self._now()
        self._prune_sometimes()
        # All that needs no database is done before other writers have to wait.
        content = normalize_event(raw, received_at)
        arrival = Arrival.of(content, project_id, received_at)
        limit = self._max_events_per_issue
        return self._database.write(
            lambda connection: record_event(connection, arrival, limit)
        )

    def _record_report(self, raw: dict[str, object], project_id: int) -> Recorded:
        received_at = self._now()
        report = normalize_report(raw)
        if report is None:
            raise Refused(
                f"a user report has the event_id {raw.get('event_id')!r:.60}; "
                "expected 32 hex digits"
            )
        return self._database.write(
            lambda connection: record_report(
                connection, report, project_id, received_at
            )
        )

    def _prune_sometimes(self) -> None:
        if self._now() - self._pruned_at > PRUNE_INTERVAL_SECONDS:
            self.prune()


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
