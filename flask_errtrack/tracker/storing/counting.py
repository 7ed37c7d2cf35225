"""The counters of a group: its users, hours and tags. Exact, and kept for ever.

All of them are upserts, so nothing is looked for before it is made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select

from ...event import Event
from ..database.schema import group_hour, group_tag, group_user, person
from ..database.statements import Prepared

MAX_TAGS = 50
MAX_TAG_LENGTH = 200
#: So many values of a tag a group tells apart; the rarest others count as one.
MAX_TAG_VALUES = 1000
#: So many tags a group has; the rarest others are no longer counted.
MAX_TAG_KEYS = 200
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


def _adds_up(table: Table, *keys: str) -> Prepared:
    """Return the statement that adds to the counter of a key."""

    def build(insert: Any) -> Any:
        bare = insert(table)
        more = table.c.event_count + bare.excluded.event_count
        return bare.on_conflict_do_update(
            index_elements=keys, set_={"event_count": more}
        )

    return Prepared(build)


def _note_person(insert: Any) -> Any:
    bare = insert(person)
    return bare.on_conflict_do_update(
        index_elements=["project_id", "user_hash"],
        set_={name: bare.excluded[name] for name in ("search_text", *_KINDS)},
    )


_COUNT_HOUR = _adds_up(group_hour, "group_id", "hour")
_COUNT_TAG = _adds_up(group_tag, "group_id", "key", "value")
_COUNT_USER = Prepared(
    lambda insert: (
        insert(group_user).on_conflict_do_nothing().returning(group_user.c.group_id)
    )
)
_NOTE_PERSON = Prepared(_note_person)


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

    @property
    def search_text(self) -> str:
        """What a search for words looks in: id, e-mail and name, in lower case."""
        names = (self.facts[name] for name in ("user_id", "email", "username"))
        return "\n".join(filter(None, names)).lower()


def count_user(
    connection: Connection, project_id: int, group_id: int, who: Person
) -> bool:
    """Note that a group met a person; tell whether it had not before."""
    _NOTE_PERSON.run(
        connection,
        {
            "project_id": project_id,
            "user_hash": who.user_hash,
            "search_text": who.search_text,
            **who.facts,
        },
    )
    keys = {"group_id": group_id, "user_hash": who.user_hash}
    return bool(_COUNT_USER.run(connection, keys))


def count_hour(connection: Connection, group_id: int, time: float) -> None:
    """Count an event in the hour that ``time``, in seconds since 1970, is in."""
    keys = {"group_id": group_id, "hour": hour_of(time)}
    _COUNT_HOUR.run(connection, keys | {"event_count": 1})


def count_tags(connection: Connection, group_id: int, content: Event) -> None:
    """Count an event's tags, and those of its fields that work like tags."""
    tags = tags_of(content)
    if tags:
        rows = [
            {"group_id": group_id, "key": key, "value": tags[key], "event_count": 1}
            for key in tags
        ]
        _COUNT_TAG.run_all(connection, rows)


def bound_tags(connection: Connection, group_id: int) -> None:
    """Keep a group's tags and their values within bounds, whatever is sent."""
    _forget_rare_keys(connection, group_id)
    _fold_rare_values(connection, group_id)


def _forget_rare_keys(connection: Connection, group_id: int) -> None:
    of_group = group_tag.c.group_id == group_id
    rare = connection.scalars(
        select(group_tag.c.key)
        .where(of_group, group_tag.c.key.not_in(TAG_FIELDS))
        .group_by(group_tag.c.key)
        .order_by(func.sum(group_tag.c.event_count).desc(), group_tag.c.key)
        .offset(MAX_TAG_KEYS)
    ).all()
    if rare:
        connection.execute(delete(group_tag).where(of_group, group_tag.c.key.in_(rare)))


def _fold_rare_values(connection: Connection, group_id: int) -> None:
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
        rest = {"group_id": group_id, "key": key, "value": OTHER_VALUES}
        _COUNT_TAG.run(connection, rest | {"event_count": sum(gone)})


def tags_of(content: Event) -> dict[str, str]:
    """Return the tags that count of an event, its own fields among them."""
    facts: dict[str, Any] = {**content}
    own = {name: facts[name] for name in TAG_FIELDS if facts.get(name)}
    tags = own | {
        key: value
        for key, value in content.get("tags", {}).items()
        # Nobody can search for a tag without a name.
        if key.strip() and key not in own
    }
    return {
        key[:MAX_TAG_LENGTH]: value[:MAX_TAG_LENGTH]
        for key, value in list(tags.items())[:MAX_TAGS]
    }
