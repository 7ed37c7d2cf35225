"""The routes of the dashboard: read the arguments, ask ``pages``, render.

Knows no SQL, and nothing of how a page looks.
"""

from __future__ import annotations

import json

from flask import Blueprint, Response, make_response, redirect, request, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from ...web.access import Access
from ...web.signing import BadToken
from ...words import count, number
from ..alerts.watchman import Watchman
from ..store import Store
from .alert_views import add_alerts
from .answers import closed, guarded, message, rendered
from .event.markdown import event_as_markdown
from .feedback_views import add_feedback
from .finding.views import add_finding
from .issue import pages
from .issue.views import add_issues
from .monitor_views import add_monitors
from .project_views import add_projects
from .status_views import Delivery, add_status

_EXPIRED = "This link has expired"
# Made with another key: for another database, or before SECRET_KEY changed.
_NOT_OURS = "This link is not whole, or was made for another tracker"


def add_pages(
    blueprint: Blueprint,
    store: Store,
    access: Access,
    delivery: Delivery = dict,
    watchman: Watchman | None = None,
) -> None:
    """Add the dashboard to a blueprint.

    :param access: decides, for each request, whether it may see anything.
    :param delivery: tells how delivery from this app goes.
    :param watchman: knows who is told of issues; None: nobody is.
    """
    blueprint.record(_add_filters)
    _add_login(blueprint, access)
    add_finding(blueprint, store, access)
    add_issues(blueprint, store, access)
    _add_events(blueprint, store, access)
    add_feedback(blueprint, store, access)
    add_monitors(blueprint, store, access)
    add_alerts(blueprint, watchman or Watchman(store), access)
    add_projects(blueprint, store, access)
    add_status(blueprint, store, access, delivery)


def _add_events(blueprint: Blueprint, store: Store, access: Access) -> None:
    event_url = "/events/<string(length=32):event_id>"

    @blueprint.get(event_url, endpoint="event")
    @guarded(access)
    def event(event_id: str) -> ResponseReturnValue:
        page = pages.event_page(store, event_id.lower(), store.now())
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
        response = make_response(redirect(home, 303))
        try:
            # An app may add arguments to every URL.
            path = home.partition("?")[0]
            access.log_in(response, request.args.get("token", ""), path)
        except BadToken as error:
            if access.allows():
                return response
            return closed(_EXPIRED if error.is_expired else _NOT_OURS)
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
