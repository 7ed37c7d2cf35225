"""The routes of alerts: the page, and its buttons: a test, and another try."""

from __future__ import annotations

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue

from ...web.access import Access
from ..alerts import queue
from ..alerts.watchman import Watchman
from .alert_pages import alert_list_page
from .answers import guarded, rendered

#: So long a browser waits for the answers to a test.
TEST_SECONDS = 20.0

_PAGE = "errtrack/alert_list.html"


def add_alerts(blueprint: Blueprint, watchman: Watchman, access: Access) -> None:
    """Add the page of alerts to the dashboard's blueprint."""

    @blueprint.get("/alerts", endpoint="alert_list")
    @guarded(access)
    def alert_list() -> ResponseReturnValue:
        page = alert_list_page(watchman, now=watchman.store.now())
        return rendered(_PAGE, access, page)

    @blueprint.post("/alerts/test", endpoint="test_alerts")
    @guarded(access, "change")
    def test_alerts() -> ResponseReturnValue:
        answers = watchman.teller.tell(seconds=TEST_SECONDS)
        page = alert_list_page(watchman, answers=answers, now=watchman.store.now())
        return rendered(_PAGE, access, page)

    @blueprint.post("/alerts/retry", endpoint="retry_alerts")
    @guarded(access, "change")
    def retry_alerts() -> ResponseReturnValue:
        queue.try_again(watchman.store)
        return redirect(url_for(".alert_list", done="alerts-retried"), 303)
