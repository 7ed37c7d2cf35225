"""The error of a future that nobody looks at is an event, where an app asks for it."""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import (
    Future,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeApp, MakeTransport
from flask import Flask
from places import Broken, fail
from waiting import wait_until

from flask_errtrack import Client, ErrTrack
from flask_errtrack.contrib.futures import WatchedThreadPoolExecutor, watch
from flask_errtrack.errors import own_work
from flask_errtrack.transports import MemoryTransport


@pytest.fixture
def pool(app: Flask, errtrack: ErrTrack) -> Iterator[WatchedThreadPoolExecutor]:
    with WatchedThreadPoolExecutor(errtrack, max_workers=2) as pool:
        yield pool


def submit_and_forget(pool: ThreadPoolExecutor, *call: Any) -> None:
    wait([pool.submit(*call)])


def test_an_error_that_nobody_looks_at_is_an_event(
    pool: WatchedThreadPoolExecutor, sent: MemoryTransport
) -> None:
    submit_and_forget(pool, fail)
    wait_until(lambda: sent.events)
    mechanism = sent.events[0]["exception"]["values"][-1]["mechanism"]
    assert (mechanism["type"], mechanism["handled"]) == ("futures", False)
    functions = [
        frame["function"]
        for frame in sent.events[0]["exception"]["values"][-1]["stacktrace"]["frames"]
    ]
    assert functions[-1] == "fail"


def by_result(future: Future[Any]) -> None:
    with pytest.raises(Broken):
        future.result()


def by_exception(future: Future[Any]) -> None:
    assert isinstance(future.exception(), Broken)


def by_as_completed(future: Future[Any]) -> None:
    for done in as_completed([future]):
        by_result(done)


def by_callback(future: Future[Any]) -> None:
    future.add_done_callback(by_exception)
    wait([future])


def by_await(future: Future[Any]) -> None:
    async def look() -> None:
        with pytest.raises(Broken):
            await asyncio.wrap_future(future)

    asyncio.run(look())


@pytest.mark.parametrize(
    "look", [by_result, by_exception, by_as_completed, by_callback, by_await]
)
def test_an_error_that_somebody_looks_at_is_theirs(
    pool: WatchedThreadPoolExecutor, sent: MemoryTransport, look: Any
) -> None:
    look(pool.submit(fail))
    pool.shutdown()
    gc.collect()
    assert sent.events == []


def test_map_looks_for_itself(
    pool: WatchedThreadPoolExecutor, sent: MemoryTransport
) -> None:
    with pytest.raises(Broken):
        list(pool.map(fail, range(1)))
    gc.collect()
    assert sent.events == []


def test_who_waits_too_short_has_not_looked(
    pool: WatchedThreadPoolExecutor, sent: MemoryTransport
) -> None:
    go = threading.Event()

    def wait_and_fail() -> None:
        go.wait(30)
        fail()

    future = pool.submit(wait_and_fail)
    with pytest.raises(TimeoutError):
        future.result(timeout=0.01)
    go.set()
    wait([future])
    del future
    wait_until(lambda: sent.events)


def test_what_goes_well_or_is_cancelled_or_ends_on_purpose_is_no_event(
    pool: WatchedThreadPoolExecutor, sent: MemoryTransport
) -> None:
    go = threading.Event()
    for _ in range(2):
        pool.submit(go.wait, 30)
    pool.submit(fail).cancel()
    go.set()
    submit_and_forget(pool, sys.exit)
    pool.shutdown()
    gc.collect()
    assert sent.events == []


def test_the_event_has_the_request_that_submitted_it(
    app: Flask,
    pool: WatchedThreadPoolExecutor,
    sent: MemoryTransport,
    errtrack: ErrTrack,
) -> None:
    @app.get("/orders/<int:number>")
    def orders(number: int) -> str:
        errtrack.set_tag("order", number)
        pool.submit(fail)
        return "fine"

    for number in range(10):
        app.test_client().get(f"/orders/{number}")
    pool.shutdown()
    wait_until(lambda: len(sent.events) == 10)
    for event in sent.events:
        assert event["request"]["url"].endswith(f"/orders/{event['tags']['order']}")
    assert len({event["tags"]["order"] for event in sent.events}) == 10


def test_what_was_captured_in_the_pool_is_not_captured_again(
    pool: WatchedThreadPoolExecutor, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    submit_and_forget(pool, errtrack.job("count")(fail))
    pool.shutdown()
    gc.collect()
    assert len(sent.events) == 1


def test_a_future_that_its_own_error_refers_to_is_found_by_the_collector(
    pool: WatchedThreadPoolExecutor, sent: MemoryTransport
) -> None:
    def fail_with(futures: list[Any]) -> None:
        wait_until(lambda: futures)
        fail()

    def submit() -> None:
        futures: list[Any] = []
        futures.append(pool.submit(fail_with, futures))
        wait(futures)

    submit()
    pool.shutdown()
    gc.collect()
    assert len(sent.events) == 1


def test_in_the_midst_of_our_own_work_it_is_captured_by_a_thread(
    pool: WatchedThreadPoolExecutor, sent: MemoryTransport
) -> None:
    future = pool.submit(fail)
    wait([future])
    pool.shutdown()
    with own_work():
        del future
        gc.collect()
    wait_until(lambda: sent.events)
    assert len(sent.events) == 1


def test_a_future_of_any_pool_can_be_watched(
    make_transport: MakeTransport,
) -> None:
    transport = make_transport()
    client = Client(transport=transport)
    future: Future[Any] = Future()
    assert watch(watch(future, client), client) is future
    assert isinstance(future, Future)
    future.set_exception(Broken("of another pool"))
    del future
    gc.collect()
    client.close()
    assert len(transport.events) == 1


def test_a_future_of_a_library_stays_what_it_is(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    class TheirFuture(Future[int]):
        def result(self, timeout: float | None = None) -> int:
            return super().result(timeout) + 1

    future: Future[int] = watch(TheirFuture(), errtrack)
    future.set_result(16)
    assert isinstance(future, TheirFuture)
    assert future.result() == 17


def test_nothing_grows_with_the_number_of_futures() -> None:
    before = atexit._ncallbacks()
    with WatchedThreadPoolExecutor(ErrTrack(), 1) as pool:
        for _ in range(10):
            pool.submit(str).result()
    assert atexit._ncallbacks() <= before + 1


def test_before_init_app_nothing_happens() -> None:
    with WatchedThreadPoolExecutor(ErrTrack()) as pool:
        submit_and_forget(pool, fail)


def test_the_app_may_come_later(make_app: MakeApp, sent: MemoryTransport) -> None:
    errtrack = ErrTrack()
    with WatchedThreadPoolExecutor(errtrack) as pool:
        make_app(errtrack=errtrack, transport=sent)
        submit_and_forget(pool, fail)
    wait_until(lambda: sent.events)


def test_a_context_can_go_along(
    app: Flask,
    pool: WatchedThreadPoolExecutor,
    sent: MemoryTransport,
    errtrack: ErrTrack,
) -> None:
    with errtrack.job("count"):
        errtrack.set_tag("shelf", 17)
        run = contextvars.copy_context().run
        submit_and_forget(pool, run, errtrack.capture_message, "in the pool")
    (event,) = sent.events
    assert event["tags"] == {"shelf": "17"}


AT_THE_END = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, wait
from flask_errtrack import Client
from flask_errtrack.contrib.futures import WatchedThreadPoolExecutor, watch

class Printing:
    def send(self, envelope):
        (event,) = envelope.events
        print(event["exception"]["values"][-1]["type"])

client = Client(transport=Printing())

if __name__ == "__main__":
    threads = WatchedThreadPoolExecutor(client)
    kept = threads.submit(int, "seventeen")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as processes:
        wait([watch(processes.submit(len, 17), client)])
    print("end")
"""


def test_of_other_processes_and_of_what_is_kept_to_the_end(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(AT_THE_END)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parent.parent.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["TypeError", "end", "ValueError"]
    assert done.stderr == ""
