"""The last alerts and what became of each, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from ..database.schema import alert, issue
from ..store import Store


@dataclass(frozen=True)
class Sending:
    """An alert: about which issue, and how its delivery goes.

    ``status`` is pending, sent or failed; times are seconds since 1970.
    """

    rule: str
    issue_id: int | None
    title: str
    created_at: float
    sent_at: float | None
    status: str
    attempts: int
    problem: str


def last_sendings(store: Store, limit: int) -> list[Sending]:
    """Return the last alerts, the newest first.

    :raises StoreError: if the database cannot be used now.
    """
    query = (
        select(
            alert.c.rule,
            alert.c.issue_id,
            issue.c.title,
            alert.c.created_at,
            alert.c.sent_at,
            alert.c.status,
            alert.c.attempts,
            alert.c.problem,
        )
        .outerjoin(issue, issue.c.id == alert.c.issue_id)
        .order_by(alert.c.id.desc())
        .limit(limit)
    )
    with store.reading() as connection:
        return [
            Sending(**{**row._mapping, "title": row.title or ""})
            for row in connection.execute(query)
        ]
