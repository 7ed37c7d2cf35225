"""The routes of monitors: all of them, and one."""

from __future__ import annotations

import time

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from ...access import Access
from ..store import Store
from .answers import guarded, message, rendered
from .monitor_pages import monitor_list_page, monitor_page
from .reads import MAX_ID


def add_monitors(blueprint: Blueprint, store: Store, access: Access) -> None:
    """Add the pages of monitors to the dashboard's blueprint."""

    @blueprint.get("/monitors", endpoint="monitor_list")
    @guarded(access)
    def monitor_list() -> ResponseReturnValue:
        asked = request.args.get("page", 1, type=int)
        page = monitor_list_page(store, page=asked, now=time.time())
        return rendered("errtrack/monitor_list.html", access, page)

    @blueprint.get(f"/monitors/<int(max={MAX_ID}):monitor_id>", endpoint="monitor")
    @guarded(access)
    def monitor(monitor_id: int) -> ResponseReturnValue:
        page = monitor_page(store, monitor_id, now=time.time())
        if page is None:
            missing = f"There is no monitor {monitor_id} here."
            return message(404, "No such monitor", missing)
        return rendered("errtrack/monitor.html", access, page)
