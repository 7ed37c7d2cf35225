"""The first tables, and the project of the app that the tracker lives in.

Revision ID: 0001
"""

from __future__ import annotations

import secrets
import time

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _create_project()
    _create_issue()
    _create_issue_hash()
    _create_event()
    _create_counters()
    _create_feedback()


def downgrade() -> None:
    for name in (
        "errtrack_feedback",
        "errtrack_issue_tag",
        "errtrack_issue_user",
        "errtrack_issue_hour",
        "errtrack_event",
        "errtrack_issue_hash",
        "errtrack_issue",
        "errtrack_project",
    ):
        op.drop_table(name)


def _create_project() -> None:
    project = op.create_table(
        "errtrack_project",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("public_key", sa.String(32), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_errtrack_project"),
        sa.UniqueConstraint("public_key", name="uq_errtrack_project_public_key"),
    )
    # Without an id of ours, PostgreSQL's sequence counts it as the first.
    op.execute(
        project.insert().values(
            name="app", public_key=secrets.token_hex(16), created_at=time.time()
        )
    )


def _create_issue() -> None:
    op.create_table(
        "errtrack_issue",
        sa.Column("id", _ID, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("culprit", sa.Text, nullable=False),
        sa.Column("level", sa.String(10), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("is_regressed", sa.Boolean, nullable=False),
        sa.Column("status_changed_at", sa.Double, nullable=False),
        sa.Column("event_count", sa.Integer, nullable=False),
        sa.Column("user_count", sa.Integer, nullable=False),
        sa.Column("first_seen", sa.Double, nullable=False),
        sa.Column("last_seen", sa.Double, nullable=False),
        sa.Column("environment", sa.String(200), nullable=False),
        sa.Column("release", sa.String(200), nullable=False),
        sa.Column("grouping_words", sa.Text, nullable=False),
        _foreign_key("errtrack_issue", "project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_errtrack_issue"),
    )
    _create_index("errtrack_issue", "project_id", "status", "last_seen")


def _create_issue_hash() -> None:
    op.create_table(
        "errtrack_issue_hash",
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("hash", sa.String(40), nullable=False),
        sa.Column("issue_id", _ID),
        sa.Column("coarse_hash", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        _foreign_key("errtrack_issue_hash", "project_id"),
        _foreign_key("errtrack_issue_hash", "issue_id"),
        sa.PrimaryKeyConstraint("project_id", "hash", name="pk_errtrack_issue_hash"),
    )
    _create_index("errtrack_issue_hash", "issue_id")
    _create_index("errtrack_issue_hash", "coarse_hash")


def _create_event() -> None:
    op.create_table(
        "errtrack_event",
        sa.Column("id", _ID, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("event_id", sa.String(32), nullable=False),
        sa.Column("issue_id", _ID),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("is_landmark", sa.Boolean, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        _foreign_key("errtrack_event", "project_id"),
        _foreign_key("errtrack_event", "issue_id"),
        sa.PrimaryKeyConstraint("id", name="pk_errtrack_event"),
        sa.UniqueConstraint(
            "project_id", "event_id", name="uq_errtrack_event_project_id_event_id"
        ),
    )
    _create_index("errtrack_event", "issue_id", "id")
    _create_index("errtrack_event", "event_id")
    _create_index("errtrack_event", "received_at")


def _create_counters() -> None:
    op.create_table(
        "errtrack_issue_hour",
        sa.Column("issue_id", _ID, nullable=False),
        sa.Column("hour", sa.Integer, nullable=False),
        sa.Column("event_count", sa.Integer, nullable=False),
        _foreign_key("errtrack_issue_hour", "issue_id"),
        sa.PrimaryKeyConstraint("issue_id", "hour", name="pk_errtrack_issue_hour"),
    )
    _create_index("errtrack_issue_hour", "hour")
    op.create_table(
        "errtrack_issue_user",
        sa.Column("issue_id", _ID, nullable=False),
        sa.Column("user_hash", sa.String(40), nullable=False),
        _foreign_key("errtrack_issue_user", "issue_id"),
        sa.PrimaryKeyConstraint("issue_id", "user_hash", name="pk_errtrack_issue_user"),
    )
    op.create_table(
        "errtrack_issue_tag",
        sa.Column("issue_id", _ID, nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.Column("event_count", sa.Integer, nullable=False),
        _foreign_key("errtrack_issue_tag", "issue_id"),
        sa.PrimaryKeyConstraint(
            "issue_id", "key", "value", name="pk_errtrack_issue_tag"
        ),
    )


def _create_feedback() -> None:
    op.create_table(
        "errtrack_feedback",
        sa.Column("id", _ID, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("event_id", sa.String(32), nullable=False),
        sa.Column("issue_id", _ID),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("comments", sa.Text, nullable=False),
        sa.Column("received_at", sa.Double, nullable=False),
        _foreign_key("errtrack_feedback", "project_id"),
        _foreign_key("errtrack_feedback", "issue_id"),
        sa.PrimaryKeyConstraint("id", name="pk_errtrack_feedback"),
        sa.UniqueConstraint(
            "project_id", "event_id", name="uq_errtrack_feedback_project_id_event_id"
        ),
    )
    _create_index("errtrack_feedback", "issue_id")


def _foreign_key(table: str, column: str) -> sa.ForeignKeyConstraint:
    target = f"errtrack_{column.removesuffix('_id')}.id"
    return sa.ForeignKeyConstraint([column], [target], name=f"fk_{table}_{column}")


def _create_index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)
