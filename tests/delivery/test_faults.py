"""Whatever the server does: what was sent has arrived, waits, or is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from .program import Program, outbox
from .receiver import Receiver, assert_each_arrived_once

MARKS = [f"m{number}" for number in range(20)]
#: More than any try takes here: a process that waits for a try to end is found out.
LONG_SECONDS = 60.0
#: A process ends within its shutdown timeout and this, on a loaded machine, too.
MARGIN_SECONDS = 15.0

# The server is heard at once, or the connection ends: no timeout plays a part.
QUICK_FAULTS = [
    "reset",
    "reset before read",
    "close",
    "close before read",
    "500",
    "502",
    "503",
    "500, in a second",
    "503, in a second",
    "429, in a second",
    "429, by a date",
    "429, error",
    "429, all",
    "redirect",
    "no status line",
    "no number",
    "another protocol",
    "half a header",
    "endless headers",
    "endless header line",
    "slow",
    "ok, error limited",
    "ok, feedback limited",
]
# The client's patience decides when it is over.
SLOW_FAULTS = [
    "hang",
    "hang before read",
    "slow, not stored",
    "dripping headers",
    "endless continue",
]
# The server has the envelope, but does not say so, or not well.
LOST_ANSWERS = [
    "hang, stored",
    "slow, stored",
    "reset, stored",
    "close, stored",
    "malformed headers",
    "broken gzip",
    "broken chunks",
    "short body",
    "silent body",
    "endless body",
    "dripping body",
    "huge body",
]
REFUSALS = ["400", "401", "403", "404", "413"]


@pytest.mark.parametrize("fault", QUICK_FAULTS)
def test_what_fails_is_tried_again_and_arrives_once(fault: str, tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        receiver.play(fault)
        # No answer is so late that it could be missed.
        with Program(tmp_path, receiver.dsn, timeout_seconds=LONG_SECONDS) as program:
            program.fail(MARKS)
            receiver.until_requests(1)
            receiver.play("ok")
            receiver.until_arrived(MARKS)
            assert program.tell("flush", str(LONG_SECONDS))
            assert program.dropped() == {}
            assert program.end() == 0
        assert receiver.arrived() == dict.fromkeys(MARKS, 1)
        assert_each_arrived_once(receiver, MARKS)
    assert outbox(tmp_path) == []


@pytest.mark.parametrize("fault", [*SLOW_FAULTS, *LOST_ANSWERS])
def test_what_was_sent_twice_is_the_same_event(fault: str, tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        receiver.play(fault)
        with Program(tmp_path, receiver.dsn, timeout_seconds=0.5) as program:
            program.fail(MARKS)
            receiver.until_requests(2)
            receiver.play("ok")
            receiver.until_arrived(MARKS)
            assert program.tell("flush", str(LONG_SECONDS))
            assert program.dropped() == {}
            assert program.end() == 0
        assert_each_arrived_once(receiver, MARKS)
    assert outbox(tmp_path) == []


def test_a_server_that_is_down_gets_everything_when_it_is_up(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        receiver.stop()
        with Program(tmp_path, receiver.dsn) as program:
            program.fail(MARKS)
            assert not program.tell("flush", "0.2")
            receiver.start()
            receiver.until_arrived(MARKS)
            assert program.dropped() == {}
            assert program.end() == 0
        assert receiver.arrived() == dict.fromkeys(MARKS, 1)


def test_a_server_that_is_killed_gets_everything_in_its_next_life(
    tmp_path: Path,
) -> None:
    with Receiver(tmp_path) as receiver:
        with Program(tmp_path, receiver.dsn) as program:
            program.fail(MARKS[:5])
            receiver.until_arrived(MARKS[:5])
            receiver.kill()
            program.fail(MARKS[5:])
            receiver.start()
            receiver.until_arrived(MARKS)
            assert program.end() == 0
        assert_each_arrived_once(receiver, MARKS)


@pytest.mark.parametrize("fault", ["500", "reset", "close, stored", "429, in a second"])
@pytest.mark.parametrize("how", ["the first five", "every third"])
def test_a_fault_now_and_then_holds_nothing_up(
    fault: str, how: str, tmp_path: Path
) -> None:
    with Receiver(tmp_path) as receiver:
        if how == "the first five":
            receiver.play(fault, times=5)
        else:
            receiver.play(fault, every=3, times=4)
        with Program(tmp_path, receiver.dsn, timeout_seconds=LONG_SECONDS) as program:
            program.fail(MARKS)
            receiver.until_arrived(MARKS)
            assert program.tell("flush", str(LONG_SECONDS))
            assert program.dropped() == {}
            assert program.end() == 0
        assert_each_arrived_once(receiver, MARKS)


@pytest.mark.parametrize("fault", REFUSALS)
def test_what_is_refused_is_dropped_counted_and_told_once(
    fault: str, tmp_path: Path
) -> None:
    with Receiver(tmp_path) as receiver:
        receiver.play(fault)
        with Program(tmp_path, receiver.dsn, timeout_seconds=LONG_SECONDS) as program:
            program.fail(MARKS)
            assert program.tell("flush", str(LONG_SECONDS))
            assert program.dropped() == {"send_error": len(MARKS)}
            assert program.log().count("was refused") == 1
            assert receiver.arrived() == {}
            receiver.play("ok")
            program.fail(["later"])
            receiver.until_arrived(["later"])
            assert program.end() == 0
        assert receiver.arrived() == {"later": 1}
    assert outbox(tmp_path) == []


@pytest.mark.parametrize("fault", ["500", "reset", "close"])
def test_a_poisonous_envelope_is_set_aside_and_holds_nothing_up(
    fault: str, tmp_path: Path
) -> None:
    others = MARKS[1:]
    with Receiver(tmp_path) as receiver:
        receiver.play(fault, mark=MARKS[0])
        with Program(
            tmp_path,
            receiver.dsn,
            first_pause_seconds=0.001,
            timeout_seconds=LONG_SECONDS,
        ) as program:
            program.fail(MARKS)
            receiver.until_arrived(others)
            # It is given up after some tries while others pass.
            for number in range(1000):
                if program.dropped():
                    break
                program.fail([f"other{number}"])
                receiver.until_arrived([f"other{number}"])
            assert program.dropped() == {"set_aside": 1}
            assert program.end() == 0
        assert MARKS[0] not in receiver.arrived()
    assert outbox(tmp_path) == []
    (kept,) = outbox(tmp_path, "*.set-aside")
    assert MARKS[0].encode() in kept.read_bytes()
