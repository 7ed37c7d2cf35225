"""What the address of the list of issues asks for, checked; and addresses from it.

Every choice on the list is a link that can be shared. Knows nothing of requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from sqlalchemy import ColumnElement, and_, false

from ....errors import SearchError
from ...database import schema
from ...database.rows import can_be_id
from ...queries.listing import Listing, Sort
from ...queries.windows import Window, window_of
from ...search.conditions import issues_condition
from ...search.language import parse
from ...search.terms import Query
from ...storing.counting import HOUR_SECONDS, hour_of
from ..paging import page_number

#: What the list shows if nothing is asked for.
USUAL_QUERY = "is:unresolved"
SORTS: tuple[Sort, ...] = get_args(Sort)


@dataclass(frozen=True)
class Period:
    """How far back events count, by its name in the address; empty: all of them.

    :param days: how many the trend covers.
    """

    name: str
    label: str
    days: int


PERIODS = (
    Period("", "Any", 1),
    Period("24h", "24 hours", 1),
    Period("14d", "14 days", 14),
    Period("30d", "30 days", 30),
)


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
            "period": self.period.name,
            "sort": self.sort,
            **changes,
        }
        usual = {"q": USUAL_QUERY, "sort": "now", "page": "1"}
        return {
            name: text for name, text in found.items() if text != usual.get(name, "")
        }

    def listing(self, now: float) -> Listing:
        """Return which issues are asked for, in which order."""
        return Listing(
            self._condition(now),
            self.sort,
            hour_of(now),
            self.since_hour(now),
            issues_condition(self.query.only("is"), now),
        )

    def _condition(self, now: float) -> ColumnElement[bool]:
        """Return what issues have to fulfil, whatever their state."""
        if self.problem:
            return false()
        conditions = [issues_condition(self.query.without("is"), now)]
        if self.project_id is not None:
            conditions.append(schema.issue.c.project_id == self.project_id)
        since = self.since_hour(now)
        if since is not None:
            conditions.append(schema.issue.c.last_seen >= since * HOUR_SECONDS)
        return and_(*conditions)

    def since_hour(self, now: float) -> int | None:
        """Return the first hour of the period; ``None`` if all times count."""
        return self.window(now).first_hour if self.period.name else None

    def window(self, now: float) -> Window:
        """Return the window of the trend."""
        return window_of(self.period.days, now)


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
        next((one for one in SORTS if one == sort), SORTS[0]),
        next((one for one in PERIODS if one.name == period), PERIODS[0]),
        page_number(page),
        project if project is not None and can_be_id(project) else None,
    )
