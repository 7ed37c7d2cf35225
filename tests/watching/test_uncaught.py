"""What ends a thread or the program is an event, and nobody's hooks change."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeApp, MakeTransport
from flask import Flask, copy_current_request_context
from places import Broken, fail
from waiting import wait_until

from flask_errtrack import Client, ErrTrack
from flask_errtrack.event import Event
from flask_errtrack.transports import MemoryTransport

logger = logging.getLogger("shop.stock")


@pytest.fixture(autouse=True)
def told() -> Iterator[list[Any]]:
    """What the hooks below ours are told, in place of those of pytest."""
    before = threading.excepthook, sys.excepthook
    told: list[Any] = []

    def thread_hook(given: Any) -> None:
        told.append(given.exc_value)

    def program_hook(kind: Any, error: Any, traceback: Any) -> None:
        told.append(error)

    threading.excepthook, sys.excepthook = thread_hook, program_hook
    yield told
    assert (threading.excepthook, sys.excepthook) == (thread_hook, program_hook)
    threading.excepthook, sys.excepthook = before


def in_thread(function: Callable[..., Any], *arguments: Any) -> None:
    thread = threading.Thread(target=function, args=arguments, name="stock-taker")
    thread.start()
    thread.join()


def ends_the_program(error: BaseException) -> None:
    """Do what Python does with an error that nobody catches."""
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 - as Python does
        sys.excepthook(type(caught), caught, caught.__traceback__)


def mechanism_of(event: Event) -> tuple[str, bool]:
    mechanism = event["exception"]["values"][-1]["mechanism"]
    return mechanism["type"], mechanism["handled"]


def test_an_error_that_ends_a_thread_is_an_event_that_names_the_thread(
    app: Flask, sent: MemoryTransport, told: list[Any]
) -> None:
    in_thread(fail)
    (event,) = sent.events
    assert mechanism_of(event) == ("threading", False)
    (thread,) = event["threads"]["values"]
    assert (thread["name"], thread["current"], thread["crashed"]) == (
        "stock-taker",
        True,
        True,
    )
    assert event["exception"]["values"][0]["thread_id"] == thread["id"]
    assert [type(error) for error in told] == [Broken]


def test_an_error_that_ends_the_program_is_an_event(
    app: Flask, sent: MemoryTransport, told: list[Any]
) -> None:
    error = Broken("at the end")
    ends_the_program(error)
    (event,) = sent.events
    assert mechanism_of(event) == ("excepthook", False)
    assert "threads" not in event
    assert told == [error]


@pytest.mark.parametrize(
    "way_out", [SystemExit(1), KeyboardInterrupt(), GeneratorExit()], ids=repr
)
def test_ways_to_end_are_no_events(
    app: Flask, sent: MemoryTransport, told: list[Any], way_out: BaseException
) -> None:
    def end() -> None:
        raise way_out

    in_thread(end)
    ends_the_program(way_out)
    assert sent.events == []
    # Python's own thread leaves out SystemExit; the hook decides on the others.
    assert told[-1] is way_out


def test_a_timeout_of_gevent_that_ends_a_thread_is_an_event(
    app: Flask, sent: MemoryTransport, told: list[Any]
) -> None:
    gevent = pytest.importorskip("gevent")

    def work() -> None:
        raise gevent.Timeout

    in_thread(work)
    (event,) = sent.events
    assert event["exception"]["values"][-1]["type"] == "Timeout"


def test_all_of_it_can_be_switched_off(
    make_app: MakeApp, sent: MemoryTransport, told: list[Any]
) -> None:
    hooks = threading.excepthook, sys.excepthook
    make_app(transport=sent, uncaught_errors=False)
    assert (threading.excepthook, sys.excepthook) == hooks
    in_thread(fail)
    assert sent.events == []


def test_a_client_without_an_app_sees_them_too(make_transport: MakeTransport) -> None:
    transport = make_transport()
    client = Client(transport=transport)
    in_thread(fail)
    ends_the_program(Broken("at the end"))
    client.close()
    in_thread(fail)
    assert [mechanism_of(event)[0] for event in transport.events] == [
        "threading",
        "excepthook",
    ]


def test_hooks_are_as_they_were_once_the_last_client_is_closed(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    before = threading.excepthook, sys.excepthook
    first, second = ErrTrack(), ErrTrack()
    make_app(errtrack=first, transport=sent)
    make_app(errtrack=second, transport=sent)
    first.close()
    assert threading.excepthook is not before[0]
    assert sys.excepthook is not before[1]
    in_thread(fail)
    second.close()
    second.close()
    assert (threading.excepthook, sys.excepthook) == before
    assert len(sent.events) == 1


def test_hooks_are_as_they_were_once_the_app_is_collected(tmp_path: Path) -> None:
    before = threading.excepthook, sys.excepthook
    app = Flask("shop", instance_path=str(tmp_path))
    ErrTrack(app, transport=MemoryTransport())
    assert (threading.excepthook, sys.excepthook) != before
    del app
    gc.collect()
    assert (threading.excepthook, sys.excepthook) == before


def test_a_hook_of_somebody_else_around_ours_stays(
    make_app: MakeApp, sent: MemoryTransport, told: list[Any]
) -> None:
    first, second = ErrTrack(), ErrTrack()
    make_app(errtrack=first, transport=sent)
    ours = threading.excepthook
    seen: list[Any] = []

    def theirs(given: Any) -> None:
        seen.append(given.exc_value)
        ours(given)

    threading.excepthook = theirs
    try:
        first.close()
        assert threading.excepthook is theirs
        in_thread(fail)
        make_app(errtrack=second, transport=sent)
        in_thread(fail)
    finally:
        threading.excepthook = ours
        second.close()
    assert len(seen) == len(told) == 2
    assert len(sent.events) == 1


def test_a_hook_that_was_put_back_over_ours_is_wrapped_again(
    make_app: MakeApp, sent: MemoryTransport, told: list[Any]
) -> None:
    before = threading.excepthook
    first, second = ErrTrack(), ErrTrack()
    make_app(errtrack=first, transport=sent)
    threading.excepthook = before
    make_app(errtrack=second, transport=sent)
    first.close()
    in_thread(fail)
    assert len(sent.events) == len(told) == 1


def test_a_hook_that_fails_fails_as_before_and_the_error_is_seen(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    below = sys.excepthook
    sys.excepthook = fail
    errtrack = ErrTrack()
    make_app(errtrack=errtrack, transport=sent)
    with pytest.raises(Broken):
        sys.excepthook(LookupError, LookupError(), None)
    assert len(sent.events) == 1
    errtrack.close()
    sys.excepthook = below


def test_what_was_captured_already_is_not_captured_again(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def by_hand() -> None:
        try:
            fail()
        except Broken as error:
            errtrack.capture_exception(error)
            raise

    def in_a_context() -> None:
        with app.app_context():
            fail()

    def in_a_job() -> None:
        with errtrack.job("import-orders"):
            fail()

    for function in (by_hand, in_a_context, in_a_job):
        in_thread(function)
    assert [mechanism_of(event)[0] for event in sent.events] == [
        "generic",
        "flask",
        "job",
    ]


def log_and_raise() -> None:
    try:
        fail()
    except Broken:
        logger.exception("counting failed")
        raise


def log_and_raise_another() -> None:
    try:
        fail()
    except Broken as error:
        logger.exception("counting failed")
        raise LookupError("no stock") from error


def log_and_raise_within() -> None:
    try:
        fail()
    except Broken:
        logger.exception("counting failed")
        raise LookupError("no stock")  # noqa: B904 - people do


def in_app_context(app: Flask, function: Callable[[], None]) -> None:
    with suppress(Broken, LookupError), app.app_context():
        function()


def in_program(app: Flask, function: Callable[[], None]) -> None:
    try:
        function()
    except (Broken, LookupError) as error:
        sys.excepthook(type(error), error, error.__traceback__)


def in_program_with_a_pushed_context(app: Flask, function: Callable[[], None]) -> None:
    context = app.app_context()
    context.push()
    in_program(app, function)
    context.pop()


@pytest.mark.parametrize(
    ("place", "mechanism"),
    [
        (lambda app, function: in_thread(function), "threading"),
        (in_app_context, "flask"),
        (in_program, "excepthook"),
        (in_program_with_a_pushed_context, "excepthook"),
    ],
    ids=["thread", "app context", "program", "pushed context"],
)
@pytest.mark.parametrize(
    ("function", "kinds"),
    [
        (log_and_raise, ["Broken"]),
        (log_and_raise_another, ["Broken", "LookupError"]),
        (log_and_raise_within, ["Broken", "LookupError"]),
    ],
    ids=["the same", "another", "within"],
)
def test_what_is_logged_and_then_raised_is_one_event_the_raise(
    app: Flask,
    sent: MemoryTransport,
    errtrack: ErrTrack,
    place: Callable[[Flask, Callable[[], None]], None],
    mechanism: str,
    function: Callable[[], None],
    kinds: list[str],
) -> None:
    place(app, function)
    errtrack.flush()
    (event,) = sent.events
    assert mechanism_of(event) == (mechanism, False)
    assert [value["type"] for value in event["exception"]["values"]] == kinds
    assert "logger" not in event


def test_what_a_thread_only_logs_is_sent_soon(
    app: Flask, sent: MemoryTransport
) -> None:
    def log() -> None:
        with suppress(Broken):
            log_and_raise()

    in_thread(log)
    wait_until(lambda: sent.events)
    assert sent.events[0]["logentry"]["message"] == "counting failed"
    assert sent.events[0]["threads"]["values"][0]["name"] == "stock-taker"


LOGS_AND_ENDS = """
import logging, sys
from flask_errtrack import Client

