"""APScheduler: real schedulers, with each kind of executor."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from apscheduler.executors.pool import ProcessPoolExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.schedulers.background import BackgroundScheduler
from conftest import MakeApp
from flask import Flask
from places import Broken, fail
from waiting import wait_until

from flask_errtrack import Client, ErrTrack
from flask_errtrack.contrib.apscheduler import init_apscheduler
from flask_errtrack.event import Event
from flask_errtrack.transports import MemoryTransport

logger = logging.getLogger("shop.jobs")


@contextmanager
def scheduler(
    errtrack: ErrTrack | Client, executor: Any = None, **options: Any
) -> Iterator[BackgroundScheduler]:
    """A scheduler in a thread; at the end its jobs are done."""
    executors = {} if executor is None else {"default": executor}
    made = BackgroundScheduler(executors=executors, timezone="UTC")
    init_apscheduler(made, errtrack, **options)
    made.start()
    try:
        yield made
        wait_until(lambda: not made.get_jobs())
    finally:
        made.shutdown()


def send_order(number: int, password: str, **options: Any) -> None:
    raise Broken(f"order {number} is broken")


def type_of(event: Event) -> str:
    return event["exception"]["values"][-1]["type"]


def test_what_fails_is_one_event_that_says_which_job_it_was(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    with scheduler(errtrack) as jobs:
        arguments = {"args": [17, "hunter2-secret"], "kwargs": {"note": "soon"}}
        jobs.add_job(send_order, id="nightly", **arguments)
    (event,) = sent.events
    assert type_of(event) == "Broken"
    assert event["transaction"] == "send_order"
    assert event["transaction_info"] == {"source": "task"}
    mechanism = event["exception"]["values"][-1]["mechanism"]
    assert (mechanism["type"], mechanism["handled"]) == ("apscheduler", False)
    context = event["contexts"]["apscheduler"]
    assert context["job_id"] == "nightly"
    assert context["arguments"] == {
        "number": 17,
        "password": "[redacted]",
        "note": "soon",
    }
    frame = event["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    assert frame["vars"]["number"] == 17
    assert "hunter2" not in json.dumps(event)


def test_nothing_of_a_run_gets_into_the_next_one(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def mark() -> None:
        errtrack.set_tag("order", 17)
        logger.info("order 17")

    with scheduler(errtrack, {"type": "threadpool", "max_workers": 1}) as jobs:
        jobs.add_job(mark)
        jobs.add_job(fail)
    (event,) = sent.events
    assert "tags" not in event
    assert "breadcrumbs" not in event


def test_log_then_raise_in_a_job_is_the_raise(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def log_then_raise() -> None:
        try:
            fail()
        except Broken:
            logger.exception("the order failed")
            raise

    with scheduler(errtrack) as jobs:
        jobs.add_job(log_then_raise)
    (event,) = sent.events
    assert event["exception"]["values"][-1]["mechanism"]["type"] == "apscheduler"


def test_what_a_job_gives_back_and_how_often_it_runs_stays_as_it_was(
    app: Flask, errtrack: ErrTrack
) -> None:
    results: list[Any] = []
    with scheduler(errtrack) as jobs:
        jobs.add_listener(lambda event: results.append(getattr(event, "retval", None)))
        job = jobs.add_job(str, args=[17], name="text of")
        assert job.func is str
    assert "17" in results


def test_jobs_may_be_coroutines(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    async def restock() -> None:
        errtrack.set_tag("shelf", "top")
        await asyncio.sleep(0)
        fail()

    async def main() -> None:
        jobs = AsyncIOScheduler(timezone="UTC")
        init_apscheduler(jobs, errtrack)
        jobs.start()
        jobs.add_job(restock)
        while not sent.events:
            await asyncio.sleep(0.01)
        jobs.shutdown()

    asyncio.run(asyncio.wait_for(main(), 60))
    (event,) = sent.events
    assert event["tags"] == {"shelf": "top"}


def test_what_fails_in_another_process_is_an_event_here(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    with scheduler(errtrack, ProcessPoolExecutor(1)) as jobs:
        jobs.add_job(int, args=["many"], id="count")
        wait_until(lambda: sent.events)
    (event,) = sent.events
    assert type_of(event) == "ValueError"
    assert event["transaction"] == "count"
    assert "in run_job" in event["extra"]["traceback"]


@pytest.mark.parametrize("is_wanted", [True, False])
def test_runs_that_were_missed_are_warnings_if_that_is_wanted(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack, is_wanted: bool
) -> None:
    with scheduler(errtrack, report_missed=is_wanted) as jobs:
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        jobs.add_job(str, "date", run_date=long_ago, id="nightly")
    texts = [(one["level"], one["logentry"]["formatted"]) for one in sent.events]
    assert texts == [("warning", "A run of job nightly was missed")] * is_wanted


def test_runs_that_would_overlap_are_warnings_if_that_is_wanted(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    is_done = threading.Event()
    with scheduler(errtrack, report_missed=True) as jobs:
        job = jobs.add_job(is_done.wait, "interval", args=[60], seconds=0.02)
        wait_until(lambda: sent.events)
        job.remove()
        is_done.set()
    assert "was skipped" in sent.events[0]["logentry"]["formatted"]


def test_a_scheduler_may_begin_without_an_app(sent: MemoryTransport) -> None:
    client = Client(transport=sent)
    with scheduler(client) as jobs:
        jobs.add_job(fail)
    client.close()
    assert [type_of(event) for event in sent.events] == ["Broken"]


def test_the_extension_may_get_its_app_later(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    errtrack = ErrTrack()
    with scheduler(errtrack) as jobs:
        jobs.add_job(fail)
    make_app(errtrack=errtrack, transport=sent)
    with scheduler(errtrack) as jobs:
        jobs.add_job(fail)
    assert len(sent.events) == 1
