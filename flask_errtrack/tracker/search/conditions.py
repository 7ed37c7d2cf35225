"""What a search means for the database: one condition on the table of issues.

A term holds for an issue if it holds for any of its groups, a negated one if it holds
for none. Foreign text only ever goes in as a value.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Select, and_, or_, select, true, union
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from ..counting import MAX_TAG_LENGTH
from ..schema import event, group, group_tag, group_user, issue, person
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
    return or_(*(_compared(person.c[name], meaning.value) for name in columns))


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
            return _is_one_of(_tagged(key, true()))
        case Tag(key, value):
            return _is_one_of(_tagged(key, _compared(group_tag.c.value, value)))
        case User():
            return _is_one_of(_met(persons_condition(meaning)))


def _has_words(text: str) -> ColumnElement[bool]:
    found = [
        _issues().where(group.c.search_text.contains(text, autoescape=True)),
        _met(person.c.search_text.contains(text, autoescape=True)),
    ]
    if _EVENT_ID.fullmatch(text):
        of_event = _issues().join(event, event.c.group_id == group.c.id)
        found.append(of_event.where(event.c.event_id == text))
    # Several conditions with OR between would be worked out several times.
    return issue.c.id.in_(union(*found))


def _issues() -> Select[tuple[int]]:
    # NULL among the values would make NOT IN hold for nothing.
    return select(group.c.issue_id).where(group.c.issue_id.is_not(None))


def _tagged(key: str, condition: ColumnElement[bool]) -> Select[tuple[int]]:
    return (
        _issues()
        .join(group_tag, group_tag.c.group_id == group.c.id)
        .where(group_tag.c.key == key[:MAX_TAG_LENGTH], condition)
    )


def _met(condition: ColumnElement[bool]) -> Select[tuple[int]]:
    """The issues that met a person; found from the person, of whom there are few."""
    meant = select(person.c.user_hash).where(condition)
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
    return (
        _issues()
        .join(group_user, group_user.c.group_id == group.c.id)
        .where(group_user.c.user_hash.in_(meant), is_here)
    )


def _is_one_of(issue_ids: Select[tuple[int]]) -> ColumnElement[bool]:
    return issue.c.id.in_(issue_ids)


def _compared(column: ColumnElement[str], value: Pattern) -> ColumnElement[bool]:
    # No stored value is longer: what was cut then is cut now.
    text = value.text[:MAX_TAG_LENGTH]
    if not value.is_open_before and not value.is_open_after:
        return column == text
    escaped = text.replace("/", "//").replace("%", "/%").replace("_", "/_")
    before = "%" if value.is_open_before else ""
    after = "%" if value.is_open_after else ""
    return _Alike(column, before + escaped + after)


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
