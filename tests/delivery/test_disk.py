"""The outbox on a bad disk, or with what is not ours in it: the rest still arrives."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .program import Program, outbox
from .receiver import Receiver

MARKS = [f"m{number}" for number in range(20)]
LONG_SECONDS = 60.0


def _link(path: Path) -> None:
    secret = path.parent / "not-ours.txt"
    secret.write_text("what belongs to somebody else")
    path.symlink_to(secret)


FOREIGN: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "nonsense": lambda path: path.write_bytes(b"\xff\x00 whatever\n{"),
    "a folder": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "a link": _link,
    "a broken link": lambda path: path.symlink_to("nowhere"),
}


def _leave_behind(folder: Path, receiver: Receiver, marks: list[str]) -> None:
    """Have a process leave envelopes in the outbox."""
    receiver.stop()
    with Program(folder, receiver.dsn, shutdown_timeout_seconds=0.1) as program:
        program.fail(marks)
        assert program.end() == 0
    assert len(outbox(folder)) == len(marks)
    receiver.start()


@pytest.mark.parametrize("what", [*FOREIGN, "cut"])
def test_what_can_never_be_delivered_holds_nothing_up(
    what: str, tmp_path: Path
) -> None:
    with Receiver(tmp_path) as receiver:
        _leave_behind(tmp_path, receiver, MARKS)
        first, wanted = outbox(tmp_path)[0], MARKS
        if what == "cut":
            first.write_bytes(first.read_bytes()[:-100])
            wanted = MARKS[1:]
        else:
            FOREIGN[what](first.with_name(f"0{first.name}"))
        (first.parent / "notes.txt").write_text("somebody's notes")
        with Program(tmp_path, receiver.dsn) as program:
            program.get_ready()
            receiver.until_arrived(wanted)
            assert program.tell("flush", str(LONG_SECONDS))
            if what != "a broken link":
                assert program.dropped() == {"set_aside": 1}
            assert program.end() == 0
        assert receiver.arrived() == dict.fromkeys(wanted, 1)
    assert outbox(tmp_path) == []
    assert (first.parent / "notes.txt").read_text() == "somebody's notes"


def test_on_a_full_disk_events_go_through_memory(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        with Program(tmp_path, receiver.dsn) as program:
            program.fail(MARKS[:5])
            receiver.until_arrived(MARKS[:5])
            program.tell("fill disk")
            program.fail(MARKS[5:])
            receiver.until_arrived(MARKS)
            assert program.dropped() == {}
            program.tell("free disk")
            assert program.end() == 0
        assert receiver.arrived() == dict.fromkeys(MARKS, 1)
    assert outbox(tmp_path) == []
    assert outbox(tmp_path, "*.writing") == []


def test_on_a_full_disk_an_orderly_end_delivers_what_is_in_memory(
    tmp_path: Path,
) -> None:
    options = {"shutdown_timeout_seconds": LONG_SECONDS}
    with Receiver(tmp_path) as receiver:
        with Program(tmp_path, receiver.dsn, **options) as program:
            program.tell("fill disk")
            program.fail(MARKS)
            assert program.end() == 0
        assert receiver.arrived() == dict.fromkeys(MARKS, 1)


def test_where_there_can_be_no_folder_events_go_through_memory(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "errtrack-outbox").write_text("in the way")
    with Receiver(tmp_path) as receiver:
        with Program(tmp_path, receiver.dsn) as program:
            program.fail(MARKS)
            receiver.until_arrived(MARKS)
            assert program.dropped() == {}
            assert program.log().count("The outbox cannot be written") == 1
            assert program.end() == 0
        assert receiver.arrived() == dict.fromkeys(MARKS, 1)


@pytest.mark.parametrize("is_on_disk", [True, False], ids=["on disk", "in memory"])
def test_what_does_not_fit_is_counted_and_the_rest_arrives(
    is_on_disk: bool, tmp_path: Path
) -> None:
    options = {"outbox_max_bytes": 20_000, "outbox": is_on_disk}
    with Receiver(tmp_path) as receiver:
        receiver.stop()
        with Program(tmp_path, receiver.dsn, **options) as program:
            program.fail([f"m{number}" for number in range(100)])
            dropped = program.dropped()["queue_overflow"]
            assert 0 < dropped < 100
            assert program.dropped() == {"queue_overflow": dropped}
            receiver.start()
            assert program.tell("flush", str(LONG_SECONDS))
            assert program.end() == 0
        assert sum(receiver.arrived().values()) == 100 - dropped
        assert set(receiver.arrived().values()) == {1}


def test_two_processes_never_deliver_the_same_file(tmp_path: Path) -> None:
    marks = [f"m{number}" for number in range(200)]
    with Receiver(tmp_path) as receiver:
        _leave_behind(tmp_path, receiver, marks)
        with (
            Program(tmp_path, receiver.dsn, timeout_seconds=LONG_SECONDS) as one,
            Program(tmp_path, receiver.dsn, timeout_seconds=LONG_SECONDS) as another,
        ):
            one.get_ready()
            another.get_ready()
            one.fail(["one"])
            another.fail(["another"])
            receiver.until_arrived([*marks, "one", "another"])
            assert one.end() == another.end() == 0
        wanted = dict.fromkeys([*marks, "one", "another"], 1)
        assert receiver.arrived() == wanted
    assert outbox(tmp_path) == []
