"""Where envelopes wait: whole files, in order, bounded, and one process at a time."""

from __future__ import annotations

import multiprocessing
import os
import resource
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from flask_errtrack.errors import Refused
from flask_errtrack.transports.ledger import Page
from flask_errtrack.transports.memory import MemoryOutbox
from flask_errtrack.transports.outbox import FolderOutbox, Outbox

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
        outbox.put(b"%d" % number, "error")
    assert [outbox.read(name) for name in outbox.names()] == [
        b"%d" % number for number in range(12)
    ]


def test_what_was_delivered_is_gone_and_may_go_twice(
    make_outbox: Callable[[int], Outbox],
) -> None:
    outbox = make_outbox(1000)
    outbox.put(b"one", "error")
    (name,) = outbox.names()
    outbox.remove(name)
    outbox.remove(name)
    assert outbox.names() == [] and outbox.read(name) is None


def test_what_is_set_aside_waits_no_longer(
    make_outbox: Callable[[int], Outbox],
) -> None:
    outbox = make_outbox(1000)
    for data in (b"bad", b"good"):
        outbox.put(data, "error")
    bad, good = outbox.names()
    outbox.set_aside(bad)
    assert outbox.names() == [good]


def test_a_full_outbox_refuses_until_something_was_delivered(
    make_outbox: Callable[[int], Outbox],
) -> None:
    outbox = make_outbox(100)
    outbox.put(b"x" * 60, "error")
    for _ in range(2):
        with pytest.raises(Refused, match="full"):
            outbox.put(b"y" * 60, "error")
    assert len(outbox.names()) == 1
    outbox.remove(outbox.names()[0])
    outbox.put(b"y" * 60, "error")
    assert len(outbox.names()) == 1


def test_threads_put_in_all_they_have(make_outbox: Callable[[int], Outbox]) -> None:
    outbox = make_outbox(100_000)

    def put_some(letter: bytes) -> None:
        for number in range(25):
            outbox.put(letter + b"%d" % number, "error")

    threads = [threading.Thread(target=put_some, args=(one,)) for one in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [outbox.read(name) for name in outbox.names()]
    assert len(found) == len({*found}) == 50


def test_what_interrupts_a_put_may_put_something_in(
    make_outbox: Callable[[int], Outbox],
) -> None:
    outbox = make_outbox(1000)

    class Interrupted(bytes):
        """Is measured in the middle of it, as a signal handler runs in the middle."""

        def __len__(self) -> int:
            if not outbox.names():
                outbox.put(b"of the handler", "error")
            return super().__len__()

    outbox.put(Interrupted(b"of the request"), "error")
    found = [outbox.read(name) for name in outbox.names()]
    assert sorted(map(bytes, filter(None, found))) == [
        b"of the handler",
        b"of the request",
    ]


def test_names_tell_the_category(make_outbox: Callable[[int], Outbox]) -> None:
    outbox = make_outbox(1000)
    for category in ("error", "monitor"):
        outbox.put(b"x", category)
    assert [outbox.category_of(name) for name in outbox.names()] == ["error", "monitor"]


def test_one_at_a_time_has_the_turn(make_outbox: Callable[[int], Outbox]) -> None:
    outbox = make_outbox(1000)
    found: list[bool] = []

    def look() -> None:
        with outbox.turn() as has_turn:
            found.append(has_turn)

    with outbox.turn() as has_turn:
        assert has_turn
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    look()
    assert found == [False, True]


def test_two_outboxes_of_one_folder_have_one_turn(tmp_path: Path) -> None:
    (tmp_path / "same").symlink_to(tmp_path)
    one, other = FolderOutbox(tmp_path, 1000), FolderOutbox(tmp_path / "same", 1000)
    with one.turn():
        with other.turn() as has_turn:
            assert not has_turn
        with other.turn() as has_turn:
            assert not has_turn


def child_with_the_turn(folder: str, connection: Connection) -> None:
    with FolderOutbox(Path(folder), 1000).turn() as has_turn:
        connection.send(has_turn)
        connection.recv()


def test_the_turn_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=child_with_the_turn, args=(str(tmp_path), theirs))
    child.start()
    assert ours.recv() is True
    with FolderOutbox(tmp_path, 1000).turn() as has_turn:
        assert not has_turn
    child.kill()
    child.join()
    with FolderOutbox(tmp_path, 1000).turn() as has_turn:
        assert has_turn


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_does_not_hold_the_turn_of_its_parent(tmp_path: Path) -> None:
    outbox = FolderOutbox(tmp_path, 1000)
    reading, writing = os.pipe()
    with outbox.turn():
        pid = os.fork()
        if pid == 0:
            os.read(reading, 1)
            os._exit(0)
    with outbox.turn() as has_turn:
        assert has_turn
    os.write(writing, b"x")
    os.waitpid(pid, 0)
    os.close(reading)
    os.close(writing)


def test_folder_and_files_are_their_owners(tmp_path: Path) -> None:
    outbox = FolderOutbox(tmp_path / "outbox", 1000)
    outbox.put(b"one", "error")
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
        outbox.put(b"x" * 1_000_000, "error")
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
            outbox.put(b"x" * 5000, "error")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [*tmp_path.iterdir()] == []
    outbox.put(b"x" * 5000, "error")
    assert len(outbox.names()) == 1


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    for name in ("README", "lock", "x.writing", "x.envelope.set-aside", ".DS_Store"):
        (tmp_path / name).write_text("foreign")
    outbox = FolderOutbox(tmp_path, 1000)
    assert outbox.names() == []
    assert outbox.set_aside_names() == ["x.envelope.set-aside"]


