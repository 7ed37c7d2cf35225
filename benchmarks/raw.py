"""What SQLite alone takes of the very same rows that a tracker writes.

What a tracker runs for each event is written down, and run again by the bare driver,
which writes to the disk as often and as safely.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from sqlalchemy import event as sqlalchemy_event

from flask_errtrack.protocol.envelope import Item
from flask_errtrack.tracker.database.sqlite_file import CHECKPOINT_PAGES
from flask_errtrack.tracker.store import Store

_INSERT = "INSERT INTO errtrack_event"

#: What a tracker ran for an event: each statement, what it was given, and whether that
#: is many rows.
Transaction = list[tuple[str, Any, bool]]


@dataclass(frozen=True)
class Replay:
    """What running again took: by the clock, and of the processor."""

    seconds: float
    cpu_seconds: float


def written_down(path: Path, items: Sequence[Item]) -> list[Transaction]:
    """Store each event by itself, and return what was run for it."""
    store = Store(f"sqlite:///{path}")
    with store.reading() as connection:
        engine = connection.engine
    engine.dispose()
    sqlalchemy_event.listen(engine, "do_connect", _write_down)
    transactions: list[Transaction] = []
    _Cursor.transactions = transactions
    for item in items:
        store.record(item)
    store.close()
    # Some transactions only looked for what is too old.
    found = [
        one for one in transactions if any(sql.startswith(_INSERT) for sql, _, _ in one)
    ]
    assert len(found) == len(items)
    return found


def replay(path: Path, transactions: Sequence[Transaction], at_once: int) -> Replay:
    """Run all again, so many in each transaction."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    busy, started = time.process_time(), time.perf_counter()
    for number, statements in enumerate(transactions):
        if number % at_once == 0:
            connection.execute("BEGIN IMMEDIATE")
        for sql, given, many in statements:
            if many:
                connection.executemany(sql, given)
            else:
                connection.execute(sql, given).fetchall()
        if number % at_once == at_once - 1 or number == len(transactions) - 1:
            connection.execute("COMMIT")
    found = Replay(time.perf_counter() - started, time.process_time() - busy)
    connection.close()
    return found


class _Cursor(sqlite3.Cursor):
    """Writes down what is run."""

    transactions: ClassVar[list[Transaction]] = []

    def execute(self, sql: str, given: Any = (), /) -> Self:
        if sql.startswith("BEGIN"):
            self.transactions.append([])
        elif not sql.startswith("PRAGMA"):
            self.transactions[-1].append((sql, given, False))
        return super().execute(sql, given)

    def executemany(self, sql: str, every: Iterable[Any], /) -> Self:
        given = list(every)
        self.transactions[-1].append((sql, given, True))
        return super().executemany(sql, given)


class _Connection(sqlite3.Connection):
    def execute(self, sql: str, given: Any = (), /) -> Any:
        return self.cursor().execute(sql, given)

    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)


def _write_down(_: Any, __: Any, ___: Any, arguments: dict[str, Any]) -> None:
    arguments["factory"] = _Connection
