"""What people do with monitors: list them, put them aside, delete them.

Knows nothing of runs that are due, or of pages.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, select, update

from .database.rows import Record
from .database.schema import check_in, monitor
from .store import Store


def every(store: Store, limit: int) -> Sequence[Record]:
    """Return the monitors of all projects, by name.

    Each row has ``state``: how its last run went, empty before any.

    :raises StoreError: if the database cannot be used now.
    """
    state = (
        select(check_in.c.status)
        .where(check_in.c.monitor_id == monitor.c.id)
        .order_by(check_in.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        select(monitor, func.coalesce(state, "").label("state"))
        .order_by(monitor.c.slug, monitor.c.environment, monitor.c.id)
        .limit(limit)
    )
    with store.reading() as connection:
        return connection.execute(query).all()


def mute(store: Store, monitor_id: int, is_muted: bool = True) -> bool:
    """Make no issues of a job's runs, or make some again; False: there is none.

    :raises StoreError: if the database cannot be used now.
    """
    this = update(monitor).where(monitor.c.id == monitor_id)
    return store.write(
        lambda connection: bool(
            connection.execute(this.values(is_muted=is_muted)).rowcount
        )
    )


def delete_monitor(store: Store, monitor_id: int) -> bool:
    """Delete a job with its runs; its issues stay. False: there is none.

    Its next check-in makes it again.

    :raises StoreError: if the database cannot be used now.
    """
    return store.write(lambda connection: _delete(connection, monitor_id))


def _delete(connection: Connection, monitor_id: int) -> bool:
    # Nobody may write another run of it meanwhile.
    this = select(monitor.c.id).where(monitor.c.id == monitor_id).with_for_update()
    if connection.scalar(this) is None:
        return False
    connection.execute(delete(check_in).where(check_in.c.monitor_id == monitor_id))
    connection.execute(delete(monitor).where(monitor.c.id == monitor_id))
    return True