class Printing:
    def send(self, envelope):
        (event,) = envelope.events
        print(event["logentry"]["message"])
        sys.stdout.flush()

client = Client(transport=Printing())
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger().exception("at the end")
if __name__ == "__main__":
    print("end")
"""


IN_A_CHILD = """
import multiprocessing, sys
from logs_and_ends import logging

def work():
    try:
        1 / 0
    except ZeroDivisionError:
        logging.getLogger().exception("in a child")
    print("worked")
    sys.stdout.flush()

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    child = context.Process(target=work)
    child.start()
    child.join()
"""


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_what_waits_in_a_child_is_sent_when_the_child_ends(
    tmp_path: Path, way: str
) -> None:
    (tmp_path / "logs_and_ends.py").write_text(LOGS_AND_ENDS)
    (tmp_path / "parent.py").write_text(IN_A_CHILD)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "parent.py", way],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    after = done.stdout.split("worked\n")[1]
    # A child made by fork has what its parent was about to send: the same event.
    sent = after.splitlines()
    assert "in a child" in sent
    assert set(sent) == {"in a child", "at the end"}


def test_what_waits_is_sent_when_the_program_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOGS_AND_ENDS],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["end", "at the end"]


def test_with_a_copied_request_context_the_request_is_there(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    @app.get("/orders")
    def orders() -> str:
        errtrack.set_tag("shop", "north")
        errtrack.set_user({"id": 17})
        in_thread(copy_current_request_context(fail))
        errtrack.capture_message("after")
        return "fine"

    app.test_client().get("/orders")
    of_thread, after = sent.events
    assert of_thread["request"]["url"].endswith("/orders")
    assert of_thread["tags"] == {"shop": "north"}
    assert of_thread["user"]["id"] == "17"
    assert of_thread["threads"]["values"][0]["name"] == "stock-taker"
    assert "threads" not in after


def test_a_thread_of_a_request_has_nothing_of_it_where_nobody_asked(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    @app.get("/orders")
    def orders() -> str:
        errtrack.set_tag("shop", "north")
        errtrack.set_user({"id": 17})
        in_thread(fail)
        in_thread(logger.error, "alone")
        return "fine"

    app.test_client().get("/orders")
    assert len(sent.events) == 2
    for event in sent.events:
        assert not {"request", "tags", "user", "transaction"} & event.keys()


def test_what_runs_in_a_copy_of_the_context_has_the_request(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def work() -> None:
        logger.error("in the thread")

    @app.get("/orders")
    def orders() -> str:
        errtrack.set_tag("shop", "north")
        in_thread(copy_context().run, work)
        return "fine"

    app.test_client().get("/orders")
    (event,) = sent.events
    assert event["request"]["url"].endswith("/orders")
    assert event["tags"] == {"shop": "north"}


def test_of_several_apps_none_is_concerned(
    make_app: MakeApp, make_transport: MakeTransport
) -> None:
    transports = [make_transport(), make_transport()]
    apps = [make_app(transport=transport) for transport in transports]
    in_thread(fail)
    assert [transport.events for transport in transports] == [[], []]

    def in_context() -> None:
        with apps[1].app_context():
            fail()

    in_thread(in_context)
    assert [len(transport.events) for transport in transports] == [0, 1]


def test_beside_apps_a_client_without_one_is_concerned(
    make_app: MakeApp, make_transport: MakeTransport
) -> None:
    of_app, of_program = make_transport(), make_transport()
    app = make_app(transport=of_app)
    client = Client(transport=of_program)
    in_thread(fail)
    in_thread(logger.error, "outside")
    with app.app_context():
        logger.error("inside")
    assert (len(of_app.events), len(of_program.events)) == (1, 2)
    crumbs = [event.get("breadcrumbs") for event in of_program.events]
    assert crumbs == [None, None]
    client.close()


@pytest.mark.swallows_errors
@pytest.mark.parametrize("hook", ["before_send", "sample_rate"])
def test_a_hook_of_the_app_that_fails_keeps_nothing_from_python(
    make_app: MakeApp, sent: MemoryTransport, told: list[Any], hook: str
) -> None:
    make_app(transport=sent, **{hook: fail})
    in_thread(fail)
    assert [type(error) for error in told] == [Broken]
    assert len(sent.events) == 1


def test_what_is_tried_at_a_prompt_is_no_event(
    app: Flask, sent: MemoryTransport, told: list[Any]
) -> None:
    sys.ps1 = ">>> "
    try:
        ends_the_program(Broken("a typing error"))
    finally:
        del sys.ps1
    assert sent.events == []
    assert len(told) == 1


PROGRAM = """
import sys, threading
if {is_watched}:
    from flask_errtrack import Client
    from flask_errtrack.transports import MemoryTransport
    client = Client(transport=MemoryTransport())

def work(way_out):
    raise way_out

for way_out in (SystemExit(3), LookupError("no order"), KeyboardInterrupt()):
    thread = threading.Thread(target=work, args=(way_out,), name="stock-taker")
    thread.start()
    thread.join()
if {is_watched}:
    assert len(client.transport.events) == 1
work({way_out})
"""


@pytest.mark.parametrize(
    "way_out", ['LookupError("at the end")', "SystemExit(3)", "KeyboardInterrupt()"]
)
def test_output_and_exit_status_stay_what_they_are(
    tmp_path: Path, way_out: str
) -> None:
    outcomes = []
    for is_watched in (False, True):
        script = tmp_path / "program.py"
        script.write_text(PROGRAM.format(is_watched=is_watched, way_out=way_out))
        done = subprocess.run(
            [sys.executable, str(script)],
            cwd=tmp_path,
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            check=False,
        )
        outcomes.append((done.returncode, done.stdout, done.stderr))
    assert outcomes[0] == outcomes[1]
    assert b"no order" in outcomes[0][2]
