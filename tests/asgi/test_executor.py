"""Jobs of a thread pool see the context of who submits them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest
from places import Broken, fail

from flask_errtrack import Client
from flask_errtrack.asgi import (
    ContextPreservingExecutor,
    ErrTrackMiddleware,
    Receive,
    Send,
)
from flask_errtrack.transports import MemoryTransport

from .calls import get

number: ContextVar[int] = ContextVar("number", default=-1)


def test_a_job_sees_the_context_and_changes_only_a_copy() -> None:
    def job(more: int, *, and_more: int) -> int:
        seen = number.get()
        number.set(7)
        return seen + more + and_more

    with ContextPreservingExecutor(max_workers=1) as executor:
        number.set(10)
        assert executor.submit(job, 20, and_more=30).result() == 60
        assert [*executor.map(lambda _: number.get(), range(3))] == [10, 10, 10]
    assert number.get() == 10
    number.set(-1)


def test_what_a_job_raises_is_in_its_future() -> None:
    with ContextPreservingExecutor() as executor, pytest.raises(Broken):
        executor.submit(fail).result()


@pytest.mark.parametrize("executor", [ThreadPoolExecutor, ContextPreservingExecutor])
def test_sync_code_of_a_request_has_its_scope_in_this_executor_only(
    tracked: Client, sent: MemoryTransport, executor: type[ThreadPoolExecutor]
) -> None:
    def look_up() -> None:
        tracked.capture_message("slow")

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        tracked.set_tag("of", scope["path"])
        await asyncio.get_running_loop().run_in_executor(None, look_up)

    async def serve() -> None:
        asyncio.get_running_loop().set_default_executor(executor())
        wrapped = ErrTrackMiddleware(app, tracked)
        await asyncio.gather(*(get(wrapped, f"/{one}") for one in range(20)))

    asyncio.run(serve())
    tags = sorted(event.get("tags", {}).get("of", "") for event in sent.events)
    is_preserving = executor is ContextPreservingExecutor
    expected = [f"/{one}" if is_preserving else "" for one in range(20)]
    assert tags == sorted(expected)
