"""Events that a search asks for, and not only their issues: lazily, the newest first.

State, ages and words are those of the issue. Level, tags and user are asked of the
event itself, which only its payload can tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from sqlalchemy import ColumnElement, Connection, and_, select

from ...event import Event
from ..database.rows import Record
from ..database.schema import event, group, issue, person
from ..shapes import content_of
from ..storing.counting import Person, tags_of
from .conditions import MAX_PERSONS, issues_condition, persons_condition
from .terms import HasLevel, HasTag, Query, Tag, Term, User

BATCH_SIZE = 200


def events_found(connection: Connection, query: Query, now: float) -> Iterator[Record]:
    """Yield the events that are kept, with ``issue_id`` and ``title`` of their issues.

    :param now: seconds since 1970, for ages.
    """
    asked = [term for term in query.terms if _is_about_event(term)]
    # What holds for no event of an issue holds for none of its events; the opposite
    # of that says nothing.
    of_issue = tuple(
        term
        for term in query.terms
        if term not in asked or not (term.is_negated or _is_level(term))
    )
    statement = (
        select(
            event.c.id,
            event.c.event_id,
            event.c.project_id,
            event.c.received_at,
            event.c.payload,
            group.c.issue_id,
            issue.c.title,
        )
        .join(group, group.c.id == event.c.group_id)
        .join(issue, issue.c.id == group.c.issue_id)
        .where(event.c.payload.is_not(None), issues_condition(Query(of_issue), now))
        .order_by(event.c.id.desc())
        .limit(BATCH_SIZE)
    )
    for term in asked:
        if isinstance(term.meaning, User) and not term.is_negated:
            statement = statement.where(_is_of(connection, term.meaning))
    batch = connection.execute(statement).all()
    while batch:
        for row in batch:
            content = cast("Event", content_of(row))
            if all(_holds(term, content) for term in asked):
                yield row
        older = statement.where(event.c.id < batch[-1].id)
        batch = connection.execute(older).all()


def _is_of(connection: Connection, meaning: User) -> ColumnElement[bool]:
    """Return what holds for the events of some people, if those are not too many.

    Named one by one they are found in an index, where a search for them would be done
    for every event. That a hash is not of another project's person, the payload says.
    """
    columns = person.c.project_id, person.c.user_hash
    query = select(*columns).where(persons_condition(meaning)).limit(MAX_PERSONS + 1)
    found = connection.execute(query).all()
    if len(found) > MAX_PERSONS:
        return event.c.user_hash.is_not(None)
    return and_(
        event.c.project_id.in_({row.project_id for row in found}),
        event.c.user_hash.in_({row.user_hash for row in found}),
    )


def _is_about_event(term: Term) -> bool:
    return isinstance(term.meaning, HasLevel | HasTag | Tag | User)


def _is_level(term: Term) -> bool:
    # An issue has the level of its newest event.
    return isinstance(term.meaning, HasLevel)


def _holds(term: Term, content: Event) -> bool:
    return _is_true(term, content) is not term.is_negated


def _is_true(term: Term, content: Event) -> bool:
    match term.meaning:
        case HasLevel(level):
            return content.get("level", "error") == level
        case HasTag("user"):
            return Person.of(content) is not None
        case HasTag(key):
            return key in tags_of(content)
        case Tag(key, value):
            tags = tags_of(content)
            return key in tags and value.matches(tags[key])
        case User(column, value):
            who = Person.of(content)
            facts = {} if who is None else who.facts
            names = facts if column is None else (column,)
            return any(facts.get(name) and value.matches(facts[name]) for name in names)
    return True
