"""The last alerts and what became of each, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from ..database.rows import Record
from ..database.schema import alert, issue
from ..store import Store


def last_alerts(store: Store, limit: int) -> Sequence[Record]:
    """Return the last alerts, the newest first, each with the title of its issue.

    :raises StoreError: if the database cannot be used now.
    """
    query = (
        select(alert, func.coalesce(issue.c.title, "").label("title"))
        .outerjoin(issue, issue.c.id == alert.c.issue_id)
        .order_by(alert.c.id.desc())
        .limit(limit)
    )
    with store.reading() as connection:
        return connection.execute(query).all()
