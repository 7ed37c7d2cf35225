"""Which stored events may go: old ones, and most of those of a storm.

Counters never change here. An event with feedback, the first of its issue and
the one that made it regress go only by age.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, exists, func, select

from .schema import event, feedback

#: Few enough that other writers wait only some milliseconds.
BATCH_SIZE = 500


def delete_some(connection: Connection, oldest: float) -> int:
    """Delete a batch of the events received before ``oldest``; return how many."""
    some = select(event.c.id).where(event.c.received_at < oldest).limit(BATCH_SIZE)
    return connection.execute(delete(event).where(event.c.id.in_(some))).rowcount


def thin_out(connection: Connection, issue_id: int, max_events: int) -> None:
    """Delete some events of an issue that has more than ``max_events``.

    Of the older half every second goes: the newest stay, and of the others a
    spread that grows thinner with age. What goes at once is a quarter, so that
    this is rare even in a storm.
    """
    of_issue = event.c.issue_id == issue_id
    count = connection.execute(select(func.count()).where(of_issue)).scalar_one()
    if count <= max_events:
        return
    has_feedback = exists().where(
        feedback.c.project_id == event.c.project_id,
        feedback.c.event_id == event.c.event_id,
    )
    unprotected = connection.scalars(
        select(event.c.id)
        .where(of_issue, event.c.is_landmark.is_(False), ~has_feedback)
        .order_by(event.c.id)
    ).all()
    older = unprotected[: len(unprotected) // 2]
    connection.execute(delete(event).where(event.c.id.in_(older[::2])))
