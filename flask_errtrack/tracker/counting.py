"""The counters of an issue: its users, hours and tags. Exact, and kept for ever.

All of them are upserts, so nothing is looked for before it is made.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import Connection, Table, bindparam

from ..event import Event
from .engine import insert_into
from .schema import issue_hour, issue_tag, issue_user

MAX_TAGS = 50
MAX_TAG_LENGTH = 200

HOUR_SECONDS = 3600

#: The event's own fields that are counted as if they were tags.
TAG_FIELDS = ("environment", "release", "transaction", "server_name")


def hour_of(seconds: float) -> int:
    """Return the hour of a time; both are counted from 1970."""
    return int(seconds // HOUR_SECONDS)


def count_user(connection: Connection, issue_id: int, content: Event) -> int:
    """1 if the issue has not met the event's user before."""
    user_hash = _user_hash(content)
    if user_hash is None:
        return 0
    found = connection.execute(
        insert_into(connection, issue_user)
        .values(issue_id=issue_id, user_hash=user_hash)
        .on_conflict_do_nothing()
        .returning(issue_user.c.issue_id)
    )
    return len(found.all())


def _user_hash(content: Event) -> str | None:
    user: dict[str, Any] = {**content.get("user", {})}
    for kind in ("id", "email", "username", "ip_address"):
        if user.get(kind):
            text = f"{kind}:{user[kind]}"
            return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return None


def count_hour(connection: Connection, issue_id: int, time: float) -> None:
    """Count an event in the hour that ``time``, in seconds since 1970, is in."""
    keys = {"issue_id": issue_id, "hour": hour_of(time)}
    _count(connection, issue_hour, [keys])


def count_tags(connection: Connection, issue_id: int, content: Event) -> None:
    """Count an event's tags, and those of its fields that work like tags."""
    tags = _tags_of(content)
    if tags:
        rows = [{"issue_id": issue_id, "key": key, "value": tags[key]} for key in tags]
        _count(connection, issue_tag, rows)


def _tags_of(content: Event) -> dict[str, str]:
    facts: dict[str, Any] = {**content}
    own = {name: facts[name] for name in TAG_FIELDS if facts.get(name)}
    tags = own | {
        key: value for key, value in content.get("tags", {}).items() if key not in own
    }
    return {
        key[:MAX_TAG_LENGTH]: value[:MAX_TAG_LENGTH]
        for key, value in list(tags.items())[:MAX_TAGS]
    }


def _count(connection: Connection, table: Table, keys: list[dict[str, Any]]) -> None:
    """Add one to the counter of each key."""
    statement = insert_into(connection, table).values(
        {name: bindparam(name) for name in keys[0]} | {"event_count": 1}
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(keys[0]),
            set_={"event_count": table.c.event_count + 1},
        ),
        keys,
    )
