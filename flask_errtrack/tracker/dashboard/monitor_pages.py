"""The pages of monitors: all jobs with their last runs, and one of them.

Knows nothing of requests or HTML. ``now`` is in seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from ...words import Moment, duration, moment, one_line
from ..database.schema import check_in, monitor
from ..monitoring.issues import RUNNING
from ..queries import reads
from ..store import Store
from .paging import PAGE_SIZE, Paging, page_number, paging_of

BARS = 30
RUNS = 100
BAR_STEP = 6

_WORDS = {
    "in_progress": "running",
    "ok": "ok",
    "error": "failed",
    "missed": "missed",
    "timeout": "too long",
}
_HEIGHTS = {"missed": 4, "in_progress": 10}
_FULL_HEIGHT = 20


@dataclass(frozen=True)
class RunBar:
    """One run: its place in the picture, its status, and the same in words."""

    x: int
    y: int
    height: int
    status: str
    label: str


@dataclass(frozen=True)
class RunRow:
    """One run, or one that did not happen; ``took`` is empty while it lasts."""

    status: str
    words: str
    started: Moment
    took: str


@dataclass(frozen=True)
class MonitorView:
    """A job: how it is, when it is to run, and its last runs, the oldest first.

    ``state`` is the status of its last run; ``next_due`` is empty if none is expected.
    """

    id: int
    slug: str
    environment: str
    project: str
    is_muted: bool
    state: str
    state_words: str
    schedule: str
    next_due: str
    next_due_exact: str
    last: Moment | None
    bars: tuple[RunBar, ...]
    bars_label: str


@dataclass(frozen=True)
class MonitorListPage:
    """Jobs, by name."""

    rows: tuple[MonitorView, ...]
    paging: Paging


@dataclass(frozen=True)
class MonitorPage:
    """One job: what is expected of it, and its runs, the newest first."""

    monitor: MonitorView
    project_id: int
    margin: str
    max_runtime: str
    thresholds: str
    runs: tuple[RunRow, ...]


def monitor_list_page(store: Store, *, page: int = 1, now: float) -> MonitorListPage:
    """Return a page of 25 monitors.

    :raises StoreError: if the tracker's database cannot be used.
    """
    page = page_number(page)
    query = (
        select(monitor, func.count().over().label("monitors"))
        .order_by(monitor.c.slug, monitor.c.environment, monitor.c.id)
        .limit(PAGE_SIZE)
        .offset((page - 1) * PAGE_SIZE)
    )
    with store.reading() as connection:
        found = connection.execute(query).all()
        runs = _last_runs(connection, [row.id for row in found])
        projects = reads.projects(connection)
    rows = tuple(
        _view(row, [run for run in runs if run.monitor_id == row.id], projects, now)
        for row in found
    )
    total = found[0].monitors if found else 0
    return MonitorListPage(rows, paging_of(page, len(rows), total, dict))


def monitor_page(store: Store, monitor_id: int, *, now: float) -> MonitorPage | None:
    """Return a monitor with its last 100 runs; None if there is none.

    :raises StoreError: if the tracker's database cannot be used.
    """
    with store.reading() as connection:
        row = connection.execute(
            select(monitor).where(monitor.c.id == monitor_id)
        ).first()
        if row is None:
            return None
        runs = connection.execute(
            select(check_in)
            .where(check_in.c.monitor_id == monitor_id)
            .order_by(check_in.c.id.desc())
            .limit(RUNS)
        ).all()
        projects = reads.projects(connection)
    return MonitorPage(
        _view(row, runs[BARS - 1 :: -1], projects, now),
        row.project_id,
        duration(row.margin_seconds) if row.schedule else "",
        duration(row.max_runtime_seconds) if row.max_runtime_seconds else "",
        _thresholds(row),
        tuple(_run_row(run, now) for run in runs),
    )


def _thresholds(row: Row[Any]) -> str:
    """After how many runs it is broken, or works again; empty: after one."""
    numbers = (row.failure_threshold, row.recovery_threshold)
    return "" if numbers == (1, 1) else f"{numbers[0]} bad, {numbers[1]} good in a row"


def _last_runs(connection: Connection, ids: list[int]) -> list[Row[Any]]:
    """The last runs of some monitors, each one's oldest first."""
    return list(connection.execute(_last_runs_query(ids))) if ids else []


def _last_runs_query(ids: list[int]) -> Select[Any]:
    place = func.row_number().over(
        partition_by=check_in.c.monitor_id, order_by=check_in.c.id.desc()
    )
    placed = (
        select(check_in, place.label("place"))
        .where(check_in.c.monitor_id.in_(ids))
        .subquery()
    )
    return select(placed).where(placed.c.place <= BARS).order_by(placed.c.id)


def _view(
    row: Row[Any], runs: Iterable[Row[Any]], projects: dict[int, str], now: float
) -> MonitorView:
    runs = list(runs)
    last = runs[-1] if runs else None
    next_at = None if row.due_at is None else row.due_at - row.margin_seconds
    bars = tuple(_bar(place, run, now) for place, run in enumerate(runs))
    bad = sum(run.status not in ("ok", RUNNING) for run in runs)
    return MonitorView(
        id=row.id,
        slug=row.slug,
        environment=one_line(row.environment, 60),
        is_muted=row.is_muted,
        project=one_line(projects[row.project_id], 60) if len(projects) > 1 else "",
        state=last.status if last else "ok",
        state_words=_WORDS.get(last.status, last.status) if last else "new",
        schedule=_schedule(row),
        next_due="" if next_at is None else _in(next_at - now),
        next_due_exact="" if next_at is None else moment(next_at, now).exact,
        last=moment(last.started_at, now) if last else None,
        bars=bars,
        bars_label=f"{bad} of the last {len(runs)} runs were not well"
        if bad
        else f"the last {len(runs)} runs were well",
    )


def _schedule(row: Row[Any]) -> str:
    """``0 3 * * *`` in its time zone, or ``every 10 minutes``."""
    if not row.schedule:
        return ""
    if row.schedule[0].isdigit() and row.schedule.count(" ") == 1:
        return f"every {row.schedule.removeprefix('1 ')}"
    return f"{row.schedule} {row.timezone}"


def _in(seconds: float) -> str:
    return f"in {duration(seconds)}" if seconds > 0 else "now"


def _bar(place: int, run: Row[Any], now: float) -> RunBar:
    height = _HEIGHTS.get(run.status, _FULL_HEIGHT)
    started = moment(run.started_at, now)
    return RunBar(
        place * BAR_STEP,
        _FULL_HEIGHT - height,
        height,
        run.status,
        f"{_WORDS.get(run.status, run.status)}, {started.exact}",
    )


def _run_row(run: Row[Any], now: float) -> RunRow:
    return RunRow(
        run.status,
        _WORDS.get(run.status, run.status),
        moment(run.started_at, now),
        "" if run.duration_seconds is None else duration(run.duration_seconds),
    )
