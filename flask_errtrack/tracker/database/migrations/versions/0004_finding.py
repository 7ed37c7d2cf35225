"""Indexes for pages of very many issues, and none that every event has to change.

Revision ID: 0004
"""

from __future__ import annotations

from alembic import op

from flask_errtrack.tracker.database.migrations.tables import create_index

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # What is looked for is then in the index: PostgreSQL reads no row for it.
    _extend_index("errtrack_group", "issue_id", by="id")
    _extend_index("errtrack_group_tag", "key", "value", by="group_id")
    _extend_index("errtrack_group_user", "user_hash", by="group_id")
    # Each event changed it, and no page made use of it.
    _drop_index("errtrack_issue", "project_id", "status", "last_seen")
    create_index("errtrack_issue", "first_release", "project_id")
    create_index("errtrack_issue", "regressed_release", "project_id")
    if op.get_bind().dialect.name == "postgresql":
        # Without them it takes a value for rare in each key, however frequent it is.
        op.execute(
            "CREATE STATISTICS errtrack_group_tag_values (dependencies, mcv) "
            "ON key, value FROM errtrack_group_tag"
        )
        op.execute("ANALYZE errtrack_group_tag")


def _extend_index(table: str, *columns: str, by: str) -> None:
    _drop_index(table, *columns)
    create_index(table, *columns, by)


def _drop_index(table: str, *columns: str) -> None:
    op.drop_index(f"ix_{table}_{'_'.join(columns)}", table)
