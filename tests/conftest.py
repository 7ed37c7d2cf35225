"""What most tests need: an app, its client, and what it has sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_errtrack import ErrTrack
from flask_errtrack.errors import swallowed_errors_raise
from flask_errtrack.event import Event
from flask_errtrack.transports import MemoryTransport

MakeApp = Callable[..., Flask]


@pytest.fixture(autouse=True)
def _swallowed_errors_raise(request: pytest.FixtureRequest) -> Iterator[None]:
    """A fault that the guard would swallow fails the test, unless it is the topic."""
    if request.node.get_closest_marker("swallows_errors"):
        yield
    else:
        with swallowed_errors_raise():
            yield


@pytest.fixture
def sent() -> MemoryTransport:
    """A transport that keeps what is sent."""
    return MemoryTransport()


@pytest.fixture
def events(sent: MemoryTransport) -> Callable[[], list[Event]]:
    """Return the events sent so far."""
    return lambda: sent.events


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[MakeApp]:
    """Make apps as people run them in production: nothing propagates."""
    made: list[tuple[Flask, ErrTrack]] = []

    def make(config: dict[str, Any] | None = None, **options: Any) -> Flask:
        folder = tmp_path / f"instance{len(made)}"
        app = Flask(
            "shop", instance_path=str(folder), root_path=str(Path(__file__).parent)
        )
        app.config.from_mapping(config or {})
        app.secret_key = app.secret_key or "the-secret-key-of-the-tests"
        errtrack = ErrTrack(app, **options)
        made.append((app, errtrack))
        return app

    yield make
    for app, errtrack in made:
        with app.app_context():
            errtrack.close()


@pytest.fixture
def app(make_app: MakeApp, sent: MemoryTransport) -> Flask:
    """An app whose events are kept in ``sent``."""
    return make_app(transport=sent)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser of the app."""
    return app.test_client()
