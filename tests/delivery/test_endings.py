"""However a process ends: what it has captured arrives, now or with the next one."""

from __future__ import annotations

import importlib.util
import os
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from flask_errtrack import Client
from flask_errtrack.transports import BackgroundTransport

from .program import Program, outbox
from .receiver import WAIT_SECONDS, Receiver, assert_each_arrived_once

MARKS = [f"m{number}" for number in range(20)]
#: A process ends within its shutdown timeout and this, on a loaded machine, too.
MARGIN_SECONDS = 15.0
LONG_SECONDS = 60.0

Ends = dict[str, tuple[Callable[[Program], object], set[int]]]
ORDERLY_ENDS: Ends = {
    "the end": (Program.close_stdin, {0}),
    "sys.exit": (lambda program: program.give("sys.exit", "3"), {3}),
    "an exception": (lambda program: program.give("raise"), {1}),
    # Python forgets that it was a signal when something is compiled after it.
    "SIGINT": (lambda program: program.signal(signal.SIGINT), {-signal.SIGINT, 1}),
}
SUDDEN_ENDS: Ends = {
    "SIGTERM": (lambda program: program.signal(signal.SIGTERM), {-signal.SIGTERM}),
    "SIGKILL": (lambda program: program.signal(signal.SIGKILL), {-signal.SIGKILL}),
    "os._exit": (lambda program: program.give("os._exit", "4"), {4}),
}
ENDS = ORDERLY_ENDS | SUDDEN_ENDS
# The ways in which a server keeps a client busy.
FAULTS = [
    "hang",
    "hang before read",
    "hang, stored",
    "slow, not stored",
    "dripping headers",
    "dripping body",
    "endless continue",
    "endless headers",
    "endless body",
    "reset",
    "500",
    "503, in an hour",
]


def recorded(folder: Path) -> dict[str, int]:
    """Return how often each mark is in the app's own tracker."""
    database = sqlite3.connect(folder / "shop" / "errtrack.db")
    try:
        query = "SELECT value, SUM(event_count) FROM errtrack_group_tag WHERE key = ?"
        return dict(database.execute(f"{query} GROUP BY value", ("mark",)))
    finally:
        database.close()


@pytest.mark.parametrize("end", ORDERLY_ENDS)
def test_an_orderly_end_waits_until_all_has_arrived(end: str, tmp_path: Path) -> None:
    leave, statuses = ORDERLY_ENDS[end]
    with (
        Receiver(tmp_path) as receiver,
        Program(
            tmp_path, receiver.dsn, shutdown_timeout_seconds=LONG_SECONDS
        ) as program,
    ):
        # Most of them wait when the end comes.
        receiver.play("slow")
        program.fail(MARKS[:5])
        leave(program)
        assert program.ended() in statuses
        assert receiver.arrived() == dict.fromkeys(MARKS[:5], 1)
    assert outbox(tmp_path) == []


@pytest.mark.parametrize("end", ENDS)
def test_what_an_end_leaves_behind_arrives_with_the_next_process(
    end: str, tmp_path: Path
) -> None:
    leave, statuses = ENDS[end]
    with Receiver(tmp_path) as receiver:
        with Program(tmp_path, receiver.dsn) as program:
            # Right after the response.
            program.fail(MARKS)
            leave(program)
            assert program.ended() in statuses
        with Program(tmp_path, receiver.dsn) as program:
            program.get_ready()
            receiver.until_arrived(MARKS)
            assert program.tell("flush", str(LONG_SECONDS))
            assert program.end() == 0
        assert_each_arrived_once(receiver, MARKS)
    assert outbox(tmp_path) == []


@pytest.mark.parametrize("end", ENDS)
def test_no_end_waits_for_a_server_that_hangs(end: str, tmp_path: Path) -> None:
    leave, statuses = ENDS[end]
    with Receiver(tmp_path) as receiver:
        receiver.play("hang")
        options = {"timeout_seconds": LONG_SECONDS, "shutdown_timeout_seconds": 0.5}
        with Program(tmp_path, receiver.dsn, **options) as program:
            program.fail(MARKS)
            leave(program)
            assert program.ended(MARGIN_SECONDS) in statuses
        # What ends the program is an event, too.
        more = 1 if end == "an exception" else 0
        assert len(outbox(tmp_path)) == len(MARKS) + more
        receiver.play("ok")
        with Program(tmp_path, receiver.dsn) as program:
            program.get_ready()
            receiver.until_arrived(MARKS)
            assert program.end() == 0
        assert_each_arrived_once(receiver, MARKS)


@pytest.mark.parametrize("fault", [*FAULTS, "down"])
def test_whatever_the_server_does_a_process_ends_in_time(
    fault: str, tmp_path: Path
) -> None:
    with Receiver(tmp_path) as receiver:
        if fault == "down":
            receiver.stop()
        else:
            receiver.play(fault)
        options = {"timeout_seconds": LONG_SECONDS, "shutdown_timeout_seconds": 0.5}
        with Program(tmp_path, receiver.dsn, **options) as program:
            program.fail(MARKS)
            if fault != "down":
                receiver.until_requests(1)
            program.close_stdin()
            assert program.ended(MARGIN_SECONDS) == 0
        if fault == "down":
            receiver.start()
        receiver.play("ok")
        with Program(tmp_path, receiver.dsn) as program:
            program.get_ready()
            # A server that asked for an hour gets it.
            if fault != "503, in an hour":
                receiver.until_arrived(MARKS)
            assert program.end() == 0
        if fault != "503, in an hour":
            assert_each_arrived_once(receiver, MARKS)


