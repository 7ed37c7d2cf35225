"""Sites that receive: on a copy of one SQLite file, and on each kind of database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_errtrack.tracker.store import Store

from ..stores import Clock
from .site import Site


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with empty tables: a copy is made faster than the tables."""
    path = tmp_path_factory.mktemp("empty") / "errtrack.db"
    store = Store(f"sqlite:///{path}")
    store.check()
    store.close()
    return path


@pytest.fixture
def site(empty_file: Path, tmp_path: Path, clock: Clock) -> Iterator[Site]:
    """A tracker on SQLite that receives; nothing is beyond its quota."""
    path = shutil.copy(empty_file, tmp_path)
    yield from _site(f"sqlite:///{path}", clock)


@pytest.fixture
def any_site(database_url: str, clock: Clock) -> Iterator[Site]:
    """The same, on each kind of database."""
    yield from _site(database_url, clock)


def _site(url: str, clock: Clock) -> Iterator[Site]:
    # All events are kept, so that every page can be looked at.
    store = Store(url, max_events_per_issue=10_000, now=clock)
    yield Site(store, clock)
    store.close()
