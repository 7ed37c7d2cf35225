"""What fails while an ASGI app starts or stops."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from places import Broken, fail

from flask_errtrack import Client
from flask_errtrack.asgi import ErrTrackMiddleware, Receive, Send
from flask_errtrack.transports import MemoryTransport

from .calls import LIFESPAN, Call

STARTUP = {"type": "lifespan.startup"}
SHUTDOWN = {"type": "lifespan.shutdown"}


def live(app: Any, client: Client) -> Call:
    call = Call(dict(LIFESPAN), [STARTUP, SHUTDOWN])
    return asyncio.run(call(ErrTrackMiddleware(app, client)))


def test_a_healthy_life_is_passed_on_untouched(
    tracked: Client, sent: MemoryTransport
) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        assert await receive() == STARTUP
        await send({"type": "lifespan.startup.complete"})
        assert await receive() == SHUTDOWN
        await send({"type": "lifespan.shutdown.complete"})

    assert [one["type"] for one in live(app, tracked).sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert sent.events == []


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("is_raised", [True, False])
def test_a_start_that_fails_is_one_event(
    tracked: Client, sent: MemoryTransport, is_told: bool, is_raised: bool
) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        try:
            fail()
        except Broken:
            if is_told:
                message = "a traceback, as text"
                await send({"type": "lifespan.startup.failed", "message": message})
            if is_raised:
                raise

    call = live(app, tracked)
    assert isinstance(call.error, Broken) is is_raised
    assert len(call.sent) == is_told
    if not (is_told or is_raised):
        assert sent.events == []
        return
    (event,) = sent.events
    assert event["transaction"] == "lifespan"
    assert event["transaction_info"] == {"source": "task"}
    assert event["exception"]["values"][-1]["mechanism"]["handled"] is False
    assert "request" not in event


def test_a_stop_that_fails_is_one_event(tracked: Client, sent: MemoryTransport) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        fail()

    assert isinstance(live(app, tracked).error, Broken)
    assert len(sent.events) == 1


def test_an_app_without_a_lifespan_says_so_by_raising_which_is_no_event(
    tracked: Client, sent: MemoryTransport
) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        raise ValueError("this is for HTTP only")

    assert isinstance(live(app, tracked).error, ValueError)
    assert sent.events == []


def test_what_the_server_says_of_a_start_that_failed_is_no_other_event(
    tracked: Client, sent: MemoryTransport
) -> None:
    async def send(message: Any) -> None:
        if message["type"] == "lifespan.startup.failed":
            # uvicorn logs it, and hypercorn raises.
            logging.getLogger("uvicorn.error").error(message["message"])
            raise RuntimeError("the start has failed")

    async def receive() -> Any:
        return STARTUP

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        try:
            fail()
        except Broken:
            await send({"type": "lifespan.startup.failed", "message": "text"})

    wrapped = ErrTrackMiddleware(app, tracked)
    with pytest.raises(RuntimeError, match="the start has failed"):
        asyncio.run(wrapped(dict(LIFESPAN), receive, send))
    (event,) = sent.events
    assert event["exception"]["values"][-1]["type"] == "Broken"
