"""A store for each kind of database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from flask_errtrack.tracker.store import Store

from .stores import Clock, postgresql_url


@pytest.fixture
def clock() -> Clock:
    """The store's time."""
    return Clock()


@pytest.fixture(scope="session")
def made_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with empty tables: a copy is made faster than the tables."""
    path = tmp_path_factory.mktemp("made") / "errtrack.db"
    make_tables(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def made_database() -> str:
    """The name of a database on PostgreSQL with empty tables, to be copied, too."""
    url = postgresql_url(suffix="_made")
    make_tables(url)
    return str(make_url(url).database)


def make_tables(url: str) -> None:
    store = Store(url)
    store.check()
    store.close()


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
)
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of a database; the test runs once for each."""
    return str(request.param)


@pytest.fixture
def empty_url(kind: str, tmp_path: Path) -> str:
    """A database without a table."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path}/errtrack.db"
    return postgresql_url()


@pytest.fixture
def sqlite_url(made_file: Path, tmp_path: Path) -> str:
    """A SQLite file with empty tables."""
    return f"sqlite:///{shutil.copy(made_file, tmp_path)}"


@pytest.fixture
def database_url(request: pytest.FixtureRequest, kind: str) -> str:
    """A database of each kind with empty tables."""
    if kind == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    return postgresql_url(template=request.getfixturevalue("made_database"))


@pytest.fixture
def store(database_url: str, clock: Clock) -> Iterator[Store]:
    """A store that keeps eight events an issue, for thirty days."""
    made = Store(database_url, max_events_per_issue=8, retention_days=30, now=clock)
    yield made
    made.close()
