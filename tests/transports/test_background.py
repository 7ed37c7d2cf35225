"""Delivery in the background: nothing lost, nothing twice, nobody held up."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flask_errtrack.errors import Refused, TransportError
from flask_errtrack.protocol.drops import Drops
from flask_errtrack.protocol.envelope import Envelope, Item
from flask_errtrack.transports import BackgroundTransport, MemoryTransport, Transport
from flask_errtrack.transports.backoff import MAX_STRIKES
from flask_errtrack.transports.courier import Courier
from flask_errtrack.transports.memory import MemoryOutbox
from flask_errtrack.transports.outbox import FolderOutbox
from flask_errtrack.transports.worker import Worker

TIMEOUT_SECONDS = 60


def envelope(name: str, size: int = 0) -> Envelope:
    return Envelope((Item("event", b"{}" + b" " * size),), {"event_id": name})


class Receiver:
    """Delivers as told: ``answer`` may raise; what passes is kept."""

    def __init__(self, answer: Callable[[str], None] = lambda name: None) -> None:
        self.answer = answer
        self.seen: list[str] = []
        self.passed: list[str] = []
        self.is_closed = False

    def send(self, envelope: Envelope) -> None:
        name = envelope.event_id or ""
        self.seen.append(name)
        self.answer(name)
        self.passed.append(name)

    def close(self) -> None:
        self.is_closed = True


def waiting_for(may_go: threading.Event) -> Callable[[str], None]:
    def answer(name: str) -> None:
        may_go.wait(TIMEOUT_SECONDS)

    return answer


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Make background transports to a receiver, which are closed in the end."""

    def make_transport(
        receiver: Transport, folder: Path | None = tmp_path / "outbox", **options: Any
    ) -> BackgroundTransport:
        defaults = {"max_bytes": 100_000, "first_pause_seconds": 0.001}
        options = {**defaults, "shutdown_timeout_seconds": 0.5, **options}
        transport = BackgroundTransport(lambda: receiver, folder, **options)
        request.addfinalizer(transport.close)
        return transport

    return make_transport


@pytest.fixture
def make_worker(request: pytest.FixtureRequest) -> Callable[..., Worker]:
    """Make workers with an outbox of one's own, which are closed in the end."""

    def make(receiver: Transport, outbox: FolderOutbox) -> Worker:
        spare = MemoryOutbox(100_000)
        courier = Courier(outbox, spare, Drops(), lambda: receiver, 0.001)
        worker = Worker(courier, 0.001, 0.5)
        request.addfinalizer(worker.close)
        return worker

    return make


def workers() -> int:
    return sum(thread.name == "flask-errtrack" for thread in threading.enumerate())


@pytest.mark.parametrize("in_memory", [True, False])
def test_what_is_sent_is_delivered_in_order(make: Any, in_memory: bool) -> None:
    receiver = Receiver()
    transport = make(receiver, None) if in_memory else make(receiver)
    for number in range(20):
        transport.send(envelope(str(number)))
    assert transport.flush(TIMEOUT_SECONDS)
    assert receiver.passed == [str(number) for number in range(20)]
    assert not transport.has_leftovers() and not transport.dropped


def test_before_the_first_send_there_is_no_thread_and_no_file(
    make: Any, tmp_path: Path
) -> None:
    before = workers()
    transport = make(Receiver())
    assert transport.flush(0) and not transport.has_leftovers()
    assert workers() == before and not (tmp_path / "outbox").exists()
    transport.send(envelope("a"))
    assert workers() == before + 1
    transport.close()
    assert workers() == before


def test_send_does_not_wait_for_the_delivery(make: Any) -> None:
    may_go = threading.Event()
    receiver = Receiver(waiting_for(may_go))
    transport = make(receiver)
    transport.send(envelope("a"))
    assert not transport.flush(0.01)
    assert transport.has_leftovers()
    may_go.set()
    assert transport.flush(TIMEOUT_SECONDS)
    assert receiver.passed == ["a"]


def test_delivery_leaves_the_interpreter_to_what_failed_unless_somebody_waits(
    make: Any,
) -> None:
    receiver = Receiver()
    transport = make(receiver, first_pause_seconds=100 * TIMEOUT_SECONDS)
    for name in ("a", "b"):
        transport.send(envelope(name))
    assert receiver.seen == []
    assert transport.flush(TIMEOUT_SECONDS)
    transport.send(envelope("c"))
    transport.close()
    assert receiver.passed == ["a", "b", "c"]


