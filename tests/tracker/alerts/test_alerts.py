"""Alerts: which issues people are told of, once, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from flask_errtrack.tracker.alerts import queue
from flask_errtrack.tracker.database.schema import activity, alert, issue
from flask_errtrack.tracker.store import Store

from ..stores import Clock, broken, item, rows
from .receivers import HOME, Listener, watchman_of


def fail(store: Store, function: str = "price", count: int = 1, **more: Any) -> None:
    for _ in range(count):
        values = [broken(function=function)]
        store.record(item(exception={"values": values}, **more))


def set_status(store: Store, status: str) -> None:
    store.write(
        lambda connection: connection.execute(update(issue).values(status=status))
    )


def test_a_new_issue_is_told_once(store: Store) -> None:
    listener = Listener()
    watchman = watchman_of(store, listener)
    fail(store, count=3)
    watchman.round()
    watchman.round()
    (told,) = listener.alerts
    assert told.subject == "New issue: KeyError: 'EUR'"
    (one,) = told.issues
    assert (one.events, one.users, one.place) == (3, 0, "shop.prices in price")
    assert one.url == f"{HOME}/issues/{one.issue_id}"
    assert one.url in told.text and "in shop.prices in price" in told.text
    (row,) = rows(store, alert)
    assert (row.status, row.attempts, row.problem, row.told) == (
        "sent",
        1,
        "",
        listener.name,
    )


def test_an_issue_that_comes_back_is_told(store: Store) -> None:
    listener = Listener()
    watchman = watchman_of(store, listener)
    fail(store)
    watchman.round()
    set_status(store, "resolved")
    fail(store)
    watchman.round()
    assert [one.partition(":")[0] for one in listener.subjects] == [
        "New issue",
        "Came back",
    ]


def test_an_issue_that_comes_back_again_and_again_is_told_once_an_hour(
    store: Store, clock: Clock
) -> None:
    listener = Listener()
    watchman = watchman_of(store, listener, rules=["regressed"])
    fail(store)
    for minutes in (0, 10, 70):
        clock.seconds += minutes * 60
        set_status(store, "resolved")
        fail(store)
        watchman.round()
    assert len(listener.alerts) == 2


def test_muted_and_resolved_issues_are_never_told(store: Store) -> None:
    listener = Listener()
    watchman = watchman_of(store, listener, rules=["new", {"events": 1, "minutes": 5}])
    fail(store)
    set_status(store, "muted")
    watchman.round()
    set_status(store, "resolved")
    watchman.round()
    assert (listener.alerts, rows(store, alert)) == ([], [])


@pytest.mark.parametrize("status", ["muted", "resolved"])
def test_an_alert_that_waits_is_dropped_when_its_issue_is_finished(
    store: Store, clock: Clock, status: str
) -> None:
    listener = Listener()
    listener.refusal = "not now"
    watchman = watchman_of(store, listener)
    fail(store)
    watchman.round()
    set_status(store, status)
    listener.refusal = ""
    clock.seconds += queue.MAX_PAUSE_SECONDS
    watchman.round()
    assert (listener.alerts, rows(store, alert)) == ([], [])


def test_without_anybody_to_tell_what_happened_is_not_told_later(store: Store) -> None:
    fail(store)
    watchman_of(store).round()
    (row,) = rows(store, activity)
    assert row.is_told
    listener = Listener()
    watchman_of(store, listener).round()
    assert listener.alerts == []


def test_what_happened_long_before_is_not_told(store: Store, clock: Clock) -> None:
    fail(store)
    clock.seconds += 2 * 86400
    listener = Listener()
    watchman_of(store, listener).round()
    assert listener.alerts == []


def test_so_many_events_in_a_window_are_told(store: Store, clock: Clock) -> None:
    listener = Listener()
    watchman = watchman_of(store, listener, rules=[{"events": 10, "minutes": 5}])
    fail(store, count=9)
    watchman.round()
    clock.seconds += 301
    fail(store, count=9)
    watchman.round()
    assert listener.alerts == []
    clock.seconds += 60
    # All are counted, also those that are thinned out.
    fail(store)
    watchman.round()
    assert listener.subjects == ["10 events in 5 min: KeyError: 'EUR'"]
    fail(store, count=20)
    clock.seconds += 60
    watchman.round()
    assert len(listener.alerts) == 1


def test_so_many_users_in_a_window_are_told(store: Store, clock: Clock) -> None:
    listener = Listener()
    watchman = watchman_of(store, listener, rules=[{"users": 3, "minutes": 60}])
    for user in (1, 1, 1, 2):
        fail(store, user={"id": str(user)})
    watchman.round()
    assert listener.alerts == []
    fail(store, user={"id": "3"})
    clock.seconds += 11
    watchman.round()
    assert listener.subjects == ["3 users in 60 min: KeyError: 'EUR'"]


def test_a_spike_is_told_of_an_issue_that_is_known_for_longer(
    store: Store, clock: Clock
) -> None:
    listener = Listener()
    watchman = watchman_of(store, listener, rules=[{"spike": 5}])
    for _ in range(12):
        fail(store, count=4)
        fail(store, "tax", count=1)
        clock.seconds += 3600
    fail(store, "new", count=40)
    fail(store, count=16)
    watchman.round()
    assert listener.alerts == []
    clock.seconds += 11
    fail(store, count=8)
    fail(store, "tax", count=8)
    watchman.round()
    (told,) = listener.alerts
    assert told.issues[0].place == "shop.prices in price"
    assert told.subject.startswith("5 times the usual: ")


def test_many_at_once_become_one_message(store: Store) -> None:
    listener = Listener()
    watchman = watchman_of(store, listener)
    for number in range(30):
        fail(store, f"step_{number}")
    watchman.round()
    (told,) = listener.alerts
    assert told.subject == "30 alerts in app"
    assert len(told.issues) == 30
    assert "… and 10 more on the dashboard." in told.text
    assert {row.status for row in rows(store, alert)} == {"sent"}


def test_an_hour_has_a_number_of_messages_and_the_rest_comes_later(
    store: Store, clock: Clock
) -> None:
    listener = Listener()
    watchman = watchman_of(store, listener)
    for number in range(queue.MAX_MESSAGES_PER_HOUR + 6):
        clock.seconds += 1
        fail(store, f"step_{number}")
        watchman.round()
    assert len(listener.alerts) == queue.MAX_MESSAGES_PER_HOUR
    clock.seconds += 3600
    watchman.round()
    assert listener.subjects[queue.MAX_MESSAGES_PER_HOUR :] == ["6 alerts in app"]


def test_who_refuses_is_asked_again_with_growing_pauses_and_no_one_else_is(
    store: Store, clock: Clock
) -> None:
    good, bad = Listener("1: good"), Listener("2: bad")
    bad.refusal = "the room is closed"
    watchman = watchman_of(store, good, bad)
    fail(store)
    pauses = []
    for _ in range(queue.MAX_ATTEMPTS):
        watchman.round()
        watchman.round()
        (row,) = rows(store, alert)
        pauses.append(row.next_try_at - clock.seconds)
        clock.seconds = row.next_try_at
    assert pauses == [30, 120, 480, 1920, 3600, 3600]
    watchman.round()
    assert (good.tries, bad.tries) == (1, queue.MAX_ATTEMPTS)
    (row,) = rows(store, alert)
    assert (row.status, row.problem, row.told) == (
        "failed",
        "2: bad: the room is closed",
        "1: good",
    )


def test_what_was_told_long_ago_is_forgotten(store: Store, clock: Clock) -> None:
    listener = Listener()
    watchman = watchman_of(store, listener)
    fail(store)
    watchman.round()
    clock.seconds += queue.KEEP_SECONDS + 1
    watchman.round()
    assert rows(store, alert) == []
