"""The routes of the API that read: projects, issues, their events, one event.

``docs/api_json.rst`` describes them; a test keeps the two together.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy import ColumnElement, Select, and_, select

from .. import projects
from ..database import schema
from ..database.rows import MAX_ID
from ..queries import listing, reads
from ..queries.listing import ORDERS, Listing, Sort
from ..search.conditions import issues_condition
from ..search.language import parse
from ..shapes import (
    Shape,
    activity_shape,
    content_of,
    event_shape,
    group_shape,
    project_shape,
)
from ..store import Store
from ..storing.counting import hour_of
from .answers import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Fault,
    Keys,
    answer_of,
    answering,
    error,
    expect,
    known_issue,
    link_to,
    linked_issue,
    number_asked,
)
from .changes import add_changes

ROOT = "/api/0"
ISSUE = f"{ROOT}/issues/<int:issue_id>"
# Who reads further has another purpose, and `errtrack export`.
_MAX_PAGE = 1000

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def add_api(blueprint: Blueprint, store: Store, keys: Keys) -> None:
    """Add the API to a blueprint.

    :param keys: those that sign tokens, asked for anew each time.
    """
    _add_lists(blueprint, store, keys)
    _add_issue(blueprint, store, keys)
    _add_event(blueprint, store, keys)
    add_changes(blueprint, store, keys, ISSUE)

    @blueprint.route(f"{ROOT}/<path:rest>", endpoint="api_unknown", methods=_METHODS)
    def api_unknown(rest: str) -> Response:
        return error(404, f"there is no {request.method} {ROOT}/{rest:.200}")


def _add_lists(blueprint: Blueprint, store: Store, keys: Keys) -> None:
    @blueprint.get(f"{ROOT}/projects", endpoint="api_projects")
    @answering(keys, store)
    def api_projects() -> list[Shape]:
        return [project_shape(one) for one in projects.every(store)]

    @blueprint.get(f"{ROOT}/issues", endpoint="api_issues")
    @answering(keys, store)
    def api_issues() -> Response:
        expect(request.args, "query", "project", "sort", "limit", "page")
        limit = number_asked("limit", DEFAULT_LIMIT, MAX_LIMIT)
        page = number_asked("page", 1, _MAX_PAGE)
        now = store.now()
        wanted = Listing(_condition(now), _order(), hour_of(now))
        before = (page - 1) * limit
        with store.reading() as connection:
            rows = listing.issues(connection, wanted, limit + 1, before)
        links = [link_to("prev", {"page": page - 1})] if page > 1 else []
        if len(rows) > limit and page < _MAX_PAGE:
            links.append(link_to("next", {"page": page + 1}))
        found = [linked_issue(row) for row in rows[:limit]]
        return answer_of(found, link=", ".join(links))


def _add_issue(blueprint: Blueprint, store: Store, keys: Keys) -> None:
    @blueprint.get(ISSUE, endpoint="api_issue")
    @answering(keys, store)
    def api_issue(issue_id: int) -> Shape:
        with store.reading() as connection:
            history = reads.history(connection, issue_id)
            groups = reads.groups(connection, issue_id)
        return known_issue(store, issue_id) | {
            "groups": [group_shape(row) for row in groups],
            "history": [activity_shape(row) for row in history],
        }

    @blueprint.get(f"{ISSUE}/events", endpoint="api_events")
    @answering(keys, store)
    def api_events(issue_id: int) -> Response:
        expect(request.args, "limit", "before")
        limit = number_asked("limit", DEFAULT_LIMIT, MAX_LIMIT)
        before = number_asked("before", MAX_ID, MAX_ID)
        query = _events_of(issue_id).where(schema.event.c.id < before)
        known_issue(store, issue_id)
        with store.reading() as connection:
            rows = connection.execute(query.limit(limit + 1)).all()
        found = [_event(row) for row in rows[:limit]]
        more = len(rows) > limit
        link = link_to("next", {"before": rows[limit - 1].id}) if more else None
        return answer_of(found, link=link)


def _add_event(blueprint: Blueprint, store: Store, keys: Keys) -> None:
    @blueprint.get(f"{ROOT}/events/<string(length=32):event_id>", endpoint="api_event")
    @answering(keys, store)
    def api_event(event_id: str) -> Shape:
        with store.reading() as connection:
            row = reads.event(connection, event_id.lower())
        if row is None:
            raise Fault(404, f"no event {event_id} is kept here")
        return _event(row) | {"event": content_of(row)}


def _events_of(issue_id: int) -> Select[Any]:
    """The events of an issue that are kept, the newest first."""
    event, group = schema.event.c, schema.group.c
    columns = event.id, event.event_id, event.project_id, event.received_at
    return (
        select(*columns, group.issue_id)
        .join(schema.group, group.id == event.group_id)
        .where(group.issue_id == issue_id, event.payload.is_not(None))
        .order_by(event.id.desc())
    )


def _condition(now: float) -> ColumnElement[bool]:
    """What the issues of a list have in common."""
    condition = issues_condition(parse(request.args.get("query", "")), now)
    project_id = number_asked("project", 0, MAX_ID)
    if not project_id:
        return condition
    return and_(condition, schema.issue.c.project_id == project_id)


def _order() -> Sort:
    asked = request.args.get("sort", "last_seen")
    for sort in ORDERS:
        if sort == asked:
            return sort
    known = ", ".join(ORDERS)
    raise Fault(400, f"sort is {asked!r:.60}; expected one of {known}")


def _event(row: Any) -> Shape:
    page = url_for(".event", event_id=row.event_id, _external=True)
    return event_shape(row) | {"url": page}
