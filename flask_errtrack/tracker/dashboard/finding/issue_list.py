"""The list of issues: what breaks most people now first.

Owns which facts the page has. What is asked for stands in ``asked``, the SQL in
``queries``; knows nothing of requests or HTML. ``now`` is in seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, and_

from ....words import count, one_line
from ...database import schema
from ...database.rows import Record
from ...queries import finding, listing, reads
from ...queries.listing import Counts, Listing, Sort
from ...search.conditions import issues_condition, unknown_words
from ...search.language import parse
from ...search.terms import State
from ...shapes import Shape, issue_summary
from ...store import Store
from ...storing.counting import hour_of
from .. import trend
from ..issue.issue_view import IssueView, issue_view
from ..paging import PAGE_SIZE, Menu, Option, Paging, paging_of
from .asked import PERIODS, SORTS, USUAL_QUERY, Asked, asked_of
from .facets import Facet, facets_of

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
        found, counts = listing.issues_and_counts(
            connection,
            asked.listing(now),
            PAGE_SIZE + 1,
            (asked.page - 1) * PAGE_SIZE,
        )
        shown = found[:PAGE_SIZE]
        projects = reads.projects(connection)
        rows = _rows(connection, asked, shown, projects, now)
        tags = finding.facets(connection, [row.id for row in shown])
        menus = _menus(connection, asked, projects)
        is_empty = not counts[""] and not finding.has_issues(connection)
        empty_words = "" if shown else _empty_words(connection, asked)
    tabs = _tabs(asked, counts)
    return IssueListPage(
        title=_title(asked),
        search=asked.search,
        problem=asked.problem,
        hidden=asked.arguments(q=USUAL_QUERY),
        rows=rows,
        tabs=tabs,
        menus=menus,
        facets=facets_of(tags, asked.query, asked.arguments),
        paging=_paging(asked, tabs, len(found)),
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
        wanted = Listing(condition, "now", hour_of(now))
        found = listing.issues(connection, wanted, limit)
    return [issue_summary(row) for row in found]


def _title(asked: Asked) -> str:
    is_usual = asked.search in ("", USUAL_QUERY)
    return "Issues" if is_usual else f"{one_line(asked.search, 60)} · Issues"


def _paging(asked: Asked, tabs: Sequence[Option], found: int) -> Paging:
    """Where the page is; ``found`` counts its issues, and one more if there are."""
    # Of a search for two states nobody has counted all.
    totals = [tab.count or 0 for tab in tabs if tab.is_current]
    total = totals[0] if totals else (asked.page - 1) * PAGE_SIZE + found
    return paging_of(asked.page, min(found, PAGE_SIZE), total, asked.arguments)


def _empty_words(connection: Connection, asked: Asked) -> str:
    if asked.page > 1:
        return "This page has no issues any more."
    is_whole = not asked.period.name and asked.project_id is None
    if asked.search == USUAL_QUERY and is_whole:
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
    window = asked.window(now)
    transactions = finding.transactions(connection, ids)
    counts = reads.counts(connection, ids, window)
    rows = []
    for row in shown:
        issue = issue_view(row, projects, now)
        in_window = counts.get(row.id, {})
        events, words = issue.events, f"{count(issue.events, 'event')} in all"
        if asked.period.name:
            events = sum(in_window.values())
            words = f"in {asked.period.label}; {words}"
        route = one_line(transactions.get(row.id, ""), 120)
        picture = trend.trend_of(in_window, window)
        rows.append(IssueRow(issue, route, picture, events, words))
    return tuple(rows)


def _tabs(asked: Asked, counts: Counts) -> tuple[Option, ...]:
    is_any = asked.query.without("is") == asked.query
    current = "" if is_any else asked.query.only_value("is")
    return tuple(
        Option(
            (state or "all").capitalize(),
            asked.arguments(q=asked.query.with_value("is", state)),
            state == current and not asked.problem,
            counts[state],
        )
        for state in _TABS
    )


def _menus(
    connection: Connection, asked: Asked, projects: Mapping[int, str]
) -> tuple[Menu, ...]:
    apps = {str(id): one_line(name, 60) for id, name in projects.items()}
    releases = finding.releases(connection, asked.project_id)
    environments = finding.environments(connection)
    menus = [
        _menu(
            "App",
            {"": "All", **apps} if len(apps) > 1 else {},
            "" if asked.project_id is None else str(asked.project_id),
            lambda id: asked.arguments(project=id),
        ),
        _tag_menu(asked, "environment", environments),
        _tag_menu(asked, "release", [row.version for row in releases]),
        _menu(
            "Period",
            {period.name: period.label for period in PERIODS},
            asked.period.name,
            lambda name: asked.arguments(period=name),
        ),
        _menu(
            "Order",
            {sort: _SORT_LABELS[sort] for sort in SORTS},
            asked.sort,
            lambda sort: asked.arguments(sort=sort),
        ),
    ]
    return tuple(menu for menu in menus if menu.options)


def _tag_menu(asked: Asked, key: str, values: Iterable[str]) -> Menu:
    """A menu of the values of a tag; without options where there is no choice."""
    current = asked.query.only_value(key) or ""
    known = dict.fromkeys(["", *values, current])
    has_choice = len(known) > 2 or bool(current)
    labels = {value: one_line(value, 60) if value else "All" for value in known}
    return _menu(
        key.capitalize(),
        labels if has_choice else {},
        current,
        lambda value: asked.arguments(q=asked.query.with_value(key, value)),
    )


def _menu(
    name: str,
    labels: Mapping[str, str],
    current: str,
    link: Callable[[str], Mapping[str, str]],
) -> Menu:
    options = [
        Option(label, link(value), value == current) for value, label in labels.items()
    ]
    # A project that is gone can still be asked for.
    return Menu(name, labels.get(current, current), tuple(options))
