"""Statements that are built once, and run by the database's driver itself.

For what each event runs: SQLAlchemy works out every time how to run a statement, which
takes several times as long as running it, while other writers wait. Knows no table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.base import Executable


class Prepared:
    """A statement for both dialects, with the values that it is run with left open.

    Values and rows are the driver's own: a truth value of SQLite comes as 0 or 1. Its
    faults are told as SQLAlchemy tells them by who began the transaction.

    :param build: returns the statement, given the dialect's own insert.
    """

    def __init__(self, build: Callable[[Callable[[Table], Any]], Executable]) -> None:
        self._build = build
        self._compiled: dict[tuple[str, ...], _Compiled] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        """Run it, and return the rows it yields, with their columns as attributes.

        :param values: by the names of columns and bound parameters.
        """
        compiled = self._compiled_for(connection, values)
        driver: Any = connection.connection.driver_connection
        cursor = driver.execute(compiled.sql, compiled.given(values))
        names = [column[0] for column in cursor.description or ()]
        rows = cursor.fetchall() if names else []
        return [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in rows]

    def run_all(
        self, connection: Connection, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Run it once for each of some values, all with the same names."""
        compiled = self._compiled_for(connection, rows[0])
        driver: Any = connection.connection.driver_connection
        driver.cursor().executemany(compiled.sql, map(compiled.given, rows))

    def _compiled_for(
        self, connection: Connection, values: Mapping[str, Any]
    ) -> _Compiled:
        key = (connection.dialect.name, *values)
        found = self._compiled.get(key)
        if found is None:
            insert = insert_of(connection)
            statement: Any = self._build(insert)
            found = _Compiled(
                statement.compile(dialect=connection.dialect, column_keys=[*values])
            )
            self._compiled[key] = found
        return found


class _Compiled:
    """A statement as text, and how its values are given to the driver."""

    def __init__(self, compiled: Any) -> None:
        self.sql: str = compiled.string
        self._names: Sequence[str] | None = compiled.positiontup
        # What the statement says itself, such as the 1 that is added.
        self._constants = dict(compiled.params)

    def given(self, values: Mapping[str, Any]) -> Any:
        every = {**self._constants, **values}
        if self._names is None:
            return every
        return [every[name] for name in self._names]


def insert_of(connection: Connection) -> Callable[[Table], Any]:
    """Return the dialect's own insert, which knows ``ON CONFLICT``."""
    if connection.dialect.name == "postgresql":
        # Its engine has imported this; with SQLite nobody has to.
        from sqlalchemy.dialects import postgresql

        return postgresql.insert
    return sqlite.insert
