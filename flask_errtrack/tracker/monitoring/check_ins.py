"""Scheduled jobs: what they tell of their runs, and the runs that did not happen.

Owns the rows of monitors and check-ins. A run that failed, was missed or took too long
becomes an issue in the same transaction; a monitor's row is locked before those that an
event locks. Knows nothing of pages.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from ...errors import Refused
from ...protocol.schedules import Schedule
from ...words import duration, rfc3339
from ..database.schema import check_in, monitor
from ..database.statements import insert_of
from ..storing.recording import Recorded
from .issues import RUNNING, digest, note_recovery, outcomes, report
from .runs import Run

MAX_MONITORS = 1000
#: So many runs of a job are kept.
MAX_RUNS = 500
#: A job whose clock runs fast is not missed a moment later.
EARLY_SECONDS = 15.0


def record_check_in(
    connection: Connection, run: Run, project_id: int, now: float, max_events: int
) -> Recorded:
    """Write what a job told of a run; of a run that is told twice, the rest.

    :raises Refused: the project has too many monitors.
    """
    run = _where_it_began(connection, run, project_id)
    job = _monitor_of(connection, run, project_id, now)
    known = _known(connection, job.id, run)
    check_in_id = run.check_in_id if known is None else known.check_in_id
    if known is not None and run.status in (known.status, RUNNING):
        return Recorded(check_in_id, None, is_duplicate=True)
    before = outcomes(connection, job.id, job.recovery_threshold)
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
        found = report(connection, job, "error", run, now, max_events)
        return Recorded(check_in_id, found.issue_id, found.is_new, found.is_regression)
    if run.status == "ok":
        note_recovery(connection, job, before, now)
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


def _where_it_began(connection: Connection, run: Run, project_id: int) -> Run:
    """A run ends in the environment in which it began, whatever its end says."""
    environment = connection.scalar(
        select(monitor.c.environment)
        .join(check_in, check_in.c.monitor_id == monitor.c.id)
        .where(
            monitor.c.project_id == project_id,
            monitor.c.slug == run.slug,
            check_in.c.check_in_id == run.check_in_id,
        )
        .limit(1)
    )
    return run if environment is None else replace(run, environment=environment)


def _monitor_of(
    connection: Connection, run: Run, project_id: int, now: float
) -> Row[Any]:
    """The row of a run's monitor, which is made or changed as the run says, locked."""
    is_this = (
        (monitor.c.project_id == project_id)
        & (monitor.c.slug == run.slug)
        & (monitor.c.environment == run.environment)
    )
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
        "failure_threshold": 1,
        "recovery_threshold": 1,
    }
    return connection.execute(
        insert_of(connection)(monitor)
        .values(
            project_id=project_id,
            slug=run.slug,
            environment=run.environment,
            is_muted=False,
            created_at=now,
            due_at=None,
            **{**none, **config},
        )
        .on_conflict_do_update(
            index_elements=["project_id", "slug", "environment"],
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


def _insert_run(
    connection: Connection, monitor_id: int, run: Run, started_at: float
) -> None:
    connection.execute(
        insert(check_in).values(
            monitor_id=monitor_id,
            check_in_id=run.check_in_id,
            status=run.status,
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
        check_in_id=digest(job.id, f"{job.due_at!r}"),
        status="missed",
        environment=job.environment,
    )
    _insert_run(connection, job.id, run, expected_at)
    _forget_old_runs(connection, job.id)
    _expect_next(connection, job, now, now)
    facts = {"expected_at": rfc3339(expected_at)}
    report(connection, job, "missed", run, now, max_events, facts)


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
    report(connection, late, "timeout", run, now, max_events, facts)
