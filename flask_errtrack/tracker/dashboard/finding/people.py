"""The page of one person: who that is, the issues met, and the events kept.

The SQL is in ``queries``; knows nothing of requests or HTML.
"""

from __future__ import annotations

from dataclasses import dataclass

from ....words import Moment, moment, one_line
from ...database.rows import Record
from ...queries import finding, reads
from ...search.terms import term_text
from ...store import Store
from ..issue.issue_view import IssueView, issue_view
from ..paging import PAGE_SIZE, Paging, page_number, paging_of

_LABELS = {
    "user_id": "Id",
    "email": "E-mail",
    "username": "Name",
    "ip_address": "IP address",
}
_SEARCH_KEYS = {
    "user_id": "user.id",
    "email": "user.email",
    "username": "user.username",
    "ip_address": "user.ip",
}


@dataclass(frozen=True)
class PersonEvent:
    """An event of a person that is kept, and the issue that it belongs to."""

    event_id: str
    time: Moment
    issue_id: int
    title: str


@dataclass(frozen=True)
class UserPage:
    """A person. ``facts`` are names and values, ``search`` finds the issues met.

    ``issue_count`` counts all of the issues, of which some are shown.
    """

    name: str
    project: str
    project_id: int
    user_hash: str
    facts: tuple[tuple[str, str], ...]
    search: str
    issues: tuple[IssueView, ...]
    issue_count: int
    events: tuple[PersonEvent, ...]
    paging: Paging


def user_page(
    store: Store, project_id: int, user_hash: str, *, page: int = 1, now: float
) -> UserPage | None:
    """Return a person with 25 events; ``None`` if nobody with this hash was met.

    :raises StoreError: if the tracker's database cannot be used.
    """
    # PostgreSQL refuses texts with this character.
    user_hash = user_hash.replace("\0", "")
    page = page_number(page)
    with store.reading() as connection:
        issues = finding.issues_of_person(connection, project_id, user_hash)
        if not issues:
            return None
        known = finding.person(connection, project_id, user_hash)
        projects = reads.projects(connection)
        events = finding.events_of_person(
            connection, project_id, user_hash, PAGE_SIZE, (page - 1) * PAGE_SIZE
        )
    facts = {} if known is None else _facts(known)
    total = events[0].events if events else 0

    def arguments(**changes: str) -> dict[str, str]:
        return {"project_id": str(project_id), "user_hash": user_hash, **changes}

    return UserPage(
        name=one_line(next(iter(facts.values()), "Somebody"), 60),
        project=one_line(projects[project_id], 60) if len(projects) > 1 else "",
        project_id=project_id,
        user_hash=user_hash,
        facts=tuple(
            (_LABELS[name], one_line(value, 200)) for name, value in facts.items()
        ),
        search=_search(facts),
        issues=tuple(issue_view(row, {}, now) for row in issues),
        issue_count=issues[0].issues,
        events=tuple(_event(row, now) for row in events),
        paging=paging_of(page, len(events), total, arguments),
    )


def _facts(row: Record) -> dict[str, str]:
    """What is known, what a person is called by first."""
    order = ("email", "username", "user_id", "ip_address")
    return {name: getattr(row, name) for name in order if getattr(row, name)}


def _search(facts: dict[str, str]) -> str:
    for column, key in _SEARCH_KEYS.items():
        if column in facts:
            return term_text(key, facts[column])
    return ""


def _event(row: Record, now: float) -> PersonEvent:
    return PersonEvent(
        row.event_id, moment(row.received_at, now), row.issue_id, one_line(row.title)
    )
