"""How the tracker itself is: its size, what it holds, and what went wrong.

Owns the numbers of the status page and of ``/health``. Cheap enough to be asked
often: what grows with the events is counted at most once a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, text

from ..words import rfc3339
from . import tally
from .database import schema
from .database.migrations import VERSION_TABLE
from .store import Store
from .storing.counting import hour_of

#: What was refused or lost is summed up over so many hours.
TALLY_HOURS = 7 * 24
# Counting what is kept reads an index from end to end.
_COUNT_AGAIN_SECONDS = 60.0

_SQLITE_SIZE = text(
    "SELECT sqlite_version() AS version, "
    "page_count * page_size AS size_bytes, freelist_count * page_size AS free_bytes "
    "FROM pragma_page_count, pragma_page_size, pragma_freelist_count"
)
_POSTGRESQL_SIZE = text(
    "SELECT current_setting('server_version') AS version, "
    "coalesce(sum(pg_total_relation_size(to_regclass(name))), 0)::bigint "
    "AS size_bytes, 0 AS free_bytes FROM unnest(CAST(:names AS text[])) AS name"
)


@dataclass(frozen=True)
class Status:
    """How the tracker is. Times are seconds since 1970, None where there is none.

    :param free_bytes: room inside the database's file that events may take.
    :param events_counted: of all time, in the issues that there are.
    :param events_kept: those with everything in them; at most a minute old.
    :param tallies: of the last :data:`TALLY_HOURS`.
    """

    database: str
    schema_version: str
    size_bytes: int
    free_bytes: int
    issues: int
    events_counted: int
    events_kept: int
    oldest_event_at: float | None
    newest_event_at: float | None
    tallies: tuple[tally.Sum, ...]
    alerts_waiting: int
    alerts_failed: int
    alert_problem: str

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it; times are RFC 3339 UTC."""
        by_kind: dict[str, dict[str, int]] = {}
        for one in self.tallies:
            by_kind.setdefault(one.kind, {})[one.reason] = one.quantity
        return {
            "database": self.database,
            "schema_version": self.schema_version,
            "size_bytes": self.size_bytes,
            "free_bytes": self.free_bytes,
            "issues": self.issues,
            "events_counted": self.events_counted,
            "events_kept": self.events_kept,
            "oldest_event": _time(self.oldest_event_at),
            "newest_event": _time(self.newest_event_at),
            "last_week": by_kind,
            "alerts_waiting": self.alerts_waiting,
            "alerts_failed": self.alerts_failed,
            "alert_problem": self.alert_problem or None,
        }


class Watch:
    """Looks how a tracker is, whenever it is asked.

    :param clock: in seconds.
    """

    def __init__(
        self, store: Store, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._clock = clock
        self._counted_at = float("-inf")
        self._kept = 0

    def describe(self) -> dict[str, Any]:
        """Return how it is, as JSON has it.

        :raises StoreError: if the database cannot be used now.
        """
        return self.look().as_json()

    def look(self) -> Status:
        """Return how it is.

        :raises StoreError: if the database cannot be used now.
        """
        since = hour_of(self._store.now()) - TALLY_HOURS + 1
        with self._store.reading() as connection:
            size = size_of(connection)
            return Status(
                database=size.database,
                schema_version=_schema_version(connection),
                size_bytes=size.size_bytes,
                free_bytes=size.free_bytes,
                events_kept=self._events_kept(connection),
                tallies=tuple(tally.sums(connection, since)),
                **_issues(connection),
                **_ages(connection),
                **_alerts(connection),
            )

    def _events_kept(self, connection: Connection) -> int:
        if self._clock() - self._counted_at > _COUNT_AGAIN_SECONDS:
            is_kept = schema.event.c.payload.is_not(None)
            query = select(func.count()).select_from(schema.event).where(is_kept)
            self._kept = connection.scalar(query) or 0
            self._counted_at = self._clock()
        return self._kept


@dataclass(frozen=True)
class Size:
    """Which database it is, how large, and how much of that is free."""

    database: str
    size_bytes: int
    free_bytes: int


def size_of(connection: Connection) -> Size:
    """Return how large the tracker's tables are, with their indexes."""
    if connection.dialect.name == "sqlite":
        name, found = "SQLite", connection.execute(_SQLITE_SIZE).one()
    else:
        names = [table.name for table in schema.metadata.sorted_tables]
        name = "PostgreSQL"
        found = connection.execute(_POSTGRESQL_SIZE, {"names": names}).one()
    return Size(f"{name} {found.version}", int(found.size_bytes), int(found.free_bytes))


def shrink_file(store: Store) -> None:
    """Give the free room inside an SQLite file back to the disk.

    Writers wait meanwhile; the file is needed twice. PostgreSQL does it by itself.

    :raises StoreError: if the database cannot be used now.
    """
    with store.reading() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("VACUUM"))
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))


def _schema_version(connection: Connection) -> str:
    query = text(f"SELECT version_num FROM {VERSION_TABLE}")
    return str(connection.scalar(query) or "")


def _issues(connection: Connection) -> dict[str, Any]:
    counts = schema.issue.c.event_count
    events = func.coalesce(func.sum(counts), 0)
    found = connection.execute(select(func.count(schema.issue.c.id), events)).one()
    return {"issues": int(found[0]), "events_counted": int(found[1])}


def _ages(connection: Connection) -> dict[str, Any]:
    received_at = schema.event.c.received_at
    # Two look-ups in an index each: asked for at once, they would be one long scan.
    oldest = select(func.min(received_at)).scalar_subquery()
    newest = select(func.max(received_at)).scalar_subquery()
    found = connection.execute(select(oldest, newest)).one()
    return {"oldest_event_at": found[0], "newest_event_at": found[1]}


def _alerts(connection: Connection) -> dict[str, Any]:
    alert = schema.alert.c
    query = select(alert.status, func.count().label("alerts")).where(
        alert.status.in_(("pending", "failed"))
    )
    counts = {
        row.status: row.alerts for row in connection.execute(query.group_by("status"))
    }
    problem = select(alert.problem).where(
        alert.status.in_(("pending", "failed")), alert.problem != ""
    )
    newest = problem.order_by(alert.id.desc()).limit(1)
    return {
        "alerts_waiting": counts.get("pending", 0),
        "alerts_failed": counts.get("failed", 0),
        "alert_problem": connection.scalar(newest) or "",
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
