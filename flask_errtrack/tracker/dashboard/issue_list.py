"""The list of issues: what breaks most people now first.

Owns its filters, order and paging. The SQL is in ``reads``; knows nothing of
requests or HTML. ``now`` is in seconds since 1970.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from ...words import Moment, moment, one_line, rfc3339
from ..counting import hour_of
from ..store import Store
from . import reads, trend
from .reads import Choice, Record, Sort, State

T = TypeVar("T")

PAGE_SIZE = 25
STATES: tuple[State, ...] = get_args(State)
SORTS: tuple[Sort, ...] = get_args(Sort)
#: An issue is marked as new for so long.
NEW_SECONDS = 24 * 3600
MAX_PAGE = 10_000

_TYPE = re.compile(r"[A-Za-z_][\w.]*(?=: |$)")
_SORT_LABELS: Mapping[Sort, str] = {
    "now": "Breaking now",
    "last_seen": "Last seen",
    "first_seen": "Newest",
    "events": "Most events",
    "users": "Most people",
}


@dataclass(frozen=True)
class IssueView:
    """An issue as both the list and its own page show it."""

    id: int
    title: str
    #: The title in two parts: ``KeyError`` and ``: 'price'``.
    type: str
    rest: str
    culprit: str
    level: str
    status: str
    is_regressed: bool
    is_new: bool
    events: int
    users: int
    first_seen: Moment
    last_seen: Moment
    status_changed_at: Moment
    environment: str
    release: str
    project: str


@dataclass(frozen=True)
class IssueRow:
    """A row of the list: an issue, its route, and its last 24 hours."""

    issue: IssueView
    transaction: str
    trend: trend.Trend


@dataclass(frozen=True)
class Option:
    """One value of a filter or of the order; ``arguments`` lead to it."""

    label: str
    arguments: Mapping[str, str]
    is_current: bool
    count: int | None = None


@dataclass(frozen=True)
class Paging:
    """Where in a list one is; ``first`` and ``last`` count from 1."""

    first: int
    last: int
    total: int
    previous: Mapping[str, str] | None
    next: Mapping[str, str] | None


@dataclass(frozen=True)
class Menu:
    """A filter, or the order: what is chosen, and what else there is."""

    name: str
    current: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class IssueListPage:
    """The page of issues; ``is_empty_tracker`` if there is none at all."""

    rows: tuple[IssueRow, ...]
    tabs: tuple[Option, ...]
    menus: tuple[Menu, ...]
    paging: Paging
    status: str
    empty_words: str
    is_empty_tracker: bool


@dataclass(frozen=True)
class _Asked:
    """What the address asks for, checked."""

    choice: Choice
    sort: Sort
    page: int

    def arguments(self, **changes: str) -> dict[str, str]:
        """Return the query arguments that lead here, or to something else."""
        project_id = self.choice.project_id
        found = {
            "status": self.choice.status,
            "environment": self.choice.environment,
            "project": "" if project_id is None else str(project_id),
            "sort": self.sort,
            **changes,
        }
        usual = {"status": "unresolved", "sort": "now", "page": "1"}
        return {
            name: text for name, text in found.items() if text != usual.get(name, "")
        }


def issue_list_page(
    store: Store,
    *,
    status: str = "unresolved",
    environment: str = "",
    sort: str = "now",
    page: int = 1,
    project: int | None = None,
    now: float,
) -> IssueListPage:
    """Return a page of 25 issues; an unknown status or order means the usual one.

    :raises StoreError: if the tracker's database cannot be used.
    """
    asked = _asked(status, environment, sort, page, project)
    this_hour = hour_of(now)
    with store.reading() as connection:
        counts = reads.issue_counts(connection)
        projects = reads.projects(connection)
        offset = (asked.page - 1) * PAGE_SIZE
        found = reads.issues(
            connection, asked.choice, asked.sort, this_hour, PAGE_SIZE, offset
        )
        ids = [row.id for row in found]
        hours = reads.hours(connection, ids, this_hour - trend.DAY_HOURS + 1)
        transactions = reads.transactions(connection, ids)
    totals = _totals(counts, asked.choice)
    total = totals[asked.choice.status]
    return IssueListPage(
        rows=tuple(
            IssueRow(
                issue_view(row, projects, now),
                one_line(transactions.get(row.id, ""), 120),
                trend.day_trend(hours.get(row.id, {}), now),
            )
            for row in found
        ),
        tabs=_tabs(asked, totals),
        menus=_menus(asked, counts, projects),
        paging=paging_of(asked.page, len(found), total, asked.arguments),
        status=asked.choice.status,
        empty_words=_empty_words(asked.choice),
        is_empty_tracker=not counts,
    )


def issue_rows(
    store: Store, *, status: str = "all", limit: int = PAGE_SIZE, now: float
) -> list[dict[str, Any]]:
    """Return issues as JSON-ready dicts, what breaks most people now first.

    The texts are as they came: whoever prints them makes controls visible.

    :raises StoreError: if the tracker's database cannot be used.
    """
    choice = Choice(_known(status, STATES, "all"))
    with store.reading() as connection:
        found = reads.issues(connection, choice, "now", hour_of(now), limit)
    return [issue_dict(row) for row in found]


def issue_dict(row: Record) -> dict[str, Any]:
    """Return an issue as the command line's JSON has it; times are RFC 3339 UTC.

    An unresolved issue that was resolved before has the status ``regressed``.
    """
    return {
        "id": row.id,
        "title": row.title,
        "culprit": row.culprit,
        "level": row.level,
        "status": "regressed" if row.is_regressed else row.status,
        "events": row.event_count,
        "users": row.user_count,
        "first_seen": rfc3339(row.first_seen),
        "last_seen": rfc3339(row.last_seen),
    }


def issue_view(row: Record, projects: Mapping[int, str], now: float) -> IssueView:
    """Return an issue in words; its project only where there are several."""
    project = projects.get(row.project_id, "") if len(projects) > 1 else ""
    title = one_line(row.title) or "(no title)"
    kind = _TYPE.match(title)
    return IssueView(
        id=row.id,
        title=title,
        type=kind[0] if kind else "",
        rest=title[kind.end() :] if kind else title,
        culprit=one_line(row.culprit),
        level=row.level,
        status=row.status,
        is_regressed=row.is_regressed,
        is_new=now - row.first_seen < NEW_SECONDS,
        events=row.event_count,
        users=row.user_count,
        first_seen=moment(row.first_seen, now),
        last_seen=moment(row.last_seen, now),
        status_changed_at=moment(row.status_changed_at, now),
        environment=one_line(row.environment, 60),
        release=one_line(row.release, 60),
        project=one_line(project, 60),
    )


def paging_of(
    page: int, shown: int, total: int, arguments: Callable[..., Mapping[str, str]]
) -> Paging:
    """Return where a page is; ``arguments(page="2")`` lead to another one."""
    before = (page - 1) * PAGE_SIZE
    return Paging(
        first=before + 1 if shown else 0,
        last=before + shown,
        total=total,
        previous=arguments(page=str(page - 1)) if page > 1 else None,
        next=arguments(page=str(page + 1)) if before + shown < total else None,
    )


def _asked(
    status: str, environment: str, sort: str, page: int, project: int | None
) -> _Asked:
    choice = Choice(
        _known(status, STATES, "unresolved"),
        # PostgreSQL refuses texts with this character.
        environment.replace("\0", ""),
        project if project is None or 0 < project <= reads.MAX_ID else None,
    )
    return _Asked(choice, _known(sort, SORTS, "now"), min(max(page, 1), MAX_PAGE))


def _known(asked: str, values: Sequence[T], usual: T) -> T:
    return next((value for value in values if value == asked), usual)


def _totals(counts: Sequence[Record], choice: Choice) -> dict[State, int]:
    totals = dict.fromkeys(STATES, 0)
    for row in counts:
        if _is_in_scope(row, choice):
            totals["all"] += row.issues
            totals[row.status] += row.issues
            if row.is_regressed:
                totals["regressed"] += row.issues
    return totals


def _tabs(asked: _Asked, totals: Mapping[State, int]) -> tuple[Option, ...]:
    return tuple(
        Option(
            state.capitalize(),
            asked.arguments(status=state),
            state == asked.choice.status,
            total,
        )
        for state, total in totals.items()
    )


def _empty_words(choice: Choice) -> str:
    kind = "" if choice.status == "all" else f" {choice.status}"
    place = f" in {one_line(choice.environment, 60)}" if choice.environment else ""
    return f"No{kind} issues{place}."


def _is_in_scope(row: Record, choice: Choice) -> bool:
    return choice.environment in ("", row.environment) and choice.project_id in (
        None,
        row.project_id,
    )


def _menus(
    asked: _Asked, counts: Sequence[Record], projects: Mapping[int, str]
) -> tuple[Menu, ...]:
    choice = asked.choice
    environments = sorted({row.environment for row in counts if row.environment})
    names = {"": "All", **{name: one_line(name, 60) for name in environments}}
    menus = []
    if len(projects) > 1:
        apps = {"": "All", **{str(id): name for id, name in projects.items()}}
        current = "" if choice.project_id is None else str(choice.project_id)
        menus.append(_menu(asked, "App", "project", apps, current))
    if len(environments) > 1 or choice.environment:
        names.setdefault(choice.environment, one_line(choice.environment, 60))
        menus.append(
            _menu(asked, "Environment", "environment", names, choice.environment)
        )
    menus.append(_menu(asked, "Order", "sort", _SORT_LABELS, asked.sort))
    return tuple(menus)


def _menu(
    asked: _Asked, name: str, argument: str, labels: Mapping[Any, str], current: str
) -> Menu:
    options = [
        Option(label, asked.arguments(**{argument: found}), found == current)
        for found, label in labels.items()
    ]
    return Menu(name, labels.get(current, current), tuple(options))
