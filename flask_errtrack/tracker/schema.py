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

#: What a person resolves: the events that break in one way.
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
    # Exact for ever, also when events are no longer kept.
    Column("event_count", Integer, nullable=False),
    Column("user_count", Integer, nullable=False),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    # Of the newest event.
    Column("environment", String(200), nullable=False),
    Column("release", String(200), nullable=False),
    # Why the events are together, in words.
    Column("grouping_words", Text, nullable=False),
    Index(None, "project_id", "status", "last_seen"),
)

#: The grouping keys of an issue. Several can lead to one issue.
issue_hash = Table(
    "errtrack_issue_hash",
    metadata,
    Column("project_id", Id, ForeignKey("errtrack_project.id"), primary_key=True),
    Column("hash", String(40), primary_key=True),
    # NULL only inside the transaction that makes the issue.
    Column("issue_id", Id, ForeignKey("errtrack_issue.id"), index=True),
    # The key without the source line: finds issues of the same place.
    Column("coarse_hash", String(40), nullable=False, index=True),
    Column("version", Integer, nullable=False),
)

#: The events that are kept. An issue that storms is kept in part.
event = Table(
    "errtrack_event",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", Id, ForeignKey("errtrack_project.id"), nullable=False),
    Column("event_id", String(32), nullable=False),
    # NULL only inside the transaction that records the event.
    Column("issue_id", Id, ForeignKey("errtrack_issue.id")),
    Column("received_at", Double, nullable=False),
    # First of its issue, or the one that made it regress: never thinned out.
    Column("is_landmark", Boolean, nullable=False),
    # The event as JSON, compressed with zlib.
    Column("payload", LargeBinary, nullable=False),
    UniqueConstraint("project_id", "event_id"),
    Index(None, "issue_id", "id"),
    Index(None, "event_id"),
    Index(None, "received_at"),
)

#: How many events of an issue came in an hour.
issue_hour = Table(
    "errtrack_issue_hour",
    metadata,
    Column("issue_id", Id, ForeignKey("errtrack_issue.id"), primary_key=True),
    Column("hour", Integer, primary_key=True),
    Column("event_count", Integer, nullable=False),
    # The list asks for the last day of every issue.
    Index(None, "hour"),
)

#: Which users an issue has met, as hashes: distinct users are counted exactly.
issue_user = Table(
    "errtrack_issue_user",
    metadata,
    Column("issue_id", Id, ForeignKey("errtrack_issue.id"), primary_key=True),
    Column("user_hash", String(40), primary_key=True),
)

#: How many events of an issue carried a tag with a value.
issue_tag = Table(
    "errtrack_issue_tag",
    metadata,
    Column("issue_id", Id, ForeignKey("errtrack_issue.id"), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("value", String(200), primary_key=True),
    Column("event_count", Integer, nullable=False),
)

#: What people wrote in the feedback dialog; one report an event, the last wins.
feedback = Table(
    "errtrack_feedback",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", Id, ForeignKey("errtrack_project.id"), nullable=False),
    Column("event_id", String(32), nullable=False),
    # NULL until the event is here.
    Column("issue_id", Id, ForeignKey("errtrack_issue.id"), index=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("comments", Text, nullable=False),
    Column("received_at", Double, nullable=False),
    UniqueConstraint("project_id", "event_id"),
)
