"""One exception is one event, and what becomes none costs next to nothing."""

from __future__ import annotations

import copy
import logging
import pickle
import sys
import threading
import timeit
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
import requests
from conftest import MakeApp, MakeTransport
from flask import Flask, g
from places import Broken, fail, visit
from werkzeug.exceptions import HTTPException, InternalServerError

from flask_errtrack import Client, ConfigError, ErrTrack, Refused, TransportError
from flask_errtrack.envelope import Envelope
from flask_errtrack.transports import MemoryTransport

logger = logging.getLogger("shop.orders")


def client_of(app: Flask) -> Client:
    client = app.extensions["errtrack"]
    assert isinstance(client, Client)
    return client


class Picky(Exception):
    """An exception that counts how often anybody looks at it."""

    looks = 0

    def __str__(self) -> str:
        Picky.looks += 1
        return "picky"

    __repr__ = __str__


def test_signal_log_line_and_hand_are_one_event(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    ids: list[str | None] = []

    def sorry(error: InternalServerError) -> tuple[str, int]:
        ids.append(errtrack.capture_exception(error))
        ids.append(errtrack.capture_exception(error.original_exception))
        ids.append(errtrack.capture_exception())
        ids.append(g.event_id)
        return "sorry", 500

    app.add_url_rule("/broken", "broken", fail)
    app.register_error_handler(InternalServerError, sorry)
    visit(app)
    assert len(sent.events) == 1
    assert ids == [sent.events[0]["event_id"]] * 4


def test_the_unhandled_report_wins_over_the_log(
    app: Flask, sent: MemoryTransport
) -> None:
    ids: list[str | None] = []

    def broken() -> str:
        try:
            return str(fail())
        except Broken:
            logger.exception("order %s failed", 17)
            ids.append(g.event_id)
            raise

    app.add_url_rule("/broken", "broken", broken)
    visit(app)
    assert [event["event_id"] for event in sent.events] == ids
    mechanism = sent.events[0]["exception"]["values"][-1]["mechanism"]
    assert (mechanism["type"], mechanism["handled"]) == ("flask", False)
    assert "logentry" not in sent.events[0]


def test_an_exception_that_is_only_logged_is_sent_with_the_response(
    app: Flask, sent: MemoryTransport
) -> None:
    def survives() -> str:
        try:
            fail()
        except Broken:
            logger.exception("order %s failed", 17)
        assert sent.events == []
        return str(g.event_id)

    app.add_url_rule("/survives", "survives", survives)
    response = app.test_client().get("/survives")
    assert [event["event_id"] for event in sent.events] == [response.text]
    assert "X-ErrTrack-ID" not in response.headers
    assert sent.events[0]["logger"] == "shop.orders"
    assert sent.events[0]["logentry"]["message"] == "order %s failed"


def test_a_request_that_logs_a_lot_does_not_hold_it_all(
    app: Flask, sent: MemoryTransport
) -> None:
    def survives() -> str:
        for _ in range(30):
            try:
                fail()
            except Broken:
                logger.exception("failed")
        return str(len(sent.events))

    app.add_url_rule("/survives", "survives", survives)
    assert app.test_client().get("/survives").text == "20"
    assert len({event["event_id"] for event in sent.events}) == 30


def test_the_same_object_in_another_request_is_another_event(
    app: Flask, sent: MemoryTransport
) -> None:
    one = Broken("made at import")

    def broken() -> str:
        raise one

    app.add_url_rule("/broken", "broken", broken)
    for _ in range(70):
        visit(app)
    assert len(sent.events) == 70
    assert len(one.__errtrack_ids__) <= 64  # type: ignore[attr-defined]


def test_one_object_raised_in_fifty_threads_at_once(
    app: Flask, sent: MemoryTransport
) -> None:
    one = Broken("made at import")
    start = threading.Barrier(50)

    def broken() -> str:
        start.wait(30)
        raise one

    app.add_url_rule("/broken", "broken", broken)
    threads = [threading.Thread(target=visit, args=(app,)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({event["event_id"] for event in sent.events}) == 50


@pytest.mark.parametrize(
    "travel", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))]
)
def test_an_exception_that_travelled_is_known_in_its_work_only(
    app: Flask, sent: MemoryTransport, travel: Callable[[Any], Any]
) -> None:
    error = Broken("once")
    with app.app_context():
        client_of(app).capture_exception(error)
    with app.app_context():
        client_of(app).capture_exception(travel(error))
    assert len(sent.events) == 2


def test_an_exception_that_leaves_two_contexts_is_one_event(
    app: Flask, sent: MemoryTransport
) -> None:
    @app.cli.command()
    def restock() -> None:
        with app.app_context(), app.app_context():
            fail()

    app.test_cli_runner().invoke(args=["restock"])
    assert len(sent.events) == 1


@pytest.mark.parametrize("dropped_by", ["before_send", "sample_rate"])
def test_what_was_dropped_gets_no_second_chance(
    make_app: MakeApp, sent: MemoryTransport, dropped_by: str
) -> None:
    asked: list[Any] = []

    def before_send(event: Any, hint: Any) -> Any:
        asked.append(hint["exception"])
        return None if dropped_by == "before_send" else event

    def sample_rate(hint: Any) -> float:
        asked.append(hint["exception"])
        return 0.0

    hooks: dict[str, Any] = {"before_send": before_send, "sample_rate": sample_rate}
    app = make_app(transport=sent, **{dropped_by: hooks[dropped_by]})
    ids: list[str | None] = []

    def sorry(error: Any) -> tuple[str, int]:
        ids.append(client_of(app).capture_exception(error))
        ids.append(g.event_id)
        return "sorry", 500

    app.add_url_rule("/broken", "broken", fail)
    app.register_error_handler(500, sorry)
    response = app.test_client().get("/broken")
    assert sent.events == []
    assert len(asked) == 1
    assert ids == [None, None]
    assert "X-ErrTrack-ID" not in response.headers
    assert client_of(app).dropped[dropped_by] == 1


