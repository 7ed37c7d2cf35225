"""Scheduled jobs: what they tell of their runs, and the runs that did not happen.

Owns the rows of monitors and check-ins. A run that failed, was missed or took too long
is recorded as an event, in the same transaction; a monitor's row is locked before those
that an event locks. Knows nothing of pages.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from ..errors import Refused
from ..event import Event
from ..words import duration, rfc3339
from . import history
from .grouping import grouping_of
from .normalize import normalize_event
from .placing import Arrival
from .recording import Recorded, record_event
from .runs import Run
from .schedules import Schedule
from .schema import check_in, group, issue, monitor
from .statements import insert_of

MAX_MONITORS = 1000
#: So many runs of a job are kept.
MAX_RUNS = 500
#: A job whose clock runs fast is not missed a moment later.
EARLY_SECONDS = 15.0

#: What can be wrong with a run.
Problem = Literal["error", "missed", "timeout"]
PROBLEMS: tuple[Problem, ...] = ("error", "missed", "timeout")
RUNNING = "in_progress"

_WORDS: dict[Problem, str] = {
    "error": "{} failed",
    "missed": "{} did not run",
    "timeout": "{} takes too long",
}


def record_check_in(
    connection: Connection, run: Run, project_id: int, now: float, max_events: int
) -> Recorded:
    """Write what a job told of a run; of a run that is told twice, the rest.

    :raises Refused: the project has too many monitors.
    """
    job = _monitor_of(connection, run, project_id, now)
    known = _known(connection, job.id, run)
    check_in_id = run.check_in_id if known is None else known.check_in_id
    if known is not None and run.status in (known.status, RUNNING):
        return Recorded(check_in_id, None, is_duplicate=True)
    before = _last_outcome(connection, job.id)
    started_at = now - (run.duration_seconds or 0.0)
    if known is None:
        _insert_run(connection, job.id, run, started_at)
        _forget_old_runs(connection, job.id)
    else:
        took = now - known.started_at
        connection.execute(
            update(check_in)
            .where(check_in.c.id == known.id)
            .values(
                status=run.status,
                duration_seconds=took
                if run.duration_seconds is None
                else run.duration_seconds,
            )
        )
    if known is None or job.due_at is None:
        _expect_next(connection, job, started_at + EARLY_SECONDS, now)
    if run.status == "error":
        found = _report(connection, job, "error", run, now, max_events)
        return Recorded(check_in_id, found.issue_id, found.is_new, found.is_regression)
    if run.status == "ok" and before in PROBLEMS:
        _note_recovery(connection, job, now)
    return Recorded(check_in_id, None)


def report_overdue(connection: Connection, now: float, max_events: int) -> bool:
    """Record one run that did not begin, or not end, in time; False: there is none.

    One in a transaction, so that no two of them wait for each other.
    """
    job = connection.execute(
        select(monitor)
        .where(monitor.c.due_at <= now)
        .order_by(monitor.c.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if job is not None:
        _report_missed(connection, job, now, max_events)
        return True
    late = connection.execute(
        _too_long(now).limit(1).with_for_update(of=monitor, skip_locked=True)
    ).first()
    if late is not None:
        _report_timeout(connection, late, now, max_events)
    return late is not None


def is_any_overdue(connection: Connection, now: float) -> bool:
    """Tell whether :func:`report_overdue` has something to do, at little cost."""
    missed = select(monitor.c.id).where(monitor.c.due_at <= now).limit(1)
    if connection.execute(missed).first() is not None:
        return True
    return connection.execute(_too_long(now).limit(1)).first() is not None


def _too_long(now: float) -> Any:
    return (
        select(
            monitor,
            check_in.c.id.label("run_id"),
            check_in.c.check_in_id,
            check_in.c.started_at,
            check_in.c.environment,
        )
        .join(check_in, check_in.c.monitor_id == monitor.c.id)
        .where(
            # As the partial index has it.
            check_in.c.status == RUNNING,
            check_in.c.started_at <= now - monitor.c.max_runtime_seconds,
            monitor.c.max_runtime_seconds > 0,
        )
        .order_by(check_in.c.started_at)
    )


def _monitor_of(
    connection: Connection, run: Run, project_id: int, now: float
) -> Row[Any]:
    """The row of a run's monitor, which is made or changed as the run says, locked."""
    is_this = (monitor.c.project_id == project_id) & (monitor.c.slug == run.slug)
    if connection.scalar(select(monitor.c.id).where(is_this)) is None:
        query = select(func.count()).where(monitor.c.project_id == project_id)
        if (connection.scalar(query) or 0) >= MAX_MONITORS:
            raise Refused(
                f"the project has {MAX_MONITORS} monitors: no check-in can make more"
            )
    config = {} if run.expectation is None else run.expectation.columns()
    none: dict[str, Any] = {
        "schedule": "",
        "timezone": "UTC",
        "margin_seconds": 0.0,
        "max_runtime_seconds": 0.0,
    }
    return connection.execute(
        insert_of(connection)(monitor)
        .values(
            project_id=project_id,
            slug=run.slug,
            created_at=now,
            due_at=None,
            **{**none, **config},
        )
        .on_conflict_do_update(
            index_elements=["project_id", "slug"],
            set_={"slug": run.slug, **config},
        )
        .returning(*monitor.c)
    ).one()


