"""A copy of an SQLite tracker, made while it is in use.

Owns that a copy is whole or is not there. Of PostgreSQL the server's own tools make
better ones: here only stands how they are called.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection

from ..errors import StoreError
from .database.faults import diagnose
from .store import Store

# So much is copied between two looks at how far it is: 1 MiB, mostly.
_PAGES = 256
# Only the copy is written.
_UNWRITABLE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)

#: Is told how many pages are copied, and of how many.
Progress = Callable[[int, int], None]


def back_up(store: Store, target: Path, on_progress: Progress) -> None:
    """Copy the tracker's database to a file, as it is at this moment.

    Others may go on reading and writing. A file that is there is replaced when the
    copy is whole.

    :raises StoreError: if it is no SQLite database, or it cannot be copied.
    """
    with store.reading() as connection:
        if connection.dialect.name != "sqlite":
            raise StoreError(_how_to_dump(connection, target))
        url = connection.engine.url
    with written_whole(store, target) as part:
        try:
            _copy(Path(url.database or ""), part, on_progress)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) in _UNWRITABLE:
                raise StoreError(f"{target} cannot be written: {error}") from error
            raise diagnose(error, url) from error


@contextmanager
def written_whole(store: Store, target: Path) -> Iterator[Path]:
    """Yield a new file that takes the place of ``target`` if the block succeeds.

    Errors tell about users: nobody else on this host may read it. A link stays one.

    :raises StoreError: if it cannot be written, or is the tracker's own database.
    """
    with store.reading() as connection:
        url = connection.engine.url
    is_file = url.get_backend_name() == "sqlite" and target.exists()
    if is_file and target.samefile(url.database or ""):
        raise StoreError(f"{target} is the tracker's database itself; name another")
    if target.exists() and not target.is_file():
        raise StoreError(f"{target} is a folder or a device; name a file")
    place = target.resolve()
    part = place.with_name(f"{place.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            yield part
            os.replace(part, place)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror}") from error


def _copy(source: Path, target: Path, on_progress: Progress) -> None:
    with closing(_opened(source)) as original, closing(_opened(target)) as copy:
        # One that fails is thrown away: nobody rolls it back.
        copy.execute("PRAGMA journal_mode=OFF").fetchone()
        # What others write from here on is not seen: it would begin the copy anew.
        original.execute("BEGIN")
        original.execute("SELECT count(*) FROM sqlite_master").fetchone()
        original.backup(
            copy,
            pages=_PAGES,
            progress=lambda _, left, total: on_progress(total - left, total),
            sleep=0,
        )
        (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(f"the copy is damaged: {found}")


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def _how_to_dump(connection: Connection, target: Path) -> str:
    url = connection.engine.url.set(drivername="postgresql", password=None)
    words = [
        "pg_dump",
        "--format=custom",
        "--table=errtrack_*",
        f"--file={target}",
        url.render_as_string(),
    ]
    return (
        "this is a PostgreSQL database; the server's own tool copies it while it is "
        f"in use:\n  {shlex.join(words)}"
    )
