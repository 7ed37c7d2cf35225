"""Stores for the tests, on SQLite and on PostgreSQL, and items to put in them."""

from __future__ import annotations

import json
import os
import threading
import uuid
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Row, Table, create_engine, select

from flask_errtrack.protocol.envelope import Item
from flask_errtrack.tracker.database.engine import Database
from flask_errtrack.tracker.database.schema import event
from flask_errtrack.tracker.store import Store

from .samples import NOW, rfc3339


class Clock:
    """A time that moves only when it is told to."""

    def __init__(self, seconds: float = NOW) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


def item(**fields: Any) -> Item:
    """Return the item of an event that broke in ``shop.prices``."""
    raw = {
        "event_id": uuid.uuid4().hex,
        "timestamp": rfc3339(NOW),
        "platform": "python",
        "exception": {"values": [broken()]},
        **fields,
    }
    return Item("event", json.dumps(raw).encode())


def broken(
    kind: str = "KeyError", function: str = "price", line: str = "rates[currency]"
) -> dict[str, Any]:
    """Return an exception in the app."""
    frame = {
        "module": "shop.prices",
        "function": function,
        "lineno": 7,
        "context_line": line,
        "in_app": True,
    }
    return {"type": kind, "value": "'EUR'", "stacktrace": {"frames": [frame]}}


def report(event_id: str, **fields: Any) -> Item:
    """Return the item of a user report."""
    raw = {"event_id": event_id, "comments": "It broke.", **fields}
    return Item("user_report", json.dumps(raw).encode())


def rows(store: Store, table: Table) -> list[Row[Any]]:
    """Return all rows of a table, in the order they came in."""
    with store.reading() as connection:
        order = list(table.primary_key)
        return list(connection.execute(select(table).order_by(*order)))


def row(store: Store, table: Table) -> Row[Any]:
    """Return the only row of a table."""
    (found,) = rows(store, table)
    return found


def stored(store: Store) -> list[dict[str, Any]]:
    """Return the kept events, the oldest first."""
    return [
        json.loads(zlib.decompress(kept.payload))
        for kept in rows(store, event)
        if kept.payload is not None
    ]


def record_meanwhile(change: Callable[[], None], record: Callable[[int], None]) -> None:
    """Let three threads record, and change something each time that one has."""
    recorded = threading.Semaphore(0)

    def work(number: int) -> None:
        try:
            for step in range(20):
                record(20 * number + step)
                recorded.release()
        finally:
            recorded.release()

    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(work, number) for number in range(3)]
        while not all(job.done() for job in jobs):
            # SQLite lets no one wait in a row: who never pauses starves the others.
            recorded.acquire(timeout=1)
            while recorded.acquire(blocking=False):
                pass
            change()
    for job in jobs:
        job.result()


def postgresql_url(
    encoding: str = "UTF8", template: str = "template0", suffix: str = ""
) -> str:
    """Return the URL of a new database on a real server, or skip the test.

    :param template: the name of the database of which it is a copy.
    """
    url = os.environ.get("ERRTRACK_TEST_POSTGRESQL_URL")
    if url is None:
        reason = "ERRTRACK_TEST_POSTGRESQL_URL names no PostgreSQL database"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    server = create_engine(Database(url).url, isolation_level="AUTOCOMMIT")
    # Tests that run at the same time must not empty each other's database.
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    name = f"{server.url.database}_{worker}{suffix}"
    with server.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.exec_driver_sql(
            f"CREATE DATABASE \"{name}\" ENCODING '{encoding}' "
            f"LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE \"{template}\""
        )
    server.dispose()
    return server.url.set(database=name).render_as_string(hide_password=False)
