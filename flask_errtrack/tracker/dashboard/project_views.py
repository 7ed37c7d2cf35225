"""The routes of projects: the list, the form for one more, how to set one up.

Knows no SQL, and nothing of how a page looks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, Response, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from ...errors import ConfigError
from ...web.access import Access
from .. import projects
from ..database.rows import ID_IN_RULE
from ..store import Store
from .answers import View, guarded, message, rendered
from .project_pages import project_list_page, project_setup_page

# Werkzeug before 3.1.8 hands on whatever a request says.
_HOST = re.compile(r"(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?", re.ASCII | re.IGNORECASE)
_LIST = "errtrack/project_list.html"
_ONE = f"/projects/<{ID_IN_RULE}:project_id>"


def add_projects(blueprint: Blueprint, store: Store, access: Access) -> None:
    """Add the pages of projects to the dashboard's blueprint."""

    @blueprint.get("/projects", endpoint="project_list")
    @guarded(access)
    @_with_base_url
    def project_list(base_url: str) -> ResponseReturnValue:
        page = project_list_page(store, base_url, store.now())
        return rendered(_LIST, access, page)

    @blueprint.post("/projects", endpoint="add_project")
    @guarded(access, "change")
    @_with_base_url
    def add_project(base_url: str) -> ResponseReturnValue:
        name = request.form.get("name", "")
        try:
            made = projects.add(store, name)
        except ConfigError as error:
            problem = str(error)
            page = project_list_page(store, base_url, store.now(), name, problem)
            return make_response(rendered(_LIST, access, page), 400)
        return redirect(url_for(".project", project_id=made.id), 303)

    _add_one(blueprint, store, access)


def _add_one(blueprint: Blueprint, store: Store, access: Access) -> None:
    @blueprint.get(_ONE, endpoint="project")
    @guarded(access)
    @_with_base_url
    def project(base_url: str, project_id: int) -> ResponseReturnValue:
        return set_up_page(base_url, project_id)

    @blueprint.post(_ONE, endpoint="rename_project")
    @guarded(access, "change")
    @_with_base_url
    def rename_project(base_url: str, project_id: int) -> ResponseReturnValue:
        try:
            projects.rename(store, project_id, request.form.get("name", ""))
        except ConfigError as error:
            return set_up_page(base_url, project_id, str(error))
        return redirect(url_for(".project", project_id=project_id), 303)

    def set_up_page(base_url: str, project_id: int, problem: str = "") -> Response:
        page = project_setup_page(store, project_id, base_url, store.now(), problem)
        if page is None:
            text = f"There is no project {project_id} here."
            return message(404, "No such project", text)
        text = rendered("errtrack/project_setup.html", access, page)
        return make_response(text, 400 if problem else 200)


def _with_base_url(view: Callable[..., ResponseReturnValue]) -> View:
    """Tell a view where the dashboard is, as its reader has found it."""

    @wraps(view)
    def answer(**arguments: Any) -> ResponseReturnValue:
        if not _HOST.fullmatch(request.host):
            text = "The request names no host that can be read: no DSN can be told."
            return message(400, "Where is this?", text)
        return view(url_for(".issue_list", _external=True), **arguments)

    return answer
