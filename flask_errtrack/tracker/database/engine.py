"""The tracker's own database engine: made at first use, one a process.

Owns which connections there are, that the schema is ready, and what a
write transaction is. Every fault leaves here as a ``StoreError`` that says how
to mend it. Knows no table.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from ...errors import ConfigError, StoreError, own_work
from ...runtime.process import OfProcess
from . import migrations, sqlite_file
from .faults import diagnose, name_of
from .migrations import SchemaState
from .turns import Turns

T = TypeVar("T")

#: A transaction that PostgreSQL breaks off is run again so many times.
MAX_ATTEMPTS = 5
#: serialization_failure, deadlock_detected
_RETRYABLE = ("40001", "40P01")
# Any number: who upgrades the schema of a PostgreSQL database holds this lock.
_UPGRADE_LOCK = 0x657272747261636B


class Database:
    """One database, by its URL. Making this object opens nothing.

    :param url: ``sqlite:///path`` or ``postgresql://…``.
    :param busy_timeout_seconds: how long to wait for another writer, and for a
        connection.
    :param revisions: the versions of the tables that this code knows, oldest first.
    :raises ConfigError: if the URL is neither.
    """

    def __init__(
        self,
        url: str,
        busy_timeout_seconds: float = 5.0,
        revisions: Sequence[str] = migrations.REVISIONS,
    ) -> None:
        self.url = _parse(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.busy_timeout_seconds = busy_timeout_seconds
        self._revisions = revisions
        # By process and file. An engine of another process is kept, not closed:
        # its connections belong to that process.
        self._engines: dict[tuple[int, ...], Engine] = {}
        self._turns = OfProcess(lambda: Turns(self._transaction))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection on which every statement stands alone."""
        with self._diagnosed(), self._engine().connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(isolation_level="AUTOCOMMIT")
            with _told_by_sqlalchemy(connection):
                yield connection

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a write transaction, again if the database asks for it.

        SQLite has one writer at a time: what waits meanwhile is then written together.
        In PostgreSQL, which has many, that would make them wait for each other.
        """
        with own_work(), self._diagnosed():
            if self.is_sqlite:
                return self._turns.get().write(work)
            for attempt in range(MAX_ATTEMPTS):
                try:
                    return self._write_once(self._engine(), work)
                except DBAPIError as error:
                    if attempt == MAX_ATTEMPTS - 1 or not _is_retryable(error):
                        raise
                    time.sleep(random.uniform(0, 0.02 * 2**attempt))
            raise AssertionError("the last attempt returns or raises")

    def upgrade(self) -> None:
        """Bring the schema up to date, whatever it is."""
        with own_work(), self._diagnosed():
            key = self._key()
            engine = self._made()
            try:
                self._write_once(engine, self._migrate)
            finally:
                engine.dispose()
            self._drop_engines(keep=key)

    def check(self) -> None:
        """Raise a ``StoreError`` unless the database can be written right now."""
        with self.reading() as connection:
            self._refuse_unless_current(self._state(connection))
        self.write(lambda connection: connection.execute(text("SELECT 1")))

    def close(self) -> None:
        """Close the connections of this process; the next use opens new ones."""
        self._drop_engines(keep=None)

    def _engine(self) -> Engine:
        key = self._key()
        engine = self._engines.get(key)
        if engine is None:
            made = self._made()
            try:
                with own_work():
                    self._prepare(made)
            except BaseException:
                made.dispose()
                raise
            # Without a lock: one held by another thread would stay held for
            # ever in a process forked at that moment.
            engine = self._engines.setdefault(key, made)
            if engine is not made:
                made.dispose()
            self._drop_engines(keep=key)
        return engine

    def _key(self) -> tuple[int, ...]:
        """What the connections are good for: this process, this very file."""
        if not self.is_sqlite:
            return (os.getpid(),)
        try:
            status = sqlite_file.status_of(self.url.database or "")
        except OSError as error:
            raise diagnose(error, self.url) from error
        return os.getpid(), status.st_dev, status.st_ino

    def _drop_engines(self, keep: tuple[int, ...] | None) -> None:
        for key in list(self._engines):
            if key != keep and key[0] == os.getpid():
                engine = self._engines.pop(key, None)
                if engine is not None:
                    # What is in use at this moment is closed when it is given back.
                    sqlalchemy_event.listen(engine, "checkin", _close)
                    engine.dispose()

    def _made(self) -> Engine:
        arguments: dict[str, Any] = {"hide_parameters": True, "pool_use_lifo": True}
        if self.is_sqlite:
            arguments["connect_args"] = {"timeout": self.busy_timeout_seconds}
        else:
            arguments["pool_pre_ping"] = True
            arguments["connect_args"] = {
                "client_encoding": "utf8",
                "connect_timeout": max(2, int(self.busy_timeout_seconds)),
                # Poolers such as PgBouncer know no prepared statements.
                "prepare_threshold": None,
            }
        try:
            engine = create_engine(self.url, **arguments)
        except ModuleNotFoundError as error:
            raise StoreError(
                f"the PostgreSQL driver is not installed ({error}): "
                'run pip install "Flask-ErrTrack[postgresql]"'
            ) from error
        set_up = sqlite_file.set_up if self.is_sqlite else self._refuse_other_encoding
        sqlalchemy_event.listen(engine, "connect", set_up)
        return engine

    def _prepare(self, engine: Engine) -> None:
        with engine.connect() as connection:
            state = self._state(connection)
        if state is SchemaState.EMPTY or (
            self.is_sqlite and state is SchemaState.OLDER
        ):
            self._write_once(engine, self._migrate)
        else:
            self._refuse_unless_current(state)

    def _migrate(self, connection: Connection) -> None:
        if not self.is_sqlite:
            lock = text("SELECT pg_advisory_xact_lock(:key)")
            connection.execute(lock, {"key": _UPGRADE_LOCK})
        # Asked again: another process may have done it while this one waited.
        state = self._state(connection)
        if state in (SchemaState.EMPTY, SchemaState.OLDER):
            migrations.upgrade(connection)
        else:
            self._refuse_unless_current(state)

    def _state(self, connection: Connection) -> SchemaState:
        return migrations.state_of(connection, self._revisions)

    def _refuse_unless_current(self, state: SchemaState) -> None:
        name = name_of(self.url)
        if state is SchemaState.NEWER:
            raise StoreError(
                f"the tracker's tables in {name} were made by a newer "
                "Flask-ErrTrack: upgrade the package"
            )
        if state is not SchemaState.CURRENT:
            raise StoreError(
                f"the tracker's tables in {name} are those of an older "
                'Flask-ErrTrack: run "flask errtrack upgrade", or "errtrack upgrade" '
                "without an app; until then events wait where they are"
            )

    def _refuse_other_encoding(self, connection: Any, _record: object) -> None:
        found = connection.info.parameter_status("server_encoding")
        if found != "UTF8":
            connection.close()
            raise StoreError(
                f"the tracker's database {name_of(self.url)} has the encoding {found}, "
                "which cannot hold every text; expected UTF8: make one with "
                "createdb --encoding=UTF8 --template=template0"
            )

    def _write_once(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        with self._transaction(engine) as connection:
            return work(connection)

    @contextmanager
    def _transaction(self, engine: Engine | None = None) -> Iterator[Connection]:
        engine = engine or self._engine()
        with engine.connect() as connection, connection.begin():
            with _told_by_sqlalchemy(connection):
                if self.is_sqlite:
                    driver: Any = connection.connection.driver_connection
                    sqlite_file.begin(driver, self.busy_timeout_seconds)
                yield connection

    @contextmanager
    def _diagnosed(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise diagnose(error, self.url) from error


def _close(_connection: object, entry: ConnectionPoolEntry) -> None:
    entry.close()


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        # Without the cause: its text may hold the password.
        raise ConfigError(_expected("it cannot be read")) from None
    if backend == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
        # Not imported by a thread later: a fork at that moment would leave the child
        # with half a module. That it is missing, the first use says.
        with suppress(ModuleNotFoundError):
            parsed.get_dialect().import_dbapi()
        return parsed
    if backend != "sqlite":
        raise ConfigError(_expected(f"{backend} is not supported"))
    if parsed.database in (None, "", ":memory:"):
        raise ConfigError(
            _expected("threads and processes cannot share SQLite in memory")
        )
    return parsed


def _expected(problem: str) -> str:
    return (
        f"database_url: {problem}; expected sqlite:///path/of/a/file or "
        "postgresql://user:password@host/database"
    )


@contextmanager
def _told_by_sqlalchemy(connection: Connection) -> Iterator[None]:
    """Raise a fault of the driver, where it is used by itself, as SQLAlchemy does.

    That a connection is lost SQLAlchemy finds out when it rolls back.
    """
    dialect = connection.dialect
    try:
        yield
    except dialect.loaded_dbapi.Error as error:
        made = DBAPIError.instance(
            "", None, error, type(error), hide_parameters=True, dialect=dialect
        )
        assert isinstance(made, DBAPIError)
        raise made from error


def _is_retryable(error: DBAPIError) -> bool:
    return (
        error.connection_invalidated
        or getattr(error.orig, "sqlstate", None) in _RETRYABLE
    )
