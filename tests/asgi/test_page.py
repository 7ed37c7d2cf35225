"""The page about ASGI: its code runs, and does what the page says."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pages_of_docs import block_of

from flask_errtrack import Client
from flask_errtrack.asgi import ContextPreservingExecutor, ErrTrackMiddleware
from flask_errtrack.testing import assert_captured, capture_events
from flask_errtrack.transports import MemoryTransport

from .calls import get


def run(caption: str, **known: Any) -> dict[str, Any]:
    """Run a block of the page; return what it defines."""
    found: dict[str, Any] = {"__name__": "main", "asyncio": asyncio, **known}
    code = block_of("asgi", caption)
    code = code.replace("/var/lib/shop", str(known.get("folder")))
    exec(compile(code, caption, "exec", dont_inherit=True), found)
    return found


def test_the_app_of_the_page_tells_of_its_errors(tmp_path: Path) -> None:
    found = run("main.py", folder=tmp_path)
    with capture_events(found["client"]) as events:
        call = asyncio.run(get(found["app"], "/orders/17"))
    found["client"].close()
    event = assert_captured(events, KeyError, transaction="main.order")
    assert event["tags"] == {"shop": "north"}
    assert call.event_id == event["event_id"]


def test_the_callback_of_the_page_says_who_asks(sent: MemoryTransport) -> None:
    class User:
        id = 17

    with ExitStack() as stack:

        def make(**options: Any) -> Client:
            client = Client(transport=sent, **options)
            stack.callback(client.close)
            return client

        found = run("user_callback", Client=make)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise LookupError

        wrapped = ErrTrackMiddleware(app, found["client"])
        asyncio.run(get(wrapped, state={"user": User()}))
        asyncio.run(get(wrapped, state={}))
    assert sent.events[0]["user"]["id"] == "17"
    assert "user" not in sent.events[1]


def test_the_tasks_of_the_page_do_not_see_each_other(
    tracked: Client, sent: MemoryTransport
) -> None:
    async def fetch_prices(shop: str) -> None:
        await asyncio.sleep(0)
        tracked.capture_message(shop)

    found = run("tasks", client=tracked, fetch_prices=fetch_prices)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await found["prices"]()

    asyncio.run(get(ErrTrackMiddleware(app, tracked)))
    tags = [event["tags"]["shop"] for event in sent.events]
    assert tags == [event["logentry"]["message"] for event in sent.events]
    assert sorted(tags) == ["north", "south"]


def test_the_lifespan_of_the_page_sets_the_executor() -> None:
    import contextlib

    found = run("executor", contextlib=contextlib)

    async def main() -> Any:
        async with found["lifespan"](None):
            return await asyncio.get_running_loop().run_in_executor(None, id, 7)

    assert asyncio.run(main()) == id(7)
    assert found["ContextPreservingExecutor"] is ContextPreservingExecutor


def test_the_mixed_app_of_the_page_tells_of_both_halves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = run("mixed")
    errtrack, shop = found["errtrack"], found["shop"]
    assert isinstance(shop.test_client(), FlaskClient)
    with capture_events(shop) as events:
        asyncio.run(get(found["app"], "/api/price"))
        asyncio.run(get(found["app"], "/"))
    with shop.app_context():
        errtrack.close()
    assert [event["transaction"] for event in events] == ["main.price", "home"]
