"""The queries behind the pages: rows in, rows out, on an open connection.

Each function is one query, however many issues or events there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    func,
    select,
)

from ..database import schema
from ..database.rows import Record
from .windows import Window

_MAX_TAGS = 200
_MAX_RELATED = 5
_MAX_REPORTS = 20
_MAX_HAPPENINGS = 100

_issue = schema.issue.c
_event = schema.event.c
_hour = schema.group_hour.c
_group = schema.group.c
_report = schema.feedback.c


def projects(connection: Connection) -> dict[int, str]:
    """Return the names of all projects by id."""
    query = select(schema.project.c.id, schema.project.c.name)
    return {row.id: row.name for row in connection.execute(query)}


def counts(
    connection: Connection, issue_ids: Iterable[int], window: Window
) -> dict[int, dict[int, int]]:
    """Return events by issue, and by the first hour of each step of a window."""
    start = (_hour.hour - _hour.hour % window.step_hours).label("start")
    query = (
        select(_group.issue_id, start, func.sum(_hour.event_count).label("events"))
        .join(schema.group_hour, _hour.group_id == _group.id)
        .where(_group.issue_id.in_(list(issue_ids)), _hour.hour >= window.first_hour)
        .group_by(_group.issue_id, start)
    )
    found: dict[int, dict[int, int]] = {}
    for row in connection.execute(query):
        found.setdefault(row.issue_id, {})[row.start] = row.events
    return found


def issue(connection: Connection, issue_id: int) -> Record | None:
    """Return an issue."""
    return _first(connection, select(schema.issue).where(_issue.id == issue_id))


def merged_into(connection: Connection, issue_id: int) -> int | None:
    """Return the issue that one with this number was merged into, if it was."""
    merged = schema.merged_issue.c
    query = select(merged.issue_id).where(merged.id == issue_id)
    found: int | None = connection.scalar(query)
    return found


def newest_event(connection: Connection, issue_id: int) -> Record | None:
    """Return the newest event of an issue that is kept."""
    # Asked for the first by id, PostgreSQL reads the events of all issues.
    newest = select(func.max(_event.id)).where(_is_kept_of(issue_id))
    return _first(connection, _events().where(_event.id == newest.scalar_subquery()))


def event(connection: Connection, event_id: str) -> Record | None:
    """Return an event that is kept; the first, where two projects use the same id.

    Who learns the id of an event cannot put one of another project in its place.
    """
    query = _events().where(_event.event_id == event_id, _event.payload.is_not(None))
    return _first(connection, query.order_by(_event.id).limit(1))


def neighbours(connection: Connection, issue_id: int, row_id: int) -> Record:
    """Return where an event stands among the kept events of its issue.

    :return: ``kept``, ``position`` from 1, and the event ids ``first_id``,
        ``previous_id``, ``next_id`` and ``last_id``, ``None`` where there is none.
    """

    def event_id_at(place: Select[tuple[int]]) -> ColumnElement[str | None]:
        query = select(_event.event_id).where(_event.id == place.scalar_subquery())
        return query.scalar_subquery()

    of_issue = _is_kept_of(issue_id)
    lowest = select(func.min(_event.id)).where(of_issue)
    highest = select(func.max(_event.id)).where(of_issue)
    kept = select(func.count()).where(of_issue)
    return connection.execute(
        select(
            kept.scalar_subquery().label("kept"),
            kept.where(_event.id <= row_id).scalar_subquery().label("position"),
            event_id_at(lowest).label("first_id"),
            event_id_at(highest.where(_event.id < row_id)).label("previous_id"),
            event_id_at(lowest.where(_event.id > row_id)).label("next_id"),
            event_id_at(highest).label("last_id"),
        )
    ).one()


def tag_counts(connection: Connection, issue_id: int) -> Sequence[Record]:
    """Return ``key, value, event_count`` of an issue's tags, most frequent first."""
    tag = schema.group_tag.c
    events = func.sum(tag.event_count).label("event_count")
    query = (
        select(tag.key, tag.value, events)
        .where(tag.group_id.in_(_groups_of(issue_id)))
        .group_by(tag.key, tag.value)
        .order_by(events.desc(), tag.key, tag.value)
    )
    return connection.execute(query.limit(_MAX_TAGS)).all()


