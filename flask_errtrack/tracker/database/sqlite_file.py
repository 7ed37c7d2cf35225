"""A SQLite file: how it is made, set up, and how a writer gets its turn.

Knows nothing of what is in it.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from pathlib import Path

#: So many pages gather in the log before they go into the file: 16 MiB, some 400
#: events. Each time the disk syncs, which whoever writes waits for.
CHECKPOINT_PAGES = 4000
#: So long at most a writer sleeps before it looks again for its turn.
MAX_PAUSE_SECONDS = 0.005


def status_of(path: str) -> os.stat_result:
    """Return what the system knows of a file, which is made if it is not there."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # Errors tell about users: nobody else on this host may read them.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        return os.stat(path)


def set_up(connection: sqlite3.Connection, _record: object) -> None:
    """Prepare a new connection of the driver."""
    # The driver begins no transactions of its own.
    connection.isolation_level = None
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        # The mode stays in the file. Who finds it locked meets a process that is
        # about to set it; the next connection sets it otherwise.
        if not _is_busy(error):
            raise
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    connection.execute("PRAGMA foreign_keys=ON")


def begin(connection: sqlite3.Connection, timeout_seconds: float) -> None:
    """Begin to write, as soon as nobody else does.

    SQLite's own way to wait looks ten times in a second: who writes without a pause
    keeps all others out for seconds.
    """
    until = time.monotonic() + timeout_seconds
    connection.execute("PRAGMA busy_timeout=0")
    try:
        while not _has_begun(connection, is_last_try=time.monotonic() > until):
            time.sleep(random.uniform(0, MAX_PAUSE_SECONDS))
    finally:
        milliseconds = int(timeout_seconds * 1000)
        connection.execute(f"PRAGMA busy_timeout={milliseconds}")


def _has_begun(connection: sqlite3.Connection, is_last_try: bool) -> bool:
    try:
        # A plain BEGIN that reads first cannot wait for another writer: SQLite
        # refuses it at once, whatever the busy timeout.
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if is_last_try or not _is_busy(error):
            raise
        return False
    return True


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
