"""A store for each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_errtrack.tracker.store import Store

from .stores import Clock, postgresql_url


@pytest.fixture
def clock() -> Clock:
    """The store's time."""
    return Clock()


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database; the test runs once for each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/errtrack.db"
    return postgresql_url()


@pytest.fixture
def store(database_url: str, clock: Clock) -> Iterator[Store]:
    """A store that keeps eight events an issue, for thirty days."""
    made = Store(database_url, max_events_per_issue=8, retention_days=30, now=clock)
    yield made
    made.close()
