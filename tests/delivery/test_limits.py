"""A server that asks for quiet gets it, and what it does not want does not go."""

from __future__ import annotations

from pathlib import Path

import pytest

from .program import Program, outbox
from .receiver import Receiver, Request

MARKS = [f"m{number}" for number in range(20)]
LONG_SECONDS = 60.0


def client_reports(receiver: Receiver) -> list[Request]:
    return [one for one in receiver.requests() if one.kind == "client_report"]


@pytest.mark.parametrize(
    "fault", ["429", "429, in an hour", "429, error, in an hour", "429, nonsense"]
)
def test_what_a_limit_holds_back_waits_on_disk(fault: str, tmp_path: Path) -> None:
    options = {"shutdown_timeout_seconds": 0.1}
    with Receiver(tmp_path) as receiver:
        receiver.play(fault, times=1)
        with Program(tmp_path, receiver.dsn, **options) as program:
            program.fail(MARKS)
            receiver.until_requests(1)
            assert not program.tell("flush", "0.5")
            assert program.dropped() == {}
            assert program.end() == 0
        # The next process knows of it.
        with Program(tmp_path, receiver.dsn, **options) as program:
            program.get_ready()
            program.fail(["later"])
            assert not program.tell("flush", "0.5")
            assert program.end() == 0
        assert [one.play for one in receiver.requests()] == [fault]
    assert len(outbox(tmp_path)) == len(MARKS) + 1


def test_a_limit_for_something_else_holds_nothing_back(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        receiver.play("ok, feedback limited")
        with Program(tmp_path, receiver.dsn, feedback_item="feedback") as program:
            program.fail(MARKS)
            receiver.until_arrived(MARKS)
            program.tell("report", "feedback")
            assert not program.tell("flush", "0.5")
            program.fail(["later"])
            receiver.until_arrived(["later"])
            assert program.end() == 0
        assert {one.kind for one in receiver.requests()} == {"event"}
    (kept,) = outbox(tmp_path)
    assert b"feedback" in kept.read_bytes()


@pytest.mark.parametrize("fault", ["500", "reset", "close", "hang"])
def test_a_server_in_trouble_is_not_beaten(fault: str, tmp_path: Path) -> None:
    pause_seconds = 0.4
    options = {"timeout_seconds": 0.1, "shutdown_timeout_seconds": 0.1}
    with Receiver(tmp_path) as receiver:
        receiver.play(fault)
        with Program(
            tmp_path, receiver.dsn, first_pause_seconds=pause_seconds, **options
        ) as program:
            program.fail(MARKS)
            receiver.until_requests(5)
            assert program.end() == 0
        times = [one.at for one in receiver.requests()]
    # Two tries, a pause, two tries, a pause twice as long; each less a fifth at most.
    assert times[4] - times[0] >= pause_seconds * 3 * 0.8


def test_what_was_dropped_is_reported_to_the_server(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        receiver.play("413", times=3)
        receiver.stop()
        with Program(tmp_path, receiver.dsn) as program:
            program.fail(MARKS)
            # All of them go at once, with one report.
            receiver.start()
            assert program.tell("flush", str(LONG_SECONDS))
            assert program.dropped() == {"send_error": 3}
            assert program.end() == 0
        assert len(receiver.arrived()) == len(MARKS) - 3
        (report,) = client_reports(receiver)
        assert report.is_stored
        assert report.payload["discarded_events"] == [
            {"reason": "send_error", "category": "error", "quantity": 3}
        ]


def test_it_is_not_reported_if_nobody_wants_that(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        receiver.play("413", times=3)
        with Program(tmp_path, receiver.dsn, send_client_reports=False) as program:
            program.fail(MARKS)
            receiver.until_arrived(MARKS[3:])
            assert program.tell("flush", str(LONG_SECONDS))
            assert program.dropped() == {"send_error": 3}
            assert program.end() == 0
        assert client_reports(receiver) == []
