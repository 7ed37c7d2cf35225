"""The pages of releases: all of them, and what one of them has broken.

The SQL is in ``queries``; knows nothing of requests or HTML. ``now`` is in seconds
since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ....words import Moment, moment, one_line
from ...database.rows import can_be_id
from ...queries import finding, reads
from ...search.terms import term_text
from ...store import Store
from ..issue.issue_view import IssueView, issue_view
from ..paging import PAGE_SIZE, Paging, page_number, paging_of

_MAX_LABEL_LENGTH = 100


@dataclass(frozen=True)
class ReleaseRow:
    """A release with its numbers of issues; ``version`` is for the link."""

    label: str
    version: str
    project_id: int
    project: str
    first_seen: Moment
    new_issues: int
    regressed_issues: int


@dataclass(frozen=True)
class ReleaseListPage:
    """Releases, the newest first."""

    rows: tuple[ReleaseRow, ...]
    paging: Paging


@dataclass(frozen=True)
class IssueGroup:
    """Some issues of a release under one heading; ``count`` counts all of them."""

    title: str
    none_words: str
    issues: tuple[IssueView, ...]
    count: int


@dataclass(frozen=True)
class ReleasePage:
    """A release: what began in it, and what came back in it.

    ``search`` finds all issues that it had.
    """

    label: str
    project: str
    project_id: int
    first_seen: Moment
    events: int
    groups: tuple[IssueGroup, ...]
    search: str


def release_list_page(
    store: Store, *, project: int | None = None, page: int = 1, now: float
) -> ReleaseListPage:
    """Return a page of 25 releases.

    :raises StoreError: if the tracker's database cannot be used.
    """
    page = page_number(page)
    if project is not None and not can_be_id(project):
        project = None
    with store.reading() as connection:
        found = finding.releases(connection, project, PAGE_SIZE, (page - 1) * PAGE_SIZE)
        projects = reads.projects(connection)
        versions = {row.version for row in found}
        new, regressed = (
            finding.issue_numbers_of(connection, versions, column)
            for column in ("first_release", "regressed_release")
        )
    rows = tuple(
        ReleaseRow(
            one_line(row.version, _MAX_LABEL_LENGTH),
            row.version,
            row.project_id,
            _name(projects, row.project_id),
            moment(row.first_seen, now),
            new.get((row.project_id, row.version), 0),
            regressed.get((row.project_id, row.version), 0),
        )
        for row in found
    )
    total = found[0].releases if found else 0

    def arguments(**changes: str) -> dict[str, str]:
        return {**({} if project is None else {"project": str(project)}), **changes}

    return ReleaseListPage(rows, paging_of(page, len(rows), total, arguments))


def release_page(
    store: Store, project_id: int, version: str, *, now: float
) -> ReleasePage | None:
    """Return a release; ``None`` if no event of it has come.

    :raises StoreError: if the tracker's database cannot be used.
    """
    # PostgreSQL refuses texts with this character.
    version = version.replace("\0", "")
    with store.reading() as connection:
        found = finding.release(connection, project_id, version)
        if found is None:
            return None
        projects = reads.projects(connection)
        events = finding.events_of_release(connection, project_id, version)
        new, regressed = (
            finding.issues_of_release(connection, project_id, version, column)
            for column in ("first_release", "regressed_release")
        )
    return ReleasePage(
        label=one_line(version, _MAX_LABEL_LENGTH),
        project=_name(projects, project_id),
        project_id=project_id,
        first_seen=moment(found.first_seen, now),
        events=events,
        groups=tuple(
            IssueGroup(
                title,
                none_words,
                tuple(issue_view(row, {}, now) for row in rows),
                rows[0].issues if rows else 0,
            )
            for title, none_words, rows in (
                ("New in this release", "Nothing new broke.", new),
                ("Came back in this release", "Nothing came back.", regressed),
            )
        ),
        search=term_text("release", version),
    )


def _name(projects: Mapping[int, str], project_id: int) -> str:
    """The project's name, if there are several."""
    return one_line(projects[project_id], 60) if len(projects) > 1 else ""
