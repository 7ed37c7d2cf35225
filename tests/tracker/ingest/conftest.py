"""Sites that receive: on SQLite, and on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_errtrack.tracker.store import Store

from ..stores import Clock
from .site import Site


@pytest.fixture
def site(sqlite_url: str, clock: Clock) -> Iterator[Site]:
    """A tracker on SQLite that receives; nothing is beyond its quota."""
    yield from _site(sqlite_url, clock)


@pytest.fixture
def any_site(database_url: str, clock: Clock) -> Iterator[Site]:
    """The same, on each kind of database."""
    yield from _site(database_url, clock)


def _site(url: str, clock: Clock) -> Iterator[Site]:
    # All events are kept, so that every page can be looked at.
    store = Store(url, max_events_per_issue=10_000, now=clock)
    yield Site(store, clock)
    store.close()
