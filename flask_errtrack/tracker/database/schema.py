"""The tables of the embedded tracker, as SQLAlchemy Core describes them.

Times are seconds since 1970, UTC, as floats; an hour is ``time // 3600`` of
them. All names begin with ``errtrack_``, so that a database can be shared.
What is created where stands in ``migrations/``; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes a column the row id, which counts by itself, only as INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")

#: An app that sends events here. Project 1 is the app that the tracker lives in.
project = Table(
    "errtrack_project",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("public_key", String(32), nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
)

#: A version of an app, numbered in the order in which versions were first seen.
release = Table(
    "errtrack_release",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", Id, ForeignKey("errtrack_project.id"), nullable=False),
    Column("version", String(200), nullable=False),
    Column("first_seen", Double, nullable=False),
    UniqueConstraint("project_id", "version"),
)

#: What a person resolves: one group of events, or several that belong together.
#: Its numbers and facts are those of its groups; they stand here for the list.
issue = Table(
    "errtrack_issue",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", Id, ForeignKey("errtrack_project.id"), nullable=False),
    # Type and value of the newest event: "KeyError: 'price'".
    Column("title", Text, nullable=False),
    # Where: "shop.orders in price", or the transaction.
    Column("culprit", Text, nullable=False),
    Column("level", String(10), nullable=False),
    # unresolved, resolved or muted
    Column("status", String(20), nullable=False),
    # Was resolved, and happened again; never true of what is not unresolved.
    Column("is_regressed", Boolean, nullable=False),
    Column("status_changed_at", Double, nullable=False),
    # Resolved, it is reopened by this release and later ones; NULL: by all.
    Column("reopens_from", Id),
    # … but not by that release itself: it was resolved in the next one.
    Column("needs_next_release", Boolean, nullable=False, server_default=false()),
    # Muted, it is reopened by what comes first; both counts are totals.
    Column("mute_until", Double),
    Column("mute_until_events", Integer),
    Column("mute_until_users", Integer),
    # Exact for ever, also when events are no longer kept.
    Column("event_count", Integer, nullable=False),
    Column("user_count", Integer, nullable=False),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    # Of the newest event.
    Column("environment", String(200), nullable=False),
    Column("release", String(200), nullable=False),
    # Of the first event, and of the one that last made it regress.
    Column("first_release", String(200), nullable=False),
    Column("regressed_release", String(200), nullable=False),
    # None on what changes with each event: it would be written for each, too.
    Index(None, "first_release", "project_id"),
    Index(None, "regressed_release", "project_id"),
    # SQLite must not give the number of an issue that is gone to another one.
    sqlite_autoincrement=True,
)

#: Numbers of issues that were merged, and the issue that each leads to now.
merged_issue = Table(
    "errtrack_merged_issue",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("issue_id", Id, ForeignKey("errtrack_issue.id"), nullable=False, index=True),
)

#: The events with one grouping key. Whatever counts events counts them here, so that
#: issues can be merged, and taken apart again, to the last event.
group = Table(
    "errtrack_group",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", Id, ForeignKey("errtrack_project.id"), nullable=False),
    Column("hash", String(40), nullable=False),
    # The key without the source line: finds groups of the same place.
    Column("coarse_hash", String(40), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    # NULL only inside the transaction that makes the issue.
    Column("issue_id", Id, ForeignKey("errtrack_issue.id")),
    # Why the events are together, in words.
    Column("words", Text, nullable=False),
    Column("event_count", Integer, nullable=False),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    # As in the issue, for when this group becomes one.
    Column("title", Text, nullable=False),
    Column("culprit", Text, nullable=False),
    Column("level", String(10), nullable=False),
    Column("environment", String(200), nullable=False),
    Column("release", String(200), nullable=False),
    Column("first_release", String(200), nullable=False),
    # Where a search looks for words: type, message, culprit and files, in lower case.
    Column("search_text", Text, nullable=False),
    UniqueConstraint("project_id", "hash"),
    Index(None, "issue_id", "id"),
)

#: The events that came. Of an issue that storms, most have no payload any more: the
#: row stays as long as any other, so that an event that comes again is known.
event = Table(
    "errtrack_event",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", Id, ForeignKey("errtrack_project.id"), nullable=False),
    Column("event_id", String(32), nullable=False),
    # NULL only inside the transaction that records the event.
    Column("group_id", Id, ForeignKey("errtrack_group.id")),
    Column("received_at", Double, nullable=False),
    # First of its issue, or the one that made it regress: never thinned out.
    Column("is_landmark", Boolean, nullable=False),
    # NULL: nobody is known.
    Column("user_hash", String(40)),
    # The event as JSON, compressed with zlib. NULL: thinned out.
    Column("payload", LargeBinary),
    UniqueConstraint("event_id", "project_id"),
    Index(None, "group_id", "id"),
    Index(None, "received_at"),
)
# It is partial on PostgreSQL, too, as the migrations say; to say so here would import
# that dialect for everybody: a tenth of what a set-up takes.
Index(
    "ix_errtrack_event_kept",
    event.c.group_id,
    event.c.id,
    sqlite_where=event.c.payload.is_not(None),
)
Index(
    "ix_errtrack_event_user",
    event.c.project_id,
    event.c.user_hash,
    event.c.id,
    sqlite_where=event.c.user_hash.is_not(None),
)

#: How many events of a group came in an hour.
group_hour = Table(
    "errtrack_group_hour",
    metadata,
    Column("group_id", Id, ForeignKey("errtrack_group.id"), primary_key=True),
    Column("hour", Integer, primary_key=True),
    Column("event_count", Integer, nullable=False),
    # The list asks for the last day of every issue.
    Index(None, "hour"),
    # What a group has then lies side by side: lists are read three times as fast.
    sqlite_with_rowid=False,
)

#: Which users a group has met, as hashes: distinct users are counted exactly.
group_user = Table(
    "errtrack_group_user",
    metadata,
    Column("group_id", Id, ForeignKey("errtrack_group.id"), primary_key=True),
    Column("user_hash", String(40), primary_key=True),
    Index(None, "user_hash", "group_id"),
    sqlite_with_rowid=False,
)

#: How many events of a group carried a tag with a value.
group_tag = Table(
    "errtrack_group_tag",
    metadata,
    Column("group_id", Id, ForeignKey("errtrack_group.id"), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("value", String(200), primary_key=True),
    Column("event_count", Integer, nullable=False),
    Index(None, "key", "value", "group_id"),
    sqlite_with_rowid=False,
)

#: Who is behind a user's hash, as the newest event says.
person = Table(
    "errtrack_person",
    metadata,
    Column("project_id", Id, ForeignKey("errtrack_project.id"), primary_key=True),
    Column("user_hash", String(40), primary_key=True),
    Column("user_id", String(200), nullable=False),
    Column("email", String(200), nullable=False),
    Column("username", String(200), nullable=False),
    Column("ip_address", String(200), nullable=False),
    # Where a search looks for words: id, e-mail and name, in lower case.
    Column("search_text", Text, nullable=False),
)

#: What happened to an issue, and what people noted; alerts are made from it.
activity = Table(
    "errtrack_activity",
    metadata,
    Column("id", Id, primary_key=True),
    Column("issue_id", Id, ForeignKey("errtrack_issue.id"), nullable=False),
    Column("happened_at", Double, nullable=False),
    # created, regressed, resolved, noted …
    Column("kind", String(20), nullable=False),
    # Who did it; empty: the tracker.
    Column("actor", String(200), nullable=False),
    # What is to say about it, as text.
    Column("detail", Text, nullable=False),
    # Whether the alerts have been thought about.
    Column("is_told", Boolean, nullable=False),
    Index(None, "issue_id", "id"),
)
Index(
    "ix_errtrack_activity_untold",
    activity.c.id,
    sqlite_where=activity.c.is_told.is_(False),
)

#: What people wrote in the feedback dialog; one report an event, the last wins.
feedback = Table(
    "errtrack_feedback",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", Id, ForeignKey("errtrack_project.id"), nullable=False),
    Column("event_id", String(32), nullable=False),
    # NULL until the event is here.
    Column("group_id", Id, ForeignKey("errtrack_group.id"), index=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("comments", Text, nullable=False),
    Column("received_at", Double, nullable=False),
    Column("is_read", Boolean, nullable=False),
    UniqueConstraint("project_id", "event_id"),
)

#: A job that tells when it runs.
monitor = Table(
    "errtrack_monitor",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", Id, ForeignKey("errtrack_project.id"), nullable=False),
    Column("slug", String(200), nullable=False),
    # A job that runs in several is one monitor in each.
    Column("environment", String(200), nullable=False),
    # "0 3 * * *" or "10 minutes"; empty: only told what happened, never expected.
    Column("schedule", String(200), nullable=False),
    Column("timezone", String(100), nullable=False),
    # How late it may begin, and how long it may take.
    Column("margin_seconds", Double, nullable=False),
    Column("max_runtime_seconds", Double, nullable=False),
    # So many bad runs in a row become an issue; so many good ones are noted in it.
    Column("failure_threshold", Integer, nullable=False),
    Column("recovery_threshold", Integer, nullable=False),
    # Its runs are kept, and no issue is made of them.
    Column("is_muted", Boolean, nullable=False),
    # When a check-in is late; NULL: none is expected.
    Column("due_at", Double, index=True),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("project_id", "slug", "environment"),
)

#: One run of a job, or one that did not happen.
check_in = Table(
    "errtrack_check_in",
    metadata,
    Column("id", Id, primary_key=True),
    Column("monitor_id", Id, ForeignKey("errtrack_monitor.id"), nullable=False),
    Column("check_in_id", String(32), nullable=False),
    # in_progress, ok, error, missed or timeout
    Column("status", String(20), nullable=False),
    Column("started_at", Double, nullable=False),
    # NULL as long as it runs.
    Column("duration_seconds", Double),
    UniqueConstraint("monitor_id", "check_in_id"),
    Index(None, "monitor_id", "id"),
)
Index(
    "ix_errtrack_check_in_running",
    check_in.c.started_at,
    sqlite_where=check_in.c.status == "in_progress",
)

#: What people are to be told: waits, was sent, or could not be sent.
alert = Table(
    "errtrack_alert",
    metadata,
    Column("id", Id, primary_key=True),
    # The rule, in words: "new issue".
    Column("rule", String(200), nullable=False),
    Column("issue_id", Id, ForeignKey("errtrack_issue.id"), index=True),
    Column("created_at", Double, nullable=False),
    # pending, sent or failed
    Column("status", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_try_at", Double, nullable=False),
    # Why it could not be sent; empty if it could.
    Column("problem", Text, nullable=False),
    # When somebody was told last, and the names of all who were, a line each.
    Column("sent_at", Double, index=True),
    Column("told", Text, nullable=False),
    Index(None, "status", "next_try_at"),
)

#: What came and is no event here: refused, unknown or lost, by hour and reason.
tally = Table(
    "errtrack_tally",
    metadata,
    Column("project_id", Id, ForeignKey("errtrack_project.id"), primary_key=True),
    Column("hour", Integer, primary_key=True),
    # refused, skipped, lost
    Column("kind", String(20), primary_key=True),
    # What was it: "quota", "transaction", "queue_overflow".
    Column("reason", String(100), primary_key=True),
    Column("quantity", Integer, nullable=False),
)
