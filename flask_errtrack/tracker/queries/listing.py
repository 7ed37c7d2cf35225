"""The query behind the list of issues: a page of them, and how many of each state.

``condition`` is one on the table of issues, as ``search.conditions`` makes it; hours
count from 1970. What is expensive to find is found once, for the page and the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    func,
    select,
    true,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.visitors import iterate

from ..database import schema
from ..database.rows import Record
from ..search.terms import State
from .windows import DAY_HOURS

Sort = Literal["now", "last_seen", "first_seen", "events", "users"]
#: How many issues there are: in all, by an empty name, and in each state.
Counts = Mapping[State | Literal[""], int]

_Columns = ReadOnlyColumnCollection[str, Any]

# One more person weighs as much as so many more events.
_PERSON_WEIGHT = 10

_issue = schema.issue.c
_group = schema.group.c
_hour = schema.group_hour.c

#: The orders for which nothing has to be counted, and what they go by.
ORDERS: Mapping[Sort, str] = {
    "last_seen": "last_seen",
    "first_seen": "first_seen",
    "events": "event_count",
    "users": "user_count",
}
# What a page and its numbers have to know of each issue that fulfils the condition.
_KNOWN = (_issue.id, _issue.status, _issue.is_regressed) + tuple(
    _issue[name] for name in ORDERS.values()
)


@dataclass(frozen=True)
class Listing:
    """Which issues are wanted, in which order.

    :param condition: holds for those, whatever their state.
    :param of_state: holds for the state.
    :param since_hour: the most events are those since then; None: of all time.
    """

    condition: ColumnElement[bool]
    sort: Sort
    this_hour: int
    since_hour: int | None = None
    of_state: ColumnElement[bool] = true()

    @property
    def day_hour(self) -> int:
        """The first of the last 24 hours."""
        return self.this_hour - DAY_HOURS + 1

    @property
    def goes_back_days(self) -> bool:
        """Whether events of more than the last 24 hours count, and not of all time."""
        return self.since_hour is not None and self.since_hour < self.day_hour

    def matching(self) -> CTE:
        """Return the issues for which the condition holds; ``is_listed``: the state.

        One statement finds them once, however often it asks for them.
        """
        is_listed = self.of_state.label("is_listed")
        found = select(*_KNOWN, is_listed).where(self.condition).cte()
        if any(isinstance(part, Select) for part in iterate(self.condition)):
            return found
        # What an issue itself tells is read twice faster than it is kept.
        return found.prefix_with("NOT MATERIALIZED")


def issues(
    connection: Connection, listing: Listing, limit: int, offset: int = 0
) -> Sequence[Record]:
    """Return issues, each with the ``score`` that puts it into its place."""
    return _found(connection, listing, limit, offset, is_counted=False)[0]


def issues_and_counts(
    connection: Connection, listing: Listing, limit: int, offset: int = 0
) -> tuple[Sequence[Record], Counts]:
    """Return issues, and how many there would be of each state."""
    return _found(connection, listing, limit, offset, is_counted=True)


def _found(
    connection: Connection,
    listing: Listing,
    limit: int,
    offset: int,
    is_counted: bool,
) -> tuple[Sequence[Record], Counts]:
    if listing.sort == "events" and listing.goes_back_days:
        return _most_since(connection, listing, limit, offset, is_counted)
    matching = listing.matching()
    page = _page(listing, matching.c).limit(limit).offset(offset)
    rows, counts = _run(connection, page, matching.c if is_counted else None)
    return _in_order(rows), counts


def _page(listing: Listing, issue: _Columns) -> Select[Any]:
    """The ids of issues with their scores, the highest first."""
    is_now = listing.sort == "now"
    since = listing.day_hour if is_now else listing.since_hour
    if is_now or (listing.sort == "events" and since is not None):
        is_recent = and_(_hour.group_id == _group.id, _hour.hour >= since)
        events = func.coalesce(func.sum(_hour.event_count), 0)
        score = (_weight(events, issue) if is_now else events).label("score")
        page = (
            select(issue.id, score)
            .join(schema.group, _group.issue_id == issue.id)
            .outerjoin(schema.group_hour, is_recent)
            .group_by(issue.id, issue.last_seen, issue.user_count)
        )
    else:
        score = issue[ORDERS[listing.sort]].label("score")
        page = select(issue.id, score)
    order = score.desc(), issue.last_seen.desc(), issue.id.desc()
    return page.where(issue.is_listed).order_by(*order)


def _weight(events: ColumnElement[int], issue: _Columns) -> ColumnElement[int]:
    """How bad an issue is, by its events of the last 24 hours."""
    # Who was hit when is not kept: never more people than events, nor than all.
    people = case((issue.user_count < events, issue.user_count), else_=events)
    return events + _PERSON_WEIGHT * people


def _most_since(
    connection: Connection, listing: Listing, limit: int, offset: int, is_counted: bool
) -> tuple[Sequence[Record], Counts]:
    """Return the issues with the most events since an hour.

    None has more than it has in all: with the most of all first, few have to be
    counted until no other can be among those that are wanted.
    """
    end = offset + limit
    found: dict[int, Record] = {}
    size, start, counts = 2 * end, 0, None
    while True:
        matching = listing.matching().c
        some = _events_since(listing, matching, size, start)
        counted = matching if is_counted and counts is None else None
        rows, new_counts = _run(connection, some, counted)
        counts = counts or new_counts
        found |= {row.id: row for row in rows}
        best = _in_order(found.values())[:end]
        fewest = min((row.event_count for row in rows), default=0)
        if len(rows) < size or best[-1].score > fewest:
            return best[offset:], counts
        start, size = start + size, 2 * size


def _events_since(
    listing: Listing, issue: _Columns, limit: int, offset: int
) -> Select[Any]:
    """The issues with the most events of all time, and their events since an hour."""
    order = issue.event_count.desc(), issue.id.desc()
    some = select(issue.id).where(issue.is_listed).order_by(*order)
    of_some = some.limit(limit).offset(offset).subquery()
    events = (
        select(func.coalesce(func.sum(_hour.event_count), 0))
        .join(schema.group, _group.id == _hour.group_id)
        .where(_group.issue_id == of_some.c.id, _hour.hour >= listing.since_hour)
        .scalar_subquery()
    )
    return select(of_some.c.id, events.label("score"))


def _run(
    connection: Connection, page: Select[Any], counted: _Columns | None
) -> tuple[list[Record], Counts]:
    """Return the issues of a page, and the numbers of all those that match."""
    of_page = page.subquery()
    if counted is None:
        query = select(schema.issue, of_page.c.score)
        query = query.join(of_page, of_page.c.id == _issue.id)
        return list(connection.execute(query)), {}
    states: dict[State | Literal[""], ColumnElement[bool]] = {
        "": true(),
        "regressed": counted.is_regressed,
        "unresolved": counted.status == "unresolved",
        "resolved": counted.status == "resolved",
        "muted": counted.status == "muted",
    }
    numbers = [
        func.count(counted.id).filter(is_it).label(f"in_{state}")
        for state, is_it in states.items()
    ]
    of_all = select(*numbers).subquery()
    both = of_all.outerjoin(of_page, true()).outerjoin(
        schema.issue, _issue.id == of_page.c.id
    )
    query = select(schema.issue, of_page.c.score, *of_all.c).select_from(both)
    rows = connection.execute(query).all()
    counts = {state: rows[0]._mapping[f"in_{state}"] for state in states}
    return [row for row in rows if row.id is not None], counts


def _in_order(rows: Any) -> list[Record]:
    return sorted(
        rows, key=lambda row: (row.score, row.last_seen, row.id), reverse=True
    )
