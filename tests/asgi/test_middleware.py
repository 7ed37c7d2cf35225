"""What comes out of an ASGI app is seen, once, and goes on as it came."""

from __future__ import annotations

import asyncio
import logging
from contextvars import copy_context
from typing import Any

import pytest
from conftest import MakeApp
from flask import Flask
from places import Broken, fail
from test_hostile_app import Alone, Mute, OfUnhashable, Sealed, Slotted

from flask_errtrack import Client, ConfigError, ErrTrack
from flask_errtrack.asgi import ErrTrackMiddleware, Receive, Send
from flask_errtrack.event import Event
from flask_errtrack.transports import MemoryTransport

from .calls import (
    Call,
    answering,
    get,
    http_scope,
    never,
    nothing,
    start,
    websocket_scope,
)
from .conftest import MakeClient

server_log = logging.getLogger("uvicorn.error")


async def broken(scope: Any, receive: Receive, send: Send) -> None:
    fail()


def outermost(event: Event) -> Any:
    return event["exception"]["values"][-1]


def test_what_leaves_an_app_is_one_event_and_the_same_exception(
    tracked: Client, sent: MemoryTransport
) -> None:
    raised = Broken("this one")

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        raise raised

    call = asyncio.run(get(ErrTrackMiddleware(app, tracked)))
    assert call.error is raised
    (event,) = sent.events
    mechanism = outermost(event)["mechanism"]
    assert (mechanism["type"], mechanism["handled"]) == ("asgi", False)
    assert outermost(event)["stacktrace"]["frames"][-1]["function"].endswith("app")


def test_the_app_gets_what_the_server_gave(tracked: Client) -> None:
    given: list[Any] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        given.extend((scope, receive))

    for scope in (http_scope(), websocket_scope()):
        before = dict(scope)
        asyncio.run(ErrTrackMiddleware(app, tracked)(scope, never, nothing))
        assert given[-2] is scope and scope == before
        assert given[-1] is never


def test_a_healthy_response_is_passed_on_untouched(
    tracked: Client, sent: MemoryTransport
) -> None:
    headers = [(b"x-one", b"1"), (b"x-one", b"2")]
    call = asyncio.run(get(ErrTrackMiddleware(answering(200, *headers), tracked)))
    assert call.sent == [
        {"type": "http.response.start", "status": 200, "headers": headers},
        {"type": "http.response.body", "body": b"done"},
    ]
    assert sent.events == []


def test_an_error_after_the_response_has_started_is_an_event(
    tracked: Client, sent: MemoryTransport
) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await start(send, 200)
        fail()

    call = asyncio.run(get(ErrTrackMiddleware(app, tracked)))
    assert (call.status, call.event_id) == (200, None)
    assert isinstance(call.error, Broken)
    assert len(sent.events) == 1


def test_a_response_with_status_500_has_the_id_of_its_event(
    tracked: Client, sent: MemoryTransport
) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        try:
            fail()
        except Broken as error:
            event_id = tracked.capture_exception(error)
            assert tracked.last_event_id() == event_id
        await start(send, int(scope["path"][1:]), (b"X-ErrTrack-ID", b"forged"))

    wrapped = ErrTrackMiddleware(app, tracked)
    call = asyncio.run(get(wrapped, "/503"))
    assert call.event_id == sent.events[0]["event_id"]
    assert len(call.sent[0]["headers"]) == 1
    assert asyncio.run(get(wrapped, "/404")).event_id == "forged"


def test_a_response_without_headers_gets_the_id_too(
    tracked: Client, sent: MemoryTransport
) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        tracked.capture_message("out of stock", "error")
        await send({"type": "http.response.start", "status": 500})

    call = asyncio.run(get(ErrTrackMiddleware(app, tracked)))
    assert call.event_id == sent.events[0]["event_id"]


def test_a_server_that_logs_what_left_the_app_makes_no_second_event(
    tracked: Client, sent: MemoryTransport
) -> None:
    call = asyncio.run(get(ErrTrackMiddleware(broken, tracked)))
    server_log.error("Exception in ASGI application\n", exc_info=call.error)
    assert len(sent.events) == 1


class ClientDisconnect(Exception):
    """As Starlette's."""

    __module__ = "starlette.requests"