def test_what_could_not_be_delivered_is_tried_again(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [TransportError("busy"), OSError("no network"), TransportError("busy")]

    def answer(name: str) -> None:
        if failures:
            raise failures.pop()

    receiver = Receiver(answer)
    transport = make(receiver)
    transport.send(envelope("a"))
    assert transport.flush(TIMEOUT_SECONDS)
    assert receiver.seen == ["a"] * 4 and receiver.passed == ["a"]
    assert transport.last_error is None and not transport.dropped
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "Events wait: busy",
        "Events wait: no network",
        "Events wait: busy",
    ]


def test_the_same_problem_is_told_once(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[str] = []

    def answer(name: str) -> None:
        tries.append(name)
        if len(tries) < 6:
            raise TransportError("busy")

    transport = make(Receiver(answer))
    transport.send(envelope("a"))
    assert transport.flush(TIMEOUT_SECONDS)
    assert [record.getMessage() for record in caplog.records] == ["Events wait: busy"]


def test_while_nothing_passes_the_reason_can_be_seen(make: Any) -> None:
    def answer(name: str) -> None:
        raise TransportError("busy")

    transport = make(Receiver(answer), first_pause_seconds=30)
    transport.send(envelope("a"))
    assert not transport.flush(0.2)
    assert transport.last_error == "busy"
    transport.close()
    assert transport.has_leftovers()


def test_a_server_that_asks_for_a_pause_is_left_alone(make: Any) -> None:
    def answer(name: str) -> None:
        raise TransportError("slowly", 30)

    receiver = Receiver(answer)
    transport = make(receiver)
    for name in "abc":
        transport.send(envelope(name))
    assert not transport.flush(0.2)
    assert receiver.seen == ["a"]


def test_what_is_refused_is_dropped_counted_and_told_once(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(name: str) -> None:
        if name != "good":
            raise Refused("the key is not known there")

    receiver = Receiver(answer)
    transport = make(receiver)
    for name in ("bad", "worse"):
        transport.send(envelope(name))
    assert transport.flush(TIMEOUT_SECONDS)
    assert transport.dropped == {"send_error": 2} and not transport.has_leftovers()
    assert transport.last_error == "the key is not known there"
    (record,) = caplog.records
    assert "refused, and dropped: the key is not known there" in record.getMessage()
    transport.send(envelope("good"))
    assert transport.flush(TIMEOUT_SECONDS)
    assert receiver.passed == ["good"] and transport.last_error is None


def test_one_that_makes_the_receiver_fail_is_set_aside(make: Any) -> None:
    def answer(name: str) -> None:
        if name == "poison":
            raise ValueError("a fault of ours")

    receiver = Receiver(answer)
    transport = make(receiver)
    for name in ("a", "poison", "b"):
        transport.send(envelope(name))
    assert transport.flush(TIMEOUT_SECONDS)
    assert receiver.passed == ["a", "b"] and receiver.seen.count("poison") == 1
    assert transport.dropped == {"set_aside": 1}
    assert len(transport.outbox.set_aside_names()) == 1


def test_one_that_fails_while_others_pass_holds_nobody_up(make: Any) -> None:
    def answer(name: str) -> None:
        if name == "poison":
            raise TransportError("answered 500")

    receiver = Receiver(answer)
    transport = make(receiver)
    transport.send(envelope("poison"))
    for number in range(10_000):
        transport.send(envelope(str(number)))
        while str(number) not in receiver.passed:
            transport.flush(0.01)
        if transport.dropped:
            break
    assert transport.dropped == {"set_aside": 1}
    assert receiver.seen.count("poison") >= MAX_STRIKES
    assert transport.flush(TIMEOUT_SECONDS) and not transport.has_leftovers()


def test_several_that_fail_never_keep_the_others_back(make: Any) -> None:
    def answer(name: str) -> None:
        if name.startswith("poison"):
            raise TransportError("answered 500")

    receiver = Receiver(answer)
    transport = make(receiver)
    for number in range(9):
        transport.send(envelope(f"poison-{number}"))
    transport.send(envelope("good"))
    while not receiver.passed:
        transport.flush(0.01)
    assert receiver.passed == ["good"]


def test_while_nothing_passes_nothing_is_set_aside(make: Any) -> None:
    tries: list[str] = []

    def answer(name: str) -> None:
        tries.append(name)
        if len(tries) < 3 * MAX_STRIKES:
            raise TransportError("answered 500")

    receiver = Receiver(answer)
    transport = make(receiver)
    for name in "abc":
        transport.send(envelope(name))
    assert transport.flush(TIMEOUT_SECONDS)
    assert sorted(receiver.passed) == ["a", "b", "c"] and not transport.dropped


def test_cut_empty_and_foreign_files_never_block_the_rest(
    make: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "outbox"
    folder.mkdir()
    whole = envelope("whole").encode()
    (folder / "0.envelope").write_bytes(b"")
    (folder / "1.envelope").write_bytes(whole[:-4])
    (folder / "2.envelope").write_bytes(os.urandom(100))
    (folder / "3.envelope").mkdir()
    (folder / "4.envelope").write_bytes(whole)
    receiver = Receiver()
    transport = make(receiver)
    transport.wake()
    assert transport.flush(TIMEOUT_SECONDS)
    assert receiver.passed == ["whole"]
    assert transport.dropped == {"set_aside": 4}
    assert [name[:1] for name in transport.outbox.set_aside_names()] == [*"0123"]


def test_a_full_outbox_refuses_and_counts_and_says_so_once(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    may_go = threading.Event()
    receiver = Receiver(waiting_for(may_go))
    transport = make(receiver, max_bytes=500)
    transport.send(envelope("a", 300))
    for _ in range(2):
        with pytest.raises(Refused, match="full"):
            transport.send(envelope("b", 300))
    assert transport.dropped == {"queue_overflow": 2}
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "is full (500 bytes)" in caplog.text
    may_go.set()
    assert transport.flush(TIMEOUT_SECONDS)
    transport.send(envelope("c", 300))
    assert transport.flush(TIMEOUT_SECONDS)
    assert receiver.passed == ["a", "c"]


def test_without_a_folder_to_write_events_wait_in_memory(
    make: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    receiver = Receiver()
    transport = make(receiver, tmp_path / "file" / "outbox")
    for name in "abc":
        transport.send(envelope(name))
    assert transport.flush(TIMEOUT_SECONDS)
    assert receiver.passed == ["a", "b", "c"]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "set the option outbox to another" in record.getMessage()


def test_what_is_on_disk_is_delivered_though_the_disk_takes_no_more(
    make_worker: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "outbox"
    FolderOutbox(folder, 1000).put(envelope("on disk").encode(), "error")

    class FullDisk(FolderOutbox):
        def put(self, data: bytes, category: str) -> None:
            raise OSError(28, "No space left on device")

    receiver = Receiver()
    worker = make_worker(receiver, FullDisk(folder, 1000))
    for _ in range(2):
        worker.courier.spare.put(envelope("in memory").encode(), "error")
    worker.wake()
    assert worker.flush(TIMEOUT_SECONDS)
    assert sorted(receiver.passed) == ["in memory", "in memory", "on disk"]


def test_what_cannot_be_removed_is_not_sent_twice(
    make_worker: Any, tmp_path: Path
) -> None:
    class Sticky(FolderOutbox):
        def remove(self, name: str) -> None:
            raise OSError("read-only")

    receiver = Receiver()
    worker = make_worker(receiver, Sticky(tmp_path / "outbox", 1000))
    for name in "ab":
        worker.courier.outbox.put(envelope(name).encode(), "error")
        worker.wake()
        assert worker.flush(TIMEOUT_SECONDS)
    assert receiver.passed == ["a", "b"]


def test_what_a_dead_process_left_is_delivered_by_the_next(
    make: Any, tmp_path: Path
) -> None:
    FolderOutbox(tmp_path / "outbox", 1000).put(envelope("left").encode(), "error")
    receiver = Receiver()
    transport = make(receiver)
    assert transport.has_leftovers()
    transport.wake()
    assert transport.flush(TIMEOUT_SECONDS)
    assert receiver.passed == ["left"] and not transport.has_leftovers()


def test_what_is_too_old_is_dropped_and_counted(make: Any, tmp_path: Path) -> None:
    folder = tmp_path / "outbox"
    FolderOutbox(folder, 1000).put(envelope("old").encode(), "error")
    (path,) = folder.glob("*.envelope")
    os.utime(path, (0, 0))
    receiver = Receiver()
    transport = make(receiver)
    transport.send(envelope("new"))
    assert transport.flush(TIMEOUT_SECONDS)
    assert receiver.passed == ["new"] and transport.dropped == {"expired": 1}


def test_close_delivers_closes_and_may_be_called_twice(make: Any) -> None:
    receiver = Receiver()
    transport = make(receiver)
    transport.send(envelope("a"))
    transport.close()
    assert receiver.passed == ["a"] and receiver.is_closed
    transport.close()


def test_after_close_a_send_starts_anew(make: Any) -> None:
    receiver = Receiver()
    transport = make(receiver)
    for name in "ab":
        transport.send(envelope(name))
        transport.close()
    assert receiver.passed == ["a", "b"]


def test_close_waits_no_longer_than_told_and_keeps_the_rest(make: Any) -> None:
    may_go = threading.Event()
    receiver = Receiver(waiting_for(may_go))
    transport = make(receiver, shutdown_timeout_seconds=0.05)
    for name in "ab":
        transport.send(envelope(name))
    transport.close()
    assert receiver.passed == [] and transport.has_leftovers()
    may_go.set()


def test_a_transport_that_cannot_be_made_is_made_later(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    receiver = Receiver()
    problems = [OSError("no certificates"), ValueError("a fault of ours")]

    def make_receiver() -> Receiver:
        if problems:
            raise problems.pop()
        return receiver

    transport = BackgroundTransport(
        make_receiver, tmp_path, 1000, first_pause_seconds=0.001
    )
    request.addfinalizer(transport.close)
    transport.send(envelope("a"))
    assert transport.flush(TIMEOUT_SECONDS)
    assert receiver.passed == ["a"]


def recording_process(folder: str, record: str, name: str, ready: Any) -> None:
    """Deliver what waits in a folder: each delivery is a line in a file."""
    path = Path(record)

    class Recorder:
        def send(self, envelope: Envelope) -> None:
            with path.open("a") as file:
                file.write(f"{envelope.event_id}\n")

    transport = BackgroundTransport(Recorder, Path(folder), 1_000_000)
    ready.wait(TIMEOUT_SECONDS)
    for number in range(20):
        transport.send(envelope(f"{name}-{number}"))
    assert transport.flush(TIMEOUT_SECONDS)
    transport.close()


def test_two_processes_never_deliver_the_same_file(tmp_path: Path) -> None:
    folder, record = tmp_path / "outbox", tmp_path / "record"
    left = FolderOutbox(folder, 1_000_000)
    for number in range(20):
        left.put(envelope(f"left-{number}").encode(), "error")
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(2)
    processes = [
        context.Process(
            target=recording_process, args=(str(folder), str(record), name, ready)
        )
        for name in ("one", "two")
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    delivered = record.read_text().split()
    assert len(delivered) == len({*delivered}) == 60
    assert left.names() == []


def in_a_fork(work: Callable[[], bool]) -> int:
    """Run work in a forked process; return 0 if it was true."""
    pid = os.fork()
    if pid == 0:
        exit_status = 2
        try:
            exit_status = 0 if work() else 1
        finally:
            os._exit(exit_status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_fork_with_a_waiting_queue_sends_nothing_twice(
    make: Any, tmp_path: Path, in_memory: bool
) -> None:
    record = tmp_path / "record"
    has_turn, may_go = threading.Event(), threading.Event()
    parent = os.getpid()

    def answer(name: str) -> None:
        if os.getpid() == parent:
            has_turn.set()
            may_go.wait(TIMEOUT_SECONDS)
        with record.open("a") as file:
            file.write(f"{name}\n")

    transport = make(Receiver(answer), None if in_memory else tmp_path / "outbox")
    for name in ("before-1", "before-2"):
        transport.send(envelope(name))
    assert has_turn.wait(TIMEOUT_SECONDS)

    def child() -> bool:
        transport.send(envelope("child"))
        if in_memory:
            return bool(transport.flush(TIMEOUT_SECONDS))
        # The parent has the turn: it delivers, or the next process does.
        return not transport.flush(0.05)

    assert in_a_fork(child) == 0
    may_go.set()
    transport.send(envelope("after"))
    assert transport.flush(TIMEOUT_SECONDS)
    assert sorted(record.read_text().split()) == [
        "after",
        "before-1",
        "before-2",
        "child",
    ]


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_in_a_fork_flush_and_close_hang_on_no_lock_of_the_parent(make: Any) -> None:
    transport = make(MemoryTransport(), None)
    transport.send(envelope("a"))
    assert transport.flush(TIMEOUT_SECONDS)
    with transport._worker.get()._changed:
        assert in_a_fork(lambda: transport.close() is None and transport.flush(1)) == 0


def test_close_does_not_wait_for_the_end_of_a_pause_that_lasts_longer(
    make: Any,
) -> None:
    def answer(name: str) -> None:
        raise TransportError("slowly", 3600)

    receiver = Receiver(answer)
    transport = make(receiver, shutdown_timeout_seconds=2 * TIMEOUT_SECONDS)
    transport.send(envelope("a"))
    started = time.monotonic()
    transport.close()
    assert time.monotonic() - started < TIMEOUT_SECONDS
    assert receiver.seen == ["a"] and transport.has_leftovers()
