"""From a database fault to a ``StoreError`` that says how to mend it.

The messages never hold the password of the URL, nor data of an event.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError

from ..errors import StoreError

#: By SQLite's primary result codes.
_SQLITE_FAULTS = {
    sqlite3.SQLITE_BUSY: (
        "is locked by another process: look for a program that keeps a "
        "transaction open, or use PostgreSQL when many hosts write"
    ),
    sqlite3.SQLITE_LOCKED: "is locked by another connection: try again",
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened: make its folder writable for this process, or set "
        "ERRTRACK_DATABASE_URL to another place"
    ),
    sqlite3.SQLITE_READONLY: (
        "is read-only: make the file and its folder writable for this process, "
        "or set ERRTRACK_DATABASE_URL to another place"
    ),
    sqlite3.SQLITE_PERM: "may not be used: give this process the right to write it",
    sqlite3.SQLITE_NOTADB: (
        "is not an SQLite database: move the file away (a new one is made), or "
        "put a backup in its place"
    ),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged: move the file away (a new one is made), or put a backup in "
        "its place"
    ),
    sqlite3.SQLITE_FULL: (
        'cannot grow, the disk is full: free some space, or run "flask errtrack '
        'prune" with a smaller ERRTRACK_RETENTION_DAYS'
    ),
    sqlite3.SQLITE_IOERR: "cannot be read or written: check the disk and its mount",
}


def diagnose(error: Exception, url: URL) -> StoreError:
    """Return what a fault means to whoever runs the app."""
    name = url.database if url.get_backend_name() == "sqlite" else _server(url)
    return StoreError(f"the tracker's database {name} {_fault(error, url)}")


def _fault(error: Exception, url: URL) -> str:
    if isinstance(error, OSError):
        return (
            f"cannot be made ({error.strerror or error}): make its folder writable "
            "for this process, or set ERRTRACK_DATABASE_URL to another place"
        )
    if isinstance(error, TimeoutError):
        return "has no free connection: too many threads use it at once"
    reason = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(reason, sqlite3.Error):
        code = getattr(reason, "sqlite_errorcode", 0) & 0xFF
        if code in _SQLITE_FAULTS:
            return f"{_SQLITE_FAULTS[code]} ({reason})"
    told = _without_password(" ".join(str(reason).split()), url)
    if isinstance(error, OperationalError) and url.get_backend_name() != "sqlite":
        return (
            f"cannot be used ({told}): check that the server runs and that "
            "ERRTRACK_DATABASE_URL is right"
        )
    return f"refused to work ({type(reason).__name__}: {told})"


def _server(url: URL) -> str:
    return f"{url.database or ''!r} on {url.host or 'localhost'}:{url.port or 5432}"


def _without_password(told: str, url: URL) -> str:
    return told.replace(str(url.password), "***") if url.password else told