@pytest.mark.parametrize("end", ENDS)
def test_an_app_without_a_dsn_has_it_in_its_tracker(end: str, tmp_path: Path) -> None:
    leave, statuses = ENDS[end]
    with Program(tmp_path, None) as program:
        program.fail(MARKS)
        leave(program)
        assert program.ended() in statuses
    with Program(tmp_path, None) as program:
        program.get_ready()
        assert program.tell("flush", str(LONG_SECONDS))
        assert program.end() == 0
    assert recorded(tmp_path) == dict.fromkeys(MARKS, 1)
    assert outbox(tmp_path) == []


@pytest.mark.parametrize("end", SUDDEN_ENDS)
def test_what_was_only_logged_arrives_though_it_waited_for_the_raise(
    end: str, tmp_path: Path
) -> None:
    with Receiver(tmp_path) as receiver:
        with Program(tmp_path, receiver.dsn) as program:
            program.tell("log", *MARKS[:3])
            assert outbox(tmp_path) == []
            SUDDEN_ENDS[end][0](program)
            program.ended()
        held = outbox(tmp_path, "*.held")
        assert len(held) == 3
        for path in held:
            # As if it had been there for a while.
            minutes_ago = path.stat().st_mtime - 120
            os.utime(path, (minutes_ago, minutes_ago))
        with Program(tmp_path, receiver.dsn) as program:
            program.get_ready()
            receiver.until_arrived(MARKS[:3])
            assert program.end() == 0
        assert_each_arrived_once(receiver, MARKS[:3])
    assert outbox(tmp_path, "*.held") == []


@pytest.mark.parametrize("is_on_disk", [True, False], ids=["on disk", "in memory"])
def test_what_an_exit_handler_captures_after_the_end_is_sent_all_the_same(
    is_on_disk: bool, tmp_path: Path
) -> None:
    with Receiver(tmp_path) as receiver:
        options = {"outbox": is_on_disk, "shutdown_timeout_seconds": LONG_SECONDS}
        with Program(tmp_path, receiver.dsn, **options) as program:
            # What was registered first is called last.
            program.tell("capture at exit", MARKS[0])
            program.fail(MARKS[1:])
            assert program.end() == 0
        assert receiver.arrived() == dict.fromkeys(MARKS, 1)
    assert outbox(tmp_path) == []


def test_it_does_not_hold_up_the_end_if_the_server_hangs(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        receiver.play("hang")
        options = {"timeout_seconds": LONG_SECONDS, "shutdown_timeout_seconds": 0.5}
        with Program(tmp_path, receiver.dsn, **options) as program:
            program.tell("capture at exit", MARKS[0])
            program.fail(MARKS[1:])
            program.close_stdin()
            assert program.ended(MARGIN_SECONDS) == 0
        receiver.play("ok")
        with Program(tmp_path, receiver.dsn) as program:
            program.get_ready()
            receiver.until_arrived(MARKS)
            assert program.end() == 0
        assert_each_arrived_once(receiver, MARKS)


def test_without_a_dsn_it_is_in_the_tracker(tmp_path: Path) -> None:
    with Program(tmp_path, None) as program:
        program.tell("capture at exit", MARKS[0])
        program.fail(MARKS[1:])
        assert program.end() == 0
    with Program(tmp_path, None) as program:
        program.get_ready()
        assert program.tell("flush", str(LONG_SECONDS))
        assert program.end() == 0
    assert recorded(tmp_path) == dict.fromkeys(MARKS, 1)


def test_what_comes_too_late_is_quiet_and_holds_nothing_up(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        options = {"shutdown_timeout_seconds": LONG_SECONDS}
        with Program(tmp_path, receiver.dsn, **options) as program:
            # In a __del__, when Python clears its modules.
            program.tell("capture late", "late")
            program.fail(MARKS)
            assert program.end() == 0
            assert "Exception ignored" not in program.log()
        found = receiver.arrived()
        assert found - Counter(["late"]) == dict.fromkeys(MARKS, 1)


def test_a_closed_client_leaves_no_thread_behind(tmp_path: Path) -> None:
    with (
        Receiver(tmp_path) as receiver,
        Program(tmp_path, receiver.dsn) as program,
    ):
        program.fail(MARKS)
        program.tell("close")
        assert program.tell("workers") == 0
        assert receiver.arrived() == dict.fromkeys(MARKS, 1)
        assert program.end() == 0


WITH_GEVENT = """
from gevent import monkey; monkey.patch_all()
import atexit, sys
from flask_errtrack import Client
client = Client(dsn=sys.argv[1], outbox=sys.argv[2])
client.capture_message("the last word")
client.flush(0.1)
atexit.register(lambda: (print("ending", flush=True), sys.stdin.readline()))
"""


def test_with_gevent_what_may_go_only_at_the_end_is_sent(tmp_path: Path) -> None:
    if importlib.util.find_spec("gevent") is None:
        if "CI" in os.environ:
            pytest.fail("there is no gevent here")
        pytest.skip("needs gevent")
    with Receiver(tmp_path) as receiver:
        client = Client(dsn=receiver.dsn, outbox=str(tmp_path / "outbox"))
        assert isinstance(client.transport, BackgroundTransport)
        waiting = client.transport.outbox
        command = [sys.executable, "-c", WITH_GEVENT, receiver.dsn]
        with waiting.turn() as has_turn:
            assert has_turn
            # Nobody else may send before its functions of atexit run.
            program = Popen([*command, tmp_path / "outbox"], stdin=PIPE, stdout=PIPE)
            assert program.stdout
            said, names = program.stdout.readline(), waiting.names()
        program.communicate(b"\n", WAIT_SECONDS)
    assert (said, len(names), program.returncode) == (b"ending\n", 1, 0)
    assert waiting.is_empty()
