"""An uncaught exception gives exactly one event, wherever it is raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeApp
from flask import Flask, Response, abort
from places import (
    PLACES,
    Broken,
    Chunks,
    FailingMiddleware,
    fail,
    generator_middleware,
    put_around,
    visit,
)
from werkzeug.exceptions import HTTPException
from werkzeug.test import EnvironBuilder

from flask_errtrack import ErrTrack
from flask_errtrack.event import Event
from flask_errtrack.transports import MemoryTransport

MODES: list[dict[str, Any]] = [
    {},
    {"PROPAGATE_EXCEPTIONS": True},
    {"DEBUG": True},
    {"TESTING": True},
]


def types_of(sent: MemoryTransport) -> list[str]:
    """The type of the outermost exception of each event."""
    return [event["exception"]["values"][-1]["type"] for event in sent.events]


def mechanism_of(event: Event) -> tuple[str, bool]:
    mechanism = event["exception"]["values"][-1]["mechanism"]
    return mechanism["type"], mechanism["handled"]


@pytest.mark.parametrize("config", MODES, ids=str)
@pytest.mark.parametrize("break_app", PLACES)
def test_an_uncaught_exception_is_one_event(
    make_app: MakeApp,
    sent: MemoryTransport,
    break_app: Callable[[Flask], None],
    config: dict[str, Any],
) -> None:
    app = make_app(config, transport=sent)
    break_app(app)
    visit(app)
    assert types_of(sent) == ["Broken"]
    assert mechanism_of(sent.events[0])[1] is False
    assert sent.events[0]["request"]["url"] == "http://localhost/broken"


@pytest.mark.parametrize("config", MODES[:1] + MODES[2:3], ids=str)
@pytest.mark.parametrize(
    "break_app",
    [one for one in PLACES if one.__name__.startswith(("after", "session", "view"))],
)
def test_the_error_page_carries_the_id(
    make_app: MakeApp,
    sent: MemoryTransport,
    break_app: Callable[[Flask], None],
    config: dict[str, Any],
) -> None:
    app = make_app({**config, "PROPAGATE_EXCEPTIONS": False}, transport=sent)
    break_app(app)
    response = app.test_client().get("/broken")
    assert response.status_code == 500
    assert response.headers["X-ErrTrack-ID"] == sent.events[0]["event_id"]


def test_the_transaction_of_a_failing_request_is_its_endpoint(
    app: Flask, sent: MemoryTransport
) -> None:
    app.teardown_request(fail)
    app.add_url_rule("/broken", "the_endpoint", str)
    visit(app)
    assert sent.events[0]["transaction"] == "the_endpoint"


def test_a_failing_500_handler_is_an_event_of_its_own(
    app: Flask, sent: MemoryTransport
) -> None:
    app.add_url_rule("/broken", "broken", lambda: str(int("many")))
    app.register_error_handler(500, fail)
    visit(app)
    assert types_of(sent) == ["ValueError", "Broken"]


def test_two_faults_of_one_request_are_two_events(
    app: Flask, sent: MemoryTransport
) -> None:
    app.add_url_rule("/broken", "broken", lambda: str(int("many")))
    app.after_request(fail)
    visit(app)
    assert sorted(types_of(sent)) == ["Broken", "ValueError"]


@pytest.mark.parametrize("is_generator", [False, True])
def test_middleware_from_before_the_extension_is_watched(
    tmp_path: Path, sent: MemoryTransport, is_generator: bool
) -> None:
    app = Flask("shop", instance_path=str(tmp_path))
    app.add_url_rule("/broken", "broken", str)
    put_around(app, generator_middleware if is_generator else FailingMiddleware)
    ErrTrack(app, transport=sent)
    visit(app)
    assert types_of(sent) == ["Broken"]
    assert sent.events[0]["transaction"] == "broken"


def test_an_app_of_a_subclass_stays_one(tmp_path: Path, sent: MemoryTransport) -> None:
    class Shop(Flask):
        """The shop."""

    app = Shop("shop", instance_path=str(tmp_path))
    ErrTrack(app, transport=sent)
    assert isinstance(app, Shop)
    assert repr(app) == "<Shop 'shop'>"
    assert type(app).__doc__ == "The shop."


@pytest.mark.parametrize("has_handler", [False, True])
@pytest.mark.parametrize("code", [500, 503, 599])
def test_abort_with_a_server_error_is_one_event(
    app: Flask, sent: MemoryTransport, code: int, has_handler: bool
) -> None:
    class Odd(HTTPException):
        description = "odd"

    def broken() -> str:
        if code == 599:
            error = Odd()
            error.code = 599
            raise error
        abort(code)

    def answer(error: HTTPException) -> tuple[str, int]:
        return "sorry", error.code or 0

    app.add_url_rule("/broken", "broken", broken)
    if has_handler:
        app.register_error_handler(HTTPException, answer)
    response = app.test_client().get("/broken")
    assert response.status_code == code
    assert len(sent.events) == 1
    assert response.headers["X-ErrTrack-ID"] == sent.events[0]["event_id"]


@pytest.mark.parametrize("code", [400, 401, 404, 405, 413, 418, 429])
def test_abort_with_a_client_error_is_none(
    app: Flask, sent: MemoryTransport, code: int
) -> None:
    app.add_url_rule("/broken", "broken", lambda: abort(code))
    response = app.test_client().get("/broken")
    assert response.status_code == code
    assert "X-ErrTrack-ID" not in response.headers
    assert sent.events == []


def test_what_a_handler_of_its_class_answers_is_no_event(
    app: Flask, sent: MemoryTransport
) -> None:
    app.add_url_rule("/broken", "broken", fail)
    app.register_error_handler(Broken, lambda error: ("sorry", 200))
    assert app.test_client().get("/broken").data == b"sorry"
    assert sent.events == []


def test_what_the_500_handler_answers_is_an_event(
    app: Flask, sent: MemoryTransport
) -> None:
    app.add_url_rule("/broken", "broken", fail)
    app.register_error_handler(500, lambda error: ("sorry", 500))
    visit(app)
    assert types_of(sent) == ["Broken"]


@pytest.mark.parametrize("way_out", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_ways_to_end_the_process_are_no_events(
    app: Flask, sent: MemoryTransport, way_out: type[BaseException]
) -> None:
    def broken() -> str:
        raise way_out

    app.add_url_rule("/broken", "broken", broken)
    with pytest.raises(way_out):
        app.test_client().get("/broken")
    assert sent.events == []


def test_a_timeout_of_gevent_is_an_event(app: Flask, sent: MemoryTransport) -> None:
    gevent = pytest.importorskip("gevent")

    def broken() -> str:
        raise gevent.Timeout

    app.add_url_rule("/broken", "broken", broken)
    with pytest.raises(gevent.Timeout):
        app.test_client().get("/broken")
    assert types_of(sent) == ["Timeout"]


@pytest.mark.parametrize("with_context", [False, True])
def test_a_client_that_leaves_mid_stream_is_no_event(
    app: Flask, sent: MemoryTransport, with_context: bool
) -> None:
    from flask import stream_with_context

    def chunks() -> Iterator[str]:
        while True:
            yield "more"

    def broken() -> Any:
        return stream_with_context(chunks()) if with_context else chunks()

    app.add_url_rule("/broken", "broken", broken)
    response = app.test_client().get("/broken")
    assert next(response.response) == b"more"  # type: ignore[call-overload]
    response.close()
    assert sent.events == []


def test_a_stream_is_closed_as_it_would_be_without_us(app: Flask) -> None:
    chunks = Chunks("never")
    app.add_url_rule("/whole", "whole", lambda: Response(chunks))
    response = app.test_client().get("/whole")
    assert response.data == b"the first half"
    response.close()
    assert chunks.is_closed


def test_what_iterates_over_a_stream_is_closed_with_it(app: Flask) -> None:
    closed: list[str] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            try:
                yield b"one"
                yield b"two"
            finally:
                closed.append("iterator")

        def close(self) -> None:
            closed.append("body")

    app.add_url_rule("/endless", "endless", lambda: Response(Body()))
    response = app.test_client().get("/endless")
    assert next(response.response) == b"one"  # type: ignore[call-overload]
    response.close()
    assert closed == ["iterator", "body"]


def test_a_file_is_sent_as_the_server_likes_it(app: Flask) -> None:
    class FileWrapper:
        def __init__(self, file: Any, block_size: int = 8192) -> None:
            self.file = file

        def close(self) -> None:
            self.file.close()

        def __iter__(self) -> Iterator[bytes]:
            return iter(self.file)

    app.add_url_rule("/file", "file", lambda: app.send_static_file("event.schema.json"))
    app.static_folder = str(Path(__file__).parent)
    environ = EnvironBuilder("/file").get_environ()
    environ["wsgi.file_wrapper"] = FileWrapper
    chunks = app(environ, lambda status, headers, *more: print)
    assert isinstance(chunks, FileWrapper)
    chunks.close()