def related_issues(connection: Connection, issue_id: int) -> Sequence[Record]:
    """Return issues of the same place: they share a hash without the source line."""
    mine = schema.group.alias()
    query = (
        select(_issue.id, _issue.title, _issue.status, _issue.last_seen)
        .join(schema.group, _group.issue_id == _issue.id)
        .join(mine, mine.c.coarse_hash == _group.coarse_hash)
        .where(
            mine.c.issue_id == issue_id,
            _issue.id != issue_id,
            _issue.project_id == mine.c.project_id,
        )
        .distinct()
        .order_by(_issue.last_seen.desc())
    )
    return connection.execute(query.limit(_MAX_RELATED)).all()


def reports_of_issue(
    connection: Connection, issue_id: int, event_id: str
) -> Sequence[Record]:
    """Return the feedback about an issue, that about the event first.

    Each row has ``reports``: how many there are in all.
    """
    query = (
        select(
            schema.feedback,
            _group.issue_id,
            _has_event(),
            func.count().over().label("reports"),
        )
        .join(schema.group, _group.id == _report.group_id)
        .where(_group.issue_id == issue_id)
        .order_by((_report.event_id == event_id).desc(), _report.received_at.desc())
    )
    return connection.execute(query.limit(_MAX_REPORTS)).all()


def reports(
    connection: Connection, limit: int, offset: int, is_read: bool | None = None
) -> Sequence[Record]:
    """Return feedback, the newest first, each with the title of its issue.

    :param is_read: only what somebody has read, or nobody yet; None: all.
    """
    query = (
        select(schema.feedback, _group.issue_id, _issue.title, _has_event())
        .outerjoin(schema.group, _group.id == _report.group_id)
        .outerjoin(schema.issue, _issue.id == _group.issue_id)
        .order_by(_report.received_at.desc(), _report.id.desc())
    )
    if is_read is not None:
        query = query.where(_report.is_read == is_read)
    return connection.execute(query.limit(limit).offset(offset)).all()


def _has_event() -> ColumnElement[bool]:
    """Whether the event that feedback is about is kept."""
    kept = exists().where(
        _event.event_id == _report.event_id,
        _event.project_id == _report.project_id,
        _event.payload.is_not(None),
    )
    return kept.label("has_event")


def report_counts(connection: Connection) -> dict[bool, int]:
    """Return how much feedback was read, and how much not."""
    query = select(_report.is_read, func.count()).group_by(_report.is_read)
    return {row[0]: row[1] for row in connection.execute(query)}


def groups(connection: Connection, issue_id: int) -> Sequence[Record]:
    """Return the groups of an issue, the first of them first."""
    query = select(schema.group).where(_group.issue_id == issue_id)
    return connection.execute(query.order_by(_group.id)).all()


def history(connection: Connection, issue_id: int) -> Sequence[Record]:
    """Return what last happened to an issue, the newest first."""
    log = schema.activity.c
    query = select(schema.activity).where(log.issue_id == issue_id)
    newest_first = query.order_by(log.happened_at.desc(), log.id.desc())
    return connection.execute(newest_first.limit(_MAX_HAPPENINGS)).all()


def _events() -> Select[Any]:
    """Events, each with the issue that it belongs to."""
    return select(schema.event, _group.issue_id).outerjoin(
        schema.group, _group.id == _event.group_id
    )


def _groups_of(issue_id: int) -> Select[tuple[int]]:
    return select(_group.id).where(_group.issue_id == issue_id)


def _is_kept_of(issue_id: int) -> ColumnElement[bool]:
    return and_(_event.group_id.in_(_groups_of(issue_id)), _event.payload.is_not(None))


def _first(connection: Connection, query: Select[Any]) -> Record | None:
    return connection.execute(query).first()
