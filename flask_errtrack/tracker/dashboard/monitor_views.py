"""The routes of monitors: all of them, one, and what is done with it."""

from __future__ import annotations

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from ...errors import ActionError
from ...web.access import Access
from .. import monitor_actions
from ..database.rows import ID_IN_RULE
from ..store import Store
from .answers import guarded, message, rendered
from .monitor_pages import monitor_list_page, monitor_page

_MONITOR_URL = f"/monitors/<{ID_IN_RULE}:monitor_id>"


def add_monitors(blueprint: Blueprint, store: Store, access: Access) -> None:
    """Add the pages of monitors to the dashboard's blueprint."""

    @blueprint.get("/monitors", endpoint="monitor_list")
    @guarded(access)
    def monitor_list() -> ResponseReturnValue:
        asked = request.args.get("page", 1, type=int)
        page = monitor_list_page(store, page=asked, now=store.now())
        return rendered("errtrack/monitor_list.html", access, page)

    @blueprint.get(_MONITOR_URL, endpoint="monitor")
    @guarded(access)
    def monitor(monitor_id: int) -> ResponseReturnValue:
        page = monitor_page(store, monitor_id, now=store.now())
        if page is None:
            return _no_monitor(monitor_id)
        return rendered("errtrack/monitor.html", access, page)

    @blueprint.post(_MONITOR_URL, endpoint="change_monitor")
    @guarded(access, "change")
    def change_monitor(monitor_id: int) -> ResponseReturnValue:
        done = _change(store, monitor_id, request.form.get("action", ""))
        if done is None:
            return _no_monitor(monitor_id)
        if done == "monitor-deleted":
            return redirect(url_for(".monitor_list", done=done), 303)
        return redirect(url_for(".monitor", monitor_id=monitor_id, done=done), 303)


def _change(store: Store, monitor_id: int, action: str) -> str | None:
    """Do what a button says; return the code of what was done, None: no monitor."""
    if action in ("mute", "unmute"):
        is_there = monitor_actions.mute(store, monitor_id, action == "mute")
        return f"monitor-{action}d" if is_there else None
    if action != "delete":
        raise ActionError(f"There is no action {action!r:.40}.")
    if request.form.get("sure") != "yes":
        raise ActionError("Nothing was deleted. To delete it, tick that you are sure.")
    is_there = monitor_actions.delete_monitor(store, monitor_id)
    return "monitor-deleted" if is_there else None


def _no_monitor(monitor_id: int) -> ResponseReturnValue:
    return message(404, "No such monitor", f"There is no monitor {monitor_id} here.")