@pytest.mark.parametrize(
    "way_out",
    [
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        SystemExit(1),
        ClientDisconnect(),
        ExceptionGroup("in a task group", [ClientDisconnect()]),
    ],
    ids=lambda way_out: type(way_out).__name__,
)
def test_ways_to_end_a_request_are_no_events(
    tracked: Client, sent: MemoryTransport, way_out: BaseException
) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        raise way_out

    # Some would end a loop.
    request = ErrTrackMiddleware(app, tracked)(http_scope(), never, nothing)
    with pytest.raises(type(way_out)) as caught:
        request.send(None)
    assert caught.value is way_out
    # As uvicorn does, whatever it is.
    server_log.error("Exception in ASGI application\n", exc_info=way_out)
    assert sent.events == []


def test_an_error_of_the_app_may_have_the_name_of_a_disconnect(
    tracked: Client, sent: MemoryTransport
) -> None:
    class WebSocketDisconnect(Exception):
        """Of a device, not of who asks."""

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        raise WebSocketDisconnect

    asyncio.run(get(ErrTrackMiddleware(app, tracked)))
    assert len(sent.events) == 1


def test_a_server_that_cannot_send_is_no_event_and_a_file_that_is_missing_is(
    tracked: Client, sent: MemoryTransport
) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["path"] == "/file":
            raise FileNotFoundError("prices.csv")
        await start(send, 200)

    async def send(message: Any) -> None:
        raise OSError("the client has gone")

    wrapped = ErrTrackMiddleware(app, tracked)
    with pytest.raises(OSError, match="gone"):
        asyncio.run(wrapped(http_scope(), never, send))
    assert sent.events == []
    asyncio.run(get(wrapped, "/file"))
    assert outermost(sent.events[0])["type"] == "FileNotFoundError"


@pytest.mark.parametrize("is_in_group", [False, True])
@pytest.mark.parametrize(
    "kind",
    [Mute, Sealed, Slotted, Alone, OfUnhashable],
    ids=lambda kind: str(kind.__name__),
)
def test_an_exception_of_an_odd_class_is_an_event_and_goes_on(
    tracked: Client, sent: MemoryTransport, kind: type[Exception], is_in_group: bool
) -> None:
    raised = ExceptionGroup("a group", [kind()]) if is_in_group else kind()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        raise raised

    call = asyncio.run(get(ErrTrackMiddleware(app, tracked)))
    is_same = call.error is raised
    assert is_same
    assert sent.events[0]["exception"]["values"][0]["type"] == kind.__name__


def test_one_exception_raised_in_two_requests_is_two_events(
    tracked: Client, sent: MemoryTransport
) -> None:
    raised = Broken("for ever")

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        raise raised

    for path in ("/one", "/two"):
        asyncio.run(get(ErrTrackMiddleware(app, tracked), path))
    assert [event["transaction"] for event in sent.events] == ["/one", "/two"]


def test_a_request_that_asks_another_app_gets_its_scope_back(
    tracked: Client, sent: MemoryTransport
) -> None:
    inner = ErrTrackMiddleware(broken, tracked)

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        tracked.set_tag("of", "the outer")
        assert isinstance((await get(inner, "/inner")).error, Broken)
        tracked.capture_message("after")

    asyncio.run(get(ErrTrackMiddleware(app, tracked), "/outer"))
    of_inner, of_outer = sent.events
    assert (of_inner["transaction"], "tags" in of_inner) == ("/inner", False)
    assert (of_outer["transaction"], of_outer["tags"]) == (
        "/outer",
        {"of": "the outer"},
    )


def test_a_client_that_is_closed_in_a_request_harms_nobody(
    make_client: MakeClient, sent: MemoryTransport
) -> None:
    client = make_client()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        client.close()
        await start(send, 500)
        fail()

    call = asyncio.run(get(ErrTrackMiddleware(app, client)))
    assert (call.status, call.event_id) == (500, None)
    assert isinstance(call.error, Broken)
    assert sent.events == []


def test_a_request_that_nobody_finishes_harms_nobody(
    tracked: Client, sent: MemoryTransport
) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)

    request = ErrTrackMiddleware(app, tracked)(http_scope(), never, nothing)
    copy_context().run(request.send, None)
    request.close()
    tracked.capture_message("after")
    assert "request" not in sent.events[0]


def test_a_group_with_a_fault_and_a_cancelled_task_is_an_event(
    tracked: Client, sent: MemoryTransport
) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        raise BaseExceptionGroup("both", [Broken(), asyncio.CancelledError()])

    with pytest.raises(BaseExceptionGroup):
        asyncio.run(ErrTrackMiddleware(app, tracked)(http_scope(), never, nothing))
    assert len(sent.events) == 1


