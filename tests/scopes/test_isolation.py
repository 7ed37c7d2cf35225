"""Who is at work at the same time never shares a user, a tag or a breadcrumb."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeTransport
from flask import Flask, copy_current_request_context
from places import visit

from flask_errtrack import Client, ErrTrack
from flask_errtrack.event import Event
from flask_errtrack.transports import MemoryTransport

logger = logging.getLogger("shop.stock")


@pytest.fixture(autouse=True)
def _info_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "shop.stock")


def facts_of(event: Event) -> tuple[str, ...]:
    """What an event says of the one at work, in four ways."""
    crumbs = event.get("breadcrumbs", {"values": []})["values"]
    (crumb,) = [crumb["message"] for crumb in crumbs]
    user_id = event.get("user", {}).get("id") or ""
    entry = event["logentry"]
    return user_id, event["tags"]["number"], crumb, entry["formatted"]


def assert_not_mixed(events: list[Event], count: int) -> None:
    found = sorted(int(event["tags"]["number"]) for event in events)
    assert found == list(range(count))
    for event in events:
        user_id, tag, crumb, message = facts_of(event)
        assert user_id == tag == crumb.split()[-1] == message.split()[-1]


def begin(errtrack: ErrTrack | Client, number: int) -> None:
    errtrack.set_user({"id": number})
    errtrack.set_tag("number", number)
    logger.info("begin %s", number)


def run_threads(work: Callable[[int], object], count: int) -> None:
    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_fifty_threads_with_contexts_of_their_own(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    together = threading.Barrier(50)

    def work(number: int) -> None:
        with app.app_context():
            begin(errtrack, number)
            together.wait(30)
            logger.error("end %s", number)

    run_threads(work, 50)
    assert_not_mixed(sent.events, 50)


def test_fifty_jobs_in_threads(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    together = threading.Barrier(50)
    job = errtrack.job("count")

    def work(number: int) -> None:
        with job:
            begin(errtrack, number)
            together.wait(30)
            logger.error("end %s", number)

    run_threads(work, 50)
    assert_not_mixed(sent.events, 50)


def test_fifty_requests_with_a_thread_each_that_copies_the_request(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    together = threading.Barrier(50)

    @app.get("/count/<int:number>")
    def count(number: int) -> str:
        begin(errtrack, number)
        together.wait(30)
        end = copy_current_request_context(logger.error)
        thread = threading.Thread(target=end, args=("end %s", number))
        thread.start()
        thread.join()
        return "fine"

    run_threads(lambda number: visit(app, f"/count/{number}"), 50)
    assert_not_mixed(sent.events, 50)
    for event in sent.events:
        assert event["request"]["url"].endswith(event["tags"]["number"])


def test_a_pool_that_serves_many_requests_keeps_nothing_of_any(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    with ThreadPoolExecutor(4) as pool:

        @app.get("/asked/<int:number>")
        def asked(number: int) -> str:
            begin(errtrack, number)
            run = contextvars.copy_context().run
            pool.submit(run, logger.error, "end %s", number).result()
            return "fine"

        @app.get("/not-asked")
        def not_asked() -> str:
            begin(errtrack, 99)
            pool.submit(logger.error, "alone").result()
            return "fine"

        run_threads(lambda number: visit(app, f"/asked/{number}"), 20)
        assert_not_mixed(sent.events, 20)
        visit(app, "/not-asked")
    alone = sent.events[-1]
    assert not {"user", "tags", "request", "breadcrumbs"} & alone.keys()


@pytest.mark.parametrize("way", ["job", "push_scope"])
@pytest.mark.parametrize("place", ["outside", "app context", "client alone"])
def test_two_hundred_tasks(
    app: Flask,
    make_transport: MakeTransport,
    sent: MemoryTransport,
    errtrack: ErrTrack,
    place: str,
    way: str,
) -> None:
    alone = make_transport()
    client = Client(transport=alone) if place == "client alone" else None
    tracker = client or errtrack

    async def work(number: int) -> None:
        with tracker.job("count") if way == "job" else tracker.push_scope():
            begin(tracker, number)
            for pause in range(number % 4):
                await asyncio.sleep(0.001 * pause)
            await asyncio.to_thread(logger.error, "end %s", number)

    async def main() -> None:
        await asyncio.gather(*(work(number) for number in range(200)))

    with app.app_context() if place == "app context" else nullcontext():
        asyncio.run(main())
        tracker.capture_message("after")
    events = sent.events if client is None else alone.events
    # Outside of an app nothing but work of its own keeps breadcrumbs.
    if place == "outside" and way == "push_scope":
        for event in events[:-1]:
            assert event["user"]["id"] == event["tags"]["number"]
        assert len(events) == 201
    else:
        assert_not_mixed(events[:-1], 200)
    assert not {"user", "tags", "breadcrumbs"} & events[-1].keys()
    if client is not None:
        client.close()


def test_threads_that_share_an_app_context(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    together = threading.Barrier(20)

    def work(number: int) -> None:
        with errtrack.job("count"):
            begin(errtrack, number)
            together.wait(30)
            logger.error("end %s", number)

    with app.app_context():
        contexts = [contextvars.copy_context() for _ in range(20)]
        run_threads(lambda number: contexts[number].run(work, number), 20)
        errtrack.capture_message("after")
    assert_not_mixed(sent.events[:-1], 20)
    assert not {"user", "tags", "breadcrumbs"} & sent.events[-1].keys()


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent, json, logging, tempfile, threading
from flask import Flask
from flask_errtrack import ErrTrack
from flask_errtrack.transports import MemoryTransport

logging.basicConfig(level=logging.CRITICAL)
logger = logging.getLogger("shop.stock")
logger.setLevel(logging.INFO)
sent = MemoryTransport()
app = Flask("shop", instance_path=tempfile.mkdtemp())
errtrack = ErrTrack(app, transport=sent)

def begin(number):
    errtrack.set_user({"id": number})
    errtrack.set_tag("number", number)
    logger.info("begin %s", number)
    gevent.sleep(0.001 * (number % 7))

@app.get("/count/<int:number>")
def count(number):
    begin(number)
    logger.error("end %s", number)
    return "fine"

def request(number):
    app.test_client().get(f"/count/{number}")

def job(number):
    with errtrack.job("count"):
        begin(number)
        logger.error("end %s", number)

def thread(number):
    started = threading.Thread(target=job, args=(number,))
    started.start()
    started.join()

def main():
    ways = (request, job, thread)
    gevent.joinall([gevent.spawn(ways[n % 3], n) for n in range(150)])
    print(json.dumps(sent.events))

main()
"""


def test_greenlets(tmp_path: Path) -> None:
    pytest.importorskip("gevent")
    done = subprocess.run(
        [sys.executable, "-c", GREENLETS],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    events: list[Any] = json.loads(done.stdout)
    assert_not_mixed(events, 150)
