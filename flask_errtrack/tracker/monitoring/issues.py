"""The issues of monitors: what is wrong with a run as an event, and that it is over.

All that is written is written in the caller's transaction. Knows nothing of when a run
is due.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from sqlalchemy import Connection, Row, or_, select

from ...event import Event
from ..database.schema import check_in, group, issue
from ..events.grouping import grouping_of
from ..events.normalize import normalize_event
from ..storing import history
from ..storing.placing import Arrival
from ..storing.recording import Recorded, record_event
from .runs import Run

#: What can be wrong with a run.
Problem = Literal["error", "missed", "timeout"]
PROBLEMS: tuple[Problem, ...] = ("error", "missed", "timeout")
RUNNING = "in_progress"

_WORDS: dict[Problem, str] = {
    "error": "{} failed",
    "missed": "{} did not run",
    "timeout": "{} takes too long",
}


def outcomes(connection: Connection, monitor_id: int, limit: int) -> list[str]:
    """Return how the last runs of a job ended, the newest first."""
    query = (
        select(check_in.c.status)
        .where(check_in.c.monitor_id == monitor_id, check_in.c.status != RUNNING)
        .order_by(check_in.c.id.desc())
        .limit(limit)
    )
    return list(connection.scalars(query))


def report(
    connection: Connection,
    job: Row[Any],
    problem: Problem,
    run: Run,
    now: float,
    max_events: int,
    facts: dict[str, Any] | None = None,
) -> Recorded:
    """Record what is wrong with a run, which is written already, as an event.

    Of a job that is muted, or has not failed often enough, nothing is recorded.
    """
    last = outcomes(connection, job.id, job.failure_threshold)
    fails = len(last) == job.failure_threshold and set(last) <= set(PROBLEMS)
    if job.is_muted or not fails:
        return Recorded(run.check_in_id, None)
    content = _event_of(job, problem, now)
    content["event_id"] = digest(job.id, f"{run.check_in_id}:{problem}")
    content["contexts"]["monitor"] |= {"check_in_id": run.check_in_id, **(facts or {})}
    if run.release:
        content["release"] = run.release
    return record_event(
        connection, Arrival.of(content, job.project_id, now), max_events
    )


def note_recovery(
    connection: Connection, job: Row[Any], before: list[str], now: float
) -> None:
    """Note in the open issues of a monitor that it works again, if that is news.

    :param before: how its runs ended before this good one, the newest first.
    """
    is_news = len(before) == job.recovery_threshold and before[-1] in PROBLEMS
    if not is_news or set(before[:-1]) - {"ok"}:
        return
    hashes = [grouping_of(_event_of(job, one, now)).hash for one in PROBLEMS]
    ids = connection.scalars(
        select(issue.c.id)
        .join(group, group.c.issue_id == issue.c.id)
        .where(
            group.c.project_id == job.project_id,
            group.c.hash.in_(hashes),
            or_(issue.c.status == "unresolved", issue.c.status == "muted"),
        )
        .distinct()
        .order_by(issue.c.id)
    ).all()
    for issue_id in ids:
        history.note(connection, issue_id, now, "recovered", job.slug)


def digest(monitor_id: int, text: str) -> str:
    """Return an id for something of a monitor, the same whenever it is asked for."""
    return hashlib.sha256(f"{monitor_id}:{text}".encode()).hexdigest()[:32]


def _event_of(job: Row[Any], problem: Problem, now: float) -> Event:
    context = {
        "slug": job.slug,
        "status": problem,
        "schedule": job.schedule,
        "timezone": job.timezone,
    }
    raw = {
        "level": "error",
        "logger": "errtrack.monitors",
        "logentry": {"message": _WORDS[problem].format(job.slug)},
        "transaction": job.slug,
        "environment": job.environment or None,
        "fingerprint": ["monitor", job.slug, job.environment, problem],
        "tags": {"monitor": job.slug},
        "contexts": {"monitor": {key: one for key, one in context.items() if one}},
    }
    return normalize_event(raw, now)
