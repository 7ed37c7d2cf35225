"""Groups between events and issues; people, releases, history, monitors and alerts.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from flask_errtrack.tracker.database.migrations.tables import (
    ID,
    create_index,
    create_table,
)

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _create_release()
    _create_group()
    _move_counters()
    _change_event()
    _change_feedback()
    _change_issue()
    op.drop_table("errtrack_issue_hash")
    _create_person()
    _create_activity()
    _create_monitor()
    _create_alert()
    _create_tally()


def _create_release() -> None:
    create_table(
        "errtrack_release",
        sa.Column("id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("version", sa.String(200), nullable=False),
        sa.Column("first_seen", sa.Double, nullable=False),
        primary_key=("id",),
        unique=("project_id", "version"),
    )
    op.execute(
        """
        INSERT INTO errtrack_release (project_id, version, first_seen)
        SELECT i.project_id, t.value, MIN(i.first_seen)
        FROM errtrack_issue_tag t JOIN errtrack_issue i ON i.id = t.issue_id
        WHERE t.key = 'release' GROUP BY i.project_id, t.value ORDER BY 3, 2
        """
    )


def _create_group() -> None:
    create_table(
        "errtrack_group",
        sa.Column("id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("hash", sa.String(40), nullable=False),
        sa.Column("coarse_hash", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("issue_id", ID),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("event_count", sa.Integer, nullable=False),
        sa.Column("first_seen", sa.Double, nullable=False),
        sa.Column("last_seen", sa.Double, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("culprit", sa.Text, nullable=False),
        sa.Column("level", sa.String(10), nullable=False),
        sa.Column("environment", sa.String(200), nullable=False),
        sa.Column("release", sa.String(200), nullable=False),
        sa.Column("first_release", sa.String(200), nullable=False),
        sa.Column("search_text", sa.Text, nullable=False),
        primary_key=("id",),
        unique=("project_id", "hash"),
    )
    create_index("errtrack_group", "coarse_hash")
    create_index("errtrack_group", "issue_id")
    # Which of several hashes an event had was not written down: the first one of an
    # issue has them all.
    op.execute(
        """
        INSERT INTO errtrack_group (
            project_id, hash, coarse_hash, version, issue_id, words, event_count,
            first_seen, last_seen, title, culprit, level, environment, release,
            first_release, search_text)
        SELECT h.project_id, h.hash, h.coarse_hash, h.version, h.issue_id,
            i.grouping_words,
            CASE WHEN h.hash = f.hash THEN i.event_count ELSE 0 END,
            i.first_seen, i.last_seen, i.title, i.culprit, i.level, i.environment,
            i.release, '', LOWER(i.title || ' ' || i.culprit)
        FROM errtrack_issue_hash h
        JOIN errtrack_issue i ON i.id = h.issue_id
        JOIN (SELECT issue_id, MIN(hash) AS hash FROM errtrack_issue_hash
              GROUP BY issue_id) f ON f.issue_id = h.issue_id
        ORDER BY i.id, CASE WHEN h.hash = f.hash THEN 0 ELSE 1 END
        """
    )


# The first group of each issue, which has its events.
_FIRST_GROUP = "(SELECT MIN(id) FROM errtrack_group g WHERE g.issue_id = {}.issue_id)"


def _move_counters() -> None:
    create_table(
        "errtrack_group_hour",
        sa.Column("group_id", ID, nullable=False),
        sa.Column("hour", sa.Integer, nullable=False),
        sa.Column("event_count", sa.Integer, nullable=False),
        primary_key=("group_id", "hour"),
        sqlite_with_rowid=False,
    )
    create_index("errtrack_group_hour", "hour")
    create_table(
        "errtrack_group_user",
        sa.Column("group_id", ID, nullable=False),
        sa.Column("user_hash", sa.String(40), nullable=False),
        primary_key=("group_id", "user_hash"),
        sqlite_with_rowid=False,
    )
    create_index("errtrack_group_user", "user_hash")
    create_table(
        "errtrack_group_tag",
        sa.Column("group_id", ID, nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.Column("event_count", sa.Integer, nullable=False),
        primary_key=("group_id", "key", "value"),
        sqlite_with_rowid=False,
    )
    create_index("errtrack_group_tag", "key", "value")
    for kind, columns in (
        ("hour", "hour, event_count"),
        ("user", "user_hash"),
        ("tag", "key, value, event_count"),
    ):
        op.execute(
            f"INSERT INTO errtrack_group_{kind} (group_id, {columns}) "
            f"SELECT {_FIRST_GROUP.format('c')}, {columns} FROM errtrack_issue_{kind} c"
        )
        op.drop_table(f"errtrack_issue_{kind}")


def _change_event() -> None:
    for columns in (("issue_id", "id"), ("event_id",)):
        op.drop_index(f"ix_errtrack_event_{'_'.join(columns)}", "errtrack_event")
    with op.batch_alter_table("errtrack_event") as table:
        table.add_column(sa.Column("group_id", ID))
        table.add_column(sa.Column("user_hash", sa.String(40)))
        table.alter_column("payload", existing_type=sa.LargeBinary, nullable=True)
        table.drop_constraint("uq_errtrack_event_project_id_event_id", type_="unique")
        table.create_unique_constraint(
            "uq_errtrack_event_event_id_project_id", ["event_id", "project_id"]
        )
        table.create_foreign_key(
            "fk_errtrack_event_group_id", "errtrack_group", ["group_id"], ["id"]
        )
    _move_to_groups("errtrack_event")
    create_index("errtrack_event", "group_id", "id")
    create_index(
        "errtrack_event",
        "group_id",
        "id",
        named="kept",
        where=sa.column("payload").is_not(None),
    )
    create_index(
        "errtrack_event",
        "project_id",
        "user_hash",
        "id",
        named="user",
        where=sa.column("user_hash").is_not(None),
    )


def _change_feedback() -> None:
    op.drop_index("ix_errtrack_feedback_issue_id", "errtrack_feedback")
    with op.batch_alter_table("errtrack_feedback") as table:
        table.add_column(sa.Column("group_id", ID))
        table.add_column(
            sa.Column("is_read", sa.Boolean, nullable=False, server_default=sa.false())
        )
        table.create_foreign_key(
            "fk_errtrack_feedback_group_id", "errtrack_group", ["group_id"], ["id"]
        )
    _move_to_groups("errtrack_feedback")
    create_index("errtrack_feedback", "group_id")
    with op.batch_alter_table("errtrack_feedback") as table:
        table.alter_column("is_read", server_default=None)


def _change_issue() -> None:
    for column in (
        sa.Column("reopens_from", ID),
        sa.Column("mute_until", sa.Double),
        sa.Column("mute_until_events", sa.Integer),
        sa.Column("mute_until_users", sa.Integer),
        sa.Column("first_release", sa.String(200), nullable=False, server_default=""),
        sa.Column(
            "regressed_release", sa.String(200), nullable=False, server_default=""
        ),
    ):
        op.add_column("errtrack_issue", column)
    op.drop_column("errtrack_issue", "grouping_words")


def _move_to_groups(name: str) -> None:
    op.execute(f"UPDATE {name} SET group_id = {_FIRST_GROUP.format(name)}")
    with op.batch_alter_table(name) as table:
        table.drop_constraint(f"fk_{name}_issue_id", type_="foreignkey")
        table.drop_column("issue_id")


def _create_person() -> None:
    create_table(
        "errtrack_person",
        sa.Column("project_id", ID, nullable=False),
        sa.Column("user_hash", sa.String(40), nullable=False),
        sa.Column("user_id", sa.String(200), nullable=False),
        sa.Column("email", sa.String(200), nullable=False),
        sa.Column("username", sa.String(200), nullable=False),
        sa.Column("ip_address", sa.String(200), nullable=False),
        sa.Column("search_text", sa.Text, nullable=False),
        primary_key=("project_id", "user_hash"),
    )


def _create_activity() -> None:
    create_table(
        "errtrack_activity",
        sa.Column("id", ID, nullable=False),
        sa.Column("issue_id", ID, nullable=False),
        sa.Column("happened_at", sa.Double, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("is_told", sa.Boolean, nullable=False),
        primary_key=("id",),
    )
    create_index("errtrack_activity", "issue_id", "id")
    create_index(
        "errtrack_activity",
        "id",
        named="untold",
        where=sa.column("is_told", sa.Boolean).is_(False),
    )


def _create_monitor() -> None:
    create_table(
        "errtrack_monitor",
        sa.Column("id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("slug", sa.String(200), nullable=False),
        sa.Column("environment", sa.String(200), nullable=False),
        sa.Column("schedule", sa.String(200), nullable=False),
        sa.Column("timezone", sa.String(100), nullable=False),
        sa.Column("margin_seconds", sa.Double, nullable=False),
        sa.Column("max_runtime_seconds", sa.Double, nullable=False),
        sa.Column("failure_threshold", sa.Integer, nullable=False),
        sa.Column("recovery_threshold", sa.Integer, nullable=False),
        sa.Column("is_muted", sa.Boolean, nullable=False),
        sa.Column("due_at", sa.Double),
        sa.Column("created_at", sa.Double, nullable=False),
        primary_key=("id",),
        unique=("project_id", "slug", "environment"),
    )
    create_index("errtrack_monitor", "due_at")
    create_table(
        "errtrack_check_in",
        sa.Column("id", ID, nullable=False),
        sa.Column("monitor_id", ID, nullable=False),
        sa.Column("check_in_id", sa.String(32), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("duration_seconds", sa.Double),
        primary_key=("id",),
        unique=("monitor_id", "check_in_id"),
    )
    create_index("errtrack_check_in", "monitor_id", "id")
    create_index(
        "errtrack_check_in",
        "started_at",
        named="running",
        where=sa.column("status") == "in_progress",
    )


def _create_alert() -> None:
    create_table(
        "errtrack_alert",
        sa.Column("id", ID, nullable=False),
        sa.Column("rule", sa.String(200), nullable=False),
        sa.Column("issue_id", ID),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_try_at", sa.Double, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("sent_at", sa.Double),
        sa.Column("told", sa.Text, nullable=False),
        primary_key=("id",),
    )
    create_index("errtrack_alert", "issue_id")
    create_index("errtrack_alert", "sent_at")
    create_index("errtrack_alert", "status", "next_try_at")


def _create_tally() -> None:
    create_table(
        "errtrack_tally",
        sa.Column("project_id", ID, nullable=False),
        sa.Column("hour", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(100), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        primary_key=("project_id", "hour", "kind", "reason"),
    )
