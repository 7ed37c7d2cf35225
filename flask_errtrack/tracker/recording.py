"""How an event or a user report is written, inside one write transaction.

Upserts only: what might exist is never looked for and then made, so any number
of processes can do this at once. Rows of an issue are touched only while its
own row is locked, which is why writers cannot block each other in a circle.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, func, select, update

from ..envelope import encode_json
from ..event import Event, UserReport
from .counting import MAX_TAG_LENGTH, count_hour, count_tags, count_user
from .engine import insert_into
from .grouping import Grouping, culprit_of, grouping_of, title_of
from .retention import thin_out
from .schema import (
    event,
    feedback,
    issue,
    issue_hash,
    issue_tag,
)


@dataclass(frozen=True)
class Recorded:
    """What became of an item.

    ``issue_id`` is None for a user report whose event is not here.
    """

    event_id: str
    issue_id: int | None
    is_new: bool = False
    is_regression: bool = False
    is_duplicate: bool = False


@dataclass(frozen=True)
class Arrival:
    """A normalised event on its way in, with all that needs no database."""

    content: Event
    project_id: int
    received_at: float
    grouping: Grouping
    payload: bytes

    @classmethod
    def of(cls, content: Event, project_id: int, received_at: float) -> Arrival:
        # Level 1 takes half the time of the default, for a tenth more bytes.
        payload = zlib.compress(encode_json(content), 1)
        return cls(content, project_id, received_at, grouping_of(content), payload)


def record_event(connection: Connection, arrival: Arrival, max_events: int) -> Recorded:
    """Write an event, unless it is here already."""
    event_id = arrival.content["event_id"]
    row_id = _insert_event(connection, arrival)
    if row_id is None:
        known_id = _issue_of(connection, arrival.project_id, event_id)
        return Recorded(event_id, known_id, is_duplicate=True)
    issue_id, is_new = _issue_for(connection, arrival)
    event_count, is_regression = _update_issue(connection, arrival, issue_id)
    connection.execute(
        update(event)
        .where(event.c.id == row_id)
        .values(issue_id=issue_id, is_landmark=is_new or is_regression)
    )
    count_hour(connection, issue_id, arrival.received_at)
    count_tags(connection, issue_id, arrival.content)
    # A person may have been faster than the event.
    connection.execute(
        update(feedback)
        .where(_is_about(feedback, arrival.project_id, event_id))
        .values(issue_id=issue_id)
    )
    if event_count > max_events:
        thin_out(connection, issue_id, max_events)
    return Recorded(event_id, issue_id, is_new, is_regression)


def record_report(
    connection: Connection, report: UserReport, project_id: int, received_at: float
) -> Recorded:
    """Write a user report; of several about one event the last counts."""
    event_id = report["event_id"]
    issue_id = _issue_of(connection, project_id, event_id)
    told = {
        "name": report.get("name", ""),
        "email": report.get("email", ""),
        "comments": report["comments"],
        "received_at": received_at,
    }
    connection.execute(
        insert_into(connection, feedback)
        .values(project_id=project_id, event_id=event_id, issue_id=issue_id, **told)
        .on_conflict_do_update(
            index_elements=["project_id", "event_id"],
            set_={**told, "issue_id": func.coalesce(feedback.c.issue_id, issue_id)},
        )
    )
    return Recorded(event_id, issue_id)


def _insert_event(connection: Connection, arrival: Arrival) -> int | None:
    """Take the place of an event; None if it is taken already."""
    row_id: int | None = connection.scalar(
        insert_into(connection, event)
        .values(
            project_id=arrival.project_id,
            event_id=arrival.content["event_id"],
            received_at=arrival.received_at,
            is_landmark=False,
            payload=arrival.payload,
        )
        .on_conflict_do_nothing(index_elements=["project_id", "event_id"])
        .returning(event.c.id)
    )
    return row_id


def _issue_of(connection: Connection, project_id: int, event_id: str) -> int | None:
    issue_id: int | None = connection.scalar(
        select(event.c.issue_id).where(_is_about(event, project_id, event_id))
    )
    return issue_id


def _issue_for(connection: Connection, arrival: Arrival) -> tuple[int, bool]:
    """The issue that an event belongs to, and whether it was made for it."""
    grouping = arrival.grouping
    statement = insert_into(connection, issue_hash).values(
        project_id=arrival.project_id,
        hash=grouping.hash,
        coarse_hash=grouping.coarse_hash,
        version=grouping.version,
    )
    # Written even if it is there: that locks the row, so that of two writers
    # with a new hash the second sees the issue of the first.
    issue_id = connection.scalar(
        statement.on_conflict_do_update(
            index_elements=["project_id", "hash"],
            set_={"version": statement.excluded.version},
        ).returning(issue_hash.c.issue_id)
    )
    if issue_id is not None:
        return issue_id, False
    followed_id = _issue_with_edited_line(connection, arrival)
    issue_id = followed_id or _insert_issue(connection, arrival)
    connection.execute(
        update(issue_hash)
        .where(
            issue_hash.c.project_id == arrival.project_id,
            issue_hash.c.hash == grouping.hash,
        )
        .values(issue_id=issue_id)
    )
    return issue_id, followed_id is None


def _issue_with_edited_line(connection: Connection, arrival: Arrival) -> int | None:
    """The only issue of the same place, if this release is new to it.

    A line edited in a new release then stays in its issue. Two lines that
    broke in one release are two issues.
    """
    release = arrival.content.get("release")
    if not release or arrival.grouping.coarse_hash == arrival.grouping.hash:
        return None
    same_place = connection.scalars(
        select(issue_hash.c.issue_id)
        .where(
            issue_hash.c.project_id == arrival.project_id,
            issue_hash.c.coarse_hash == arrival.grouping.coarse_hash,
            issue_hash.c.issue_id.is_not(None),
        )
        .distinct()
        .limit(2)
    ).all()
    if len(same_place) != 1:
        return None
    releases = connection.scalars(
        select(issue_tag.c.value).where(
            issue_tag.c.issue_id == same_place[0], issue_tag.c.key == "release"
        )
    ).all()
    is_new_to_it = releases and release[:MAX_TAG_LENGTH] not in releases
    return same_place[0] if is_new_to_it else None


def _insert_issue(connection: Connection, arrival: Arrival) -> int:
    issue_id: int = connection.execute(
        insert_into(connection, issue)
        .values(
            project_id=arrival.project_id,
            status="unresolved",
            is_regressed=False,
            status_changed_at=arrival.received_at,
            event_count=0,
            user_count=0,
            first_seen=arrival.received_at,
            last_seen=arrival.received_at,
            grouping_words=arrival.grouping.words,
            **_facts_of(arrival.content),
        )
        .returning(issue.c.id)
    ).scalar_one()
    return issue_id


def _update_issue(
    connection: Connection, arrival: Arrival, issue_id: int
) -> tuple[int, bool]:
    """Count an event; return the new count, and whether it is a regression."""
    known = connection.execute(
        select(issue).where(issue.c.id == issue_id).with_for_update()
    ).one()
    is_regression = known.status == "resolved"
    changes: dict[str, Any] = {
        "event_count": known.event_count + 1,
        "user_count": known.user_count
        + count_user(connection, issue_id, arrival.content),
        "first_seen": min(known.first_seen, arrival.received_at),
        "last_seen": max(known.last_seen, arrival.received_at),
    }
    if arrival.received_at >= known.last_seen:
        changes |= _facts_of(arrival.content)
    if is_regression:
        changes["status"] = "unresolved"
        changes["is_regressed"] = True
        changes["status_changed_at"] = arrival.received_at
    connection.execute(update(issue).where(issue.c.id == issue_id).values(changes))
    return known.event_count + 1, is_regression


def _facts_of(content: Event) -> dict[str, str]:
    """What an issue shows of its newest event."""
    return {
        "title": title_of(content),
        "culprit": culprit_of(content),
        "level": content.get("level", "error"),
        "environment": content.get("environment", "")[:200],
        "release": content.get("release", "")[:200],
    }


def _is_about(table: Table, project_id: int, event_id: str) -> ColumnElement[bool]:
    return and_(table.c.project_id == project_id, table.c.event_id == event_id)
