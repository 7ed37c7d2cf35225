"""Many errors while the server fails in every way: nothing missing, nothing twice."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from .program import Program, outbox
from .receiver import Receiver, assert_each_arrived_once
from .served import Served
from .test_process_models import gunicorn

LONG_SECONDS = 60.0
#: It takes about twenty seconds on two idle cores.
MANY_SECONDS = 300.0
# Each is played for so long, a few times, before all is well again for so long.
PLAY_SECONDS = 0.2
FAULTS = [
    ("down", None),
    ("500", 3),
    ("reset", 5),
    ("close, stored", 5),
    ("hang", 1),
    ("reset, stored", 5),
    ("endless headers", 1),
    ("503, in a second", 1),
    ("slow, stored", 1),
    ("429, in a second", 1),
]
# Small events: the number of them is what counts here.
OPTIONS: dict[str, Any] = {
    "timeout_seconds": 0.5,
    "outbox_max_bytes": 2**30,
    "include_local_variables": False,
}


def play_all(receiver: Receiver, is_over: Callable[[float], bool]) -> int:
    """Play fault after fault until it is over; return how many were played."""
    for number, (fault, times) in enumerate(itertools.cycle(FAULTS)):
        if fault == "down":
            receiver.stop()
        else:
            receiver.play(fault, times=times)
        is_enough = is_over(PLAY_SECONDS)
        if fault == "down":
            receiver.start()
        receiver.play("ok")
        if is_enough or is_over(PLAY_SECONDS):
            return number
    raise AssertionError("a cycle does not end")


def test_of_ten_thousand_errors_none_is_missing_and_none_twice(tmp_path: Path) -> None:
    marks = [f"m{number}" for number in range(10_000)]
    with Receiver(tmp_path) as receiver:
        with Program(
            tmp_path, receiver.dsn, first_pause_seconds=0.005, **OPTIONS
        ) as program:
            program.give("storm", "8", "m", str(len(marks)))
            assert play_all(receiver, program.has_answer) >= len(FAULTS)
            assert program.answer() == len(marks)
            receiver.until_arrived(marks, MANY_SECONDS)
            assert program.tell("flush", str(LONG_SECONDS))
            assert program.dropped() == {}
            assert program.tell("workers") == 1
            assert program.end() == 0
        assert_each_arrived_once(receiver, marks)
    assert outbox(tmp_path) == []


def test_of_a_thousand_errors_of_three_workers_none_is_missing(tmp_path: Path) -> None:
    marks = [f"m{number}" for number in range(1000)]
    command = [*gunicorn("-k", "gthread", "--threads", "2"), "-w", "3"]
    with Receiver(tmp_path) as receiver:
        with (
            Served(command, tmp_path, receiver.dsn, 0.02, **OPTIONS) as served,
            ThreadPoolExecutor(1) as clients,
        ):
            failing = clients.submit(served.fail, marks)

            def is_over(seconds: float) -> bool:
                try:
                    failing.exception(seconds)
                except TimeoutError:
                    return False
                return True

            play_all(receiver, is_over)
            assert failing.result() == marks
            receiver.until_arrived(marks)
            served.stop()
            assert served.all_have_ended()
        assert_each_arrived_once(receiver, marks)
    assert outbox(tmp_path) == []


def test_a_failing_request_takes_no_longer_while_the_server_hangs(
    tmp_path: Path,
) -> None:
    folders = [tmp_path / "healthy", tmp_path / "hanging"]
    for folder in folders:
        folder.mkdir()
    options = {**OPTIONS, "timeout_seconds": LONG_SECONDS}
    with (
        Receiver(folders[0]) as healthy,
        Receiver(folders[1]) as hanging,
        Program(folders[0], healthy.dsn, **options) as one,
        Program(folders[1], hanging.dsn, **options) as another,
    ):
        hanging.play("hang")
        seconds: dict[Program, list[float]] = {one: [], another: []}
        # In turn, so that both have the same luck with the machine.
        for number in range(50):
            for program, taken in seconds.items():
                marks = [f"m{number}-{part}" for part in range(4)]
                taken += program.tell("seconds to fail", *marks)
        medians = [statistics.median(taken) for taken in seconds.values()]
        assert medians[1] < 2 * medians[0]
        # One connection and one thread, however much waits.
        assert len(hanging.requests()) == 1
        assert another.tell("workers") == 1
    assert len(outbox(folders[1])) == 200


@pytest.mark.parametrize("fault", ["hang", "dripping headers", "endless continue"])
def test_what_waits_takes_one_thread_and_one_connection(
    fault: str, tmp_path: Path
) -> None:
    options = {**OPTIONS, "timeout_seconds": LONG_SECONDS}
    with (
        Receiver(tmp_path) as receiver,
        Program(tmp_path, receiver.dsn, **options) as program,
    ):
        receiver.play(fault)
        assert program.tell("storm", "8", "m", "200") == 200
        receiver.until_requests(1)
        assert program.tell("workers") == 1
        assert len(receiver.requests()) == 1
