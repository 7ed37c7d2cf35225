"""The routes of the dashboard: read the arguments, ask ``pages``, render.

Owns what every answer has in common: who may see it, the headers, and the page
for a database that does not work.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, get_args
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Response,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from ...access import Access, is_same_origin
from ...errors import StoreError
from ...signing import BadToken
from ...words import count, number
from ..store import Status, Store
from . import pages
from .issue_list import issue_list_page
from .markdown import event_as_markdown
from .reads import MAX_ID

View = Callable[..., ResponseReturnValue]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# A higher number is no issue's, and too high for a database.
ISSUE_URL = f"/issues/<int(max={MAX_ID}):issue_id>"
STATUSES: tuple[Status, ...] = get_args(Status)


def add_pages(blueprint: Blueprint, store: Store, access: Access) -> None:
    """Add the dashboard to a blueprint.

    :param access: decides, for each request, whether it may see anything.
    """
    blueprint.record(_add_filters)
    _add_login(blueprint, access)
    _add_issues(blueprint, store, access)
    _add_events(blueprint, store, access)

    @blueprint.get("/feedback", endpoint="feedback_list")
    @_page(access)
    def feedback_list() -> ResponseReturnValue:
        asked = request.args.get("page", 1, type=int)
        page = pages.feedback_list_page(store, page=asked, now=time.time())
        return render_template("errtrack/feedback_list.html", page=page)


def _add_issues(blueprint: Blueprint, store: Store, access: Access) -> None:
    @blueprint.get("/", endpoint="issue_list")
    @_page(access)
    def issue_list() -> ResponseReturnValue:
        page = issue_list_page(
            store,
            status=request.args.get("status", "unresolved"),
            environment=request.args.get("environment", ""),
            sort=request.args.get("sort", "now"),
            page=request.args.get("page", 1, type=int),
            project=request.args.get("project", type=int),
            now=time.time(),
        )
        return render_template("errtrack/issue_list.html", page=page)

    @blueprint.get(ISSUE_URL, endpoint="issue")
    @_page(access)
    def issue(issue_id: int) -> ResponseReturnValue:
        page = pages.issue_page(store, issue_id, time.time())
        if page is None:
            return _message(404, "No such issue", f"There is no issue {issue_id} here.")
        return render_template("errtrack/issue.html", page=page)

    @blueprint.post(f"{ISSUE_URL}/status", endpoint="set_status")
    @_page(access)
    def set_status(issue_id: int) -> ResponseReturnValue:
        asked = request.form.get("status", "")
        status = next((known for known in STATUSES if known == asked), None)
        if status is None:
            wanted = f"The status must be one of {', '.join(STATUSES)}."
            return _message(400, "Not changed", wanted)
        if not store.set_status(issue_id, status):
            return _message(404, "No such issue", f"There is no issue {issue_id} here.")
        return redirect(_way_back(url_for(".issue", issue_id=issue_id)), 303)


def _add_events(blueprint: Blueprint, store: Store, access: Access) -> None:
    event_url = "/events/<string(length=32):event_id>"

    @blueprint.get(event_url, endpoint="event")
    @_page(access)
    def event(event_id: str) -> ResponseReturnValue:
        page = pages.event_page(store, event_id.lower(), time.time())
        if page is None:
            return _no_event()
        return render_template("errtrack/issue.html", page=page)

    @blueprint.get(f"{event_url}.json", endpoint="event_json")
    @_page(access)
    def event_json(event_id: str) -> ResponseReturnValue:
        found = pages.find_event(store, event_id)
        if found is None:
            return _no_event()
        text = json.dumps(found[0], ensure_ascii=False, indent=2)
        # Half a surrogate pair has no UTF-8, but JSON has a way to write it.
        body = text.encode(errors="backslashreplace")
        return Response(body, mimetype="application/json")

    @blueprint.get(f"{event_url}.md", endpoint="event_markdown")
    @_page(access)
    def event_markdown(event_id: str) -> ResponseReturnValue:
        found = pages.find_event(store, event_id)
        if found is None:
            return _no_event()
        return Response(event_as_markdown(*found), mimetype="text/plain")


def _add_login(blueprint: Blueprint, access: Access) -> None:
    @blueprint.get("/login", endpoint="login")
    def login() -> ResponseReturnValue:
        home = url_for(".issue_list")
        response = _with_headers(make_response(redirect(home, 303)))
        try:
            access.log_in(response, request.args.get("token", ""), home)
        except BadToken as error:
            if access.is_open():
                return response
            return _closed(is_expired=error.is_expired)
        return response


def _page(access: Access) -> Callable[[View], View]:
    """Guard a view, and give its answer the headers of the dashboard."""

    def guarded(view: View) -> View:
        @wraps(view)
        def answer(**arguments: Any) -> Response:
            if not access.is_open():
                return _closed()
            if request.method == "POST" and not is_same_origin(request):
                foreign = "This form was sent from another site. Open the issue here."
                return _message(403, "Not changed", foreign)
            try:
                return _with_headers(make_response(view(**arguments)))
            except StoreError as error:
                return _message(503, "The tracker's database does not work", str(error))

        return answer

    return guarded


def _closed(is_expired: bool = False) -> Response:
    page = {"is_expired": is_expired}
    rendered = render_template("errtrack/login.html", page=page)
    return _with_headers(make_response(rendered, 403))


def _no_event() -> Response:
    return _message(
        404,
        "No such event",
        "It never came, or it is no longer kept. Of an issue that happens often, "
        "the first event, the newest and some between are kept.",
    )


def _message(status: int, title: str, text: str) -> Response:
    page = {"title": title, "text": text}
    rendered = render_template("errtrack/message.html", page=page)
    return _with_headers(make_response(rendered, status))


def _with_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response


def _way_back(default: str) -> str:
    """The page of ours that the form was on."""
    came_from = urlsplit(request.referrer or "")
    home = url_for(".issue_list")
    is_ours = came_from.path.startswith(home) and not came_from.path.startswith("//")
    if came_from.netloc != request.host or not is_ours:
        return default
    return f"{came_from.path}?{came_from.query}" if came_from.query else came_from.path


def _add_filters(state: BlueprintSetupState) -> None:
    for function in (number, count):
        name = f"errtrack_{function.__name__}"
        state.app.add_template_filter(function, name)
