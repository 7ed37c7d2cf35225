"""The alerts that wait: who delivers which, when again, and when no more.

Whoever takes some has them for a while; if it dies, somebody else delivers them.
Knows nothing of how an alert is delivered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, case, delete, exists, func, or_, select, update

from ..database.schema import alert, issue, project
from ..store import Store
from .deciding import is_alone
from .messages import AlertedIssue
from .targets import Told

#: With more than so many waiting, they become one message.
MAX_SINGLE = 3
MAX_DIGEST = 1000
MAX_MESSAGES_PER_HOUR = 20
#: How long a process may take to deliver what it took.
CLAIM_SECONDS = 300.0
FIRST_PAUSE_SECONDS = 30.0
MAX_PAUSE_SECONDS = 3600.0
MAX_ATTEMPTS = 6
#: What was sent is kept so long, for the page and for the cool-down.
KEEP_SECONDS = 30 * 86400.0

_HOUR_SECONDS = 3600.0


@dataclass(frozen=True)
class Batch:
    """Alerts that go out as one message; ``told`` names who has it already."""

    ids: tuple[int, ...]
    issues: tuple[AlertedIssue, ...]
    told: frozenset[str]
    attempts: int


@dataclass(frozen=True)
class Outcome:
    """How a delivery went: who took it now, and why others did not."""

    batch: Batch
    told: tuple[str, ...]
    problems: tuple[str, ...]

    @classmethod
    def of(cls, batch: Batch, answers: Iterable[Told]) -> Outcome:
        """Return it from what the targets answered."""
        answers = tuple(answers)
        return cls(
            batch,
            tuple(one.name for one in answers if not one.problem),
            tuple(f"{one.name}: {one.problem}" for one in answers if one.problem),
        )


def pause_seconds(attempts: int) -> float:
    """Return how long to wait after so many failures, before the next attempt."""
    return float(min(FIRST_PAUSE_SECONDS * 4 ** (attempts - 1), MAX_PAUSE_SECONDS))


def claim(
    store: Store,
    dashboard_url: str = "",
    max_messages_per_hour: int = MAX_MESSAGES_PER_HOUR,
) -> Batch | None:
    """Take what is to be delivered now; None if there is nothing.

    :param dashboard_url: where the dashboard is; empty: nobody said.
    :raises StoreError: if the database cannot be used now.
    """
    now = store.now()
    with store.reading() as connection:
        if connection.scalar(_due(now, 1).with_only_columns(alert.c.id)) is None:
            return None
    return store.write(
        lambda connection: _claim(connection, dashboard_url, max_messages_per_hour, now)
    )


def finish(store: Store, outcome: Outcome) -> None:
    """Write down how the delivery of a batch went; without problems it is sent.

    :raises StoreError: if the database cannot be used now.
    """
    now, batch = store.now(), outcome.batch
    changes: dict[str, Any] = {
        "told": "\n".join(sorted(batch.told.union(outcome.told))),
        "problem": "; ".join(outcome.problems),
    }
    if outcome.told:
        changes["sent_at"] = now
    if outcome.problems:
        is_over = alert.c.attempts >= MAX_ATTEMPTS
        changes["status"] = case((is_over, "failed"), else_="pending")
        changes["next_try_at"] = now + pause_seconds(batch.attempts)
    else:
        changes["status"] = "sent"
    of_batch = alert.c.id.in_(batch.ids)
    store.write(
        lambda connection: connection.execute(
            update(alert).where(of_batch).values(changes)
        )
    )


def try_again(store: Store) -> int:
    """Have all that failed tried again now; return how many there are.

    :raises StoreError: if the database cannot be used now.
    """
    failed = update(alert).where(alert.c.status != "sent", alert.c.problem != "")
    again = failed.values(status="pending", attempts=0, next_try_at=store.now())
    return store.write(lambda connection: connection.execute(again).rowcount)


def forget_old(store: Store) -> None:
    """Delete what was told long ago.

    :raises StoreError: if the database cannot be used now.
    """
    oldest = store.now() - KEEP_SECONDS
    is_old = (alert.c.created_at < oldest) & (alert.c.status != "pending")
    store.write(lambda connection: connection.execute(delete(alert).where(is_old)))


def _due(now: float, limit: int) -> Any:
    # No pause is so long: the clock was set back.
    is_due = or_(
        alert.c.next_try_at <= now, alert.c.next_try_at > now + MAX_PAUSE_SECONDS
    )
    return (
        select(alert)
        .where(alert.c.status == "pending", is_due)
        .order_by(alert.c.id)
        .limit(limit)
    )


def _claim(
    connection: Connection, dashboard_url: str, max_messages: int, now: float
) -> Batch | None:
    if not is_alone(connection):
        return None
    _drop_finished(connection)
    rows = connection.execute(_due(now, MAX_DIGEST)).all()
    if not rows:
        return None
    if (free_at := _free_at(connection, max_messages, now)) > now:
        postponed = [row.id for row in rows]
        connection.execute(
            update(alert).where(alert.c.id.in_(postponed)).values(next_try_at=free_at)
        )
        return None
    # Who has been told of some would be told again in a message with others.
    rows = [row for row in rows if row.told == rows[0].told]
    rows = rows if len(rows) > MAX_SINGLE else rows[:1]
    ids = tuple(row.id for row in rows)
    connection.execute(
        update(alert)
        .where(alert.c.id.in_(ids))
        .values(attempts=alert.c.attempts + 1, next_try_at=now + CLAIM_SECONDS)
    )
    return Batch(
        ids,
        _issues(connection, ids, dashboard_url),
        frozenset(rows[0].told.splitlines()),
        max(row.attempts for row in rows) + 1,
    )


def _drop_finished(connection: Connection) -> None:
    """Forget what waits about issues that were muted or resolved meanwhile."""
    is_open = exists().where(
        issue.c.id == alert.c.issue_id, issue.c.status == "unresolved"
    )
    connection.execute(delete(alert).where(alert.c.status == "pending", ~is_open))


def _free_at(connection: Connection, max_messages: int, now: float) -> float:
    """When the next message may go: not before the hour has room for it."""
    # All alerts of a message have one time.
    sent = (
        select(alert.c.sent_at)
        .where(alert.c.sent_at > now - _HOUR_SECONDS, alert.c.sent_at <= now)
        .distinct()
        .order_by(alert.c.sent_at.desc())
        .offset(max_messages - 1)
        .limit(1)
    )
    oldest = connection.scalar(sent)
    return now if oldest is None else float(oldest) + _HOUR_SECONDS


def _issues(
    connection: Connection, ids: Collection[int], dashboard_url: str
) -> tuple[AlertedIssue, ...]:
    query = (
        select(alert.c.rule, issue, project.c.name)
        .join(issue, issue.c.id == alert.c.issue_id)
        .join(project, project.c.id == issue.c.project_id)
        .where(alert.c.id.in_(ids))
        .order_by(alert.c.id)
    )
    return tuple(
        AlertedIssue(
            rule=row.rule,
            issue_id=row.id,
            title=row.title,
            place=row.culprit,
            level=row.level,
            project=row.name,
            environment=row.environment,
            release=row.release,
            events=row.event_count,
            users=row.user_count,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            url=f"{dashboard_url}/issues/{row.id}" if dashboard_url else "",
        )
        for row in connection.execute(query)
    )


def count_pending(store: Store) -> int:
    """Return how many alerts wait.

    :raises StoreError: if the database cannot be used now.
    """
    query = select(func.count()).where(alert.c.status == "pending")
    with store.reading() as connection:
        return connection.scalar(query) or 0
