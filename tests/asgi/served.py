"""The app that real servers serve in the tests: all frameworks below one Starlette.

``ERRTRACK_DSN`` says where its events go.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from typing import Any

from a2wsgi import WSGIMiddleware
from asgiref.wsgi import WsgiToAsgi
from fastapi import FastAPI
from flask import Flask
from quart import Quart
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from flask_errtrack import Client, ErrTrack
from flask_errtrack.asgi import ContextPreservingExecutor, ErrTrackMiddleware

# Its DSN is that of the environment.
client = Client(outbox=False)
errtrack = ErrTrack()


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    executor = ContextPreservingExecutor()
    asyncio.get_running_loop().set_default_executor(executor)
    yield


def fail(mark: str) -> Any:
    raise LookupError(mark)


def identify(mark: str) -> None:
    client.set_user({"id": mark})
    client.set_tag("mark", mark)


async def in_task(request: Request) -> PlainTextResponse:
    mark = request.path_params["mark"]
    identify(mark)
    await asyncio.sleep(0)
    return PlainTextResponse(fail(mark))


async def in_executor(request: Request) -> PlainTextResponse:
    mark = request.path_params["mark"]

    def look_up() -> None:
        identify(mark)
        fail(mark)

    await asyncio.get_running_loop().run_in_executor(None, look_up)
    return PlainTextResponse("never")


async def in_stream(request: Request) -> StreamingResponse:
    mark = request.path_params["mark"]
    identify(mark)

    async def chunks() -> AsyncIterator[str]:
        yield "a"
        fail(mark)

    return StreamingResponse(chunks())


async def in_websocket(websocket: WebSocket) -> None:
    identify(websocket.path_params["mark"])
    await websocket.accept()
    await websocket.receive_text()
    fail(websocket.path_params["mark"])


async def ready(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ready")


fastapi = FastAPI()


@fastapi.get("/{mark}")
def in_thread(mark: str) -> None:
    identify(mark)
    fail(mark)


quart = Quart("quart_shop")


@quart.get("/<mark>")
async def in_quart(mark: str) -> str:
    identify(mark)
    await asyncio.sleep(0)
    return str(fail(mark))


flask = Flask("flask_shop", instance_path=tempfile.mkdtemp())
errtrack.init_app(flask, dashboard=False, outbox=False)


@flask.get("/<mark>")
def in_flask(mark: str) -> str:
    errtrack.set_user({"id": mark})
    errtrack.set_tag("mark", mark)
    return str(fail(mark))


adapted: Any = WsgiToAsgi
of_quart: Any = quart


starlette = Starlette(
    routes=[
        Route("/ready", ready),
        Route("/in_task/{mark}", in_task),
        Route("/in_executor/{mark}", in_executor),
        Route("/in_stream/{mark}", in_stream),
        WebSocketRoute("/in_websocket/{mark}", in_websocket),
        Mount("/in_thread", fastapi),
        Mount("/in_quart", of_quart),
        Mount("/in_flask", WSGIMiddleware(flask)),  # type: ignore[arg-type]
        Mount("/asgiref", ErrTrackMiddleware(adapted(flask), errtrack)),
    ],
    lifespan=lifespan,
)
app = ErrTrackMiddleware(starlette, client)
