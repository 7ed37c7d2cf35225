"""The route of the status page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue

from ...web.access import Access
from ..status import Watch
from ..store import Store
from .answers import guarded, rendered
from .status_pages import status_page

#: Tells how delivery from this app goes, as ``/health`` does.
Delivery = Callable[[], Mapping[str, Any]]


def add_status(
    blueprint: Blueprint, store: Store, access: Access, delivery: Delivery
) -> None:
    """Add the status page to the dashboard's blueprint."""
    watch = Watch(store)

    @blueprint.get("/status", endpoint="status")
    @guarded(access)
    def status() -> ResponseReturnValue:
        page = status_page(watch.look(), delivery(), store.now())
        return rendered("errtrack/status.html", access, page)
