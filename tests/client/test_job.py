"""Work outside of requests: a scope of its own, and one event for one incident."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask
from places import Broken, fail, visit
from waiting import wait_until
from werkzeug.exceptions import NotFound

from flask_errtrack import Client, ErrTrack
from flask_errtrack.errors import ConfigError
from flask_errtrack.event import Event
from flask_errtrack.transports import MemoryTransport

logger = logging.getLogger("shop.jobs")


def client_of(app: Flask) -> Client:
    client: Client = app.extensions["errtrack"]
    return client


def types_of(event: Event) -> list[str]:
    return [value["type"] for value in event["exception"]["values"]]


def test_an_error_that_leaves_a_job_is_an_event_with_its_name(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    with pytest.raises(Broken), errtrack.job("import-orders") as scope:
        scope.set_tag("shop", "north")
        fail()
    (event,) = sent.events
    assert event["transaction"] == "import-orders"
    assert event["transaction_info"] == {"source": "task"}
    assert event["tags"] == {"shop": "north"}
    mechanism = event["exception"]["values"][-1]["mechanism"]
    assert (mechanism["type"], mechanism["handled"]) == ("job", False)


def test_functions_can_be_jobs_sync_and_async(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    @errtrack.job("sync")
    def add(first: int, second: int) -> int:
        errtrack.capture_message("adding")
        return first + second

    @errtrack.job("async")
    async def divide(first: int, second: int) -> float:
        await asyncio.sleep(0)
        return first / second

    assert add(1, second=2) == 3
    assert add.__name__ == "add"
    with pytest.raises(ZeroDivisionError):
        asyncio.run(divide(1, 0))
    assert [event["transaction"] for event in sent.events] == ["sync", "async"]


def test_a_job_without_a_name_says_how_to_give_it_one() -> None:
    with pytest.raises(ConfigError, match=r'such as @errtrack\.job\("send-mails"\)'):

        @ErrTrack().job  # type: ignore[arg-type]
        def send_mails() -> None: ...


def test_without_an_app_a_job_just_runs() -> None:
    errtrack = ErrTrack()
    with pytest.raises(Broken), errtrack.job("import-orders") as scope:
        scope.set_tag("shop", "north")
        fail()


@pytest.mark.parametrize(
    "way_out", [SystemExit(1), KeyboardInterrupt(), NotFound()], ids=repr
)
def test_ways_to_end_a_job_are_no_events(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack, way_out: BaseException
) -> None:
    with pytest.raises(type(way_out)), errtrack.job("import-orders"):
        raise way_out
    assert sent.events == []


def test_a_timeout_of_gevent_that_leaves_a_job_is_an_event(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    gevent = pytest.importorskip("gevent")
    with pytest.raises(gevent.Timeout), errtrack.job("import-orders"):
        raise gevent.Timeout
    assert [types_of(event) for event in sent.events] == [["Timeout"]]


@pytest.mark.parametrize("is_in_context", [True, False])
def test_nothing_gets_into_a_job_or_out_of_it(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack, is_in_context: bool
) -> None:
    def three() -> None:
        errtrack.set_tag("is", "around")
        with errtrack.job("import-orders"):
            errtrack.capture_message("inside")
            errtrack.set_user({"id": 17})
            errtrack.set_tag("only", "inside")
            errtrack.capture_message("inside")
        errtrack.capture_message("after")

    if is_in_context:
        with app.app_context():
            three()
    else:
        with errtrack.push_scope():
            three()
    tags = [event.get("tags") for event in sent.events]
    assert tags == [None, {"only": "inside"}, {"is": "around"}]
    assert [("user" in event) for event in sent.events] == [False, True, False]


def test_an_app_context_in_a_job_has_the_scope_of_the_job(
    app: Flask, sent: MemoryTransport
) -> None:
    client = client_of(app)
    with app.app_context(), client.work("import-orders") as scope:
        with suppress(Broken), app.app_context():
            client.set_tag("shop", "north")
            fail()
        # Who began the work tells of its errors: the context does not.
        assert sent.events == []
        client.capture_message("after")
        assert client.scope is scope
    assert [event["tags"] for event in sent.events] == [{"shop": "north"}]


def test_a_request_in_a_job_is_work_of_its_own(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    app.add_url_rule("/broken", "broken", fail)
    with errtrack.job("import-orders"):
        errtrack.set_tag("is", "job")
        visit(app)
        visit(app)
        errtrack.capture_message("after")
    assert [event.get("tags") for event in sent.events] == [None, None, {"is": "job"}]
    assert sent.events[0]["transaction"] == "broken"


def test_one_exception_is_one_event_however_many_jobs_it_leaves(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.get("/broken")
    def broken() -> str:
        with errtrack.job("inner"), errtrack.job("innermost"):
            return str(fail())

    with suppress(Broken), errtrack.job("outer"):
        app.test_client().get("/broken")
    (event,) = sent.events
    assert event["transaction"] == "innermost"


def test_log_then_raise_is_the_raise(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    with suppress(Broken), errtrack.job("import-orders"):
        try:
            fail()
        except Broken:
            logger.exception("importing failed")
            assert errtrack.last_event_id()
            raise
    (event,) = sent.events
    assert event["exception"]["values"][-1]["mechanism"]["type"] == "job"
    assert "logger" not in event


def test_log_then_raise_is_the_raise_past_the_end_of_an_app_context(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    with suppress(Broken), errtrack.job("import-orders"), app.app_context():
        try:
            fail()
        except Broken:
            logger.exception("importing failed")
            raise
    (event,) = sent.events
    assert event["exception"]["values"][-1]["mechanism"]["type"] == "job"


def _raise_from(error: Exception) -> None:
    raise LookupError("no order") from error


def _raise_within(error: Exception) -> None:
    raise LookupError("no order")


def _raise_group(error: Exception) -> None:
    raise ExceptionGroup("several", [error, LookupError("no order")])


@pytest.mark.parametrize("raise_another", [_raise_from, _raise_within, _raise_group])
@pytest.mark.parametrize("place", ["request", "job", "command"])
def test_what_is_raised_from_a_logged_error_is_the_same_incident(
    app: Flask,
    sent: MemoryTransport,
    errtrack: ErrTrack,
    place: str,
    raise_another: Any,
) -> None:
    logged_ids: list[str | None] = []

    def work() -> str:
        try:
            return str(fail())
        except Broken as error:
            logger.exception("reading failed")
            logged_ids.append(errtrack.last_event_id())
            raise_another(error)
        return ""

    if place == "request":
        app.add_url_rule("/broken", "broken", work)
        visit(app)
    elif place == "job":
        with suppress(Exception), errtrack.job("import-orders"):
            work()
    else:
        app.cli.command("work")(work)
        app.test_cli_runner().invoke(args=["work"])
    (event,) = sent.events
    assert [event["event_id"]] == logged_ids
    assert "Broken" in types_of(event)
    assert types_of(event)[-1] in ("LookupError", "ExceptionGroup")


def test_what_was_dealt_with_before_is_another_incident(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    with suppress(LookupError), errtrack.job("import-orders"):
        try:
            fail()
        except Broken:
            logger.exception("reading failed")
        raise LookupError("no order")
    assert [types_of(event) for event in sent.events] == [["LookupError"], ["Broken"]]


def test_what_only_was_logged_is_sent_when_the_job_ends(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    with errtrack.job("import-orders"):
        try:
            fail()
        except Broken:
            logger.exception("importing failed")
        assert sent.events == []
    assert sent.events[0]["logger"] == "shop.jobs"


def test_in_a_job_without_an_end_it_is_sent_soon(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    with errtrack.job("worker"):
        try:
            fail()
        except Broken:
            logger.exception("one order failed")
        wait_until(lambda: len(sent.events) == 1)
    assert len(sent.events) == 1


def test_threads_and_tasks_of_a_job_have_tags_of_their_own(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    async def task(number: int) -> None:
        errtrack.set_tag(f"task{number}", "here")
        await asyncio.sleep(0)
        errtrack.capture_message("task")

    @errtrack.job("import-orders")
    async def job() -> None:
        errtrack.set_tag("is", "job")
        await asyncio.gather(task(1), task(2))
        await asyncio.to_thread(errtrack.capture_message, "inherits")
        thread = threading.Thread(target=errtrack.capture_message, args=("alone",))
        thread.start()
        await asyncio.to_thread(thread.join)

    asyncio.run(job())
    assert [event.get("tags") for event in sent.events] == [
        {"is": "job", "task1": "here"},
        {"is": "job", "task2": "here"},
        {"is": "job"},
        None,
    ]


def test_one_object_serves_runs_that_overlap(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    job = errtrack.job("import-orders")

    async def run(number: int, pause: asyncio.Event, go: asyncio.Event) -> None:
        with job as scope:
            scope.set_tag("run", number)
            go.set()
            await pause.wait()
            errtrack.capture_message("done")

    async def both() -> None:
        first, second = asyncio.Event(), asyncio.Event()
        await asyncio.gather(run(1, first, second), run(2, second, first))

    asyncio.run(both())
    assert sorted(event["tags"]["run"] for event in sent.events) == ["1", "2"]


def test_an_app_context_in_a_job_inside_of_a_request_belongs_to_the_job(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    @app.get("/broken")
    def buy() -> str:
        errtrack.set_tag("request", 1)
        with suppress(Broken), errtrack.job("send-mails"):
            with app.app_context(), app.app_context():
                errtrack.set_tag("job", 2)
            fail()
        return ""

    visit(app)
    (event,) = sent.events
    assert (event["transaction"], event["tags"]) == ("send-mails", {"job": "2"})


def test_a_fault_in_a_group_with_a_way_to_end_is_an_event(
    errtrack: ErrTrack, app: Flask, sent: MemoryTransport
) -> None:
    with pytest.raises(BaseExceptionGroup), errtrack.job("many"):
        raise BaseExceptionGroup("ended", [Broken("one"), KeyboardInterrupt()])
    with pytest.raises(BaseExceptionGroup), errtrack.job("many"):
        raise BaseExceptionGroup("ended", [KeyboardInterrupt()])
    assert [types_of(event)[-1] for event in sent.events] == ["BaseExceptionGroup"]
