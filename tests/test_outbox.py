"""Where envelopes wait: whole files, in order, bounded, and one process at a time."""

from __future__ import annotations

import os
import resource
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from flask_errtrack.errors import Refused
from flask_errtrack.transports.outbox import FolderOutbox, MemoryOutbox, Outbox

DAY_SECONDS = 24 * 3600


@pytest.fixture(params=["folder", "memory"])
def make_outbox(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[int], Outbox]:
    """Make an outbox of a kind, of so many bytes."""
    if request.param == "memory":
        return MemoryOutbox
    return lambda max_bytes: FolderOutbox(tmp_path / "a" / "outbox", max_bytes)


def test_what_was_put_in_comes_out_in_its_order(
    make_outbox: Callable[[int], Outbox],
) -> None:
    outbox = make_outbox(1000)
    assert outbox.names() == []
    for number in range(12):
        outbox.put(b"%d" % number)
    assert [outbox.read(name) for name in outbox.names()] == [
        b"%d" % number for number in range(12)
    ]


def test_what_was_delivered_is_gone_and_may_go_twice(
    make_outbox: Callable[[int], Outbox],
) -> None:
    outbox = make_outbox(1000)
    outbox.put(b"one")
    (name,) = outbox.names()
    outbox.remove(name)
    outbox.remove(name)
    assert outbox.names() == [] and outbox.read(name) is None


def test_what_is_set_aside_waits_no_longer(
    make_outbox: Callable[[int], Outbox],
) -> None:
    outbox = make_outbox(1000)
    for data in (b"bad", b"good"):
        outbox.put(data)
    bad, good = outbox.names()
    outbox.set_aside(bad)
    assert outbox.names() == [good]


def test_a_full_outbox_refuses_until_something_was_delivered(
    make_outbox: Callable[[int], Outbox],
) -> None:
    outbox = make_outbox(100)
    outbox.put(b"x" * 60)
    for _ in range(2):
        with pytest.raises(Refused, match="full"):
            outbox.put(b"y" * 60)
    assert len(outbox.names()) == 1
    outbox.remove(outbox.names()[0])
    outbox.put(b"y" * 60)
    assert len(outbox.names()) == 1


def test_threads_put_in_all_they_have(make_outbox: Callable[[int], Outbox]) -> None:
    outbox = make_outbox(100_000)

    def put_some(letter: bytes) -> None:
        for number in range(25):
            outbox.put(letter + b"%d" % number)

    threads = [threading.Thread(target=put_some, args=(one,)) for one in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [outbox.read(name) for name in outbox.names()]
    assert len(found) == len({*found}) == 50


def test_one_at_a_time_has_the_turn(make_outbox: Callable[[int], Outbox]) -> None:
    outbox = make_outbox(1000)
    order: list[str] = []

    def deliver() -> None:
        with outbox.turn():
            order.append("second")

    with outbox.turn():
        thread = threading.Thread(target=deliver)
        thread.start()
        thread.join(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_folder_and_files_are_their_owners(tmp_path: Path) -> None:
    outbox = FolderOutbox(tmp_path / "outbox", 1000)
    outbox.put(b"one")
    (name,) = outbox.names()
    assert stat.S_IMODE((tmp_path / "outbox").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "outbox" / name).stat().st_mode) == 0o600


def test_a_reader_sees_no_file_that_is_being_written(tmp_path: Path) -> None:
    outbox = FolderOutbox(tmp_path, 100_000_000)
    lengths: set[int] = set()
    is_over = threading.Event()

    def look() -> None:
        while not is_over.is_set():
            for name in outbox.names():
                lengths.add(len(outbox.read(name) or b""))

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(20):
        outbox.put(b"x" * 1_000_000)
    is_over.set()
    reader.join()
    look_again = {len(outbox.read(name) or b"") for name in outbox.names()}
    assert lengths | look_again == {1_000_000}


def test_a_file_that_cannot_be_finished_leaves_nothing_behind(tmp_path: Path) -> None:
    outbox = FolderOutbox(tmp_path, 1_000_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            outbox.put(b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [*tmp_path.iterdir()] == []
    outbox.put(b"x" * 5000)
    assert len(outbox.names()) == 1


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    for name in ("README", "lock", "x.writing", "x.envelope.set-aside", ".DS_Store"):
        (tmp_path / name).write_text("foreign")
    outbox = FolderOutbox(tmp_path, 1000)
    assert outbox.names() == []
    assert outbox.set_aside_names() == ["x.envelope.set-aside"]


def test_everything_in_the_folder_counts_for_its_size(tmp_path: Path) -> None:
    (tmp_path / "x.envelope.set-aside").write_bytes(b"x" * 60)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    outbox = FolderOutbox(tmp_path, 100)
    with pytest.raises(Refused, match=rf"{tmp_path} is full \(100 bytes\)"):
        outbox.put(b"y" * 60)


def test_a_folder_that_vanished_is_made_anew(tmp_path: Path) -> None:
    outbox = FolderOutbox(tmp_path / "outbox", 1000)
    outbox.put(b"one")
    for path in (tmp_path / "outbox").iterdir():
        path.unlink()
    (tmp_path / "outbox").rmdir()
    assert outbox.names() == []
    with outbox.turn():
        outbox.put(b"two")
    assert len(outbox.names()) == 1


def test_a_place_below_a_file_holds_nothing_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outbox = FolderOutbox(tmp_path / "file" / "outbox", 1000)
    assert outbox.names() == outbox.set_aside_names() == []
    assert outbox.sweep() == 0
    with pytest.raises(OSError, match="file"):
        outbox.put(b"one")


def test_what_is_too_old_is_swept_away(tmp_path: Path) -> None:
    ages_days = {
        "new.envelope": 29,
        "old.envelope": 31,
        "new.envelope.set-aside": 29,
        "old.envelope.set-aside": 31,
        "new.writing": 0,
        "killed.writing": 2,
        "foreign": 999,
    }
    for name, days in ages_days.items():
        (tmp_path / name).write_bytes(b"x")
        then = (tmp_path / name).stat().st_mtime - days * DAY_SECONDS
        os.utime(tmp_path / name, (then, then))
    assert FolderOutbox(tmp_path, 1000).sweep() == 1
    assert {path.name for path in tmp_path.iterdir()} == {
        "new.envelope",
        "new.envelope.set-aside",
        "new.writing",
        "foreign",
    }


def test_memory_keeps_what_it_has() -> None:
    outbox = MemoryOutbox(1000)
    outbox.put(b"one")
    assert outbox.sweep() == 0 and len(outbox.names()) == 1
