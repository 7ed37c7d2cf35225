"""The tracker's rows as other programs see them: API, export and command line.

Plain dicts, ready for JSON; times are RFC 3339 UTC, texts are as they came. Whoever
changes a name here breaks somebody's script.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from ..words import rfc3339
from .database.rows import Record

Shape = dict[str, Any]

_SUMMARY = (
    "id",
    "title",
    "culprit",
    "level",
    "status",
    "events",
    "users",
    "first_seen",
    "last_seen",
)


def project_shape(row: Record) -> Shape:
    """Describe a project, without the key with which anybody could send to it."""
    return {"id": row.id, "name": row.name}


def issue_shape(row: Record) -> Shape:
    """Describe an issue by a row of its table."""
    return {
        "id": row.id,
        "project_id": row.project_id,
        "title": row.title,
        "culprit": row.culprit,
        "level": row.level,
        "status": row.status,
        "is_regressed": row.is_regressed,
        "events": row.event_count,
        "users": row.user_count,
        "first_seen": rfc3339(row.first_seen),
        "last_seen": rfc3339(row.last_seen),
        "environment": row.environment,
        "release": row.release,
        "first_release": row.first_release,
    }


def issue_summary(row: Record) -> Shape:
    """Describe an issue as the command line lists it.

    One that is unresolved, and was resolved before, has the status ``regressed``.
    """
    shape = issue_shape(row)
    status = "regressed" if row.is_regressed else row.status
    return {name: shape[name] for name in _SUMMARY} | {"status": status}


def group_shape(row: Record) -> Shape:
    """Describe a group of an issue: events that are together, and why."""
    return {
        "id": row.id,
        "words": row.words,
        "events": row.event_count,
        "first_seen": rfc3339(row.first_seen),
        "last_seen": rfc3339(row.last_seen),
    }


def event_shape(row: Record) -> Shape:
    """Describe an event by its row, with ``issue_id``, but not what is in it."""
    return {
        "event_id": row.event_id,
        "project_id": row.project_id,
        "issue_id": row.issue_id,
        "received_at": rfc3339(row.received_at),
    }


def content_of(row: Record) -> Shape:
    """Return what is in an event that is kept."""
    found: Shape = json.loads(zlib.decompress(row.payload))
    return found


def report_shape(row: Record) -> Shape:
    """Describe what a person wrote, by its row, with ``issue_id``."""
    return event_shape(row) | {
        "name": row.name,
        "email": row.email,
        "comments": row.comments,
    }


def activity_shape(row: Record) -> Shape:
    """Describe what happened to an issue."""
    return {
        "time": rfc3339(row.happened_at),
        "kind": row.kind,
        "actor": row.actor,
        "detail": row.detail,
    }


def alert_shape(row: Record) -> Shape:
    """Describe an alert by its row, with the ``title`` of its issue."""
    return {
        "created_at": rfc3339(row.created_at),
        "status": row.status,
        "rule": row.rule,
        "issue_id": row.issue_id,
        "title": row.title,
        "attempts": row.attempts,
        "problem": row.problem,
    }


def monitor_shape(row: Record) -> Shape:
    """Describe a job by its row, with the ``state`` of its last run."""
    return {
        "id": row.id,
        "slug": row.slug,
        "environment": row.environment,
        "schedule": row.schedule,
        "state": row.state,
        "is_muted": row.is_muted,
        "late_at": None if row.due_at is None else rfc3339(row.due_at),
    }
