"""How an event or a user report is written, inside one write transaction.

Upserts only: what might exist is never looked for and then made, so any number
of processes can do this at once. Rows of an issue are touched only while its
own row is locked, which is why writers cannot block each other in a circle.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ..envelope import encode_json
from ..event import Event, UserReport
from .grouping import Grouping, culprit_of, grouping_of, title_of
from .retention import thin_out
from .schema import event as event_table
from .schema import feedback, issue, issue_hash, issue_hour, issue_tag, issue_user

MAX_TAGS = 50
MAX_TAG_LENGTH = 200

#: The event's own fields that are counted as if they were tags.
TAG_FIELDS = ("environment", "release", "transaction", "server_name")


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

    event: Event
    project_id: int
    received_at: float
    grouping: Grouping = field(init=False)
    payload: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "grouping", grouping_of(self.event))
        payload = zlib.compress(encode_json(self.event), 1)
        object.__setattr__(self, "payload", payload)


def record_event(connection: Connection, arrival: Arrival, max_events: int) -> Recorded:
    """Write an event, unless it is here already."""
    event_id = arrival.event["event_id"]
    row_id = _insert_event(connection, arrival)
    if row_id is None:
        return Recorded(event_id, _issue_of(connection, arrival), is_duplicate=True)
    issue_id, is_new = _issue_for(connection, arrival)
    known = connection.execute(
        select(issue.c["status", "event_count", "user_count", "first_seen", "last_seen"])
        .where(issue.c.id == issue_id)
        .with_for_update()
    ).one()
    is_regression = known.status == "resolved"
    count_tags_and_hour(connection, arrival, issue_id)
    connection.execute(
        update(issue)
        .where(issue.c.id == issue_id)
        .values(
            event_count=known.event_count + 1,
            user_count=known.user_count + _count_user(connection, arrival, issue_id),
            first_seen=min(known.first_seen, arrival.received_at),
            last_seen=max(known.last_seen, arrival.received_at),
            **(_facts_of(arrival) if arrival.received_at >= known.last_seen else {}),
            **(_regression(arrival) if is_regression else {}),
        )
    )
    connection.execute(
        update(event_table)
        .where(event_table.c.id == row_id)
        .values(issue_id=issue_id, is_landmark=is_new or is_regression)
    )
    connection.execute(
        update(feedback)
        .where(_is_about(feedback, arrival.project_id, event_id))
        .values(issue_id=issue_id)
    )
    if known.event_count >= max_events:
        thin_out(connection, issue_id, max_events)
    return Recorded(event_id, issue_id, is_new, is_regression)


def record_report(
    connection: Connection, report: UserReport, project_id: int, received_at: float
) -> Recorded:
    """Write a user report; of several about one event the last counts."""
    event_id = report["event_id"]
    issue_id = connection.scalar(
        select(event_table.c.issue_id).where(
            _is_about(event_table, project_id, event_id)
        )
    )
    told = {
        "name": report.get("name", ""),
        "email": report.get("email", ""),
        "comments": report["comments"],
        "received_at": received_at,
    }
    statement = _insert(connection, feedback)
    connection.execute(
        statement.values(
            project_id=project_id, event_id=event_id, issue_id=issue_id, **told
        ).on_conflict_do_update(
            index_elements=["project_id", "event_id"],
            set_={
                **told,
                "issue_id": func.coalesce(feedback.c.issue_id, issue_id),
            },
        )
    )
    return Recorded(event_id, issue_id)
