"""Apps that make it hard: their errors are reported, and nothing else changes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from conftest import MakeApp
from flask import Flask, Response, g
from flask.ctx import _AppCtxGlobals
from places import Broken, fail, visit

from flask_errtrack import ErrTrack
from flask_errtrack.transports import MemoryTransport


class Mute(Exception):
    """Says nothing about itself."""

    def __str__(self) -> str:
        raise RuntimeError("do not ask")

    __repr__ = __str__


class Sealed(Exception):
    """Lets nobody at its attributes."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__") and name != "__dict__":
            return super().__getattribute__(name)
        raise RuntimeError("do not touch")

    def __setattr__(self, name: str, value: Any) -> None:
        raise RuntimeError("do not change")


class Slotted(Exception):
    """Has no room for more."""

    __slots__ = ("code",)


class Alone(Exception):
    """Can be compared with nothing and used as no key."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("do not compare")

    def __bool__(self) -> bool:
        raise RuntimeError("neither true nor false")


class Unhashable(type):
    """A metaclass whose classes can be no keys."""

    def __eq__(cls, other: object) -> bool:
        return False


class OfUnhashable(Exception, metaclass=Unhashable):
    """An instance of such a class."""


def recurse() -> None:
    recurse()


def raise_one(kind: type[Exception]) -> Callable[[], str]:
    def view() -> str:
        raise kind

    return view


def raise_group() -> str:
    raise ExceptionGroup("several", [ValueError("one"), Mute()])


def raise_with_cyclic_causes() -> str:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


@pytest.mark.parametrize(
    "view",
    [
        raise_one(Mute),
        raise_one(Sealed),
        raise_one(Slotted),
        raise_one(Alone),
        raise_one(OfUnhashable),
        raise_one(MemoryError),
        raise_group,
        raise_with_cyclic_causes,
        lambda: str(recurse()),  # type: ignore[func-returns-value]
    ],
)
def test_any_exception_is_one_event(
    app: Flask, sent: MemoryTransport, view: Callable[[], str]
) -> None:
    # Such errors cannot be logged: Flask's own line would fail.
    app.log_exception = lambda exc_info: None  # type: ignore[method-assign]
    app.add_url_rule("/broken", "broken", view)
    response = app.test_client().get("/broken")
    assert response.status_code == 500
    assert [event["event_id"] for event in sent.events] == [
        response.headers["X-ErrTrack-ID"]
    ]


class Nosy:
    """Logs and fails when looked at."""

    def __repr__(self) -> str:
        logging.getLogger("shop").error("looked at")
        raise RuntimeError("do not look")

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("do not ask")


def test_locals_that_defend_themselves(app: Flask, sent: MemoryTransport) -> None:
    def broken() -> str:
        nosy = [Nosy()]
        return str(fail(nosy))

    app.add_url_rule("/broken", "broken", broken)
    visit(app)
    assert len(sent.events) == 1


def test_settings_that_hold_themselves(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    settings: dict[str, Any] = {"password": "in-a-circle-of-settings"}
    settings["again"] = [settings]
    errtrack = ErrTrack()
    make_app({"CIRCLE": settings}, errtrack=errtrack, transport=sent)
    assert errtrack.capture_message("it is in-a-circle-of-settings")
    assert sent.events[0]["logentry"]["message"] == "it is [redacted]"


class OwnGlobals(_AppCtxGlobals):
    """What an app may have put in the place of ``g``."""

    @property
    def shop(self) -> str:
        return "eu"


def test_an_app_with_globals_of_its_own(app: Flask, sent: MemoryTransport) -> None:
    other = Flask("other", instance_path=app.instance_path)
    other.app_ctx_globals_class = OwnGlobals
    ErrTrack(other, transport=sent)
    other.add_url_rule("/", "index", lambda: f"{g.shop} {g.event_id} {list(g)}")
    assert other.test_client().get("/").text == "eu None []"


def test_an_app_that_uses_our_name_on_g(app: Flask, sent: MemoryTransport) -> None:
    def broken() -> str:
        g.event_id = "a concert"
        return str(fail())

    app.add_url_rule("/broken", "broken", broken)
    response = app.test_client().get("/broken")
    assert response.headers["X-ErrTrack-ID"] == sent.events[0]["event_id"]


class OwnFlask(Flask):
    """An app that handles its errors by itself."""

    def handle_exception(self, error: Exception) -> Response:
        return Response("handled at home", 500)

    def log_exception(self, exc_info: Any) -> None:
        fail()


def test_an_app_that_handles_exceptions_at_home(
    app: Flask, sent: MemoryTransport
) -> None:
    own = OwnFlask("own", instance_path=app.instance_path)
    ErrTrack(own, transport=sent)
    own.add_url_rule("/broken", "broken", fail)
    response = own.test_client().get("/broken")
    assert response.text == "handled at home"
    # Flask hands the exception to teardown functions all the same.
    assert [event["exception"]["values"][0]["type"] for event in sent.events] == [
        "Broken"
    ]


def test_a_log_line_that_fails_is_an_error_of_its_own(
    app: Flask, sent: MemoryTransport
) -> None:
    def log(exc_info: Any) -> None:
        raise LookupError("the log is full")

    app.log_exception = log  # type: ignore[method-assign]
    app.add_url_rule("/broken", "broken", fail)
    with pytest.raises(LookupError):
        app.test_client().get("/broken")
    types = [event["exception"]["values"][-1]["type"] for event in sent.events]
    assert types == ["Broken", "LookupError"]


def test_handlers_that_change_the_answer(app: Flask, sent: MemoryTransport) -> None:
    app.add_url_rule("/broken", "broken", fail)
    app.register_error_handler(500, lambda error: ("all is well", 200))
    response = app.test_client().get("/broken")
    assert (response.text, response.status_code) == ("all is well", 200)
    assert "X-ErrTrack-ID" not in response.headers
    assert len(sent.events) == 1


def test_a_response_that_replaces_our_header(app: Flask, sent: MemoryTransport) -> None:
    def answer(error: Any) -> Response:
        return Response("no", 502, headers={"x-errtrack-id": "of the upstream"})

    app.add_url_rule("/broken", "broken", fail)
    app.register_error_handler(500, answer)
    response = app.test_client().get("/broken")
    assert response.headers.getlist("X-ErrTrack-ID") == [sent.events[0]["event_id"]]


def test_an_exception_that_a_view_returns_to_again_and_again(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def broken() -> str:
        error = Broken("tried")
        for _ in range(3):
            try:
                raise error
            except Broken:
                errtrack.capture_exception(error)
                logging.getLogger("shop").exception("again")
        raise error

    app.add_url_rule("/broken", "broken", broken)
    visit(app)
    assert len(sent.events) == 1


def test_what_captures_while_it_is_looked_at_is_captured_once(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    class Order:
        def __repr__(self) -> str:
            try:
                return str(fail())
            except Broken:
                errtrack.capture_exception()
                errtrack.capture_message("an order has no name")
                return "an order"

    def broken() -> str:
        order = Order()
        raise LookupError(type(order))

    app.add_url_rule("/broken", "broken", broken)
    assert app.test_client().get("/broken").status_code == 500
    (event,) = sent.events
    frame = event["exception"]["values"][0]["stacktrace"]["frames"][-1]
    assert frame["vars"]["order"] == "an order"
