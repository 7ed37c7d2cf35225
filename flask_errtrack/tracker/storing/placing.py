"""Where an event belongs: its group, and the issue of that group.

Counts it in the group by the same statement that finds it. Knows nothing of what else
is written about an event.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, case, insert, select, update

from ...event import Event
from ...protocol.trim import trimmed
from ..database.rows import Record
from ..database.schema import group, group_tag, issue, project
from ..database.statements import Prepared
from ..events.grouping import (
    Grouping,
    culprit_of,
    grouping_of,
    search_text_of,
    title_of,
)
from . import history
from .counting import MAX_TAG_LENGTH, Person

#: What an issue shows of its newest event, and every group knows of its own.
FACTS = ("title", "culprit", "level", "environment", "release")


def _count_group(insert: Any) -> Any:
    bare = insert(group)
    new = bare.excluded
    is_newest = new.last_seen >= group.c.last_seen
    changes = {
        "event_count": group.c.event_count + 1,
        "first_seen": case(
            (new.first_seen < group.c.first_seen, new.first_seen),
            else_=group.c.first_seen,
        ),
        **{
            name: case((is_newest, new[name]), else_=group.c[name])
            for name in ("last_seen", "search_text", *FACTS)
        },
    }
    return bare.on_conflict_do_update(
        index_elements=["project_id", "hash"], set_=changes
    ).returning(group.c.id, group.c.issue_id, group.c.event_count)


_COUNT_GROUP = Prepared(_count_group)


@dataclass(frozen=True)
class Arrival:
    """A normalised event on its way in, with all that needs no database."""

    content: Event
    project_id: int
    received_at: float
    grouping: Grouping
    person: Person | None
    payload: bytes
    facts: dict[str, str]
    search_text: str

    @classmethod
    def of(cls, content: Event, project_id: int, received_at: float) -> Arrival:
        content, payload = trimmed(content)
        facts = _facts_of(content)
        return cls(
            content,
            project_id,
            received_at,
            grouping_of(content),
            Person.of(content),
            # Level 1 takes half the time of the default, for a tenth more bytes.
            zlib.compress(payload, 1),
            facts,
            search_text_of(content, facts["title"], facts["culprit"]),
        )


@dataclass(frozen=True)
class Placement:
    """The group that an event belongs to; its number of events has this one in it."""

    group_id: int
    issue_id: int
    event_count: int
    is_new_issue: bool


def place(connection: Connection, arrival: Arrival) -> Placement:
    """Return where an event belongs, and count it there; new groups are made.

    Counting locks the row, so that of two writers with a new hash the second sees the
    issue of the first.
    """
    grouping, received_at = arrival.grouping, arrival.received_at
    (counted,) = _COUNT_GROUP.run(
        connection,
        {
            "project_id": arrival.project_id,
            "hash": grouping.hash,
            "coarse_hash": grouping.coarse_hash,
            "version": grouping.version,
            "words": grouping.words,
            "event_count": 1,
            "first_seen": received_at,
            "last_seen": received_at,
            "first_release": arrival.facts["release"],
            "search_text": arrival.search_text,
            **arrival.facts,
        },
    )
    if counted.issue_id is not None:
        return Placement(counted.id, counted.issue_id, counted.event_count, False)
    issue_id = _issue_with_edited_line(connection, arrival)
    is_new = issue_id is None
    if issue_id is None:
        issue_id = open_issue(connection, counted.id, received_at).id
        history.note(connection, issue_id, received_at, "created")
    else:
        _move(connection, counted.id, issue_id)
        version = arrival.facts["release"]
        history.note(connection, issue_id, received_at, "line_edited", version)
    return Placement(counted.id, issue_id, counted.event_count, is_new)


def _issue_with_edited_line(connection: Connection, arrival: Arrival) -> int | None:
    """The only issue of the same place, if this release is new to it.

    A line edited in a new release then stays in its issue. Two lines that
    broke in one release are two issues.
    """
    version = arrival.facts["release"]
    if not version or arrival.grouping.coarse_hash == arrival.grouping.hash:
        return None
    same_place = connection.execute(
        select(group.c.id, group.c.issue_id).where(
            group.c.project_id == arrival.project_id,
            group.c.coarse_hash == arrival.grouping.coarse_hash,
            group.c.issue_id.is_not(None),
        )
    ).all()
    if len({row.issue_id for row in same_place}) != 1:
        return None
    of_issue = group_tag.c.group_id.in_(
        select(group.c.id).where(group.c.issue_id == same_place[0].issue_id)
    )
    releases = connection.scalars(
        select(group_tag.c.value).where(of_issue, group_tag.c.key == "release")
    ).all()
    is_new_to_it = releases and version not in releases
    if not is_new_to_it:
        return None
    # Held by who merges issues or deletes them, and must know all their groups.
    held = select(project.c.id).where(project.c.id == arrival.project_id)
    connection.execute(held.with_for_update(key_share=True))
    # Merged into another one or deleted meanwhile, it is gone.
    wanted = select(issue.c.id).where(issue.c.id == same_place[0].issue_id)
    return connection.scalar(wanted.with_for_update())


def open_issue(connection: Connection, group_id: int, now: float) -> Record:
    """Make the issue that has only this group; its counts are still to come."""
    of = connection.execute(select(group).where(group.c.id == group_id)).one()
    new = connection.execute(
        insert(issue)
        .values(
            project_id=of.project_id,
            status="unresolved",
            is_regressed=False,
            status_changed_at=now,
            event_count=0,
            user_count=0,
            first_seen=of.first_seen,
            last_seen=of.last_seen,
            first_release=of.first_release,
            regressed_release="",
            **{name: of._mapping[name] for name in FACTS},
        )
        .returning(issue)
    ).one()
    _move(connection, group_id, new.id)
    return new


def _move(connection: Connection, group_id: int, issue_id: int) -> None:
    moved = update(group).where(group.c.id == group_id).values(issue_id=issue_id)
    connection.execute(moved)


def _facts_of(content: Event) -> dict[str, str]:
    """What an issue shows of its newest event."""
    return {
        "title": title_of(content),
        "culprit": culprit_of(content),
        "level": content.get("level", "error"),
        "environment": content.get("environment", "")[:MAX_TAG_LENGTH],
        "release": content.get("release", "")[:MAX_TAG_LENGTH],
    }
