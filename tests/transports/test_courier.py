"""Rounds of a courier: what goes, what waits, what is settled, what is written down."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import WAIT_SECONDS

from flask_errtrack.errors import Refused, TransportError
from flask_errtrack.protocol.drops import Drops
from flask_errtrack.protocol.envelope import Envelope, Item
from flask_errtrack.transports.courier import Courier
from flask_errtrack.transports.ledger import ALL, Ledger, Page
from flask_errtrack.transports.memory import MemoryOutbox
from flask_errtrack.transports.outbox import FolderOutbox
from flask_errtrack.transports.tour import Tour


class Caller:
    """Never in a hurry; keeps how long the courier would have rested."""

    def __init__(self) -> None:
        self.rests: list[float] = []

    def is_over(self) -> bool:
        return False

    def rest(self, seconds: float) -> None:
        self.rests.append(seconds)


class Receiver:
    """Answers as told, and keeps what passes."""

    def __init__(self, answer: Callable[[Envelope], None] = lambda envelope: None):
        self.answer = answer
        self.seen: list[Envelope] = []
        self.passed: list[Envelope] = []

    def send(self, envelope: Envelope) -> None:
        self.seen.append(envelope)
        self.answer(envelope)
        self.passed.append(envelope)


def envelope(kind: str = "event") -> Envelope:
    return Envelope((Item(kind, b"{}"),))


class Process:
    """A process of the host that has the outbox ``folder``."""

    def __init__(self, folder: Path, receiver: Receiver, sends_reports: bool = False):
        self.outbox = FolderOutbox(folder, 100_000)
        self.drops = Drops()
        self.caller = Caller()
        self.courier = Courier(
            self.outbox,
            MemoryOutbox(100_000),
            self.drops,
            lambda: receiver,
            first_pause_seconds=1.0,
            sends_reports=sends_reports,
        )

    def put(self, *kinds: str) -> None:
        for kind in kinds:
            one = envelope(kind)
            self.outbox.put(one.encode(), one.category)

    def round(self) -> Any:
        return self.courier.round(self.caller)

    @property
    def page(self) -> Page:
        return self.outbox.ledger.read()

    def let_pauses_end(self) -> None:
        page = self.page
        for key, pause in page.pauses.items():
            page.pauses[key] = pause._replace(until=1.0)
        self.outbox.ledger.write(page)


def failing(error: Exception) -> Callable[[Envelope], None]:
    def answer(envelope: Envelope) -> None:
        raise error

    return answer


def test_an_empty_outbox_needs_no_folder(tmp_path: Path) -> None:
    process = Process(tmp_path / "outbox", Receiver())
    assert process.round().is_done
    assert not (tmp_path / "outbox").exists()


def test_what_waits_is_delivered_and_leaves_no_books(tmp_path: Path) -> None:
    process = Process(tmp_path, receiver := Receiver())
    process.put("event", "event")
    assert process.round().is_done
    assert len(receiver.passed) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_pause_holds_for_every_process_of_the_host(tmp_path: Path) -> None:
    receiver = Receiver(failing(TransportError("slowly", 3600)))
    first, second = Process(tmp_path, receiver), Process(tmp_path, receiver)
    first.put("event", "event")
    for process in (first, second, first):
        result = process.round()
        assert not result.is_done and result.is_paused
        assert 3500 < result.wait_seconds <= 3602
    assert len(receiver.seen) == 1
    assert second.courier.last_error == "slowly"


def test_what_others_may_send_goes_while_a_category_waits(tmp_path: Path) -> None:
    def answer(envelope: Envelope) -> None:
        if envelope.category == "error":
            raise TransportError("slowly", 3600, {"error"})

    process = Process(tmp_path, receiver := Receiver(answer))
    process.put("event", "feedback", "event", "check_in", "event")
    result = process.round()
    assert not result.is_done and not result.is_paused
    assert [one.category for one in receiver.passed] == ["feedback", "monitor"]
    assert [one.category for one in receiver.seen].count("error") == 1
    process.put("feedback")
    process.round()
    assert [one.category for one in receiver.passed][2:] == ["feedback"]


def test_after_a_pause_that_was_asked_for_it_goes_slowly(tmp_path: Path) -> None:
    problems: list[Exception] = [TransportError("slowly", 3600)]

    def answer(envelope: Envelope) -> None:
        if problems:
            raise problems.pop()

    process = Process(tmp_path, receiver := Receiver(answer))
    process.put(*["event"] * 6)
    process.round()
    process.let_pauses_end()
    restarted = Process(tmp_path, receiver)
    assert restarted.round().is_done
    assert restarted.caller.rests == [1, 0.5, 0.25, 0.125, 0.1, 0.1]
    assert not restarted.page.pauses
    restarted.put("event")
    restarted.round()
    assert len(restarted.caller.rests) == 6


def test_after_a_failure_it_goes_at_full_speed(tmp_path: Path) -> None:
    problems: list[Exception] = [TransportError("busy"), TransportError("busy")]

    def answer(envelope: Envelope) -> None:
        if problems:
            raise problems.pop()

    process = Process(tmp_path, receiver := Receiver(answer))
    process.put(*["event"] * 6)
    assert process.round().is_paused and len(receiver.seen) == 2
    process.let_pauses_end()
    assert process.round().is_done
    assert process.caller.rests == [] and process.courier.last_error is None


def test_two_failures_in_a_row_pause_everything_though_others_passed(
    tmp_path: Path,
) -> None:
    receiver = Receiver()

    def answer(envelope: Envelope) -> None:
        if len(receiver.seen) > 3:
            raise TransportError("busy")

    receiver.answer = answer
    process = Process(tmp_path, receiver)
    process.put(*["event"] * 9)
    assert process.round().is_paused
    assert len(receiver.seen) == 5 and len(receiver.passed) == 3


def test_what_was_dropped_is_written_down_for_all_processes(tmp_path: Path) -> None:
    first = Process(tmp_path, Receiver(failing(Refused("the key is not known"))))
    first.put("event", "event", "feedback")
    assert first.round().is_done
    second = Process(tmp_path, Receiver())
    for _ in range(7):
        second.drops.count("queue_overflow")
    assert second.round().is_done
    page = Process(tmp_path, Receiver()).page
    assert page.dropped == {
        ("send_error", "error"): 2,
        ("send_error", "feedback"): 1,
        ("queue_overflow", "error"): 7,
    }
    assert page.refusal == "the key is not known"


def test_a_courier_that_closes_writes_down_what_was_dropped(tmp_path: Path) -> None:
    process = Process(tmp_path, Receiver())
    process.drops.count("before_send")
    process.courier.close()
    assert process.page.dropped == {("before_send", "error"): 1}


def test_why_something_was_set_aside_can_be_looked_up(tmp_path: Path) -> None:
    process = Process(tmp_path, Receiver())
    (tmp_path / "1.error.envelope").write_bytes(b"nonsense")
    assert process.round().is_done
    ((name, reason),) = process.page.set_aside.items()
    assert name == "1.error.envelope" and "not JSON" in reason
    assert process.outbox.set_aside_names() == [f"{name}.set-aside"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"pauses": 3}',
        '{"dropped": [[1]]}',
        '{"pauses": {}, "dropped": [["a", "b", Infinity]]}',
        "\0",
        "9" * 99,
    ],
)
def test_a_ledger_that_is_none_begins_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "ledger.json").write_text(text)
    assert Ledger(tmp_path / "ledger.json").read() == Page()
    process = Process(tmp_path, receiver := Receiver())
    process.put("event")
    assert process.round().is_done and len(receiver.passed) == 1


def test_a_pause_holds_though_the_ledger_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "ledger.json").mkdir()
    receiver = Receiver(failing(TransportError("slowly", 3600)))
    process = Process(tmp_path, receiver)
    process.put("event")
    for _ in range(3):
        assert process.round().is_paused
    assert len(receiver.seen) == 1


def test_what_waits_in_memory_goes_to_the_disk_when_that_takes_it_again(
    tmp_path: Path,
) -> None:
    process = Process(tmp_path, Receiver())
    process.courier.spare.put(b"in memory", "error")
    process.courier.close()
    assert process.courier.spare.is_empty()
    assert [process.outbox.read(name) for name in process.outbox.names()] == [
        b"in memory"
    ]


def test_a_clock_set_back_prolongs_no_pause_of_our_own(tmp_path: Path) -> None:
    process = Process(tmp_path, receiver := Receiver(failing(TransportError("busy"))))
    process.put("event")
    process.round()
    page = process.page
    pause = page.pauses[ALL]
    page.pauses[ALL] = pause._replace(
        until=pause.until + 12 * 3600, since=pause.since + 12 * 3600
    )
    process.outbox.ledger.write(page)
    receiver.answer = lambda envelope: None
    assert process.round().is_done and len(receiver.passed) == 1


def test_a_ledger_is_its_owners(tmp_path: Path) -> None:
    process = Process(tmp_path, Receiver(failing(TransportError("busy"))))
    process.put("event")
    process.round()
    assert (tmp_path / "ledger.json").stat().st_mode & 0o777 == 0o600
    assert process.page.pauses[ALL].problem == "busy"


def test_the_server_is_told_what_was_dropped(tmp_path: Path) -> None:
    receiver = Receiver()
    process = Process(tmp_path, receiver, sends_reports=True)
    for _ in range(3):
        process.drops.count("queue_overflow")
    process.drops.count("expired", "monitor")
    assert process.round().is_done
    (report,) = receiver.passed
    (item,) = report.items
    told = json.loads(item.payload)
    assert item.type == "client_report" and told["timestamp"].endswith("Z")
    assert told["discarded_events"] == [
        {"reason": "queue_overflow", "category": "error", "quantity": 3},
        {"reason": "cache_overflow", "category": "monitor", "quantity": 1},
    ]
    assert process.page.unreported == {} and process.page.dropped.total() == 4


def test_what_was_told_is_not_told_again_and_the_rest_later(tmp_path: Path) -> None:
    receiver = Receiver()
    process = Process(tmp_path, receiver, sends_reports=True)
    for _ in range(3):
        process.drops.count("queue_overflow")
        assert process.round().is_done
    assert len(receiver.passed) == 1 and process.page.unreported.total() == 2


@pytest.mark.parametrize(
    ("error", "is_kept"), [(TransportError("busy"), True), (Refused("what?"), False)]
)
def test_a_report_that_fails_is_kept_and_one_that_is_refused_is_not(
    tmp_path: Path, error: Exception, is_kept: bool
) -> None:
    receiver = Receiver(failing(error))
    process = Process(tmp_path, receiver, sends_reports=True)
    process.drops.count("queue_overflow")
    process.round()
    assert bool(process.page.unreported) == is_kept
    assert process.page.dropped == {("queue_overflow", "error"): 1}


def test_without_reports_none_is_sent(tmp_path: Path) -> None:
    process = Process(tmp_path, receiver := Receiver())
    process.drops.count("queue_overflow")
    assert process.round().is_done and not receiver.seen


def test_what_was_dropped_is_written_down_even_if_a_round_breaks(
    tmp_path: Path,
) -> None:
    def answer(envelope: Envelope) -> None:
        raise KeyboardInterrupt

    process = Process(tmp_path, Receiver(answer))
    process.put("event")
    process.drops.count("queue_overflow")
    with pytest.raises(KeyboardInterrupt):
        process.round()
    assert process.page.dropped == {("queue_overflow", "error"): 1}


class FarReceiver(Receiver):
    """Takes several at once, each in a while, as many as they are meant to be.

    :param sizes: how many come at once, time after time. None answers before all of
        them are there.
    """

    at_once = 4

    def __init__(self, *sizes: int) -> None:
        super().__init__(self._answer)
        self._never = threading.Event()
        meetings = [(threading.Barrier(size), size) for size in sizes]
        self._meetings = iter([one for one, size in meetings for _ in range(size)])

    def _answer(self, envelope: Envelope) -> None:
        next(self._meetings).wait(WAIT_SECONDS)
        self._never.wait(0.03)


def test_several_go_at_once_to_a_receiver_that_is_far_away(tmp_path: Path) -> None:
    process = Process(tmp_path, receiver := FarReceiver(1, 2, 4, 4, 1))
    process.put(*["event"] * 12)
    assert process.round().is_done
    assert len(receiver.passed) == 12
    assert process.outbox.names() == []


def test_one_goes_after_the_other_to_a_receiver_that_takes_one(tmp_path: Path) -> None:
    receiver = FarReceiver(1, 1, 1, 1)
    receiver.at_once = 1
    process = Process(tmp_path, receiver)
    process.put(*["event"] * 4)
    assert process.round().is_done and len(receiver.passed) == 4


def test_those_that_go_at_once_ask_for_one_pause(tmp_path: Path) -> None:
    receiver = FarReceiver(1, 2, 4)
    wait = receiver.answer

    def answer(envelope: Envelope) -> None:
        wait(envelope)
        if len(receiver.passed) > 2:
            raise TransportError("slowly", 3600)

    receiver.answer = answer
    process = Process(tmp_path, receiver)
    process.put(*["event"] * 12)
    assert process.round().is_paused
    assert len(receiver.seen) == 7 and len(receiver.passed) == 3
    assert process.page.pauses[ALL].failures == 1
    assert len(process.outbox.names()) == 9


def test_more_go_at_once_while_a_far_receiver_takes_all() -> None:
    tour, counts = Tour(8), []
    for seconds, all_passed in [*[(0.1, True)] * 4, (0.1, False), (0.1, True)]:
        tour.learn(seconds, all_passed)
        counts.append(tour.at_once)
    assert counts == [2, 4, 8, 8, 1, 2]
    tour.learn(0.001, True)
    assert tour.at_once == 1
