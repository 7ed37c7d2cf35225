"""What is set goes with the events of the work that set it, and with no others."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import MakeApp
from flask import Flask
from places import Broken, fail, visit

from flask_errtrack import ErrTrack, Scope
from flask_errtrack.event import Event
from flask_errtrack.transports import MemoryTransport


def messages(event: Event) -> list[str]:
    crumbs = event.get("breadcrumbs", {"values": []})["values"]
    return [crumb["message"] for crumb in crumbs]


def test_what_is_set_goes_with_the_event(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def broken() -> str:
        errtrack.set_tag("order", 17)
        errtrack.set_tags({"shop": "eu", "open": True})
        errtrack.set_extra("cart", {"items": [1, 2]})
        errtrack.set_context("payment", {"provider": "x"})
        errtrack.set_level("warning")
        errtrack.set_fingerprint(["{{ default }}", "eu"])
        errtrack.set_transaction("checkout")
        errtrack.set_user({"id": 7})
        errtrack.add_breadcrumb({"message": "paid"})
        return str(fail())

    app.add_url_rule("/broken", "broken", broken)
    visit(app)
    event = sent.events[0]
    assert event["tags"] == {"order": "17", "shop": "eu", "open": "True"}
    assert event["extra"] == {"cart": {"items": [1, 2]}}
    assert event["contexts"]["payment"] == {"provider": "x", "type": "payment"}
    assert event["level"] == "warning"
    assert event["fingerprint"] == ["{{ default }}", "eu"]
    assert event["transaction"] == "checkout"
    assert event["transaction_info"] == {"source": "custom"}
    assert event["user"] == {"id": "7"}
    assert messages(event) == ["paid"]


def test_the_next_request_begins_with_nothing(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def tag() -> str:
        errtrack.set_tag("a", 1)
        return "tagged"

    app.add_url_rule("/tag", "tag", tag)
    app.add_url_rule("/broken", "broken", fail)
    with app.app_context():
        errtrack.set_tag("outer", 1)
        app.test_client().get("/tag")
        visit(app)
        errtrack.capture_message("outer")
    assert "tags" not in sent.events[0]
    assert sent.events[1]["tags"] == {"outer": "1"}


def test_arguments_are_for_one_event_only(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    with app.app_context():
        errtrack.set_tag("a", "scope")
        errtrack.capture_message(
            "one",
            tags={"a": "call", "b": 1},
            extra={"c": 2},
            contexts={"d": {"e": 3}},
            level="fatal",
            fingerprint=["mine"],
            user={"id": 4},
        )
        errtrack.capture_message("two")
    one, two = sent.events
    assert one["tags"] == {"a": "call", "b": "1"}
    assert one["extra"] == {"c": 2}
    assert one["contexts"]["d"] == {"e": 3, "type": "d"}
    assert one["level"] == "fatal"
    assert one["fingerprint"] == ["mine"]
    assert one["user"] == {"id": "4"}
    assert two["tags"] == {"a": "scope"}
    assert two["level"] == "info"
    assert not {"extra", "fingerprint", "user"} & set(two)


def test_a_pushed_scope_is_a_copy_for_a_while(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    with app.app_context():
        errtrack.set_tag("a", "outer")
        with errtrack.push_scope() as scope:
            scope.set_tag("a", "inner")
            scope.add_breadcrumb(message="inside")
            with errtrack.push_scope() as innermost:
                innermost.set_tag("b", 1)
                errtrack.capture_message("innermost")
            errtrack.capture_message("inner")
        errtrack.capture_message("outer")
    assert [event["tags"] for event in sent.events] == [
        {"a": "inner", "b": "1"},
        {"a": "inner"},
        {"a": "outer"},
    ]
    assert [messages(event) for event in sent.events] == [["inside"], ["inside"], []]


def test_a_pushed_scope_goes_when_its_block_fails(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    with app.app_context():
        with pytest.raises(Broken), errtrack.push_scope() as scope:
            scope.set_tag("a", 1)
            fail()
        errtrack.capture_message("after")
    assert "tags" not in sent.events[0]


def test_configure_scope_changes_the_current_one(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    with app.app_context():
        with errtrack.configure_scope() as scope:
            scope.set_tag("a", 1)
        errtrack.capture_message("after")
    assert sent.events[0]["tags"] == {"a": "1"}


def test_as_decorators_they_run_at_once(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    with app.app_context():

        @errtrack.configure_scope
        def configure(scope: Scope) -> None:
            scope.set_tag("a", 1)

        @errtrack.push_scope
        def push(scope: Scope) -> None:
            scope.set_tag("b", 2)
            errtrack.capture_message("inside")

        errtrack.capture_message("after")
    assert [event["tags"] for event in sent.events] == [
        {"a": "1", "b": "2"},
        {"a": "1"},
    ]


@pytest.mark.parametrize("how", ["disabled", "no app"])
def test_a_decorated_function_does_not_run_for_nothing(
    make_app: MakeApp, how: str
) -> None:
    errtrack = ErrTrack()
    if how == "disabled":
        make_app(errtrack=errtrack, enabled=False)

    def never(scope: Scope) -> None:
        raise AssertionError("ran for nothing")

    assert errtrack.push_scope(never) is never
    assert errtrack.configure_scope(never) is never
    with errtrack.push_scope() as pushed, errtrack.configure_scope() as configured:
        pushed.set_tag("a", 1)
        configured.set_tag("a", 1)


@pytest.mark.swallows_errors
@pytest.mark.parametrize(
    ("setter", "arguments"),
    [
        ("set_tags", (3,)),
        ("set_user", ("Ada",)),
        ("set_context", ("a", 3)),
        ("set_fingerprint", (3,)),
        ("add_breadcrumb", ("text",)),
    ],
)
def test_a_wrong_call_never_breaks_the_app(
    app: Flask,
    sent: MemoryTransport,
    errtrack: ErrTrack,
    setter: str,
    arguments: tuple[Any, ...],
) -> None:
    getattr(errtrack, setter)(*arguments)
    assert errtrack.capture_message("hello")


def test_values_are_read_when_they_are_set(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    cart = ["book"]
    with app.app_context():
        errtrack.set_extra("cart", cart)
        cart.append("pen")
        errtrack.capture_message("hello")
    assert sent.events[0]["extra"] == {"cart": ["book"]}
