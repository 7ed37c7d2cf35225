"""What most tests need: an app, its client, and what it has sent."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft7Validator
from relay import problems_of

from flask_errtrack import ErrTrack
from flask_errtrack import logging as log_records
from flask_errtrack.errors import swallowed_errors_raise
from flask_errtrack.event import Event
from flask_errtrack.transports import MemoryTransport
from flask_errtrack.watching import uncaught
from flask_errtrack.watching.watched import Watched

MakeApp = Callable[..., Flask]
MakeTransport = Callable[[], MemoryTransport]

_SCHEMA = Draft7Validator(
    json.loads((Path(__file__).parent / "event.schema.json").read_text())
)


@pytest.fixture(autouse=True)
def _no_client_is_left(request: pytest.FixtureRequest) -> None:
    """What earlier tests dropped is collected: their clients would see log records."""
    watched: list[Watched] = [
        log_records._records,
        uncaught._of_threads,
        uncaught._of_program,
    ]
    if any(one.is_watched for one in watched):
        gc.collect()
    if request.session.testsfailed:
        # The traceback of a test that failed keeps what it had.
        for one in watched:
            for client in list(one._watchers):
                one._remove(client)
    assert not any(one.is_watched for one in watched)


@pytest.fixture(autouse=True)
def _swallowed_errors_raise(request: pytest.FixtureRequest) -> Iterator[None]:
    """A fault that the guard would swallow fails the test, unless it is the topic."""
    if request.node.get_closest_marker("swallows_errors"):
        yield
    else:
        with swallowed_errors_raise():
            yield


@pytest.fixture
def make_transport() -> Iterator[MakeTransport]:
    """Make transports that keep what is sent; every event must fit the schema."""
    made: list[MemoryTransport] = []

    def make() -> MemoryTransport:
        made.append(MemoryTransport())
        return made[-1]

    yield make
    for transport in made:
        for event in transport.events:
            problems = [str(error) for error in _SCHEMA.iter_errors(event)]
            assert not problems + problems_of(event), problems + problems_of(event)


@pytest.fixture
def sent(make_transport: MakeTransport) -> MemoryTransport:
    """A transport that keeps what is sent."""
    return make_transport()


@pytest.fixture
def events(sent: MemoryTransport) -> Callable[[], list[Event]]:
    """Return the events sent so far."""
    return lambda: sent.events


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[MakeApp]:
    """Make apps as people run them in production: nothing propagates."""
    made: list[tuple[Flask, ErrTrack]] = []

    def make(
        config: dict[str, Any] | None = None,
        errtrack: ErrTrack | None = None,
        **options: Any,
    ) -> Flask:
        folder = tmp_path / f"instance{len(made)}"
        app = Flask(
            "shop", instance_path=str(folder), root_path=str(Path(__file__).parent)
        )
        app.config.from_mapping(config or {})
        app.secret_key = app.secret_key or "the-secret-key-of-the-tests"
        errtrack = errtrack or ErrTrack()
        errtrack.init_app(app, **options)
        made.append((app, errtrack))
        return app

    yield make
    for app, errtrack in made:
        # Some of them fail on purpose.
        app.teardown_appcontext_funcs.clear()
        with app.app_context():
            errtrack.close()


@pytest.fixture
def errtrack() -> ErrTrack:
    """The extension of ``app``."""
    return ErrTrack()


@pytest.fixture
def app(make_app: MakeApp, errtrack: ErrTrack, sent: MemoryTransport) -> Flask:
    """An app whose events are kept in ``sent``."""
    return make_app(errtrack=errtrack, transport=sent)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser of the app."""
    return app.test_client()