def test_the_hook_has_the_last_word_on_what_was_logged_first(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    def before_send(event: Any, hint: Any) -> Any:
        return event if "log_record" in hint else None

    app = make_app(transport=sent, before_send=before_send)

    def broken() -> str:
        try:
            return str(fail())
        except Broken:
            logger.exception("failed")
            raise

    app.add_url_rule("/broken", "broken", broken)
    response = app.test_client().get("/broken")
    assert sent.events == []
    assert "X-ErrTrack-ID" not in response.headers


@pytest.mark.parametrize(
    "name",
    [
        requests.ConnectionError,
        requests.RequestException,
        IOError,
        "requests.exceptions.ConnectionError",
        "requests.ConnectionError",
        "requests.RequestException",
        "ConnectionError",
        "builtins.OSError",
    ],
)
def test_ignored_by_class_name_or_base(
    make_app: MakeApp, sent: MemoryTransport, name: Any
) -> None:
    client = client_of(make_app(transport=sent, ignore_exceptions=[name]))
    assert client.capture_exception(requests.ConnectTimeout()) is None
    assert client.capture_exception(KeyError()) is not None
    assert client.dropped["ignored"] == 1


def test_what_becomes_no_event_is_never_looked_at(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    def never(*args: Any) -> Any:
        raise AssertionError("called for nothing")

    ignoring = client_of(
        make_app(transport=sent, ignore_exceptions=[Picky], before_send=never)
    )
    sampling = client_of(make_app(transport=sent, sample_rate=0.0, before_send=never))
    sending = client_of(make_app(transport=sent))
    try:
        unseen = Picky()
        raise unseen
    except Picky as error:
        for client in (ignoring, sampling):
            assert client.capture_exception(error) is None
        assert Picky.looks == 0
        sending.capture_exception(error)
        looks = Picky.looks
        assert looks > 0
        assert sending.capture_exception(error) == sent.events[0]["event_id"]
        assert Picky.looks == looks
        for client in (ignoring, sampling, sending):
            # Microseconds, even where everything is slow.
            capture = partial(client.capture_exception, error)
            assert timeit.timeit(capture, number=200) / 200 < 0.0002


def test_healthy_requests_have_no_event_id(app: Flask) -> None:
    app.add_url_rule("/healthy", "healthy", lambda: f"{g.event_id}")
    response = app.test_client().get("/healthy")
    assert response.text == "None"
    assert "X-ErrTrack-ID" not in response.headers


def test_an_id_is_never_that_of_an_outer_context_or_earlier_request(
    app: Flask, errtrack: ErrTrack
) -> None:
    app.add_url_rule("/broken", "broken", fail)
    app.add_url_rule("/sorry", "sorry", lambda: (f"{g.event_id}", 503))
    with app.app_context():
        errtrack.capture_message("before")
        first = app.test_client().get("/broken")
        second = app.test_client().get("/sorry")
    assert first.headers["X-ErrTrack-ID"]
    assert (second.text, second.headers.get("X-ErrTrack-ID")) == ("None", None)


def test_an_outer_request_keeps_its_own_id_and_tags(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def outer() -> tuple[str, int]:
        errtrack.set_tag("is", "outer")
        event_id = errtrack.capture_message("outer")
        assert app.test_client().get("/broken").status_code == 500
        assert g.event_id == event_id
        errtrack.capture_message("outer again")
        return "sorry", 500

    app.add_url_rule("/broken", "broken", fail)
    app.add_url_rule("/outer", "outer", outer)
    response = app.test_client().get("/outer")
    tags = [event.get("tags") for event in sent.events]
    assert tags == [{"is": "outer"}, None, {"is": "outer"}]
    assert response.headers["X-ErrTrack-ID"] == sent.events[2]["event_id"]


def test_the_unhandled_error_speaks_for_the_request(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def broken() -> str:
        errtrack.capture_message("before")
        return str(fail())

    def sorry(error: Any) -> tuple[str, int]:
        errtrack.capture_message("after")
        return g.event_id, 500

    app.add_url_rule("/broken", "broken", broken)
    app.register_error_handler(500, sorry)
    response = app.test_client().get("/broken")
    of_the_error = next(one["event_id"] for one in sent.events if "exception" in one)
    assert response.text == response.headers["X-ErrTrack-ID"] == of_the_error
    assert len(sent.events) == 3


def test_what_was_captured_by_hand_shows_on_the_error_page(
    app: Flask, errtrack: ErrTrack
) -> None:
    def broken() -> tuple[str, int]:
        try:
            fail()
        except Broken:
            assert errtrack.capture_exception() == g.event_id
            assert errtrack.last_event_id() == g.event_id
        return g.event_id, 500

    app.add_url_rule("/broken", "broken", broken)
    response = app.test_client().get("/broken")
    assert response.headers["X-ErrTrack-ID"] == response.text


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