def test_what_is_no_plain_file_of_a_fair_size_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.envelope")
    (tmp_path / "2.envelope").symlink_to("/etc/hostname")
    (tmp_path / "3.envelope").mkdir()
    with open(tmp_path / "4.envelope", "wb") as file:
        file.truncate(1024**3)
    outbox = FolderOutbox(tmp_path, 1000)
    for name in outbox.names():
        with pytest.raises(OSError):
            outbox.read(name)
    assert len(outbox.names()) == 4


def test_of_what_was_set_aside_the_newest_are_kept(tmp_path: Path) -> None:
    outbox = FolderOutbox(tmp_path, 100_000)
    for number in range(120):
        outbox.put(b"%d" % number, "error")
        outbox.set_aside(outbox.names()[0])
    kept = [outbox.read(name) for name in outbox.set_aside_names()]
    assert kept == [b"%d" % number for number in range(20, 120)]
    outbox.put_back(outbox.set_aside_names()[0])
    assert [outbox.read(name) for name in outbox.names()] == [b"20"]


def test_what_was_set_aside_never_fills_the_outbox(tmp_path: Path) -> None:
    outbox = FolderOutbox(tmp_path, 1000)
    for number in range(20):
        outbox.put(b"%03d" % number * 30, "error")
        outbox.set_aside(outbox.names()[0])
    assert sum(path.stat().st_size for path in tmp_path.glob("*.set-aside")) <= 250
    outbox.put(b"x" * 600, "error")


@pytest.mark.parametrize("name", ["lock", "ledger.json"])
def test_a_pipe_in_the_place_of_our_files_holds_nobody_up(
    tmp_path: Path, name: str
) -> None:
    os.mkfifo(tmp_path / name)
    outbox = FolderOutbox(tmp_path, 1000)
    assert outbox.ledger.read() == Page()
    with suppress(OSError), outbox.turn():
        pass
    outbox.put(b"one", "error")
    assert len(outbox.names()) == 1


def test_what_other_processes_put_in_counts_soon(tmp_path: Path) -> None:
    ours, theirs = FolderOutbox(tmp_path, 1000), FolderOutbox(tmp_path, 1000)
    ours.put(b"x" * 70, "error")
    for _ in range(9):
        theirs.put(b"x" * 100, "error")
    with pytest.raises(Refused, match="full"):
        ours.put(b"x" * 100, "error")


def test_everything_in_the_folder_counts_for_its_size(tmp_path: Path) -> None:
    (tmp_path / "x.envelope.set-aside").write_bytes(b"x" * 60)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    outbox = FolderOutbox(tmp_path, 100)
    with pytest.raises(Refused, match=rf"{tmp_path} is full \(100 bytes\)"):
        outbox.put(b"y" * 60, "error")


def test_a_folder_that_vanished_is_made_anew(tmp_path: Path) -> None:
    outbox = FolderOutbox(tmp_path / "outbox", 1000)
    outbox.put(b"one", "error")
    for path in (tmp_path / "outbox").iterdir():
        path.unlink()
    (tmp_path / "outbox").rmdir()
    assert outbox.names() == []
    with outbox.turn():
        outbox.put(b"two", "error")
    assert len(outbox.names()) == 1


def test_a_place_below_a_file_holds_nothing_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outbox = FolderOutbox(tmp_path / "file" / "outbox", 1000)
    assert outbox.names() == outbox.set_aside_names() == []
    assert outbox.sweep() == []
    with pytest.raises(OSError, match="file"):
        outbox.put(b"one", "error")


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
    assert FolderOutbox(tmp_path, 1000).sweep() == ["old.envelope"]
    assert {path.name for path in tmp_path.iterdir()} == {
        "new.envelope",
        "new.envelope.set-aside",
        "new.writing",
        "foreign",
    }


def test_memory_keeps_what_it_has() -> None:
    outbox = MemoryOutbox(1000)
    outbox.put(b"one", "error")
    assert outbox.sweep() == [] and len(outbox.names()) == 1


def test_what_is_held_waits_only_once_its_process_must_be_gone(
    tmp_path: Path,
) -> None:
    outbox = FolderOutbox(tmp_path, 1000)
    outbox.hold(b"one", "error")
    assert outbox.names() == [] and not outbox.is_empty()
    (path,) = tmp_path.iterdir()
    long_ago = path.stat().st_mtime - 60
    os.utime(path, (long_ago, long_ago))
    (name,) = outbox.names()
    assert (outbox.read(name), outbox.category_of(name)) == (b"one", "error")
    outbox.remove(name)
    assert outbox.is_empty()


def test_what_is_held_can_be_forgotten_even_twice(
    make_outbox: Callable[[int], Outbox],
) -> None:
    outbox = make_outbox(1000)
    forget = outbox.hold(b"one", "error")
    forget()
    forget()
    assert outbox.names() == [] and outbox.is_empty()


def test_what_is_held_and_set_aside_can_be_put_back(tmp_path: Path) -> None:
    outbox = FolderOutbox(tmp_path, 1000)
    outbox.hold(b"one", "error")
    (path,) = tmp_path.iterdir()
    os.utime(path, (0, 0))
    outbox.set_aside(path.name)
    assert outbox.names() == []
    assert outbox.category_of(outbox.set_aside_names()[0]) == "error"
    assert outbox.put_back(outbox.set_aside_names()[0]) == path.name
    assert outbox.names() == [path.name]
