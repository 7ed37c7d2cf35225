"""The tracker as a transport: what goes in, and what the caller is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_errtrack.errors import Refused, StoreError
from flask_errtrack.protocol.envelope import Envelope, Item
from flask_errtrack.tracker import Tracker
from flask_errtrack.tracker.database.schema import feedback, group, issue
from flask_errtrack.transports.base import flush

from .samples import NOW, event_id
from .stores import Clock, item, report, row, rows, stored


@pytest.fixture
def tracker(tmp_path: Path) -> Iterator[Tracker]:
    """A tracker whose database is not there yet."""
    made = Tracker(f"sqlite:///{tmp_path}/new/errtrack.db", now=Clock())
    yield made
    made.transport.close()


def test_every_event_and_report_of_an_envelope_is_stored(tracker: Tracker) -> None:
    items = (
        item(event_id=event_id(1)),
        Item("session", b"{}"),
        item(event_id=event_id(2)),
        report(event_id(1)),
    )

    tracker.transport.send(Envelope(items))

    made = row(tracker.store, group)
    assert (made.event_count, made.last_seen) == (2, NOW)
    assert row(tracker.store, feedback).group_id == made.id


def test_an_item_that_is_refused_does_not_hold_up_the_others(tracker: Tracker) -> None:
    envelope = Envelope((Item("event", b"["), item()))

    with pytest.raises(Refused, match="payload of an item of type 'event'"):
        tracker.transport.send(envelope)

    assert row(tracker.store, issue).event_count == 1


def test_what_was_sent_is_stored_at_once(tracker: Tracker) -> None:
    tracker.transport.send(Envelope((item(),)))

    assert flush(tracker.transport, 0.0)
    assert len(rows(tracker.store, issue)) == 1


def test_a_database_that_does_not_work_is_worth_another_try(tmp_path: Path) -> None:
    (tmp_path / "errtrack.db").mkdir()
    tracker = Tracker(f"sqlite:///{tmp_path}/errtrack.db")

    with pytest.raises(StoreError, match="cannot be opened"):
        tracker.transport.send(Envelope((item(),)))
    (tmp_path / "errtrack.db").rmdir()
    tracker.transport.send(Envelope((item(),)))

    assert len(rows(tracker.store, issue)) == 1
    tracker.transport.close()


def test_sending_works_after_close(tracker: Tracker) -> None:
    tracker.transport.close()

    tracker.transport.send(Envelope((item(),)))

    assert len(rows(tracker.store, issue)) == 1


def test_a_tracker_takes_the_limits_of_its_app(tmp_path: Path) -> None:
    clock = Clock()
    tracker = Tracker(
        f"sqlite:///{tmp_path}/errtrack.db",
        max_events_per_issue=4,
        retention_days=1,
        now=clock,
    )
    for _ in range(20):
        tracker.transport.send(Envelope((item(),)))
    clock.seconds += 86401

    assert len(stored(tracker.store)) <= 4
    assert tracker.store.prune() == 20
    tracker.transport.close()
