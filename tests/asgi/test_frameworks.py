"""What Starlette, FastAPI, Quart and Flask do with errors: one event for each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from a2wsgi import WSGIMiddleware
from asgiref.wsgi import WsgiToAsgi
from conftest import MakeApp
from fastapi import FastAPI
from flask import Flask
from places import PLACES, Broken, fail
from quart import Quart, websocket
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    SimpleUser,
)
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from flask_errtrack import Client, ErrTrack
from flask_errtrack.asgi import AsgiApp, ErrTrackMiddleware
from flask_errtrack.event import Event
from flask_errtrack.transports import MemoryTransport

from .calls import LIFESPAN, Call, get, http_scope, websocket_scope

CONNECT = {"type": "websocket.connect"}


def outermost(event: Event) -> Any:
    return event["exception"]["values"][-1]


async def broken(request: Request) -> PlainTextResponse:
    return PlainTextResponse(fail())


def broken_in_a_thread(request: Request) -> PlainTextResponse:
    return PlainTextResponse(fail())


async def status(request: Request) -> PlainTextResponse:
    raise HTTPException(request.path_params["status"])


async def answered(request: Request) -> PlainTextResponse:
    raise Answered


async def in_background(request: Request) -> PlainTextResponse:
    return PlainTextResponse("fine", background=BackgroundTask(fail))


async def streamed(request: Request) -> StreamingResponse:
    async def chunks() -> AsyncIterator[str]:
        yield "a"
        fail()

    return StreamingResponse(chunks())


async def live(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive_text()
    fail()


class Broadcast(HTTPEndpoint):
    async def get(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse(fail())


class Answered(Exception):
    """The app has a handler for it."""


class OutOfStock(HTTPException):
    """As of an app that answers with it."""


async def out_of_stock(request: Request) -> PlainTextResponse:
    raise OutOfStock(507)


def answer(request: Request, error: Exception) -> PlainTextResponse:
    return PlainTextResponse("sorry", 503)


def starlette_app(**options: Any) -> Starlette:
    return Starlette(
        routes=[
            Route("/broken/{item:int}", broken),
            Route("/thread", broken_in_a_thread),
            Route("/status/{status:int}", status),
            Route("/answered", answered),
            Route("/out_of_stock", out_of_stock),
            Route("/background", in_background),
            Route("/streamed", streamed),
            Route("/class", Broadcast),
            WebSocketRoute("/live/{room}", live),
            Mount("/inner", routes=[Route("/broken/{item}", broken)]),
        ],
        exception_handlers={Answered: answer},
        **options,
    )


def test_starlette_answers_with_the_id_and_raises_what_is_one_event(
    tracked: Client, sent: MemoryTransport
) -> None:
    call = asyncio.run(get(ErrTrackMiddleware(starlette_app(), tracked), "/broken/17"))
    assert isinstance(call.error, Broken)
    (event,) = sent.events
    assert (call.status, call.event_id) == (500, event["event_id"])
    assert event["transaction"] == f"{__name__}.broken"
    assert event["contexts"]["asgi"]["view_args"] == {"item": 17}
    assert event["contexts"]["asgi"]["rule"] == "/broken/{item}"


@pytest.mark.parametrize(
    ("path", "expected_status", "expected_endpoint"),
    [
        ("/thread", 500, "broken_in_a_thread"),
        ("/background", 200, "in_background"),
        ("/streamed", 200, "streamed"),
        ("/class", 500, "Broadcast"),
        ("/inner/broken/1", 500, "broken"),
        ("/status/503", 503, "status"),
        ("/out_of_stock", 507, "out_of_stock"),
    ],
)
def test_starlette_fails_in_many_places(
    tracked: Client,
    sent: MemoryTransport,
    path: str,
    expected_status: int,
    expected_endpoint: str,
) -> None:
    call = asyncio.run(get(ErrTrackMiddleware(starlette_app(), tracked), path))
    (event,) = sent.events
    assert call.status == expected_status
    assert event["transaction"] == f"{__name__}.{expected_endpoint}"
    assert outermost(event)["mechanism"]["handled"] is False
    assert call.event_id == (event["event_id"] if expected_status >= 500 else None)


@pytest.mark.parametrize("path", ["/status/404", "/status/422", "/answered", "/no"])
def test_what_starlette_or_its_app_has_answered_is_no_event(
    tracked: Client, sent: MemoryTransport, path: str
) -> None:
    call = asyncio.run(get(ErrTrackMiddleware(starlette_app(), tracked), path))
    assert call.error is None and call.event_id is None
    assert sent.events == []


def test_a_middleware_that_starlette_adds_sees_the_same(
    tracked: Client, sent: MemoryTransport
) -> None:
    app = starlette_app()
    app.add_middleware(ErrTrackMiddleware, tracked)
    asyncio.run(get(app, "/broken/17"))
    (event,) = sent.events
    assert event["transaction"] == f"{__name__}.broken"


def test_middleware_that_runs_an_app_in_another_task_has_the_same_scope(
    tracked: Client, sent: MemoryTransport
) -> None:
    class Tagging(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Any:
            tracked.set_tag("of", "middleware")
            return await call_next(request)

    def view(request: Request) -> PlainTextResponse:
        tracked.set_tag("also_of", "the view's thread")
        return PlainTextResponse(fail())

    app = Starlette(routes=[Route("/", view)])
    app.add_middleware(Tagging)
    call = asyncio.run(get(ErrTrackMiddleware(app, tracked)))
    (event,) = sent.events
    assert event["tags"] == {"of": "middleware", "also_of": "the view's thread"}
    assert call.event_id == event["event_id"]


def test_a_websocket_of_starlette_that_fails_is_an_event_and_one_that_ends_is_none(
    tracked: Client, sent: MemoryTransport
) -> None:
    wrapped = ErrTrackMiddleware(starlette_app(), tracked)
    text = {"type": "websocket.receive", "text": "hello"}
    gone = {"type": "websocket.disconnect", "code": 1001}
    scope = websocket_scope("/live/red")
    asyncio.run(Call(scope, [CONNECT, gone])(wrapped))
    assert sent.events == []
    asyncio.run(Call(scope, [CONNECT, text])(wrapped))
    (event,) = sent.events
    assert event["transaction"] == f"{__name__}.live"
    assert event["contexts"]["asgi"]["view_args"] == {"room": "red"}


def test_a_client_that_leaves_while_it_sends_is_no_event(
    tracked: Client, sent: MemoryTransport
) -> None:
    async def view(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(await request.body()))

    app = Starlette(routes=[Route("/", view, methods=["POST"])])
    call = Call(
        http_scope(method="POST"),
        [
            {"type": "http.request", "body": b"a", "more_body": True},
            {"type": "http.disconnect"},
        ],
    )
    asyncio.run(call(ErrTrackMiddleware(app, tracked)))
    assert type(call.error).__name__ == "ClientDisconnect"
    logging.getLogger("uvicorn.error").error("Exception", exc_info=call.error)
    assert sent.events == []


class Backend(AuthenticationBackend):
    async def authenticate(self, conn: Any) -> Any:
        return AuthCredentials([]), SimpleUser("ann")


def test_the_user_of_starlettes_authentication_is_told(
    tracked: Client, sent: MemoryTransport
) -> None:
    app = starlette_app()
    app.add_middleware(AuthenticationMiddleware, backend=Backend())
    asyncio.run(get(ErrTrackMiddleware(app, tracked), "/broken/1"))
    assert sent.events[0]["user"] == {
        "id": "ann",
        "data": {"is_authenticated": True, "is_anonymous": False},
    }


def test_a_lifespan_of_starlette_that_fails_is_one_event(
    tracked: Client, sent: MemoryTransport
) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        fail()
        yield

    wrapped = ErrTrackMiddleware(starlette_app(lifespan=lifespan), tracked)
    call = Call(dict(LIFESPAN), [{"type": "lifespan.startup"}])
    asyncio.run(call(wrapped))
    assert call.sent[0]["type"] == "lifespan.startup.failed"
    assert isinstance(call.error, Broken)
    (event,) = sent.events
    assert event["transaction"] == "lifespan"


def fastapi_app(client: Client) -> FastAPI:
    app = FastAPI()

    def counted() -> int:
        client.set_tag("counted", "yes")
        return 7

    @app.get("/items/{item}")
    def read_item(item: int) -> int:
        client.set_tag("item", item)
        return item // counted() // 0

    @app.get("/async/{item}")
    async def read_async(item: int) -> int:
        client.set_tag("item", item)
        return item // 0

    return app


@pytest.mark.parametrize("view", ["read_item", "read_async"])
def test_fastapi_in_threads_or_tasks(
    tracked: Client, sent: MemoryTransport, view: str
) -> None:
    path = {"read_item": "/items/{item}", "read_async": "/async/{item}"}[view]
    app = ErrTrackMiddleware(fastapi_app(tracked), tracked)
    call = asyncio.run(get(app, path.format(item=17)))
    (event,) = sent.events
    assert (call.status, call.event_id) == (500, event["event_id"])
    assert event["transaction"] == f"{__name__}.fastapi_app.<locals>.{view}"
    assert event["contexts"]["asgi"]["rule"] == path
    assert event["tags"]["item"] == "17"


def test_what_fastapi_refuses_is_no_event(
    tracked: Client, sent: MemoryTransport
) -> None:
    app = ErrTrackMiddleware(fastapi_app(tracked), tracked)
    assert asyncio.run(get(app, "/items/many")).status == 422
    assert sent.events == []


def quart_app(client: Client) -> Quart:
    app = Quart("quart_shop")

    @app.get("/shelf/<int:number>")
    async def shelf(number: int) -> str:
        client.set_tag("number", number)
        return str(fail())

    @app.get("/thread")
    def thread() -> str:
        client.set_tag("of", "the thread")
        return str(fail())

    @app.get("/streamed")
    async def streamed() -> AsyncIterator[str]:
        yield "a"
        fail()

    @app.get("/answered")
    async def answered() -> str:
        raise Answered

    @app.errorhandler(Answered)
    async def answer(error: Exception) -> tuple[str, int]:
        return "sorry", 503

    @app.get("/later")
    async def later() -> str:
        app.add_background_task(fail)
        return "fine"

    @app.websocket("/live/<room>")
    async def live(room: str) -> None:
        await websocket.receive()
        fail()

    return app


def test_quart_can_keep_the_middleware_to_itself(
    tracked: Client, sent: MemoryTransport
) -> None:
    app: Any = quart_app(tracked)
    app.asgi_app = ErrTrackMiddleware(app.asgi_app, tracked)
    call = asyncio.run(get(app, "/shelf/17"))
    assert call.event_id == sent.events[0]["event_id"]


@pytest.mark.parametrize("has_logging", [True, False])
def test_quart_answers_by_itself_and_it_is_one_event(
    make_client: Callable[..., Client], sent: MemoryTransport, has_logging: bool
) -> None:
    client = make_client(logging=has_logging)
    app = ErrTrackMiddleware(quart_app(client), client)
    call = asyncio.run(get(app, "/shelf/17"))
    (event,) = sent.events
    assert call.error is None
    assert (call.status, call.event_id) == (500, event["event_id"])
    assert event["transaction"] == "shelf"
    assert event["contexts"]["asgi"] == {
        "type": "asgi",
        "endpoint": "shelf",
        "rule": "/shelf/<int:number>",
        "view_args": {"number": 17},
    }
    assert event["tags"] == {"number": "17"}
    assert outermost(event)["mechanism"]["handled"] is False


def test_quart_fails_in_many_places(tracked: Client, sent: MemoryTransport) -> None:
    app = ErrTrackMiddleware(quart_app(tracked), tracked)

    async def serve() -> None:
        await get(app, "/thread")
        await get(app, "/streamed")
        message = {"type": "websocket.receive", "text": "hello", "bytes": None}
        await Call(websocket_scope("/live/red"), [CONNECT, message])(app)

    asyncio.run(serve())
    found = [event["transaction"] for event in sent.events]
    assert found == ["thread", "/streamed", "live"]
    # Not the group of tasks in which Quart sends a response.
    assert [outermost(event)["type"] for event in sent.events] == ["Broken"] * 3
    assert sent.events[0]["tags"] == {"of": "the thread"}


def test_what_a_quart_app_has_answered_is_no_event(
    tracked: Client, sent: MemoryTransport
) -> None:
    app = ErrTrackMiddleware(quart_app(tracked), tracked)
    assert asyncio.run(get(app, "/answered")).status == 503
    assert asyncio.run(get(app, "/no")).status == 404
    assert sent.events == []


def test_a_background_task_of_quart_is_one_event_of_its_request(
    tracked: Client, sent: MemoryTransport
) -> None:
    quart = quart_app(tracked)
    wrapped = ErrTrackMiddleware(quart, tracked)

    async def serve() -> None:
        await get(wrapped, "/later")
        await asyncio.gather(*quart.background_tasks)

    asyncio.run(serve())
    (event,) = sent.events
    assert outermost(event)["mechanism"]["handled"] is False
    assert event["request"]["url"] == "http://shop.example/later"


def test_a_start_of_quart_that_fails_is_one_event(
    tracked: Client, sent: MemoryTransport
) -> None:
    quart = quart_app(tracked)
    quart.before_serving(fail)
    call = Call(dict(LIFESPAN), [{"type": "lifespan.startup"}])
    call.messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    asyncio.run(call(ErrTrackMiddleware(quart, tracked)))
    (event,) = sent.events
    assert event["transaction"] == "lifespan"


def test_a_quart_app_without_the_middleware_is_not_seen_by_that_of_others(
    make_client: Callable[..., Client], sent: MemoryTransport
) -> None:
    client = make_client(logging=False)
    of_others = ErrTrackMiddleware(quart_app(client), client)
    asyncio.run(get(of_others, "/no"))
    asyncio.run(get(quart_app(client), "/shelf/1"))
    assert sent.events == []
    asyncio.run(get(of_others, "/shelf/1"))
    assert len(sent.events) == 1


def flask_app(make_app: MakeApp, errtrack: ErrTrack, sent: MemoryTransport) -> Flask:
    app = make_app(errtrack=errtrack, transport=sent)

    @app.get("/broken/<int:number>")
    def broken(number: int) -> str:
        errtrack.set_tag("number", number)
        return str(fail())

    @app.get("/streamed")
    def streamed() -> Any:
        def chunks() -> Any:
            yield "a"
            fail()

        return chunks()

    return app


@pytest.mark.parametrize("adapter", [WSGIMiddleware, WsgiToAsgi])
@pytest.mark.parametrize("propagates", [True, False])
def test_a_flask_app_tells_of_itself(
    make_app: MakeApp,
    errtrack: ErrTrack,
    sent: MemoryTransport,
    adapter: Callable[[Any], AsgiApp],
    propagates: bool,
) -> None:
    app = flask_app(make_app, errtrack, sent)
    app.config["PROPAGATE_EXCEPTIONS"] = propagates
    wrapped = ErrTrackMiddleware(adapter(app), errtrack)

    async def serve() -> tuple[Call, Call]:
        return await get(wrapped, "/broken/17"), await get(wrapped, "/streamed")

    broken, _ = asyncio.run(serve())
    if broken.error is not None:
        logging.getLogger("uvicorn.error").error("Exception", exc_info=broken.error)
    first, second = sent.events
    assert (first["transaction"], second["transaction"]) == ("broken", "streamed")
    assert first["contexts"]["flask"]["view_args"] == {"number": 17}
    assert first["tags"] == {"number": "17"}
    assert "asgi" not in first["contexts"]
    if not propagates:
        assert (broken.status, broken.event_id) == (500, first["event_id"])


@pytest.mark.parametrize("propagates", [True, False])
@pytest.mark.parametrize("break_app", PLACES)
def test_wherever_a_flask_app_fails_behind_an_adapter_it_is_one_event(
    make_app: MakeApp,
    errtrack: ErrTrack,
    sent: MemoryTransport,
    break_app: Callable[[Flask], None],
    propagates: bool,
) -> None:
    config = {"PROPAGATE_EXCEPTIONS": propagates}
    app = make_app(config, errtrack=errtrack, transport=sent)
    break_app(app)
    wsgi_app: Any = app
    adapted = WSGIMiddleware(wsgi_app)
    call = asyncio.run(get(ErrTrackMiddleware(adapted, errtrack), "/broken"))
    if call.error is not None:
        logging.getLogger("uvicorn.error").error("Exception", exc_info=call.error)
    (event,) = sent.events
    assert outermost(event)["type"] == "Broken"
    assert "asgi" not in event["contexts"]
    assert event["request"]["url"] == "http://shop.example/broken"


def test_a_flask_app_and_a_client_of_the_rest_each_get_their_own(
    make_app: MakeApp,
    errtrack: ErrTrack,
    sent: MemoryTransport,
    make_transport: Callable[[], MemoryTransport],
) -> None:
    app = flask_app(make_app, errtrack, sent)
    of_client = make_transport()
    client = Client(transport=of_client)
    starlette = Starlette(
        routes=[Route("/broken", broken), Mount("/flask", WSGIMiddleware(app))]  # type: ignore[arg-type]
    )
    wrapped = ErrTrackMiddleware(starlette, client)

    async def serve() -> None:
        await get(wrapped, "/broken")
        await get(wrapped, "/flask/broken/17")

    asyncio.run(serve())
    client.close()
    assert [event["transaction"] for event in sent.events] == ["broken"]
    assert [event["transaction"] for event in of_client.events] == [
        f"{__name__}.broken"
    ]
    assert sent.events[0]["request"]["url"] == "http://shop.example/flask/broken/17"
