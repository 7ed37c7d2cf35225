"""The pages of projects: who sends here, and what to paste into an app.

Owns the snippets. Knows no route; where the tracker is, it is told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from textwrap import dedent
from typing import Any

from sqlalchemy import Connection, case, func, select

from ...words import Moment, moment, one_line
from .. import projects
from ..database import schema
from ..projects import Project
from ..store import Store


@dataclass(frozen=True)
class ProjectView:
    """One app that sends here; ``last_seen`` is None as long as nothing came."""

    id: int
    name: str
    dsn: str
    unresolved: int
    events: int
    last_seen: Moment | None


@dataclass(frozen=True)
class ProjectListPage:
    """All projects, and the form for one more with what was wrong in it."""

    rows: tuple[ProjectView, ...]
    name: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Snippet:
    """What to paste; ``install`` is what to run before, if anything."""

    anchor: str
    title: str
    install: str
    code: str
    hint: str


@dataclass(frozen=True)
class ProjectSetupPage:
    """How to let an app send to a project."""

    project: ProjectView
    snippets: tuple[Snippet, ...]
    #: Why it could not be renamed.
    problem: str = ""


def project_list_page(
    store: Store, base_url: str, now: float, name: str = "", problem: str = ""
) -> ProjectListPage:
    """Return the page of all projects.

    :param base_url: where the tracker's pages are.
    :param name: what was asked for, if that could not be made.
    :param problem: why it could not be made.
    """
    with store.reading() as connection:
        rows = [_view(row, base_url, now) for row in _rows(connection)]
    return ProjectListPage(tuple(rows), name, problem)


def project_setup_page(
    store: Store, project_id: int, base_url: str, now: float, problem: str = ""
) -> ProjectSetupPage | None:
    """Return the page that tells how to send to a project; None: no such project.

    :param problem: why it could not be renamed.
    """
    with store.reading() as connection:
        found = _rows(connection, project_id)
    if not found:
        return None
    view = _view(found[0], base_url, now)
    return ProjectSetupPage(view, snippets_of(found[0], base_url), problem)


def snippets_of(project: Project, base_url: str) -> tuple[Snippet, ...]:
    """Return what to paste into an app of each kind."""
    dsn = projects.dsn_of(project, base_url)
    url = f"{base_url.rstrip('/')}/api/{project.id}/envelope/"
    url += f"?sentry_key={project.public_key}"
    return tuple(
        replace(one, code=one.code.replace("<dsn>", dsn).replace("<url>", url))
        for one in _SNIPPETS
    )


def _rows(connection: Connection, project_id: int | None = None) -> list[Any]:
    """Return projects with ``unresolved``, ``events`` and ``last_seen``."""
    issue, project = schema.issue.c, schema.project
    is_open = case((issue.status == "unresolved", 1), else_=0)
    query = (
        select(
            project,
            func.coalesce(func.sum(is_open), 0).label("unresolved"),
            func.coalesce(func.sum(issue.event_count), 0).label("events"),
            func.max(issue.last_seen).label("last_seen"),
        )
        .outerjoin(schema.issue, issue.project_id == project.c.id)
        .group_by(*project.c)
        .order_by(project.c.id)
    )
    if project_id is not None:
        query = query.where(project.c.id == project_id)
    return list(connection.execute(query).all())


def _view(row: Any, base_url: str, now: float) -> ProjectView:
    return ProjectView(
        id=row.id,
        name=one_line(row.name),
        dsn=projects.dsn_of(row, base_url),
        unresolved=row.unresolved,
        events=row.events,
        last_seen=None if row.last_seen is None else moment(row.last_seen, now),
    )


def _code(text: str) -> str:
    return dedent(text).strip()


_SNIPPETS = (
    Snippet(
        "flask",
        "Flask",
        "pip install Flask-ErrTrack",
        _code("""
            from flask_errtrack import ErrTrack

            errtrack = ErrTrack(app, dsn="<dsn>")
        """),
        "flask errtrack test sends a test event. With ERRTRACK_DSN in the environment "
        "no code has to change.",
    ),
    Snippet(
        "python",
        "Plain Python",
        "pip install sentry-sdk",
        _code("""
            import sentry_sdk

            sentry_sdk.init(dsn="<dsn>")
            sentry_sdk.capture_message("A test message")
        """),
        "The same with Django, FastAPI and whatever else sentry-sdk knows.",
    ),
    Snippet(
        "browser",
        "JavaScript in a browser",
        "npm install @sentry/browser",
        _code("""
            import * as Sentry from "@sentry/browser";

            Sentry.init({ dsn: "<dsn>" });
            Sentry.captureMessage("A test message");
        """),
        "The key in the DSN only lets send: it may stand in public pages.",
    ),
    Snippet(
        "node",
        "Node.js",
        "npm install @sentry/node",
        _code("""
            const Sentry = require("@sentry/node");

            Sentry.init({ dsn: "<dsn>" });
            Sentry.captureMessage("A test message");
        """),
        "Load this file before all others.",
    ),
    Snippet(
        "curl",
        "Anything else",
        "",
        _code("""
            printf '%s\\n' '{}' '{"type":"event"}' '{"message":"A test message"}' |
              curl --fail-with-body --data-binary @- '<url>'
        """),
        "Every Sentry SDK works with the DSN above: Go, Ruby, PHP, Java, Rust …",
    ),
)
