"""The counters of a group: its users, hours and tags. Exact, and kept for ever.

All of them are upserts, so nothing is looked for before it is made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, func, select

from ..event import Event
from .engine import insert_into
from .schema import group_hour, group_tag, group_user, person

MAX_TAGS = 50
MAX_TAG_LENGTH = 200
#: So many values of a tag a group tells apart; the rarest others count as one.
MAX_TAG_VALUES = 1000
#: So many events come between two looks at that.
FOLD_INTERVAL = 100
#: The value under which they count.
OTHER_VALUES = ""

HOUR_SECONDS = 3600

# By what people are told apart, the best first: column and field of the user.
_KINDS = {
    "user_id": "id",
    "email": "email",
    "username": "username",
    "ip_address": "ip_address",
}

#: The event's own fields that are counted as if they were tags.
TAG_FIELDS = ("environment", "release", "transaction", "server_name")


def hour_of(seconds: float) -> int:
    """Return the hour of a time; both are counted from 1970."""
    return int(seconds // HOUR_SECONDS)


@dataclass(frozen=True)
class Person:
    """Who met an event: what is known, and the hash by which they are told apart."""

    user_hash: str
    facts: dict[str, str]

    @classmethod
    def of(cls, content: Event) -> Person | None:
        """Return who met an event; None if nobody is known."""
        user: dict[str, Any] = {**content.get("user", {})}
        facts = {column: str(user.get(key) or "") for column, key in _KINDS.items()}
        for column, kind in _KINDS.items():
            if facts[column]:
                text = f"{kind}:{facts[column]}"
                digest = hashlib.sha1(text.encode(), usedforsecurity=False)
                return cls(
                    digest.hexdigest(),
                    {name: fact[:MAX_TAG_LENGTH] for name, fact in facts.items()},
                )
        return None


def count_user(
    connection: Connection, project_id: int, group_id: int, who: Person
) -> bool:
    """Note that a group met a person; tell whether it had not before."""
    statement = insert_into(connection, person).values(
        project_id=project_id, user_hash=who.user_hash, **who.facts
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["project_id", "user_hash"], set_=who.facts
        )
    )
    found = connection.execute(
        insert_into(connection, group_user)
        .values(group_id=group_id, user_hash=who.user_hash)
        .on_conflict_do_nothing()
        .returning(group_user.c.group_id)
    )
    return bool(found.all())


def count_hour(connection: Connection, group_id: int, time: float) -> None:
    """Count an event in the hour that ``time``, in seconds since 1970, is in."""
    keys = {"group_id": group_id, "hour": hour_of(time)}
    _count(connection, group_hour, [keys])


def count_tags(connection: Connection, group_id: int, content: Event) -> None:
    """Count an event's tags, and those of its fields that work like tags."""
    tags = _tags_of(content)
    if tags:
        rows = [{"group_id": group_id, "key": key, "value": tags[key]} for key in tags]
        _count(connection, group_tag, rows)


def fold_rare_values(connection: Connection, group_id: int) -> None:
    """Count the rarest values of a tag that has too many as :data:`OTHER_VALUES`."""
    of_group = group_tag.c.group_id == group_id
    number = func.count().label("number")
    keys = connection.scalars(
        select(group_tag.c.key)
        .where(of_group, group_tag.c.value != OTHER_VALUES)
        .group_by(group_tag.c.key)
        .having(number > MAX_TAG_VALUES)
    ).all()
    for key in keys:
        rare = connection.scalars(
            select(group_tag.c.value)
            .where(of_group, group_tag.c.key == key, group_tag.c.value != OTHER_VALUES)
            .order_by(group_tag.c.event_count.desc(), group_tag.c.value)
            .offset(MAX_TAG_VALUES)
        ).all()
        gone = connection.scalars(
            delete(group_tag)
            .where(of_group, group_tag.c.key == key, group_tag.c.value.in_(rare))
            .returning(group_tag.c.event_count)
        ).all()
        keys_of_rest = {"group_id": group_id, "key": key, "value": OTHER_VALUES}
        _count(connection, group_tag, [keys_of_rest], sum(gone))


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


def _count(
    connection: Connection, table: Table, keys: list[dict[str, Any]], events: int = 1
) -> None:
    """Add so many events to the counter of each key."""
    statement = insert_into(connection, table).values(
        {name: bindparam(name) for name in keys[0]} | {"event_count": events}
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(keys[0]),
            set_={"event_count": table.c.event_count + events},
        ),
        keys,
    )
