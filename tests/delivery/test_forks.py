"""A process that forks: each process delivers what it captured, or leaves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .program import Program, dropped_on_this_host, outbox
from .receiver import Receiver, assert_each_arrived_once

MARKS = [f"m{number}" for number in range(8)]
CHILD_MARKS = [f"child{number}" for number in range(8)]
LONG_SECONDS = 60.0


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("end", ["return", "os._exit"])
def test_what_children_capture_arrives_once(
    method: str, end: str, tmp_path: Path
) -> None:
    with Receiver(tmp_path) as receiver:
        with Program(tmp_path, receiver.dsn) as program:
            # The threads of the parent run, and are not in a fork.
            program.fail(MARKS)
            assert program.tell("children", method, end, *CHILD_MARKS) == [0] * 4
            receiver.until_arrived(MARKS + CHILD_MARKS)
            assert program.tell("flush", str(LONG_SECONDS))
            assert program.end() == 0
        assert_each_arrived_once(receiver, MARKS + CHILD_MARKS)
    if end == "return":
        # The other way to end may come between the answer and the end of the file.
        assert outbox(tmp_path) == []


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_in_memory_a_child_delivers_before_it_ends(method: str, tmp_path: Path) -> None:
    options = {"outbox": False, "shutdown_timeout_seconds": LONG_SECONDS}
    with Receiver(tmp_path) as receiver:
        with Program(tmp_path, receiver.dsn, **options) as program:
            program.fail(MARKS)
            answer = program.tell("children", method, "return", *CHILD_MARKS)
            assert answer == [0] * 4
            assert program.end() == 0
        assert_each_arrived_once(receiver, MARKS + CHILD_MARKS)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_end_in_time_while_the_server_hangs(
    method: str, tmp_path: Path
) -> None:
    options = {"timeout_seconds": LONG_SECONDS, "shutdown_timeout_seconds": 0.2}
    with Receiver(tmp_path) as receiver:
        receiver.play("hang")
        with Program(tmp_path, receiver.dsn, **options) as program:
            program.fail(MARKS)
            receiver.until_requests(1)
            answer = program.tell("children", method, "return", *CHILD_MARKS)
            assert answer == [0] * 4
            assert program.end() == 0
        assert len(outbox(tmp_path)) == len(MARKS + CHILD_MARKS)
        receiver.play("ok")
        with Program(tmp_path, receiver.dsn) as program:
            program.get_ready()
            receiver.until_arrived(MARKS + CHILD_MARKS)
            assert program.end() == 0
        assert_each_arrived_once(receiver, MARKS + CHILD_MARKS)


def test_a_fork_while_the_outbox_is_full_counts_what_is_dropped(tmp_path: Path) -> None:
    marks = [f"m{number}" for number in range(40)]
    with Receiver(tmp_path) as receiver:
        receiver.stop()
        with Program(tmp_path, receiver.dsn, outbox_max_bytes=10_000) as program:
            program.fail(marks)
            assert program.dropped()["queue_overflow"] > 0
            answer = program.tell("children", "fork", "return", *CHILD_MARKS)
            assert answer == [0] * 4
            receiver.start()
            assert program.tell("flush", str(LONG_SECONDS))
            assert program.end() == 0
        arrived = receiver.arrived()
        assert set(arrived.values()) == {1}
    dropped = dropped_on_this_host(tmp_path)
    assert len(arrived) + dropped.total() == len(marks + CHILD_MARKS)


@pytest.mark.parametrize("is_up", [True, False], ids=["server up", "server down"])
def test_a_fork_at_any_moment_neither_hangs_nor_loses(
    is_up: bool, tmp_path: Path
) -> None:
    children = [f"child{number}" for number in range(20)]
    with Receiver(tmp_path) as receiver:
        if not is_up:
            receiver.stop()
        with Program(tmp_path, receiver.dsn) as program:
            captured = program.tell("fork in a storm", "m", *children)
            assert captured
            if not is_up:
                receiver.start()
            receiver.until_arrived([*captured, *children])
            assert program.tell("flush", str(LONG_SECONDS))
            assert program.end() == 0
        assert_each_arrived_once(receiver, [*captured, *children])
    assert outbox(tmp_path) == []
