"""How a migration makes a table and an index, with the names that the schema gives.

Knows no version of the schema.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

#: The type of ids; a column of it whose name ends in _id points at a table.
ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def create_table(
    name: str,
    *columns: sa.Column[object],
    primary_key: tuple[str, ...],
    unique: tuple[str, ...] = (),
    sqlite_with_rowid: bool = True,
) -> None:
    """Create a table whose constraints are named as ``schema`` names them."""
    constraints: list[sa.Constraint] = [
        sa.PrimaryKeyConstraint(*primary_key, name=f"pk_{name}")
    ]
    for column in columns:
        if column.name.endswith("_id") and column.type is ID:
            target = f"errtrack_{column.name.removesuffix('_id')}.id"
            constraints.append(
                sa.ForeignKeyConstraint(
                    [column.name], [target], name=f"fk_{name}_{column.name}"
                )
            )
    if unique:
        constraints.append(
            sa.UniqueConstraint(*unique, name=f"uq_{name}_{'_'.join(unique)}")
        )
    op.create_table(name, *columns, *constraints, sqlite_with_rowid=sqlite_with_rowid)


def create_index(
    table: str,
    *columns: str,
    named: str = "",
    where: sa.ColumnElement[bool] | None = None,
) -> None:
    """Create an index, of some rows only if ``where`` says which."""
    name = f"ix_{table}_{named or '_'.join(columns)}"
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
