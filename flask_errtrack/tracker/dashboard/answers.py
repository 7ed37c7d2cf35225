"""What every answer of the dashboard has in common.

Owns who may see it, where a form leads back to, and the page for what went wrong.
Knows no route.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ...errors import ActionError, StoreError
from ...web.access import Access, Action, is_same_origin
from .issue.activity import done_text

View = Callable[..., ResponseReturnValue]


def guarded(access: Access, action: Action = "view") -> Callable[[View], View]:
    """Guard a view, and answer for it where it cannot."""

    def guard_view(view: View) -> View:
        @wraps(view)
        def answer(**arguments: Any) -> Response:
            if not access.allows():
                return closed()
            if action != "view" and not access.allows(action):
                return message(403, "Not changed", "You may look here, but not change.")
            if request.method == "POST" and not is_same_origin(request):
                foreign = (
                    "The form was on no page of this dashboard. Try again from here."
                )
                return message(403, "Not changed", foreign)
            try:
                return make_response(view(**arguments))
            except ActionError as error:
                return message(400, "Not changed", str(error))
            except StoreError as error:
                return message(503, "The tracker's database does not work", str(error))

        return answer

    return guard_view


def rendered(template: str, access: Access, page: Any) -> str:
    """Return a page; its template knows whether the reader may change things.

    It also knows what has just been done, in words, if a form led here.
    """
    return render_template(
        template,
        page=page,
        may_change=access.allows("change"),
        done=done_text(request.args.get("done", "")),
    )


def closed(problem: str = "") -> Response:
    """Answer who may not see anything.

    :param problem: what is wrong with the link that was to open it.
    """
    page = {"problem": problem}
    text = render_template("errtrack/login.html", page=page)
    return make_response(text, 403)


def message(status: int, title: str, text: str) -> Response:
    """Answer with a page that says one thing."""
    page = {"title": title, "text": text}
    answer = render_template("errtrack/message.html", page=page)
    return make_response(answer, status)


def way_back(default: str, done: str = "") -> str:
    """Return the page of ours that a form was on.

    :param done: what was done, one of the codes of ``activity``.
    """
    address = urlsplit(_page_of_form() or default)
    arguments = [pair for pair in parse_qsl(address.query, True) if pair[0] != "done"]
    if done:
        arguments.append(("done", done))
    query = urlencode(arguments, safe=":/")
    return f"{address.path}?{query}" if query else address.path


def _page_of_form() -> str:
    try:
        came_from = urlsplit(request.referrer or "")
    except ValueError:
        return ""
    home = url_for(".issue_list")
    is_ours = came_from.path.startswith(home) and not came_from.path.startswith("//")
    if came_from.netloc != request.host or not is_ours:
        return ""
    return f"{came_from.path}?{came_from.query}" if came_from.query else came_from.path
