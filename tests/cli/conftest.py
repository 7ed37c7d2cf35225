"""Databases for the console script."""

from __future__ import annotations

from pathlib import Path

import pytest
from tracker.stores import postgresql_url


@pytest.fixture
def postgresql() -> str:
    """An empty database on a real PostgreSQL server."""
    return postgresql_url()


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database; the test runs once for each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/errtrack.db"
    return postgresql_url()
