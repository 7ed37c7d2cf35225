"""Numbers of issues that are never given twice, and lead on when issues are merged.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    is_not = sa.false()
    op.add_column(
        "errtrack_issue",
        sa.Column(
            "needs_next_release", sa.Boolean, nullable=False, server_default=is_not
        ),
    )
    if op.get_bind().dialect.name == "sqlite":
        _count_up_for_ever()
    op.create_table(
        "errtrack_merged_issue",
        sa.Column("id", _ID, nullable=False, autoincrement=False),
        sa.Column("issue_id", _ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_errtrack_merged_issue"),
        sa.ForeignKeyConstraint(
            ["issue_id"],
            ["errtrack_issue.id"],
            name="fk_errtrack_merged_issue_issue_id",
        ),
    )
    op.create_index(
        "ix_errtrack_merged_issue_issue_id", "errtrack_merged_issue", ["issue_id"]
    )


def _count_up_for_ever() -> None:
    """Make the table anew, as SQLite can change this in no other way.

    What points at its rows finds them again before the transaction ends.
    """
    connection = op.get_bind()
    issue = sa.Table(
        "errtrack_issue",
        sa.MetaData(),
        autoload_with=connection,
        sqlite_autoincrement=True,
    )
    op.execute("PRAGMA defer_foreign_keys = ON")
    op.execute("CREATE TABLE errtrack_issue_copy AS SELECT * FROM errtrack_issue")
    op.execute("DROP TABLE errtrack_issue")
    issue.create(connection)
    op.execute("INSERT INTO errtrack_issue SELECT * FROM errtrack_issue_copy")
    op.execute("DROP TABLE errtrack_issue_copy")