def test_a_group_of_what_was_told_already_is_no_other_event(
    tracked: Client, sent: MemoryTransport
) -> None:
    async def work() -> None:
        try:
            fail()
        except Broken as error:
            tracked.capture_exception(error)
            raise

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(work())

    call = asyncio.run(get(ErrTrackMiddleware(app, tracked)))
    assert isinstance(call.error, ExceptionGroup)
    server_log.error("Exception in ASGI application\n", exc_info=call.error)
    assert len(sent.events) == 1


def test_log_then_raise_is_one_event_the_raise(
    tracked: Client, sent: MemoryTransport
) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        try:
            fail()
        except Broken:
            logging.getLogger("shop").exception("no price")
            raise

    asyncio.run(get(ErrTrackMiddleware(app, tracked)))
    (event,) = sent.events
    assert outermost(event)["mechanism"]["type"] == "asgi"


def test_what_is_logged_in_a_request_tells_of_it(
    tracked: Client, sent: MemoryTransport
) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        logger = logging.getLogger("shop")
        logger.setLevel(logging.INFO)
        logger.info("before")
        logger.error("out of stock")

    asyncio.run(get(ErrTrackMiddleware(app, tracked), "/shelf"))
    (event,) = sent.events
    assert event["request"]["url"] == "http://shop.example/shelf"
    assert [one["message"] for one in event["breadcrumbs"]["values"]] == ["before"]


def test_two_middlewares_of_one_client_are_one_event_in_one_scope(
    tracked: Client, sent: MemoryTransport
) -> None:
    inner = ErrTrackMiddleware(broken, tracked)

    async def between(scope: Any, receive: Receive, send: Send) -> None:
        tracked.set_tag("of", "between")
        # Some routers hand a copy on.
        await inner(scope if scope["path"] == "/same" else {**scope}, receive, send)

    outer = ErrTrackMiddleware(between, tracked)
    asyncio.run(get(outer, "/same"))
    assert sent.events[0]["tags"] == {"of": "between"}
    asyncio.run(get(outer, "/copy"))
    assert len(sent.events) == 2


def test_each_of_several_clients_gets_its_own_event(
    make_client: MakeClient, sent: MemoryTransport
) -> None:
    first, second = make_client(release="one"), make_client(release="two")

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        first.set_tag("of", "first")
        second.set_tag("of", "second")
        fail()

    asyncio.run(get(ErrTrackMiddleware(ErrTrackMiddleware(app, first), second)))
    assert len(sent.events) == 2
    assert {event["release"]: event["tags"]["of"] for event in sent.events} == {
        "one": "first",
        "two": "second",
    }


def test_each_request_has_a_scope_of_its_own(
    tracked: Client, sent: MemoryTransport
) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        number = scope["path"][1:]
        tracked.set_tag("number", number)
        tracked.set_user({"id": number})
        tracked.add_breadcrumb(message=number)
        await asyncio.sleep(0)
        raise Broken(number)

    wrapped = ErrTrackMiddleware(app, tracked)

    async def serve() -> None:
        tracked.set_tag("of", "the program")
        await asyncio.gather(*(get(wrapped, f"/{number}") for number in range(200)))
        # One after the other in one task, too.
        for number in range(200, 205):
            await get(wrapped, f"/{number}")
        assert tracked.last_event_id() is None

    asyncio.run(serve())
    assert len(sent.events) == 205
    for event in sent.events:
        number = outermost(event)["value"]
        assert event["tags"] == {"number": number}
        assert event["user"]["id"] == number
        assert [one["message"] for one in event["breadcrumbs"]["values"]] == [number]


