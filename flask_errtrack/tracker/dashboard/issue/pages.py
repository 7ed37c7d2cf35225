"""What each page of the dashboard shows: one frozen object a page.

Owns which facts go together. The SQL is in ``reads``, the list of issues in
``issue_list``, an event in ``event_view``. Knows nothing of requests or HTML.
``now`` is in seconds since 1970; every function raises ``StoreError`` if the
tracker's database cannot be used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter

from sqlalchemy import Connection

from ....words import Moment, Value, moment, one_line, value
from ...database.rows import Record
from ...queries import reads
from ...queries.windows import window_of
from ...search.language import tag_key
from ...search.terms import term_text
from ...shapes import Shape, content_of, issue_summary
from ...store import Store
from ...storing.counting import MAX_TAG_LENGTH, OTHER_VALUES
from .. import trend
from ..event.event_view import EventView, event_view
from ..finding.facets import share_words
from ..paging import PAGE_SIZE, Option, Paging, page_number, paging_of
from .activity import Happening, happenings
from .issue_view import IssueView, issue_view

_MAX_TAG_VALUES = 4
# What the list of feedback can show: what was read, what was not, or both.
_SHOWN = {"unread": False, "read": True, "all": None}
_EVENT_ID = re.compile(r"[0-9a-f]{32}")
_ISSUE_ID = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class TagValue:
    """A tag's value with its share of all events; ``search`` finds what has it."""

    label: str
    share: str
    search: str


@dataclass(frozen=True)
class TagShare:
    """A tag's most frequent values."""

    key: str
    values: tuple[TagValue, ...]
    more: int


@dataclass(frozen=True)
class Report:
    """What a person wrote; ``is_of_event`` if about the event that is shown.

    ``event_id`` is empty if the event is not kept.
    """

    id: int
    is_read: bool
    who: str
    email: str
    comments: Value
    time: Moment
    event_id: str
    issue_id: int | None
    issue_title: str
    is_of_event: bool


@dataclass(frozen=True)
class Related:
    """Another issue that breaks in the same place."""

    id: int
    title: str
    status: str


@dataclass(frozen=True)
class Reason:
    """A group of an issue: why its events are together, and how many they are."""

    group_id: int
    words: str
    events: int


@dataclass(frozen=True)
class IssuePage:
    """An issue with one of its events; both are ``None`` if none is kept.

    ``reasons`` say why its events are together, ``place`` is where the event stands
    among those kept; ``user_hash`` and ``version`` lead to pages of their own.
    """

    issue: IssueView
    reasons: tuple[Reason, ...]
    bars: tuple[trend.Bar, ...]
    event: EventView | None
    place: Record
    tag_shares: tuple[TagShare, ...]
    related: tuple[Related, ...]
    reports: tuple[Report, ...]
    report_count: int
    history: tuple[Happening, ...]
    user_hash: str | None
    version: str


@dataclass(frozen=True)
class FeedbackListPage:
    """What people wrote, the newest first; ``is_empty`` if nobody ever did."""

    reports: tuple[Report, ...]
    tabs: tuple[Option, ...]
    paging: Paging
    is_empty: bool


def issue_page(store: Store, issue_id: int, now: float) -> IssuePage | None:
    """Return an issue with its newest event; ``None`` if there is no such issue."""
    with store.reading() as connection:
        issue = reads.issue(connection, issue_id)
        if issue is None:
            return None
        return _page(connection, issue, reads.newest_event(connection, issue_id), now)


def event_page(store: Store, event_id: str, now: float) -> IssuePage | None:
    """Return an event with its issue; ``None`` if there is no such event."""
    with store.reading() as connection:
        event = _event_row(connection, event_id)
        if event is None or event.issue_id is None:
            return None
        issue = reads.issue(connection, event.issue_id)
        return _page(connection, issue, event, now) if issue else None


def find_event(store: Store, event_or_issue: str) -> tuple[Shape, Shape | None] | None:
    """Return an event and its issue, as ``issue_summary`` has it.

    :param event_or_issue: an event id, or the number of an issue, which means
        its newest event.
    """
    wanted = event_or_issue.strip().lower().replace("-", "").removeprefix("#")
    with store.reading() as connection:
        event = _event_row(connection, wanted)
        if event is None and _ISSUE_ID.fullmatch(wanted):
            event = reads.newest_event(connection, int(wanted))
        if event is None:
            return None
        issue = reads.issue(connection, event.issue_id) if event.issue_id else None
    return content_of(event), issue_summary(issue) if issue else None


