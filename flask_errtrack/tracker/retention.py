"""Which stored events may go: old ones, and most of those of a storm.

Counters never change here. An event with feedback, the first of its issue and the
one that made it regress go only by age. Of those that go earlier the row stays: an
event that is delivered again must still be known.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, delete, exists, func, null, select, update

from .schema import event, feedback

#: Few enough that other writers wait only some milliseconds.
BATCH_SIZE = 500


def delete_some(connection: Connection, oldest: float) -> int:
    """Delete a batch of the events received before ``oldest``; return how many."""
    some = select(event.c.id).where(event.c.received_at < oldest).limit(BATCH_SIZE)
    return connection.execute(delete(event).where(event.c.id.in_(some))).rowcount


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
