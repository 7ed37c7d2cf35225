"""One exception is one event, and what becomes none costs next to nothing."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeApp, MakeTransport
from flask import Flask
from places import Broken, fail
from werkzeug.exceptions import HTTPException, InternalServerError

from flask_errtrack import Client, ConfigError, ErrTrack, Refused, TransportError
from flask_errtrack.protocol.envelope import Envelope
from flask_errtrack.transports import MemoryTransport


def client_of(app: Flask) -> Client:
    client = app.extensions["errtrack"]
    assert isinstance(client, Client)
    return client


def test_by_hand_takes_an_exception_exc_info_or_the_current_one(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    for way in ("error", "exc_info", "current"):
        try:
            fail()
        except Broken as error:
            given = {"error": error, "exc_info": sys.exc_info(), "current": None}
            assert errtrack.captureException(given[way])
    assert len(sent.events) == 3
    for nothing in (None, "text", (None, None, None), 17):
        assert errtrack.capture_exception(nothing) is None


def test_an_attribute_of_that_name_does_not_replace_the_exception(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    error = Broken("gave up")
    error.original_exception = KeyError()  # type: ignore[attr-defined]
    errtrack.capture_exception(error)
    assert sent.events[0]["exception"]["values"][-1]["type"] == "Broken"


@pytest.mark.swallows_errors
@pytest.mark.parametrize(
    "wrong",
    [
        {"tags": 3},
        {"extra": 3},
        {"contexts": {"a": 3}},
        {"user": "Ada"},
        {"fingerprint": 3},
        {"message": "what raven takes"},
        {"no_such": "argument"},
    ],
    ids=str,
)
def test_a_wrong_argument_costs_itself_only(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack, wrong: Mapping[str, Any]
) -> None:
    right = {"level": "warning", "tags": {"kept": "yes"}}
    assert errtrack.capture_exception(Broken(), **{**right, **wrong})
    event = sent.events[0]
    assert event["level"] == "warning"
    assert event["errors"][0]["name"] == f"argument {next(iter(wrong))}"
    assert "tags" in wrong or event["tags"] == {"kept": "yes"}


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("warning", "warning"),
        ("WARN", "warning"),
        ("critical", "fatal"),
        (logging.INFO, "info"),
        ("loud", "error"),
        (None, "error"),
    ],
)
def test_levels_are_those_of_the_protocol(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack, level: Any, expected: str
) -> None:
    assert errtrack.captureMessage("hello", level)
    assert sent.events[0]["level"] == expected


def test_a_message_may_be_any_object(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    errtrack.capture_message(17)  # type: ignore[arg-type]
    errtrack.capture_message(InternalServerError)  # type: ignore[arg-type]
    assert sent.events[0]["logentry"] == {"message": "17"}
    assert len(sent.events) == 2


class Failing:
    """A transport that does not work."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.tries = 0

    def send(self, envelope: Envelope) -> None:
        self.tries += 1
        raise self.error


@pytest.mark.swallows_errors
@pytest.mark.parametrize(
    "error", [Refused("full"), TransportError("down"), ValueError("a bug of it")]
)
def test_a_transport_that_fails_costs_the_event_and_nothing_else(
    make_app: MakeApp, error: Exception
) -> None:
    transport = Failing(error)
    app = make_app(transport=transport)
    app.add_url_rule("/broken", "broken", fail)
    response = app.test_client().get("/broken")
    assert response.status_code == 500
    assert "X-ErrTrack-ID" not in response.headers
    assert transport.tries == 1
    assert client_of(app).dropped.total() == 1


def test_the_page_shows_no_id_of_an_event_that_was_not_taken(
    make_app: MakeApp,
) -> None:
    app = make_app(transport=Failing(Refused("full")))

    def survives() -> tuple[str, int]:
        try:
            fail()
        except Broken:
            app.logger.exception("failed")
        return "sorry", 503

    app.add_url_rule("/survives", "survives", survives)
    response = app.test_client().get("/survives")
    assert response.status_code == 503
    assert "X-ErrTrack-ID" not in response.headers


def test_a_client_without_flask_is_the_same_client(
    make_transport: MakeTransport,
) -> None:
    transport = make_transport()
    client = Client(transport=transport, tags={"host": "a"}, environment="test")
    client.set_tag("job", 17)
    assert client.capture_exception(Broken("alone"))
    event = transport.events[0]
    assert event["tags"] == {"host": "a", "job": "17"}
    assert event["environment"] == "test"
    assert "request" not in event
    with pytest.raises(ConfigError, match="database_url"):
        Client(database_url="sqlite:///x.db")


def test_a_client_without_flask_keeps_what_waits_in_the_outbox_it_is_given(
    tmp_path: Path,
) -> None:
    # Nobody listens on the port for discarded traffic.
    dsn = "http://key@127.0.0.1:9/1"
    client = Client(dsn=dsn, outbox=str(tmp_path), shutdown_timeout_seconds=0)
    client.capture_message("kept")
    client.close()
    (path,) = tmp_path.glob("*/*.envelope")
    assert b"kept" in path.read_bytes()


def test_without_a_way_out_nothing_is_captured() -> None:
    client = Client()
    assert not client.is_enabled
    assert client.capture_exception(Broken()) is None
    assert client.capture_message("hello") is None


def test_the_id_is_that_of_the_envelope(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    event_id = errtrack.capture_message("hello")
    assert sent.envelopes[0].event_id == event_id == sent.events[0]["event_id"]
    assert event_id is not None
    assert len(event_id) == 32
    assert int(event_id, 16)


def test_an_http_exception_captured_by_hand_is_an_event(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    error = HTTPException("by hand")
    error.code = 404
    assert errtrack.capture_exception(error)
