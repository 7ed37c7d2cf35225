"""Which stored events may go: old ones, and most of those of a storm.

Counters of issues never change here. An event with feedback, the first of its issue
and the one that made it regress go only by age. Of those that go earlier the row
stays: an event that is delivered again must still be known.
"""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    func,
    null,
    select,
    update,
)

from ..database.schema import event, feedback, person, tally
from .counting import hour_of

#: Few enough that other writers wait only some milliseconds.
BATCH_SIZE = 500


def delete_old(connection: Connection, oldest: float) -> int:
    """Delete a batch of what came before ``oldest``; return how many events that is.

    With the last batch go the tallies of that age, and feedback whose event never came:
    whoever has a key can send any number of it.
    """
    deleted = delete_events(connection, event.c.received_at < oldest)
    if deleted < BATCH_SIZE:
        is_old = tally.c.hour < hour_of(oldest)
        connection.execute(delete(tally).where(is_old))
        is_alone = and_(feedback.c.group_id.is_(None), feedback.c.received_at < oldest)
        connection.execute(delete(feedback).where(is_alone))
    return deleted


def delete_events(connection: Connection, which: ColumnElement[bool]) -> int:
    """Delete a batch of events; return how many.

    With the last event of a person goes who that is; the issues they met still count
    them.
    """
    columns = event.c.id, event.c.project_id, event.c.user_hash
    some = connection.execute(select(*columns).where(which).limit(BATCH_SIZE)).all()
    met = [row for row in some if row.user_hash]
    # Each a list of its own, for which there is an index. Whoever else is named by
    # them goes only if no event is left, too.
    whom = and_(
        person.c.project_id.in_({row.project_id for row in met}),
        person.c.user_hash.in_({row.user_hash for row in met}),
    )
    # Before the events, as a writer does, and so that none of theirs comes meanwhile.
    held = select(person.c.user_hash).where(whom)
    order = person.c.project_id, person.c.user_hash
    connection.execute(held.order_by(*order).with_for_update()).all()
    ids = [row.id for row in some]
    deleted = connection.execute(delete(event).where(event.c.id.in_(ids))).rowcount
    is_here = exists().where(
        event.c.project_id == person.c.project_id,
        event.c.user_hash == person.c.user_hash,
    )
    connection.execute(delete(person).where(whom, ~is_here))
    return deleted


def count_old(connection: Connection, oldest: float) -> int:
    """Return how many events were received before ``oldest``."""
    query = select(func.count()).where(event.c.received_at < oldest)
    return connection.scalar(query) or 0


def thin_out(connection: Connection, group_id: int, max_events: int) -> None:
    """Empty some events of a group that has more than ``max_events`` with payload.

    Of the older half every second goes: the newest stay, and of the others a
    spread that grows thinner with age. What goes at once is a quarter, so that
    this is rare even in a storm.
    """
    is_kept = and_(event.c.group_id == group_id, event.c.payload.is_not(None))
    count = connection.execute(select(func.count()).where(is_kept)).scalar_one()
    if count <= max_events:
        return
    has_feedback = exists().where(
        feedback.c.project_id == event.c.project_id,
        feedback.c.event_id == event.c.event_id,
    )
    unprotected = connection.scalars(
        select(event.c.id)
        .where(is_kept, event.c.is_landmark.is_(False), ~has_feedback)
        .order_by(event.c.id)
    ).all()
    older = unprotected[: len(unprotected) // 2]
    connection.execute(
        update(event).where(event.c.id.in_(older[::2])).values(payload=null())
    )
