"""Contexts and threads: one event each."""

from __future__ import annotations

import threading
from contextlib import suppress

from flask import Flask, Response, copy_current_request_context
from places import (
    Broken,
    fail,
    visit,
)
from werkzeug.exceptions import HTTPException, NotFound, ServiceUnavailable

from flask_errtrack import ErrTrack
from flask_errtrack.transports import MemoryTransport


def types_of(sent: MemoryTransport) -> list[str]:
    """The type of the outermost exception of each event."""
    return [event["exception"]["values"][-1]["type"] for event in sent.events]


def test_what_fails_in_an_app_context_is_one_event(
    app: Flask, sent: MemoryTransport
) -> None:
    with suppress(Broken), app.app_context(), app.app_context():
        fail()
    assert types_of(sent) == ["Broken"]


def test_what_ends_a_context_may_be_called_with_names(
    app: Flask, sent: MemoryTransport
) -> None:
    with app.test_request_context():
        assert app.process_response(response=Response("done")).get_data() == b"done"
        app.do_teardown_request(exc=Broken("in a request"))
    with app.app_context():
        app.do_teardown_appcontext(exc=Broken("in an app context"))
    assert types_of(sent) == ["Broken", "Broken"]


def test_an_http_error_ends_an_app_context_as_it_ends_a_request(
    app: Flask, sent: MemoryTransport
) -> None:
    for error in (NotFound(), ServiceUnavailable()):
        with suppress(HTTPException), app.app_context():
            raise error
    assert types_of(sent) == ["ServiceUnavailable"]


def test_a_thread_with_the_context_of_a_request_is_one_event(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def broken() -> str:
        errtrack.set_tag("order", 17)
        raised: list[Broken] = []

        def work() -> None:
            try:
                copied()
            except Broken as error:
                raised.append(error)

        copied = copy_current_request_context(fail)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        # As a future does: the same error comes up in the request.
        raise raised[0]

    app.add_url_rule("/broken", "broken", broken)
    visit(app)
    assert types_of(sent) == ["Broken"]
    assert sent.events[0]["transaction"] == "broken"
    assert sent.events[0]["tags"] == {"order": "17"}
