"""What a server does with an ASGI app, in this process and task."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from flask_errtrack.asgi import AsgiApp, Message, Receive, Send

Reply = Callable[[Any, Receive, Send], Awaitable[None]]
LIFESPAN = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}


def http_scope(path: str = "/", **more: Any) -> dict[str, Any]:
    """The scope of a request, as uvicorn makes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"shop.example")],
        "client": ("203.0.113.9", 4711),
        "server": ("127.0.0.1", 8000),
        "extensions": {},
        "state": {},
        **more,
    }


def websocket_scope(path: str = "/", **more: Any) -> dict[str, Any]:
    """The scope of a websocket."""
    scope = http_scope(path, **{"subprotocols": [], **more})
    del scope["method"]
    return {**scope, "type": "websocket", "scheme": "ws"}


@dataclass
class Call:
    """One connection: what the app gets, and what came of it."""

    scope: dict[str, Any]
    messages: Iterable[Message] = ({"type": "http.request", "body": b""},)
    #: What the app has sent.
    sent: list[Message] = field(default_factory=list)
    #: The exception that left the app.
    error: BaseException | None = None

    async def __call__(self, app: AsgiApp) -> Call:
        """Let an app answer; what it raises is kept, as a server does."""
        waiting = list(self.messages)
        is_over = asyncio.Event()

        async def receive() -> Message:
            if not waiting:
                await is_over.wait()
                return {"type": f"{self.scope['type']}.disconnect"}
            return waiting.pop(0)

        async def send(message: Message) -> None:
            self.sent.append(message)
            is_last = message["type"] in ("http.response.body", "websocket.close")
            if is_last and not message.get("more_body"):
                is_over.set()

        try:
            await app(self.scope, receive, send)
        except Exception as error:  # noqa: BLE001 - a server survives all of them
            self.error = error
        return self

    @property
    def status(self) -> int | None:
        """The status of the response, if it has begun."""
        starts = [one for one in self.sent if one["type"] == "http.response.start"]
        return starts[0]["status"] if starts else None

    @property
    def event_id(self) -> str | None:
        """What the response says of its event."""
        for message in self.sent:
            for name, value in message.get("headers", ()):
                if name.lower() == b"x-errtrack-id":
                    return str(value.decode())
        return None


async def get(app: AsgiApp, path: str = "/", **more: Any) -> Call:
    """Ask an app for a page."""
    return await Call(http_scope(path, **more))(app)


async def start(send: Send, status: int, *headers: tuple[bytes, bytes]) -> None:
    """Begin a response."""
    await send({"type": "http.response.start", "status": status, "headers": [*headers]})


def answering(status: int, *headers: tuple[bytes, bytes]) -> Reply:
    """An app that answers with a status."""

    async def reply(scope: Any, receive: Receive, send: Send) -> None:
        await start(send, status, *headers)
        await send({"type": "http.response.body", "body": b"done"})

    return reply


async def never() -> Any:
    """Receive, where nobody but the app may ask, and it does not."""
    raise AssertionError("somebody has asked for the body")


async def nothing(message: Message) -> None:
    """Send into nowhere."""
