"""The routes of the dashboard: read the arguments, ask ``pages``, render.

Knows no SQL, and nothing of how a page looks.
"""

from __future__ import annotations

import json
import time
from typing import get_args

from flask import Blueprint, Response, make_response, redirect, request, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from ...access import Access
from ...signing import BadToken
from ...words import count, number
from ..store import Status, Store
from . import pages
from .answers import closed, guarded, message, rendered, way_back, with_headers
from .issue_list import issue_list_page
from .markdown import event_as_markdown
from .reads import MAX_ID

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
    @guarded(access)
    def feedback_list() -> ResponseReturnValue:
        asked = request.args.get("page", 1, type=int)
        page = pages.feedback_list_page(store, page=asked, now=time.time())
        return rendered("errtrack/feedback_list.html", access, page)


def _add_issues(blueprint: Blueprint, store: Store, access: Access) -> None:
    @blueprint.get("/", endpoint="issue_list")
    @guarded(access)
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
        return rendered("errtrack/issue_list.html", access, page)

    @blueprint.get(ISSUE_URL, endpoint="issue")
    @guarded(access)
    def issue(issue_id: int) -> ResponseReturnValue:
        page = pages.issue_page(store, issue_id, time.time())
        if page is None:
            return message(404, "No such issue", f"There is no issue {issue_id} here.")
        return rendered("errtrack/issue.html", access, page)

    @blueprint.post(f"{ISSUE_URL}/status", endpoint="set_status")
    @guarded(access, "change")
    def set_status(issue_id: int) -> ResponseReturnValue:
        asked = request.form.get("status", "")
        status = next((known for known in STATUSES if known == asked), None)
        if status is None:
            wanted = f"The status must be one of {', '.join(STATUSES)}."
            return message(400, "Not changed", wanted)
        if not store.set_status(issue_id, status):
            return message(404, "No such issue", f"There is no issue {issue_id} here.")
        return redirect(way_back(url_for(".issue", issue_id=issue_id)), 303)


def _add_events(blueprint: Blueprint, store: Store, access: Access) -> None:
    event_url = "/events/<string(length=32):event_id>"

    @blueprint.get(event_url, endpoint="event")
    @guarded(access)
    def event(event_id: str) -> ResponseReturnValue:
        page = pages.event_page(store, event_id.lower(), time.time())
        if page is None:
            return _no_event()
        return rendered("errtrack/issue.html", access, page)

    @blueprint.get(f"{event_url}.json", endpoint="event_json")
    @guarded(access)
    def event_json(event_id: str) -> ResponseReturnValue:
        found = pages.find_event(store, event_id)
        if found is None:
            return _no_event()
        text = json.dumps(found[0], ensure_ascii=False, indent=2)
        # Half a surrogate pair has no UTF-8, but JSON has a way to write it.
        body = text.encode(errors="backslashreplace")
        return Response(body, mimetype="application/json")

    @blueprint.get(f"{event_url}.md", endpoint="event_markdown")
    @guarded(access)
    def event_markdown(event_id: str) -> ResponseReturnValue:
        found = pages.find_event(store, event_id)
        if found is None:
            return _no_event()
        return Response(event_as_markdown(*found), mimetype="text/plain")


def _add_login(blueprint: Blueprint, access: Access) -> None:
    @blueprint.get("/login", endpoint="login")
    def login() -> ResponseReturnValue:
        home = url_for(".issue_list")
        response = with_headers(make_response(redirect(home, 303)))
        try:
            access.log_in(response, request.args.get("token", ""), home)
        except BadToken as error:
            if access.allows():
                return response
            return closed(is_expired=error.is_expired)
        return response


def _no_event() -> Response:
    return message(
        404,
        "No such event",
        "It never came, or it is no longer kept. Of an issue that happens often, "
        "the first event, the newest and some between are kept.",
    )


def _add_filters(state: BlueprintSetupState) -> None:
    for function in (number, count):
        name = f"errtrack_{function.__name__}"
        state.app.add_template_filter(function, name)
