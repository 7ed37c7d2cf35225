"""What is set goes with the events of the work that set it, and with no others."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import MakeApp, MakeTransport
from flask import Flask, copy_current_request_context
from places import Broken, fail, visit

from flask_errtrack import Client, ErrTrack, Scope
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


def test_fifty_requests_at_once_never_mix(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    start = threading.Barrier(50)

    def broken(number: int) -> str:
        errtrack.set_tag("number", number)
        errtrack.add_breadcrumb(message=str(number))
        start.wait(30)
        raise Broken(str(number))

    app.add_url_rule("/broken/<int:number>", "broken", broken)
    threads = [
        threading.Thread(target=visit, args=(app, f"/broken/{number}"))
        for number in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = set()
    for event in sent.events:
        number = event["exception"]["values"][0]["value"]
        assert event["tags"] == {"number": number}
        assert messages(event) == [number]
        found.add(number)
    assert len(found) == 50


def test_threads_outside_of_the_app_never_mix(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    start = threading.Barrier(20)

    def work(number: int) -> None:
        errtrack.set_tag("number", number)
        start.wait(30)
        errtrack.capture_message(str(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent.events) == 20
    for event in sent.events:
        assert event["tags"] == {"number": event["logentry"]["message"]}


def test_tasks_take_what_was_set_before_and_keep_what_they_set(
    make_transport: MakeTransport,
) -> None:
    transport = make_transport()
    client = Client(transport=transport)

    async def work(number: int) -> None:
        client.set_tag("number", number)
        await asyncio.sleep(0)
        client.capture_message(str(number))

    async def main() -> None:
        client.set_tag("all", "yes")
        await asyncio.gather(*(work(number) for number in range(20)))
        await asyncio.to_thread(client.set_tag, "number", "of the thread")
        client.capture_message("main")

    asyncio.run(main())
    *workers, of_main = transport.events
    assert len(workers) == 20
    for event in workers:
        number = event["logentry"]["message"]
        assert event["tags"] == {"all": "yes", "number": number}
    assert of_main["tags"] == {"all": "yes"}


def test_an_error_that_comes_up_through_tasks_is_one_event(
    make_transport: MakeTransport,
) -> None:
    transport = make_transport()
    client = Client(transport=transport)

    async def work() -> None:
        try:
            fail()
        except Broken as error:
            client.capture_exception(error)
            raise

    async def main() -> None:
        client.set_tag("all", "yes")
        try:
            await asyncio.create_task(work())
        except Broken as error:
            client.capture_exception(error)

    asyncio.run(main())
    assert len(transport.events) == 1


def test_what_is_pushed_is_for_the_tasks_inside_too(
    make_transport: MakeTransport,
) -> None:
    transport = make_transport()
    client = Client(transport=transport)

    async def work() -> None:
        client.set_tag("inner", 1)

    async def main() -> None:
        with client.push_scope():
            await asyncio.create_task(work())
            client.capture_message("inside")
        client.capture_message("after")

    asyncio.run(main())
    assert transport.events[0]["tags"] == {"inner": "1"}
    assert "tags" not in transport.events[1]


def test_threads_of_a_request_add_to_a_copy(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def broken() -> str:
        errtrack.set_tag("request", "yes")
        threads = []
        for number in range(5):

            def work(number: int = number) -> None:
                errtrack.set_tag("number", number)
                errtrack.capture_message(str(number))

            copied = copy_current_request_context(work)
            threads.append(threading.Thread(target=copied))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return str(fail())

    app.add_url_rule("/broken", "broken", broken)
    visit(app)
    *of_threads, of_request = sent.events
    assert of_request["tags"] == {"request": "yes"}
    for event in of_threads:
        number = event["logentry"]["message"]
        assert event["tags"] == {"request": "yes", "number": number}


WHEN = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("crumb", "fields", "expected"),
    [
        ({"message": "a"}, {}, {"message": "a"}),
        (None, {"message": "a", "level": "warn"}, {"message": "a", "level": "warning"}),
        ({"message": "a"}, {"message": "b"}, {"message": "b"}),
        (lambda: {"message": "late"}, {}, {"message": "late"}),
        (lambda: None, {}, None),
        (None, {"data": {"a": 1}}, {"data": {"a": 1}}),
        (None, {"data": [1]}, {"data": {"value": [1]}}),
        (None, {"category": 5, "type": None}, {"category": "5"}),
        (None, {"timestamp": WHEN}, {"timestamp": "2026-05-01T12:00:00+00:00"}),
        (
            None,
            {"timestamp": WHEN.timestamp()},
            {"timestamp": "2026-05-01T12:00:00+00:00"},
        ),
    ],
)
def test_the_forms_of_a_breadcrumb(
    app: Flask,
    sent: MemoryTransport,
    errtrack: ErrTrack,
    crumb: Any,
    fields: dict[str, Any],
    expected: dict[str, Any] | None,
) -> None:
    with app.app_context():
        errtrack.add_breadcrumb(crumb, **fields)
        with errtrack.configure_scope() as scope:
            scope.add_breadcrumb(crumb, **fields)
        errtrack.capture_message("hello")
    crumbs: list[Any] = sent.events[0].get("breadcrumbs", {"values": []})["values"]
    assert len(crumbs) == (0 if expected is None else 2)
    for found in crumbs:
        assert "timestamp" in found
        assert {**found, **(expected or {})} == found


@pytest.mark.parametrize(("limit", "kept"), [(0, []), (2, ["1", "2"])])
def test_the_oldest_breadcrumbs_make_room(
    make_app: MakeApp, sent: MemoryTransport, limit: int, kept: list[str]
) -> None:
    errtrack = ErrTrack()
    app = make_app(errtrack=errtrack, transport=sent, max_breadcrumbs=limit)
    asked: list[int] = []

    def late() -> dict[str, str]:
        asked.append(1)
        return {"message": "2"}

    with app.app_context():
        errtrack.add_breadcrumb(message="0")
        errtrack.add_breadcrumb(message="1")
        errtrack.add_breadcrumb(late)
        errtrack.capture_message("hello")
    assert messages(sent.events[0]) == kept
    assert len(asked) == (1 if limit else 0)


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
