"""From a database fault to a ``StoreError`` that says how to mend it.

The messages never hold the password of the URL, nor data of an event.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError

from ...errors import StoreError

_OTHER_TABLES = (
    "has other tables than this process expects: another version of Flask-ErrTrack has "
    "upgraded them; start this process again with the newest"
)
#: By SQLite's primary result codes.
_SQLITE_FAULTS = {
    sqlite3.SQLITE_BUSY: (
        "is locked by another process: look for a program that keeps a "
        "transaction open, or use PostgreSQL when many hosts write"
    ),
    sqlite3.SQLITE_LOCKED: "is locked by another connection: try again",
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened: make its folder writable for this process, or set "
        "the option database_url to another place"
    ),
    sqlite3.SQLITE_READONLY: (
        "is read-only: make the file and its folder writable for this process, "
        "or set the option database_url to another place"
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
        "cannot grow, the disk is full: free some space; with a smaller "
        "retention_days it needs less"
    ),
    sqlite3.SQLITE_IOERR: (
        "cannot be read or written: check that its disk is there, and not full"
    ),
}
#: By PostgreSQL's error codes.
_POSTGRESQL_FAULTS = {
    "42501": (
        "does not let this role do that: let it own the errtrack_ tables and CREATE "
        "in their schema, or have the owner GRANT it SELECT, INSERT, UPDATE and "
        "DELETE on them and USAGE on their sequences"
    ),
    "25006": "is read-only: name its primary server in the option database_url",
    "53100": (
        "cannot grow, the disk is full: free some space; with a smaller "
        "retention_days it needs less"
    ),
    "42P01": _OTHER_TABLES,
    "42703": _OTHER_TABLES,
}


def diagnose(error: Exception, url: URL) -> StoreError:
    """Return what a fault means to whoever runs the app."""
    return StoreError(f"the tracker's database {name_of(url)} {_fault(error, url)}")


def name_of(url: URL) -> str:
    """Return which database it is, without user and password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return f"{url.database or ''!r} on {url.host or 'localhost'}:{url.port or 5432}"


def _fault(error: Exception, url: URL) -> str:
    if isinstance(error, OSError):
        return (
            f"cannot be made ({error.strerror or error}): make its folder writable "
            "for this process, or set the option database_url to another place"
        )
    if isinstance(error, TimeoutError):
        return "has no free connection: too many threads use it at once"
    reason = error.orig if isinstance(error, DBAPIError) else error
    told = _without_password(" ".join(str(reason).split()), url)
    if known := _known_fault(reason):
        return f"{known} ({told})"
    if isinstance(error, OperationalError) and url.get_backend_name() != "sqlite":
        return (
            f"cannot be used ({told}): check that the server runs and that the option "
            "database_url is right"
        )
    return f"refused to work ({type(reason).__name__}: {told})"


def _known_fault(reason: object) -> str | None:
    if not isinstance(reason, sqlite3.Error):
        return _POSTGRESQL_FAULTS.get(getattr(reason, "sqlstate", None) or "")
    if str(reason).startswith(("no such table", "no such column")):
        return _OTHER_TABLES
    return _SQLITE_FAULTS.get(getattr(reason, "sqlite_errorcode", 0) & 0xFF)


def _without_password(told: str, url: URL) -> str:
    return told.replace(str(url.password), "***") if url.password else told
