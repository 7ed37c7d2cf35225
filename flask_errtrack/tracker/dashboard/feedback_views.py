"""The routes of what people wrote: the list, and that somebody has read it."""

from __future__ import annotations

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from ...web.access import Access
from ..actions import mark_feedback
from ..database.rows import ID_IN_RULE
from ..store import Store
from .answers import guarded, message, rendered, way_back
from .issue import pages


def add_feedback(blueprint: Blueprint, store: Store, access: Access) -> None:
    """Add the list of feedback."""

    @blueprint.get("/feedback", endpoint="feedback_list")
    @guarded(access)
    def feedback_list() -> ResponseReturnValue:
        asked = request.args.get("page", 1, type=int)
        show = request.args.get("show", "")
        page = pages.feedback_list_page(store, show=show, page=asked, now=store.now())
        return rendered("errtrack/feedback_list.html", access, page)

    @blueprint.post(
        f"/feedback/<{ID_IN_RULE}:feedback_id>/read", endpoint="read_feedback"
    )
    @guarded(access, "change")
    def read_feedback(feedback_id: int) -> ResponseReturnValue:
        is_read = request.form.get("read") != "no"
        if not mark_feedback(store, feedback_id, is_read):
            return message(404, "No such feedback", "It is not here any more.")
        done = "read" if is_read else "unread"
        return redirect(way_back(url_for(".feedback_list"), done), 303)
