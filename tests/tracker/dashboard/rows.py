"""Rows of the tracker's tables, written as if events had come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table, insert

from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.store import Store

from ..samples import NOW

HOUR = int(NOW // 3600)


@contextmanager
def writing(store: Store) -> Iterator[Connection]:
    """Yield a connection in a transaction."""
    with store.reading() as connection, connection.begin():
        yield connection


def add_issue(connection: Connection, **values: Any) -> int:
    """Write an issue with one group, and return its id.

    ``hours`` are counts by age in hours, ``tags`` values or counts by value, ``words``
    what a search for words finds.
    """
    hours, tags = values.pop("hours", {}), values.pop("tags", {})
    words = values.pop("words", "")
    row = {
        "project_id": 1,
        "title": "KeyError: 'CHF'",
        "culprit": "shop.orders in pay",
        "level": "error",
        "status": "unresolved",
        "is_regressed": False,
        "status_changed_at": NOW,
        "event_count": 1,
        "user_count": 0,
        "first_seen": NOW - 86_400 * 3,
        "last_seen": NOW - 60,
        "environment": "production",
        "release": "",
        "first_release": "",
        "regressed_release": "",
        **values,
    }
    issue_id = _insert(connection, schema.issue, row)
    shared = set(schema.group.c.keys()) & set(row)
    group_id = _insert(
        connection,
        schema.group,
        {name: row[name] for name in shared}
        | {"issue_id": issue_id, "hash": str(issue_id), "coarse_hash": str(issue_id)}
        | {"version": 1, "words": "", "search_text": words},
    )
    for age, count in hours.items():
        hour = {"group_id": group_id, "hour": HOUR - age, "event_count": count}
        connection.execute(insert(schema.group_hour).values(hour))
    for key, value in tags.items():
        counts = {value: 1} if isinstance(value, str) else value
        for text, count in counts.items():
            tag = {"group_id": group_id, "key": key, "value": text}
            connection.execute(
                insert(schema.group_tag).values(tag | {"event_count": count})
            )
    return issue_id


def _insert(connection: Connection, table: Table, row: dict[str, Any]) -> int:
    key = connection.execute(insert(table).values(row)).inserted_primary_key
    assert key is not None
    return int(key[0])
