"""What the address of the list of issues asks for, checked; and addresses from it.

Every choice on the list is a link that can be shared. Knows nothing of requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

from sqlalchemy import ColumnElement, and_, false

from ....errors import SearchError
from ...database import schema
from ...rows import can_be_id
from ...search.conditions import issues_condition
from ...search.language import parse
from ...search.terms import Query
from ...storing.counting import HOUR_SECONDS, hour_of
from ..paging import page_number
from ..trend import DAY_HOURS
from .queries import Sort

T = TypeVar("T")
#: How far back events count; empty: all of them.
Period = Literal["", "24h", "14d", "30d"]

#: What the list shows if nothing is asked for.
USUAL_QUERY = "is:unresolved"
SORTS: tuple[Sort, ...] = get_args(Sort)
PERIODS: tuple[Period, ...] = get_args(Period)

_PERIOD_DAYS = {"": 1, "24h": 1, "14d": 14, "30d": 30}


@dataclass(frozen=True)
class Asked:
    """What the address asks for, checked."""

    search: str
    query: Query
    problem: str
    sort: Sort
    period: Period
    page: int
    project_id: int | None

    def arguments(self, **changes: str) -> dict[str, str]:
        """Return the query arguments that lead here, or to something else."""
        found = {
            "q": self.search,
            "project": "" if self.project_id is None else str(self.project_id),
            "period": self.period,
            "sort": self.sort,
            **changes,
        }
        usual = {"q": USUAL_QUERY, "sort": "now", "page": "1"}
        return {
            name: text for name, text in found.items() if text != usual.get(name, "")
        }

    @property
    def days(self) -> int:
        """How many days the trend covers."""
        return _PERIOD_DAYS[self.period]

    def condition(self, query: Query, now: float) -> ColumnElement[bool]:
        """Return what issues have to fulfil, with another query than the one typed."""
        if self.problem:
            return false()
        conditions = [issues_condition(query, now)]
        if self.project_id is not None:
            conditions.append(schema.issue.c.project_id == self.project_id)
        since = self.since_hour(now)
        if since is not None:
            conditions.append(schema.issue.c.last_seen >= since * HOUR_SECONDS)
        return and_(*conditions)

    def since_hour(self, now: float) -> int | None:
        """Return the first hour of the period; ``None`` if all times count."""
        return self.first_hour(now) if self.period else None

    def first_hour(self, now: float) -> int:
        """Return the first hour of the trend: of the last 24, or of a day in UTC."""
        this_hour = hour_of(now)
        if self.days == 1:
            return this_hour - DAY_HOURS + 1
        today = this_hour // DAY_HOURS
        return (today - self.days + 1) * DAY_HOURS


def asked_of(
    search: str, period: str, sort: str, page: int, project: int | None
) -> Asked:
    """Return what is asked for; an unknown period or order means the usual one."""
    query, problem = Query(), ""
    try:
        query = parse(search)
    except SearchError as error:
        problem = str(error)
    return Asked(
        search.strip(),
        query,
        problem,
        _known(sort, SORTS, "now"),
        _known(period, PERIODS, ""),
        page_number(page),
        project if project is not None and can_be_id(project) else None,
    )


def _known(asked: str, values: Sequence[T], usual: T) -> T:
    return next((value for value in values if value == asked), usual)