def feedback_list_page(
    store: Store, *, show: str = "", page: int = 1, now: float
) -> FeedbackListPage:
    """Return a page of 25 pieces of feedback.

    :param show: ``"read"`` or ``"all"``; else what nobody has read yet.
    """
    page = page_number(page)
    shown = show if show in _SHOWN else "unread"
    with store.reading() as connection:
        counts = reads.report_counts(connection)
        found = reads.reports(
            connection, PAGE_SIZE, (page - 1) * PAGE_SIZE, _SHOWN[shown]
        )
    read, unread = counts.get(True, 0), counts.get(False, 0)
    totals = {"unread": unread, "read": read, "all": unread + read}
    return FeedbackListPage(
        tuple(_report(row, row.title or "", "", now) for row in found),
        tuple(
            Option(name.capitalize(), {"show": name}, name == shown, total)
            for name, total in totals.items()
        ),
        paging_of(page, len(found), totals[shown], partial(dict, show=shown)),
        is_empty=not totals["all"],
    )


def _page(
    connection: Connection, issue: Record, event: Record | None, now: float
) -> IssuePage:
    window = window_of(trend.TREND_DAYS, now)
    counts = reads.counts(connection, [issue.id], window)
    event_id = event.event_id if event else ""
    content = content_of(event) if event else {}
    reports = reads.reports_of_issue(connection, issue.id, event_id)
    related = reads.related_issues(connection, issue.id)
    return IssuePage(
        issue=issue_view(issue, reads.projects(connection), now),
        reasons=tuple(
            Reason(row.id, one_line(row.words, 600), row.event_count)
            for row in reads.groups(connection, issue.id)
        ),
        bars=tuple(trend.daily_bars(counts.get(issue.id, {}), window)),
        event=event_view(content, event_id, event.received_at, now) if event else None,
        place=reads.neighbours(connection, issue.id, event.id) if event else None,
        tag_shares=_shares(reads.tag_counts(connection, issue.id)),
        related=tuple(
            Related(row.id, one_line(row.title), row.status) for row in related
        ),
        reports=tuple(_report(row, "", event_id, now) for row in reports),
        report_count=reports[0].reports if reports else 0,
        history=happenings(reads.history(connection, issue.id), now),
        user_hash=event.user_hash if event else None,
        version=content.get("release", issue.release)[:MAX_TAG_LENGTH],
    )


def _event_row(connection: Connection, event_id: str) -> Record | None:
    # What is none is not asked for: PostgreSQL refuses some characters.
    if not _EVENT_ID.fullmatch(event_id):
        return None
    return reads.event(connection, event_id)


def _shares(rows: Sequence[Record]) -> tuple[TagShare, ...]:
    shares = []
    for key, group in groupby(
        sorted(rows, key=attrgetter("key")), key=attrgetter("key")
    ):
        found = list(group)
        total = sum(row.event_count for row in found)
        values = tuple(_tag_value(row, total) for row in found[:_MAX_TAG_VALUES])
        shares.append(
            TagShare(one_line(key, 60), values, max(len(found) - _MAX_TAG_VALUES, 0))
        )
    return tuple(shares)


def _tag_value(row: Record, total: int) -> TagValue:
    share = share_words(row.event_count, total)
    if row.value == OTHER_VALUES:
        return TagValue("other values", share, "")
    search = term_text(tag_key(row.key), row.value)
    return TagValue(one_line(row.value, 60), share, search)


def _report(row: Record, issue_title: str, event_id: str, now: float) -> Report:
    return Report(
        id=row.id,
        is_read=row.is_read,
        who=one_line(row.name or row.email) or "Anonymous",
        email=one_line(row.email) if row.name else "",
        comments=value(row.comments),
        time=moment(row.received_at, now),
        event_id=row.event_id if row.has_event else "",
        issue_id=row.issue_id,
        issue_title=one_line(issue_title),
        is_of_event=row.event_id == event_id,
    )
