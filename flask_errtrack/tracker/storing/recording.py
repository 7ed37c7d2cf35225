"""How an event or a user report is written, inside one write transaction.

Upserts only: what might exist is never looked for and then made, so any number of
processes can do this at once. Rows are locked in one order, release, group, issue,
person, event, which is why writers cannot block each other in a circle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    func,
    or_,
    select,
    update,
)

from ...event import UserReport
from ..database.schema import event, feedback, group, group_user, issue, release
from ..database.statements import Prepared, insert_of
from . import history
from .counting import (
    FOLD_INTERVAL,
    bound_tags,
    count_hour,
    count_tags,
    count_user,
)
from .placing import Arrival, Placement, place
from .retention import thin_out
from .versions import is_later

_TAKE_PLACE = Prepared(
    lambda insert: (
        insert(event)
        .on_conflict_do_nothing(index_elements=["event_id", "project_id"])
        .returning(event.c.id)
    )
)
_NOTE_RELEASE = Prepared(
    lambda insert: insert(release).on_conflict_do_nothing(
        index_elements=["project_id", "version"]
    )
)
# Which columns change is told by the values that a statement is run with.
_FILL_EVENT = Prepared(lambda _: update(event).where(event.c.id == bindparam("row_id")))
_CHANGE_ISSUE = Prepared(
    lambda _: update(issue).where(issue.c.id == bindparam("row_id"))
)
_LOCK_ISSUE = Prepared(
    lambda _: select(issue).where(issue.c.id == bindparam("row_id")).with_for_update()
)
_FIND_FEEDBACK = Prepared(
    lambda _: update(feedback).where(
        feedback.c.project_id == bindparam("of_project"),
        feedback.c.event_id == bindparam("of_event"),
    )
)
_MET_ELSEWHERE = Prepared(
    lambda _: (
        select(group_user.c.group_id)
        .join(group, group.c.id == group_user.c.group_id)
        .where(
            group.c.issue_id == bindparam("issue_id"),
            group.c.id != bindparam("group_id"),
            group_user.c.user_hash == bindparam("user_hash"),
        )
        .limit(1)
    )
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


def record_event(connection: Connection, arrival: Arrival, max_events: int) -> Recorded:
    """Write an event, unless it is here already."""
    event_id = arrival.content["event_id"]
    row_id = _insert_event(connection, arrival)
    if row_id is None:
        known_id = _issue_of(connection, arrival.project_id, event_id)
        return Recorded(event_id, known_id, is_duplicate=True)
    _note_release(connection, arrival)
    found = place(connection, arrival)
    is_regression = _update_issue(connection, arrival, found)
    _FILL_EVENT.run(
        connection,
        {
            "row_id": row_id,
            "group_id": found.group_id,
            "is_landmark": found.is_new_issue or is_regression,
            "payload": arrival.payload,
        },
    )
    count_hour(connection, found.group_id, arrival.received_at)
    count_tags(connection, found.group_id, arrival.content)
    # A person may have been faster than the event.
    _FIND_FEEDBACK.run(
        connection,
        {
            "of_project": arrival.project_id,
            "of_event": event_id,
            "group_id": found.group_id,
        },
    )
    if found.event_count > max_events:
        thin_out(connection, found.group_id, max_events)
    if found.event_count % FOLD_INTERVAL == 0:
        bound_tags(connection, found.group_id)
    return Recorded(event_id, found.issue_id, found.is_new_issue, is_regression)


def record_report(
    connection: Connection, report: UserReport, project_id: int, received_at: float
) -> Recorded:
    """Write a user report; of several about one event the last counts."""
    event_id = report["event_id"]
    # Held, so that it is not deleted before the report points at it.
    of_event = select(group.c.id).join(event, event.c.group_id == group.c.id)
    group_id = connection.scalar(
        of_event.where(_is_about(event, project_id, event_id)).with_for_update(
            read=True, key_share=True, of=group
        )
    )
    told = {
        "name": report.get("name", ""),
        "email": report.get("email", ""),
        "comments": report["comments"],
        "received_at": received_at,
        "is_read": False,
    }
    connection.execute(
        insert_of(connection)(feedback)
        .values(project_id=project_id, event_id=event_id, group_id=group_id, **told)
        .on_conflict_do_update(
            index_elements=["project_id", "event_id"],
            set_={**told, "group_id": func.coalesce(feedback.c.group_id, group_id)},
        )
    )
    return Recorded(event_id, _issue_of(connection, project_id, event_id))


def _insert_event(connection: Connection, arrival: Arrival) -> int | None:
    """Take the place of an event; None if it is taken already."""
    taken = _TAKE_PLACE.run(
        connection,
        {
            "project_id": arrival.project_id,
            "event_id": arrival.content["event_id"],
            "received_at": arrival.received_at,
            "is_landmark": False,
            "user_hash": arrival.person and arrival.person.user_hash,
            # The payload comes with the group: it is written once only.
        },
    )
    return taken[0].id if taken else None


def _issue_of(connection: Connection, project_id: int, event_id: str) -> int | None:
    issue_id: int | None = connection.scalar(
        select(group.c.issue_id)
        .join(event, event.c.group_id == group.c.id)
        .where(_is_about(event, project_id, event_id))
    )
    return issue_id


def _note_release(connection: Connection, arrival: Arrival) -> None:
    """Number an event's release, if it was never seen before."""
    version = arrival.facts["release"]
    if version:
        _NOTE_RELEASE.run(
            connection,
            {
                "project_id": arrival.project_id,
                "version": version,
                "first_seen": arrival.received_at,
            },
        )