def test_requests_never_mix_below_an_app_context_that_all_share(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    async def asgi_app(scope: Any, receive: Receive, send: Send) -> None:
        number = scope["path"][1:]
        errtrack.set_tag("number", number)
        await asyncio.sleep(0)
        with app.app_context():
            errtrack.set_tag("inner", number)
        raise Broken(number)

    wrapped = ErrTrackMiddleware(asgi_app, errtrack)

    async def serve() -> None:
        await asyncio.gather(*(get(wrapped, f"/{number}") for number in range(20)))

    with app.app_context():
        asyncio.run(serve())
    assert len(sent.events) == 20
    for event in sent.events:
        number = outermost(event)["value"]
        assert event["tags"] == {"number": number, "inner": number}
        assert event["request"]["url"] == f"http://shop.example/{number}"


def test_tasks_and_threads_of_a_request_have_its_scope(
    tracked: Client, sent: MemoryTransport
) -> None:
    async def set_user() -> None:
        tracked.set_user({"id": "17"})

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await asyncio.to_thread(tracked.set_tag, "of", "the thread")
        await asyncio.create_task(set_user())
        fail()

    asyncio.run(get(ErrTrackMiddleware(app, tracked)))
    (event,) = sent.events
    assert event["tags"] == {"of": "the thread"}
    assert event["user"] == {"id": "17"}


def test_a_task_that_outlives_its_request_still_tells_of_it(
    tracked: Client, sent: MemoryTransport
) -> None:
    late: list[asyncio.Task[None]] = []

    async def work() -> None:
        await asyncio.sleep(0)
        logging.getLogger("shop").error("too late")

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        tracked.set_tag("of", "the request")
        late.append(asyncio.create_task(work()))

    async def serve() -> None:
        await get(ErrTrackMiddleware(app, tracked), "/order")
        await late[0]

    asyncio.run(serve())
    (event,) = sent.events
    assert event["tags"] == {"of": "the request"}
    assert event["transaction"] == "/order"


def test_tasks_that_push_a_scope_keep_it_apart(
    tracked: Client, sent: MemoryTransport
) -> None:
    async def work(number: int) -> None:
        with tracked.push_scope() as scope:
            scope.set_tag("number", number)
            await asyncio.sleep(0)
            tracked.capture_message(str(number))

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await asyncio.gather(*(work(number) for number in range(20)))
        fail()

    asyncio.run(get(ErrTrackMiddleware(app, tracked)))
    *of_tasks, last = sent.events
    assert len(of_tasks) == 20 and "tags" not in last
    for event in of_tasks:
        assert event["tags"] == {"number": event["logentry"]["message"]}


def test_a_websocket_that_fails_is_an_event(
    tracked: Client, sent: MemoryTransport
) -> None:
    wrapped = ErrTrackMiddleware(broken, tracked)
    call = asyncio.run(Call(websocket_scope("/live"))(wrapped))
    assert isinstance(call.error, Broken)
    (event,) = sent.events
    assert event["request"]["url"] == "ws://shop.example/live"
    assert event["transaction"] == "/live"


def test_without_a_client_or_when_it_is_closed_the_app_is_called_as_it_is(
    make_client: MakeClient, sent: MemoryTransport
) -> None:
    given: list[Any] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        given.append(send)
        fail()

    closed = make_client()
    closed.close()
    for errtrack in (ErrTrack(), closed):
        wrapped = ErrTrackMiddleware(app, errtrack)
        with pytest.raises(Broken):
            asyncio.run(wrapped(http_scope(), never, nothing))
        assert given[-1] is nothing
    assert sent.events == []


def test_an_extension_may_get_its_app_later(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    errtrack = ErrTrack()
    wrapped = ErrTrackMiddleware(broken, errtrack)
    asyncio.run(get(wrapped))
    make_app(errtrack=errtrack, transport=sent)
    asyncio.run(get(wrapped))
    assert len(sent.events) == 1


@pytest.mark.swallows_errors
def test_an_extension_of_several_apps_is_told_in_the_log_and_the_app_works(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    errtrack = ErrTrack()
    apps = [make_app(errtrack=errtrack) for _ in range(2)]
    call = asyncio.run(get(ErrTrackMiddleware(answering(200), errtrack)))
    assert call.status == 200 and len(apps) == 2
    assert "this ErrTrack serves several apps" in caplog.text


def test_what_is_no_asgi_app_stops_the_set_up(app: Flask, tracked: Client) -> None:
    wsgi: Any = app
    with pytest.raises(ConfigError, match=r"a2wsgi\.WSGIMiddleware"):
        ErrTrackMiddleware(wsgi, tracked)
    with pytest.raises(ConfigError, match="got a Flask as errtrack; expected"):
        ErrTrackMiddleware(answering(200), wsgi)


@pytest.mark.swallows_errors
@pytest.mark.parametrize(
    "scope",
    [
        {"type": "http"},
        http_scope(headers=[("str", "str"), (b"odd\n", b"\xff\r\nx: y")]),
        http_scope(headers=7, client="nobody", server=[], query_string="a=\udcff"),
        http_scope(path="/\x00\u2028x", root_path=None, path_params=3, endpoint=7),
        http_scope(user=object(), method=None, scheme=b"https"),
    ],
    ids=["nothing", "headers", "types", "path", "user"],
)
def test_an_odd_scope_costs_no_event(
    tracked: Client, sent: MemoryTransport, scope: Any
) -> None:
    call = asyncio.run(Call(scope)(ErrTrackMiddleware(broken, tracked)))
    assert isinstance(call.error, Broken)
    assert len(sent.events) == 1
