"""What a search means for the database: one condition on the table of issues.

A term holds for an issue if it holds for any of its groups, a negated one if it holds
for none. Foreign text only ever goes in as a value.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    false,
    func,
    or_,
    select,
    true,
    union,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from ...words import one_line
from ..database.schema import event, group, group_tag, group_user, issue, person
from ..storing.counting import MAX_TAG_LENGTH
from .terms import (
    BegunIn,
    HasLevel,
    HasTag,
    Is,
    Meaning,
    Pattern,
    Query,
    Seen,
    Tag,
    User,
    UserColumn,
    Words,
)

_USER_COLUMNS: tuple[UserColumn, ...] = ("user_id", "email", "username", "ip_address")
_EVENT_ID = re.compile(r"[0-9a-f]{32}")
#: A word that more people have in common, such as "example.org", means none of them.
MAX_PERSONS = 1000


def issues_condition(query: Query, now: float) -> ColumnElement[bool]:
    """Return the condition that holds for the issues that a query asks for.

    :param now: seconds since 1970, for ages.
    """
    conditions: list[ColumnElement[bool]] = [true()]
    for term in query.terms:
        condition = _condition(term.meaning, now)
        conditions.append(~condition if term.is_negated else condition)
    return and_(*conditions)


def persons_condition(meaning: User) -> ColumnElement[bool]:
    """Return the condition that holds for the persons that are meant."""
    columns = _USER_COLUMNS if meaning.column is None else (meaning.column,)
    found = {name: _compared(person.c[name], meaning.value) for name in columns}
    address = found.pop("ip_address", false())
    if len(meaning.value.parts) == 1 or not found:
        return or_(address, *found.values())
    # One look at all of the names, in lower case already, spares four that are slow.
    like = f"%{_like_pattern(meaning.value)}%".lower()
    seems_so = person.c.search_text.like(like, escape="/")
    return or_(address, and_(seems_so, or_(*found.values())))


def unknown_words(connection: Connection, query: Query) -> str:
    """Say which tags a query asks for that no event has ever had; empty: all are."""
    keys = _unknown_tags(connection, query)
    if not keys:
        return ""
    return f"No event has a tag {' or '.join(one_line(key, 60) for key in keys)}."


def _unknown_tags(connection: Connection, query: Query) -> list[str]:
    asked = [term.meaning for term in query.terms if not term.is_negated]
    keys = list(
        dict.fromkeys(
            one.key
            for one in asked
            if isinstance(one, Tag | HasTag) and one != HasTag("user")
        )
    )
    if not keys:
        return []
    is_known = (exists().where(group_tag.c.key == key[:MAX_TAG_LENGTH]) for key in keys)
    known = connection.execute(select(*is_known)).one()
    return [key for key, has_any in zip(keys, known, strict=True) if not has_any]


def _condition(meaning: Meaning, now: float) -> ColumnElement[bool]:
    match meaning:
        case Is("regressed"):
            return issue.c.is_regressed
        case Is(state):
            return issue.c.status == state
        case HasLevel(level):
            return issue.c.level == level
        case Seen("first", seconds):
            return issue.c.first_seen >= now - seconds
        case Seen(_, seconds):
            return issue.c.last_seen >= now - seconds
        case BegunIn(release):
            return _compared(issue.c.first_release, release)
        case Words(text):
            return _has_words(text)
        case _:
            return _has_counted(meaning)


def _has_counted(meaning: HasTag | Tag | User) -> ColumnElement[bool]:
    match meaning:
        case HasTag("user"):
            return issue.c.user_count > 0
        case HasTag(key):
            return issue.c.id.in_(_having(key))
        case Tag(key, value):
            return issue.c.id.in_(_tagged(key, value))
        case User():
            return issue.c.id.in_(_met(persons_condition(meaning)))


def _has_words(text: Pattern) -> ColumnElement[bool]:
    # Both are in lower case already.
    like = _like_pattern(text)
    found = [
        _issues().where(group.c.search_text.like(like, escape="/")),
        _met(person.c.search_text.like(like, escape="/"), MAX_PERSONS),
    ]
    event_id = "".join(text.parts).replace("-", "")
    if _EVENT_ID.fullmatch(event_id):
        of_event = _issues().join(event, event.c.group_id == group.c.id)
        found.append(of_event.where(event.c.event_id == event_id))
    # Several conditions with OR between would be worked out several times.
    return issue.c.id.in_(union(*found))


def _issues() -> Select[tuple[int]]:
    # NULL among the values would make NOT IN hold for nothing.
    return select(group.c.issue_id).where(group.c.issue_id.is_not(None))


def _having(key: str) -> Select[tuple[int]]:
    has_key = exists().where(
        group_tag.c.group_id == group.c.id, group_tag.c.key == key[:MAX_TAG_LENGTH]
    )
    return _issues().where(has_key)


def _tagged(key: str, value: Pattern) -> Select[tuple[int]]:
    is_key = group_tag.c.key == key[:MAX_TAG_LENGTH]
    if len(value.parts) == 1:
        is_meant = _compared(group_tag.c.value, value)
    else:
        # Very many rows have one of few values: each of these is compared once.
        values = select(group_tag.c.value).where(is_key).distinct()
        known = values.cte().prefix_with("MATERIALIZED").c.value
        is_meant = group_tag.c.value.in_(select(known).where(_compared(known, value)))
    return (
        _issues()
        .join(group_tag, group_tag.c.group_id == group.c.id)
        .where(is_key, is_meant)
    )


def _met(
    condition: ColumnElement[bool], at_most: int | None = None
) -> Select[tuple[int]]:
    """The issues that met a person; those of nobody if more than so many are meant."""
    limit = None if at_most is None else at_most + 1
    meant = select(person.c.user_hash).where(condition).limit(limit).cte()
    # A hash says nothing about the project: who is 17 here is another one there.
    is_here = (
        select(person.c.user_hash)
        .where(
            person.c.project_id == group.c.project_id,
            person.c.user_hash == group_user.c.user_hash,
            condition,
        )
        .correlate(group, group_user)
        .exists()
    )
    met = (
        _issues()
        .join(group_user, group_user.c.group_id == group.c.id)
        # Finds the few that are meant among the very many that were met.
        .where(group_user.c.user_hash.in_(select(meant.c.user_hash)), is_here)
    )
    if at_most is None:
        return met
    number = select(func.count()).select_from(meant).scalar_subquery()
    return met.where(number <= at_most)


def _compared(column: ColumnElement[str], value: Pattern) -> ColumnElement[bool]:
    if len(value.parts) == 1:
        return column == value.parts[0][:MAX_TAG_LENGTH]
    return _Alike(column, _like_pattern(value))


def _like_pattern(value: Pattern) -> str:
    """The pattern as LIKE has it, with "/" before what is meant as it is."""
    # No stored value is longer: what was cut then is cut now.
    parts = (part[:MAX_TAG_LENGTH] for part in value.parts)
    return "%".join(
        part.replace("/", "//").replace("%", "/%").replace("_", "/_") for part in parts
    )


class _Alike(FunctionElement[bool]):
    """``column LIKE pattern`` without regard to case, as fast as the database can."""

    name = "alike"
    type = Boolean()
    inherit_cache = True


@compiles(_Alike)
def _ilike(element: _Alike, compiler: Any, **options: Any) -> str:
    column, pattern = (compiler.process(one, **options) for one in element.clauses)
    return f"({column} ILIKE {pattern} ESCAPE '/')"


@compiles(_Alike, "sqlite")
def _like(element: _Alike, compiler: Any, **options: Any) -> str:
    # It never regards case here, and folding it first takes four times as long.
    column, pattern = (compiler.process(one, **options) for one in element.clauses)
    return f"({column} LIKE {pattern} ESCAPE '/')"
