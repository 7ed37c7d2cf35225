"""All that the tracker knows, one JSON object a line, for other programs.

Owns the shapes of the lines; ``docs/upkeep.rst`` describes them. Memory stays flat:
a batch of issues or events is held at a time.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from ..words import rfc3339
from .database import schema
from .shapes import (
    activity_shape,
    content_of,
    event_shape,
    issue_shape,
    project_shape,
    report_shape,
)
from .store import Store
from .storing.counting import HOUR_SECONDS

# Some counters of an issue may be thousands of rows.
_ISSUE_BATCH = 20
_EVENT_BATCH = 200

_issue = schema.issue.c
_event = schema.event.c
_group = schema.group.c
_hour = schema.group_hour.c
_tag = schema.group_tag.c

Line = dict[str, Any]


@dataclass(frozen=True)
class Export:
    """What is to be written.

    :param where: a condition on the issue table.
    """

    store: Store
    where: ColumnElement[bool]

    def count(self) -> int:
        """Return how many lines there are now.

        :raises StoreError: if the database cannot be used now.
        """
        issues = select(func.count()).select_from(schema.issue).where(self.where)
        events = self._kept_events().with_only_columns(func.count())
        reports = self._reports().with_only_columns(func.count())
        projects = select(func.count()).select_from(schema.project)
        with self.store.reading() as connection:
            return sum(
                connection.scalar(query) or 0
                for query in (projects, issues, events, reports)
            )

    def lines(self) -> Generator[str, None, None]:
        """Yield the lines: projects, issues, events and feedback, the oldest first.

        :raises StoreError: if the database cannot be used now.
        """
        for line in self._objects():
            yield json.dumps(line, separators=(",", ":")) + "\n"

    def _objects(self) -> Iterator[Line]:
        with self.store.reading() as connection:
            for row in connection.execute(select(schema.project)).all():
                yield {"type": "project", **project_shape(row)}
            issues = select(schema.issue).where(self.where)
            for rows in _batches(connection, issues, _issue.id, _ISSUE_BATCH):
                yield from _issue_lines(connection, rows)
            for rows in _batches(
                connection, self._kept_events(), _event.id, _EVENT_BATCH
            ):
                yield from map(_event_line, rows)
            feedback_id = schema.feedback.c.id
            for rows in _batches(
                connection, self._reports(), feedback_id, _EVENT_BATCH
            ):
                for row in rows:
                    yield {"type": "feedback", **report_shape(row)}

    def _kept_events(self) -> Select[Any]:
        return (
            select(schema.event, _group.issue_id)
            .join(schema.group, _group.id == _event.group_id)
            .where(_event.payload.is_not(None), self._is_chosen())
        )

    def _reports(self) -> Select[Any]:
        return (
            select(schema.feedback, _group.issue_id)
            .join(schema.group, _group.id == schema.feedback.c.group_id)
            .where(self._is_chosen())
        )

    def _is_chosen(self) -> ColumnElement[bool]:
        return _group.issue_id.in_(select(_issue.id).where(self.where))


def _batches(
    connection: Connection, query: Select[Any], row_id: Any, size: int
) -> Iterator[Sequence[Any]]:
    """Yield the rows of a query by and by; each batch is asked for anew."""
    last_id = 0
    while True:
        more = query.where(row_id > last_id).order_by(row_id).limit(size)
        rows = connection.execute(more).all()
        if not rows:
            return
        yield rows
        last_id = rows[-1].id


def _issue_lines(connection: Connection, rows: Sequence[Any]) -> Iterator[Line]:
    ids = [row.id for row in rows]
    hours = _hours(connection, ids)
    tags = _tags(connection, ids)
    history = _history(connection, ids)
    for row in rows:
        yield {
            "type": "issue",
            **issue_shape(row),
            "hours": hours.get(row.id, {}),
            "tags": tags.get(row.id, {}),
            "history": history.get(row.id, []),
        }


def _hours(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, int]]:
    events = func.sum(_hour.event_count).label("events")
    query = (
        select(_group.issue_id, _hour.hour, events)
        .join(schema.group_hour, _hour.group_id == _group.id)
        .where(_group.issue_id.in_(ids))
        .group_by(_group.issue_id, _hour.hour)
        .order_by(_hour.hour)
    )
    found: dict[int, dict[str, int]] = {}
    for row in connection.execute(query):
        hour = rfc3339(row.hour * HOUR_SECONDS)
        found.setdefault(row.issue_id, {})[hour] = int(row.events)
    return found


def _tags(
    connection: Connection, ids: Sequence[int]
) -> dict[int, dict[str, dict[str, int]]]:
    events = func.sum(_tag.event_count).label("events")
    keys = _group.issue_id, _tag.key, _tag.value
    query = (
        select(*keys, events)
        .join(schema.group_tag, _tag.group_id == _group.id)
        .where(_group.issue_id.in_(ids))
        .group_by(*keys)
        .order_by(_tag.key, events.desc(), _tag.value)
    )
    found: dict[int, dict[str, dict[str, int]]] = {}
    for row in connection.execute(query):
        of_issue = found.setdefault(row.issue_id, {})
        of_issue.setdefault(row.key, {})[row.value] = int(row.events)
    return found


def _history(connection: Connection, ids: Sequence[int]) -> dict[int, list[Line]]:
    happened = schema.activity.c
    query = select(schema.activity).where(happened.issue_id.in_(ids))
    found: dict[int, list[Line]] = {}
    for row in connection.execute(query.order_by(happened.id)):
        found.setdefault(row.issue_id, []).append(activity_shape(row))
    return found


def _event_line(row: Any) -> Line:
    return {"type": "event", **event_shape(row), "event": content_of(row)}
