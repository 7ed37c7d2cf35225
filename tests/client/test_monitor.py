"""Monitors: a scheduled job tells when it begins and how it ends, and runs as ever."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext, suppress
from contextvars import copy_context
from datetime import timedelta
from functools import partial
from typing import Any

import click
import pytest
from conftest import MakeApp
from flask import Flask
from places import Broken, fail, visit
from werkzeug.exceptions import NotFound

from flask_errtrack import Client, ConfigError, ErrTrack, Scope
from flask_errtrack.event import Event
from flask_errtrack.transports import MemoryTransport

NIGHTLY = {"schedule": {"type": "crontab", "value": "0 3 * * *"}}
logger = logging.getLogger("shop.jobs")


def check_ins(sent: MemoryTransport) -> list[dict[str, Any]]:
    items = [item for envelope in sent.envelopes for item in envelope.items]
    return [item.json() for item in items if item.type == "check_in"]


def statuses(sent: MemoryTransport) -> list[str]:
    return [one["status"] for one in check_ins(sent)]


def kinds(sent: MemoryTransport) -> list[str]:
    """What was sent, in order: types of exceptions, and statuses of runs."""
    found = []
    for envelope in sent.envelopes:
        for item in envelope.items:
            one = item.json()
            if item.type == "check_in":
                found.append(one["status"])
            else:
                found.append(one["exception"]["values"][-1]["type"])
    return found


@pytest.fixture
def client(sent: MemoryTransport) -> Iterator[Client]:
    """A client without Flask."""
    client = Client(transport=sent)
    yield client
    client.close()


def seventeen() -> int:
    return 17


def only_event(sent: MemoryTransport) -> Event:
    (event,) = sent.events
    return event


def test_a_run_is_told_at_its_beginning_and_at_its_end(
    make_app: MakeApp, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    make_app(errtrack=errtrack, transport=sent, environment="test", release="1.2")

    @errtrack.monitor("nightly-report", schedule="0 3 * * *")
    def report(first: int, *, second: int) -> int:
        """Write the report."""
        assert statuses(sent) == ["in_progress"]
        return first + second

    assert report(1, second=2) == 3
    assert (report.__name__, report.__doc__) == ("report", "Write the report.")
    begin, end = check_ins(sent)
    assert len(begin["check_in_id"]) == 32
    assert begin == {
        "check_in_id": end["check_in_id"],
        "monitor_slug": "nightly-report",
        "status": "in_progress",
        "environment": "test",
        "release": "1.2",
        "monitor_config": NIGHTLY,
    }
    assert 0 <= end.pop("duration") < 60
    assert end == {**begin, "status": "ok"}
    assert sent.events == []


def test_each_run_is_one_of_its_own(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    monitor = errtrack.monitor("sync")

    @monitor
    def sync(depth: int) -> None:
        if depth:
            sync(depth - 1)

    sync(1)
    outer, inner, inner_end, outer_end = (one["check_in_id"] for one in check_ins(sent))
    assert (outer, inner) == (outer_end, inner_end) and outer != inner
    with monitor, monitor:
        pass
    assert len({one["check_in_id"] for one in check_ins(sent)}) == 4


def test_runs_at_the_same_time_are_told_apart(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    barrier = threading.Barrier(8)

    @errtrack.monitor("sync")
    def sync(number: int) -> None:
        errtrack.set_tag("number", number)
        barrier.wait(60)
        raise Broken(number)

    def run(number: int) -> None:
        with suppress(Broken):
            sync(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [one["check_in_id"] for one in check_ins(sent)]
    assert sorted(statuses(sent)) == ["error"] * 8 + ["in_progress"] * 8
    assert len(set(ids)) == 8 and all(ids.count(one) == 2 for one in ids)
    for event in sent.events:
        number = event["exception"]["values"][-1]["value"]
        assert event["tags"] == {"number": number}
    assert {event["contexts"]["monitor"]["check_in_id"] for event in sent.events} == (
        set(ids)
    )


def test_an_exception_is_one_event_that_names_the_run_and_goes_on(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    error = Broken("no report")
    with pytest.raises(Broken) as caught, errtrack.monitor("nightly-report"):
        errtrack.set_tag("shelf", "top")
        raise error
    assert caught.value is error
    assert kinds(sent) == ["in_progress", "Broken", "error"]
    event = only_event(sent)
    assert event["transaction"] == "nightly-report"
    assert event["transaction_info"] == {"source": "task"}
    assert event["tags"] == {"shelf": "top"}
    assert event["contexts"]["monitor"] == {
        "type": "monitor",
        "slug": "nightly-report",
        "check_in_id": check_ins(sent)[0]["check_in_id"],
    }
    mechanism = event["exception"]["values"][-1]["mechanism"]
    assert (mechanism["type"], mechanism["handled"]) == ("job", False)


def test_methods_and_async_functions_can_be_watched(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    class Reports:
        @errtrack.monitor("write")
        def write(self, text: str) -> tuple[Reports, str]:
            return self, text

        @errtrack.monitor("send")
        async def send(self, text: str) -> str:
            await asyncio.sleep(0)
            assert statuses(sent)[2:] == ["in_progress"]
            return text

    reports = Reports()
    assert reports.write("it") == (reports, "it")
    assert asyncio.run(reports.send("it")) == "it"
    assert [(one["monitor_slug"], one["status"]) for one in check_ins(sent)] == [
        ("write", "in_progress"),
        ("write", "ok"),
        ("send", "in_progress"),
        ("send", "ok"),
    ]


@pytest.mark.parametrize(
    ("way_out", "status"),
    [
        (SystemExit(), "ok"),
        (SystemExit(0), "ok"),
        (SystemExit(3), "error"),
        (SystemExit("no report"), "error"),
        (KeyboardInterrupt(), "error"),
        (GeneratorExit(), "error"),
        (asyncio.CancelledError(), "error"),
        (click.exceptions.Exit(0), "ok"),
        (click.exceptions.Exit(2), "error"),
        (click.Abort(), "error"),
        (click.UsageError("no such report"), "error"),
        (NotFound(), "error"),
    ],
    ids=repr,
)
def test_a_run_that_does_not_come_to_its_end_failed_and_is_no_event(
    app: Flask,
    errtrack: ErrTrack,
    sent: MemoryTransport,
    way_out: BaseException,
    status: str,
) -> None:
    with pytest.raises(type(way_out)) as caught, errtrack.monitor("report"):
        raise way_out
    assert caught.value is way_out
    assert statuses(sent) == ["in_progress", status]
    assert sent.events == []


def test_a_task_that_is_cancelled_tells_so(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    @errtrack.monitor("sync")
    async def sync() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(sync())
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert statuses(sent) == ["in_progress", "error"]


@pytest.mark.parametrize(
    ("given", "schedule"),
    [
        ("0 3 * * *", {"type": "crontab", "value": "0 3 * * *"}),
        (" 0  3 * * mon-fri ", {"type": "crontab", "value": "0 3 * * mon-fri"}),
        ("@daily", {"type": "crontab", "value": "0 0 * * *"}),
        (timedelta(minutes=10), {"type": "interval", "value": 10, "unit": "minute"}),
        (timedelta(minutes=90), {"type": "interval", "value": 90, "unit": "minute"}),
        (timedelta(hours=48), {"type": "interval", "value": 2, "unit": "day"}),
        (timedelta(weeks=2), {"type": "interval", "value": 2, "unit": "week"}),
    ],
    ids=repr,
)
def test_a_schedule_is_a_crontab_line_or_an_interval(
    app: Flask,
    errtrack: ErrTrack,
    sent: MemoryTransport,
    given: Any,
    schedule: dict[str, Any],
) -> None:
    with errtrack.monitor("report", schedule=given):
        pass
    assert check_ins(sent)[0]["monitor_config"] == {"schedule": schedule}


def test_the_rest_is_told_by_the_names_of_the_protocol(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    with errtrack.monitor(
        "report",
        schedule="@daily",
        timezone="Europe/Berlin",
        checkin_margin_minutes=5,
        max_runtime_minutes=60,
        failure_issue_threshold=2,
        recovery_threshold=3,
    ):
        pass
    assert check_ins(sent)[0]["monitor_config"] == {
        "schedule": {"type": "crontab", "value": "0 0 * * *"},
        "timezone": "Europe/Berlin",
        "checkin_margin": 5,
        "max_runtime": 60,
        "failure_issue_threshold": 2,
        "recovery_threshold": 3,
    }


@pytest.mark.parametrize(
    ("slug", "wrong", "said"),
    [
        (fail, {}, '@errtrack.monitor\\("nightly-report"\\)'),
        ("", {}, "'' ?; expected a name of letters"),
        ("!?", {}, "'!\\?' ?; expected a name of letters"),
        ("j" * 51, {}, "expected 50 characters at most"),
        (None, {}, "is None; expected a name"),
        ("job", {"schedule": "0 25 * * *"}, "is '0 25 .*; expected a crontab line"),
        ("job", {"schedule": "every day"}, "is 'every day'; expected a crontab"),
        ("job", {"schedule": "0 0 30 2 *"}, "expected a crontab line"),
        ("job", {"schedule": ""}, "is ''; expected a crontab line"),
        ("job", {"schedule": 3}, "is 3; expected a crontab line"),
        ("job", {"schedule": timedelta(seconds=90)}, "a timedelta of whole minutes"),
        ("job", {"schedule": timedelta(0)}, "a timedelta of whole minutes"),
        ("job", {"schedule": timedelta(hours=-1)}, "a timedelta of whole minutes"),
        ("job", {"schedule": timedelta.max}, "a timedelta of whole minutes"),
        ("job", {"timezone": "UTC"}, "has timezone and no schedule"),
        ("job", {"max_runtime_minutes": 3}, "has max_runtime_minutes and no schedule"),
        ("job", {"schedule": "@daily", "timezone": "Berlin"}, "'Berlin'; expected"),
        ("job", {"schedule": "@daily", "timezone": 1}, "timezone of a monitor is 1"),
        *(
            ("job", {"schedule": "@daily", name: value}, f"{name} is {value!r}; exp")
            for name in (
                "checkin_margin_minutes",
                "max_runtime_minutes",
                "failure_issue_threshold",
                "recovery_threshold",
            )
            for value in (0, -1, 1.5, "3", True, 10**9)
        ),
    ],
)
def test_what_cannot_be_meant_stops_the_program_before_any_job_runs(
    errtrack: ErrTrack, slug: Any, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        errtrack.monitor(slug, **wrong)


def numbers() -> Iterator[int]:
    yield 1


async def async_numbers() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (numbers, "numbers is a generator"),
        (async_numbers, "async_numbers is a generator"),
        (click.Command("report"), "expected a function, below the decorators"),
        (classmethod(fail), "expected a function, below the decorators"),
        (staticmethod(fail), "expected a function, below the decorators"),
        (Broken, "expected a function"),
        (None, "expected a function"),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
@pytest.mark.parametrize("kind", ["job", "monitor"])
def test_what_is_no_function_to_watch_stops_the_program_too(
    errtrack: ErrTrack, kind: str, function: Any, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        getattr(errtrack, kind)("report")(function)


def test_callables_of_any_kind_are_watched(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    class Awaited:
        async def __call__(self, number: int) -> int:
            assert statuses(sent)[-1] == "in_progress"
            return number

    assert errtrack.monitor("a")(partial(max, 3))(4) == 4
    assert asyncio.run(errtrack.monitor("b")(Awaited())(5)) == 5
    assert asyncio.run(errtrack.monitor("c")(partial(Awaited().__call__, 6))()) == 6
    assert statuses(sent) == ["in_progress", "ok"] * 3


def test_before_there_is_an_app_and_where_nothing_is_captured_a_job_just_runs(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    errtrack = ErrTrack()

    @errtrack.monitor("report", schedule="@daily")
    def report() -> int:
        with errtrack.monitor("part") as scope:
            scope.set_tag("shelf", "top")
        return 17

    assert report() == 17
    app = make_app(errtrack=errtrack, transport=sent)
    assert report() == 17
    assert len(check_ins(sent)) == 4
    with app.app_context():
        errtrack.close()
    assert report() == 17
    assert len(check_ins(sent)) == 4
    off = ErrTrack()
    make_app(errtrack=off, enabled=False)
    with pytest.raises(Broken), off.monitor("report"):
        fail()


@pytest.mark.swallows_errors
def test_a_job_of_nobody_knows_which_app_runs_all_the_same(
    make_app: MakeApp, sent: MemoryTransport, caplog: pytest.LogCaptureFixture
) -> None:
    errtrack = ErrTrack()
    first = make_app(errtrack=errtrack, transport=sent)
    make_app(errtrack=errtrack, transport=MemoryTransport())
    report = errtrack.monitor("report")(seventeen)
    assert report() == 17
    assert check_ins(sent) == []
    assert "no app context is active" in caplog.text
    with first.app_context():
        assert report() == 17
    assert statuses(sent) == ["in_progress", "ok"]


def test_a_client_without_flask_watches_jobs_too(
    client: Client, sent: MemoryTransport
) -> None:
    with pytest.raises(Broken), client.monitor("report"):
        fail()
    assert kinds(sent) == ["in_progress", "Broken", "error"]
    assert only_event(sent)["transaction"] == "report"


@pytest.mark.swallows_errors
def test_a_transport_that_fails_stops_no_job() -> None:
    class Full:
        def send(self, envelope: Any) -> None:
            raise OSError("full")

    client = Client(transport=Full())
    report = client.monitor("report")(seventeen)
    assert report() == 17
    client.close()


def in_command(app: Flask, job: Callable[[], None]) -> None:
    app.cli.command("send")(job)
    app.test_cli_runner().invoke(args=["send"])


def in_request(app: Flask, job: Callable[[], None]) -> None:
    @app.get("/broken")
    def send() -> str:
        job()
        return ""

    visit(app)


def in_job(app: Flask, job: Callable[[], None]) -> None:
    with suppress(Broken), app.extensions["errtrack"].job("send"):
        job()


def in_app_context(app: Flask, job: Callable[[], None]) -> None:
    with suppress(Broken), app.app_context():
        job()


def in_nothing(app: Flask, job: Callable[[], None]) -> None:
    with suppress(Broken):
        job()


@pytest.mark.parametrize("run", [in_command, in_request, in_job])
def test_a_run_is_part_of_the_work_around_it_and_its_error_is_one_event(
    app: Flask,
    errtrack: ErrTrack,
    sent: MemoryTransport,
    run: Callable[[Flask, Callable[[], None]], None],
) -> None:
    def job() -> None:
        errtrack.set_tag("outer", 1)
        with errtrack.monitor("good"):
            errtrack.set_tag("inner", 2)
            errtrack.capture_message("in it")
        errtrack.capture_message("after it")
        with errtrack.monitor("bad"):
            fail()

    run(app, job)
    inside, after, failed = sent.events
    assert {one["transaction"] for one in sent.events} == {"send"}
    assert inside["contexts"]["monitor"]["slug"] == "good"
    assert "monitor" not in after["contexts"]
    assert failed["contexts"]["monitor"]["slug"] == "bad"
    assert {tuple(one["tags"].items()) for one in sent.events} == {
        (("outer", "1"), ("inner", "2"))
    }
    assert failed["exception"]["values"][-1]["mechanism"]["handled"] is False
    assert statuses(sent) == ["in_progress", "ok", "in_progress", "error"]


@pytest.mark.parametrize("run", [in_app_context, in_nothing])
def test_elsewhere_a_run_is_a_job_of_its_own(
    app: Flask,
    errtrack: ErrTrack,
    sent: MemoryTransport,
    run: Callable[[Flask, Callable[[], None]], None],
) -> None:
    def job() -> None:
        errtrack.set_tag("outer", 1)
        try:
            with errtrack.monitor("report"), app.app_context():
                errtrack.set_tag("inner", 2)
                fail()
        finally:
            errtrack.capture_message("after it")

    run(app, job)
    failed, after = sent.events
    assert (failed["transaction"], failed["tags"]) == ("report", {"inner": "2"})
    assert failed["contexts"]["monitor"]["slug"] == "report"
    assert after["tags"] == {"outer": "1"}
    assert "transaction" not in after and "monitor" not in after["contexts"]


def test_who_reports_the_failures_of_a_task_decides_what_is_one(
    client: Client, sent: MemoryTransport
) -> None:
    report = client.monitor("report")(fail)
    with client.work("shop.tasks.report") as scope:
        with suppress(Broken):
            report()
        assert kinds(sent) == ["in_progress", "error"]
        try:
            report()
        except Broken as error:
            client.capture_exception(error, scope=scope)
    event = only_event(sent)
    assert event["transaction"] == "shop.tasks.report"
    runs = [one["check_in_id"] for one in check_ins(sent)]
    assert event["contexts"]["monitor"]["check_in_id"] == runs[-1] != runs[0]


def test_a_run_in_a_run_is_the_one_that_an_error_names(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    with suppress(Broken), errtrack.monitor("outer"):
        with errtrack.monitor("inner"):
            pass
        errtrack.capture_message("between")
        with errtrack.monitor("inner"):
            fail()
    between, failed = sent.events
    assert between["contexts"]["monitor"]["slug"] == "outer"
    assert failed["contexts"]["monitor"]["slug"] == "inner"


class Odd(Exception):
    """One that breaks whoever looks at it."""

    def __str__(self) -> str:
        raise Broken

    __repr__ = __str__


class OddCode:
    def __eq__(self, other: object) -> bool:
        raise Broken

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.swallows_errors
@pytest.mark.parametrize("place", ["outside", "in a job"])
@pytest.mark.parametrize(
    "make", [Odd, lambda: SystemExit(OddCode())], ids=["odd", "exit"]
)
def test_an_exception_that_breaks_who_looks_at_it_goes_on_as_it_came(
    client: Client,
    sent: MemoryTransport,
    make: Callable[[], BaseException],
    place: str,
) -> None:
    error = make()
    around = client.job("around") if place == "in a job" else nullcontext(Scope())
    caught: list[BaseException] = []
    try:
        with around, client.monitor("report"):
            raise error
    except BaseException as one:  # noqa: BLE001 - whatever comes
        caught.append(one)
    is_same = caught[0] is error
    assert is_same
    assert statuses(sent) == ["in_progress", "error"]


def test_what_is_logged_and_then_raised_in_a_run_is_one_event(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    with suppress(KeyError), errtrack.monitor("report"):
        try:
            fail()
        except Broken as error:
            logger.exception("no shelf")
            raise KeyError("no report") from error
    types = [value["type"] for value in only_event(sent)["exception"]["values"]]
    assert types == ["Broken", "KeyError"]


def test_an_error_that_a_run_survives_is_told_at_once_and_the_run_is_good(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    with errtrack.monitor("report"):
        try:
            fail()
        except Broken:
            errtrack.capture_exception()
        assert len(sent.events) == 1
    assert kinds(sent) == ["in_progress", "Broken", "ok"]


def test_two_runs_at_once_in_one_app_context_do_not_mix(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    @errtrack.monitor("sync")
    async def sync(number: int) -> None:
        errtrack.set_tag("number", number)
        await asyncio.sleep(0)
        errtrack.set_tag("half", number)
        raise Broken(number)

    async def main() -> None:
        await asyncio.gather(
            *(sync(number) for number in range(20)), return_exceptions=True
        )

    with app.app_context():
        asyncio.run(main())
        errtrack.capture_message("after it")
    *events, message = sent.events
    assert len(events) == 20
    for event in events:
        number = event["exception"]["values"][-1]["value"]
        assert event["tags"] == {"number": number, "half": number}
    assert "tags" not in message


def test_a_run_may_end_in_another_thread_or_context_than_it_began(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    def rows() -> Iterator[int]:
        with errtrack.monitor("export"):
            yield 1
            yield 2

    found: list[int] = []
    stream = rows()
    found.append(next(stream))
    thread = threading.Thread(target=lambda: found.extend(stream))
    thread.start()
    thread.join()
    stream = rows()
    found.append(copy_context().run(next, stream))
    found.extend(stream)
    assert found == [1, 2, 1, 2]
    assert statuses(sent) == ["in_progress", "ok"] * 2
    errtrack.capture_message("after it")
    assert only_event(sent)["contexts"].keys().isdisjoint({"monitor"})


def test_a_stream_that_nobody_reads_to_its_end_did_not_come_to_its_end(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    def rows() -> Iterator[int]:
        with errtrack.monitor("export"):
            yield 1
            yield 2

    for _ in rows():
        break
    assert statuses(sent) == ["in_progress", "error"]