def _known(connection: Connection, monitor_id: int, run: Run) -> Row[Any] | None:
    """The row of a run of which something is told already."""
    query = select(check_in).where(check_in.c.monitor_id == monitor_id)
    if run.is_latest:
        query = query.where(check_in.c.status == RUNNING).order_by(check_in.c.id.desc())
    else:
        query = query.where(check_in.c.check_in_id == run.check_in_id)
    return connection.execute(query.limit(1)).first()


def _last_outcome(connection: Connection, monitor_id: int) -> str | None:
    return connection.scalar(
        select(check_in.c.status)
        .where(check_in.c.monitor_id == monitor_id, check_in.c.status != RUNNING)
        .order_by(check_in.c.id.desc())
        .limit(1)
    )


def _insert_run(
    connection: Connection, monitor_id: int, run: Run, started_at: float
) -> None:
    connection.execute(
        insert(check_in).values(
            monitor_id=monitor_id,
            check_in_id=run.check_in_id,
            status=run.status,
            environment=run.environment,
            started_at=started_at,
            duration_seconds=run.duration_seconds,
        )
    )


def _forget_old_runs(connection: Connection, monitor_id: int) -> None:
    oldest = connection.scalar(
        select(check_in.c.id)
        .where(check_in.c.monitor_id == monitor_id)
        .order_by(check_in.c.id.desc())
        .offset(MAX_RUNS)
        .limit(1)
    )
    if oldest is not None:
        is_old = (check_in.c.monitor_id == monitor_id) & (check_in.c.id <= oldest)
        connection.execute(delete(check_in).where(is_old))


def _expect_next(
    connection: Connection, job: Row[Any], after: float, now: float
) -> None:
    """Write down when a monitor is late; ``after`` is when its last run began."""
    due_at = None
    if job.schedule:
        schedule = Schedule(job.schedule, job.timezone)
        due_at = schedule.next_after(after)
        # A run that took longer than it may wait for the next one.
        if due_at is not None and due_at <= now:
            due_at = schedule.next_after(now)
    connection.execute(
        update(monitor)
        .where(monitor.c.id == job.id)
        .values(due_at=None if due_at is None else due_at + job.margin_seconds)
    )


def _report_missed(
    connection: Connection, job: Row[Any], now: float, max_events: int
) -> None:
    expected_at = job.due_at - job.margin_seconds
    run = Run(
        slug=job.slug,
        check_in_id=_digest(job.id, f"{job.due_at!r}"),
        status="missed",
        environment="",
    )
    _insert_run(connection, job.id, run, expected_at)
    _forget_old_runs(connection, job.id)
    _expect_next(connection, job, now, now)
    facts = {"expected_at": rfc3339(expected_at)}
    _report(connection, job, "missed", run, now, max_events, facts)


def _report_timeout(
    connection: Connection, late: Row[Any], now: float, max_events: int
) -> None:
    connection.execute(
        update(check_in)
        .where(check_in.c.id == late.run_id)
        .values(status="timeout", duration_seconds=now - late.started_at)
    )
    run = Run(late.slug, late.check_in_id, "timeout", late.environment)
    facts = {
        "started_at": rfc3339(late.started_at),
        "max_runtime": duration(late.max_runtime_seconds),
    }
    _report(connection, late, "timeout", run, now, max_events, facts)


def _report(
    connection: Connection,
    job: Row[Any],
    problem: Problem,
    run: Run,
    now: float,
    max_events: int,
    facts: dict[str, Any] | None = None,
) -> Recorded:
    """Record what is wrong with a run as an event, in the store's usual way."""
    content = _event_of(job, problem, now)
    content["event_id"] = _digest(job.id, f"{run.check_in_id}:{problem}")
    content["contexts"]["monitor"] |= {"check_in_id": run.check_in_id, **(facts or {})}
    if run.environment:
        content["environment"] = run.environment
    if run.release:
        content["release"] = run.release
    return record_event(
        connection, Arrival.of(content, job.project_id, now), max_events
    )


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
        "fingerprint": ["monitor", job.slug, problem],
        "tags": {"monitor": job.slug},
        "contexts": {"monitor": {key: one for key, one in context.items() if one}},
    }
    return normalize_event(raw, now)


def _note_recovery(connection: Connection, job: Row[Any], now: float) -> None:
    """Note in the open issues of a monitor that it works again."""
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


def _digest(monitor_id: int, text: str) -> str:
    return hashlib.sha256(f"{monitor_id}:{text}".encode()).hexdigest()[:32]
