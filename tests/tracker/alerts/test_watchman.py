"""The watchman's rounds: after a time away, and when things fail in between."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from flask_errtrack.errors import StoreError
from flask_errtrack.protocol.envelope import Item
from flask_errtrack.settings.alert_rules import rules_of
from flask_errtrack.tracker.alerts import queue
from flask_errtrack.tracker.alerts.deciding import decide
from flask_errtrack.tracker.alerts.messages import Alert
from flask_errtrack.tracker.alerts.watchman import Watchman
from flask_errtrack.tracker.database.schema import alert, issue
from flask_errtrack.tracker.store import Store

from ..stores import Clock, rows
from .receivers import Listener, watchman_of
from .test_alerts import fail


def test_who_was_told_while_the_database_failed_is_not_told_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "errors.db"
    store = Store(f"sqlite:///{path}", busy_timeout_seconds=0.01)
    fail(store)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    told: list[Alert] = []

    class Locks:
        name = "1: locks"

        def tell(self, alert: Alert) -> None:
            told.append(alert)
            other.execute("BEGIN IMMEDIATE")

    watchman = watchman_of(store, Locks())
    with pytest.raises(StoreError):
        watchman.round()
    other.close()
    watchman.round()
    assert (len(told), rows(store, alert)[0].status) == (1, "sent")
    store.close()


def test_monitors_have_a_minute_after_a_time_away(store: Store, clock: Clock) -> None:
    config = {"schedule": {"type": "crontab", "value": "* * * * *"}}
    raw = {"monitor_slug": "sync", "status": "ok", "monitor_config": config}
    watchman = Watchman(store, [], [])
    watchman.round()
    store.record(Item("check_in", json.dumps(raw).encode()))
    # The database did not work for an hour, say.
    for seconds in (3600, 30, 29):
        clock.seconds += seconds
        watchman.round()
    assert rows(store, issue) == []
    clock.seconds += 1
    watchman.round()
    assert len(rows(store, issue)) == 1


def test_monitors_have_a_minute_before_they_count_as_missed(
    store: Store, clock: Clock
) -> None:
    config = {"schedule": {"type": "crontab", "value": "* * * * *"}}
    raw = {"monitor_slug": "sync", "status": "ok", "monitor_config": config}
    store.record(Item("check_in", json.dumps(raw).encode()))
    clock.seconds += 600
    listener = Listener()
    watchman = Watchman(store, [listener], rules_of(["new"]))
    watchman.round()
    clock.seconds += 59
    watchman.round()
    assert listener.alerts == []
    clock.seconds += 1
    watchman.round()
    assert listener.subjects == ["New issue: sync did not run"]


def test_a_clock_that_is_set_back_keeps_nothing_waiting(
    store: Store, clock: Clock
) -> None:
    listener = Listener()
    listener.refusal = "not now"
    rules = ["new", {"events": 3, "minutes": 5}]
    watchman = watchman_of(store, listener, rules=rules)
    clock.seconds += 86400
    fail(store)
    watchman.round()
    clock.seconds -= 86400
    listener.refusal = ""
    fail(store, "tax", count=3)
    watchman.round()
    assert sorted(one.partition(":")[0] for one in listener.subjects) == [
        "3 events in 5 min",
        "New issue",
        "New issue",
    ]


def test_who_dies_while_delivering_leaves_the_alert_to_others(
    store: Store, clock: Clock
) -> None:
    fail(store)
    listener = Listener()
    watchman = watchman_of(store, listener)
    decide(store, watchman.rules)
    assert queue.claim(store) is not None
    watchman.round()
    assert listener.alerts == []
    clock.seconds += queue.CLAIM_SECONDS
    watchman.round()
    assert len(listener.alerts) == 1
