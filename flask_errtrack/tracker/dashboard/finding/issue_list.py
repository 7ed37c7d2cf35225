"""The list of issues: what breaks most people now first.

Owns which facts the page has. What is asked for stands in ``asked``, the SQL in
``find_reads``; knows nothing of requests or HTML. ``now`` is in seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, and_

from ....words import count, one_line
from ...database import schema
from ...rows import Record
from ...search.conditions import issues_condition, unknown_words
from ...search.language import parse
from ...search.terms import State
from ...shapes import Shape, issue_summary
from ...store import Store
from ...storing.counting import hour_of
from .. import trend
from ..issue import reads
from ..issue.issue_view import IssueView, issue_view
from ..paging import PAGE_SIZE, Menu, Option, Paging, paging_of
from . import queries
from .asked import PERIODS, SORTS, USUAL_QUERY, Asked, Period, asked_of
from .facets import Facet, facets_of
from .queries import Sort

_TABS: tuple[State | Literal[""], ...] = (
    "unresolved",
    "regressed",
    "resolved",
    "muted",
    "",
)
_SORT_LABELS: Mapping[Sort, str] = {
    "now": "Breaking now",
    "last_seen": "Last seen",
    "first_seen": "Newest",
    "events": "Most events",
    "users": "Most people",
}
_PERIOD_LABELS: Mapping[Period, str] = {
    "": "Any",
    "24h": "24 hours",
    "14d": "14 days",
    "30d": "30 days",
}


@dataclass(frozen=True)
class IssueRow:
    """A row of the list: an issue, its route, and what happened in the period.

    ``events_words`` says in full what ``events`` counts.
    """

    issue: IssueView
    transaction: str
    trend: trend.Trend
    events: int
    events_words: str


@dataclass(frozen=True)
class IssueListPage:
    """The page of issues; ``is_empty_tracker`` if there is none at all.

    ``title`` names what is searched for, as a bookmark should.
    ``problem`` says why the search cannot be done; ``hidden`` is what a form has to
    send beside it. ``status`` is the state that all rows have, if it is one.
    """

    title: str
    search: str
    problem: str
    hidden: Mapping[str, str]
    rows: tuple[IssueRow, ...]
    tabs: tuple[Option, ...]
    menus: tuple[Menu, ...]
    facets: tuple[Facet, ...]
    paging: Paging
    status: str
    empty_words: str
    is_empty_tracker: bool


def issue_list_page(
    store: Store,
    *,
    search: str = USUAL_QUERY,
    period: str = "",
    sort: str = "now",
    page: int = 1,
    project: int | None = None,
    now: float,
) -> IssueListPage:
    """Return a page of 25 issues; an unknown period or order means the usual one.

    :param search: what to look for, in the language of :mod:`..search.language`.
    :raises StoreError: if the tracker's database cannot be used.
    """
    asked = asked_of(search, period, sort, page, project)
    with store.reading() as connection:
        any_state = asked.condition(asked.query.without("is"), now)
        counts = queries.state_counts(connection, any_state)
        found = _found(connection, asked, now)
        shown = found[:PAGE_SIZE]
        projects = reads.projects(connection)
        rows = _rows(connection, asked, shown, projects, now)
        tags = queries.facets(connection, [row.id for row in shown])
        menus = _menus(connection, asked, projects)
        is_empty = not counts and not queries.has_issues(connection)
        empty_words = "" if shown else _empty_words(connection, asked)
    tabs = _tabs(asked, counts)
    # Of a search for two states nobody has counted all.
    totals = [tab.count or 0 for tab in tabs if tab.is_current]
    total = totals[0] if totals else (asked.page - 1) * PAGE_SIZE + len(found)
    is_usual = asked.search in ("", USUAL_QUERY)
    return IssueListPage(
        title="Issues" if is_usual else f"{one_line(asked.search, 60)} · Issues",
        search=asked.search,
        problem=asked.problem,
        hidden=asked.arguments(q=USUAL_QUERY),
        rows=rows,
        tabs=tabs,
        menus=menus,
        facets=facets_of(tags, asked.query, asked.arguments),
        paging=paging_of(asked.page, len(shown), total, asked.arguments),
        status=asked.query.only_value("is") or "",
        empty_words=empty_words,
        is_empty_tracker=is_empty,
    )


def issue_rows(
    store: Store,
    search: str = "",
    *,
    limit: int = PAGE_SIZE,
    project: int | None = None,
    now: float,
) -> list[Shape]:
    """Return issues as JSON-ready dicts, what breaks most people now first.

    The texts are as they came: whoever prints them makes controls visible.

    :param search: in the language of :mod:`..search.language`; empty: all.
    :raises SearchError: if the search cannot be meant.
    :raises StoreError: if the tracker's database cannot be used.
    """
    condition = issues_condition(parse(search), now)
    if project is not None:
        condition = and_(condition, schema.issue.c.project_id == project)
    with store.reading() as connection:
        found = queries.issues(connection, condition, "now", hour_of(now), limit)
    return [issue_summary(row) for row in found]


def _found(connection: Connection, asked: Asked, now: float) -> Sequence[Record]:
    """The issues of the page, and one more if there are more."""
    return queries.issues(
        connection,
        asked.condition(asked.query, now),
        asked.sort,
        hour_of(now),
        PAGE_SIZE + 1,
        (asked.page - 1) * PAGE_SIZE,
        asked.since_hour(now),
    )


def _empty_words(connection: Connection, asked: Asked) -> str:
    if asked.page > 1:
        return "This page has no issues any more."
    if asked.search == USUAL_QUERY and not asked.period and asked.project_id is None:
        return "Every issue is dealt with."
    return f"No issue is found. {unknown_words(connection, asked.query)}".strip()


def _rows(
    connection: Connection,
    asked: Asked,
    shown: Sequence[Record],
    projects: Mapping[int, str],
    now: float,
) -> tuple[IssueRow, ...]:
    ids = [row.id for row in shown]
    since = asked.first_hour(now)
    transactions = queries.transactions(connection, ids)
    if asked.days == 1:
        counts = reads.hours(connection, ids, since)
    else:
        counts = queries.days(connection, ids, since // trend.DAY_HOURS)
    return tuple(
        _row(
            asked,
            issue_view(row, projects, now),
            transactions.get(row.id, ""),
            counts.get(row.id, {}),
            now,
        )
        for row in shown
    )


def _row(
    asked: Asked,
    issue: IssueView,
    transaction: str,
    counts: Mapping[int, int],
    now: float,
) -> IssueRow:
    """A row, from the events per hour, or per day where there are several."""
    events, words = issue.events, f"{count(issue.events, 'event')} in all"
    if asked.period:
        events = sum(counts.values())
        words = f"in {_PERIOD_LABELS[asked.period]}; {words}"
    picture = (
        trend.day_trend(counts, now)
        if asked.days == 1
        else trend.days_trend(counts, now, asked.days)
    )
    return IssueRow(issue, one_line(transaction, 120), picture, events, words)


def _tabs(asked: Asked, counts: Sequence[Record]) -> tuple[Option, ...]:
    totals = dict.fromkeys(_TABS, 0)
    for row in counts:
        totals[""] += row.issues
        totals[row.status] += row.issues
        if row.is_regressed:
            totals["regressed"] += row.issues
    is_any = asked.query.without("is") == asked.query
    current = "" if is_any else asked.query.only_value("is")
    return tuple(
        Option(
            (state or "all").capitalize(),
            asked.arguments(q=asked.query.with_value("is", state)),
            state == current and not asked.problem,
            totals[state],
        )
        for state in _TABS
    )


def _menus(
    connection: Connection, asked: Asked, projects: Mapping[int, str]
) -> tuple[Menu, ...]:
    menus = []
    if len(projects) > 1:
        apps = {"": "All", **{str(id): one_line(projects[id], 60) for id in projects}}
        links = {value: asked.arguments(project=value) for value in apps}
        current = "" if asked.project_id is None else str(asked.project_id)
        menus.append(_menu("App", apps, links, current))
    releases = queries.releases(connection, asked.project_id)
    versions = dict.fromkeys(row.version for row in releases)
    menus += _tag_menu(asked, "environment", queries.environments(connection))
    menus += _tag_menu(asked, "release", versions)
    periods = {period: asked.arguments(period=period) for period in PERIODS}
    menus.append(_menu("Period", _PERIOD_LABELS, periods, asked.period))
    orders = {sort: asked.arguments(sort=sort) for sort in SORTS}
    menus.append(_menu("Order", _SORT_LABELS, orders, asked.sort))
    return tuple(menus)


def _tag_menu(asked: Asked, key: str, values: Iterable[str]) -> list[Menu]:
    """A menu of the values of a tag, where there is a choice."""
    current = asked.query.only_value(key) or ""
    known = dict.fromkeys(["", *values, current])
    if len(known) < 3 and not current:
        return []
    labels = {value: one_line(value, 60) if value else "All" for value in known}
    links = {
        value: asked.arguments(q=asked.query.with_value(key, value)) for value in known
    }
    return [_menu(key.capitalize(), labels, links, current)]


def _menu(
    name: str,
    labels: Mapping[Any, str],
    arguments: Mapping[Any, Mapping[str, str]],
    current: str,
) -> Menu:
    options = [
        Option(label, arguments[value], value == current)
        for value, label in labels.items()
    ]
    # A project that is gone can still be asked for.
    return Menu(name, labels.get(current, current), tuple(options))