def _update_issue(connection: Connection, arrival: Arrival, found: Placement) -> bool:
    """Count an event in its issue; tell whether it is a regression."""
    (known,) = _LOCK_ISSUE.run(connection, {"row_id": found.issue_id})
    changes: dict[str, Any] = {
        "event_count": known.event_count + 1,
        "user_count": known.user_count + _new_users(connection, arrival, found),
        "first_seen": min(known.first_seen, arrival.received_at),
        "last_seen": max(known.last_seen, arrival.received_at),
    }
    if arrival.received_at >= known.last_seen:
        changes |= arrival.facts
    is_regression = known.status == "resolved" and _reopens(connection, arrival, known)
    if is_regression:
        changes["is_regressed"] = True
        changes["regressed_release"] = arrival.facts["release"]
    is_unmuted = known.status == "muted" and is_mute_over(
        known, arrival.received_at, changes["event_count"], changes["user_count"]
    )
    if is_regression or is_unmuted:
        kind: history.Kind = "regressed" if is_regression else "unmuted"
        changes["status"] = "unresolved"
        changes["status_changed_at"] = arrival.received_at
        history.note(
            connection, known.id, arrival.received_at, kind, arrival.facts["release"]
        )
    _CHANGE_ISSUE.run(connection, {"row_id": known.id, **changes})
    return is_regression


def _new_users(connection: Connection, arrival: Arrival, found: Placement) -> int:
    """1 if the issue has not met the event's user before."""
    who = arrival.person
    if who is None or not count_user(
        connection, arrival.project_id, found.group_id, who
    ):
        return 0
    others = {
        "issue_id": found.issue_id,
        "group_id": found.group_id,
        "user_hash": who.user_hash,
    }
    return 0 if _MET_ELSEWHERE.run(connection, others) else 1


def _reopens(connection: Connection, arrival: Arrival, known: Any) -> bool:
    """Tell whether an event shows that a resolved issue is not.

    A release that is older than the one in which it was resolved may still run
    somewhere.
    """
    version = arrival.facts["release"]
    if known.reopens_from is None or not version:
        return True
    query = select(release).where(
        release.c.project_id == arrival.project_id,
        or_(release.c.id == known.reopens_from, release.c.version == version),
    )
    releases = connection.execute(query).all()
    old = next(one for one in releases if one.id == known.reopens_from)
    new = next(one for one in releases if one.version == version)
    return is_later(new, old) if known.needs_next_release else not is_later(old, new)


def is_mute_over(known: Any, now: float, event_count: int, user_count: int) -> bool:
    """Tell whether an issue that was muted until something has seen that happen.

    :param known: its row.
    """
    limits = (
        (known.mute_until, now),
        (known.mute_until_events, event_count),
        (known.mute_until_users, user_count),
    )
    return any(limit is not None and reached >= limit for limit, reached in limits)


def _is_about(table: Table, project_id: int, event_id: str) -> ColumnElement[bool]:
    return and_(table.c.project_id == project_id, table.c.event_id == event_id)
