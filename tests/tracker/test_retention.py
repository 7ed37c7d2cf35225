"""What goes with age, what stays, and that nobody notices while it goes."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text

from flask_errtrack.tracker import actions, merging, tally
from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.database.engine import Database
from flask_errtrack.tracker.database.schema import event, group, issue, person
from flask_errtrack.tracker.store import Store
from flask_errtrack.tracker.storing import retention
from flask_errtrack.tracker.storing.counting import hour_of

from .samples import NOW, event_id
from .stores import (
    Clock,
    broken,
    item,
    postgresql_url,
    record_meanwhile,
    report,
    row,
    rows,
)

MONTH = 30 * 86400


def happen(store: Store, who: str, place: int = 0) -> None:
    where = {"values": [broken(function=f"place_{place}")]}
    store.record(item(user={"id": who}, exception=where))


def people(store: Store) -> list[str]:
    return sorted(one.user_id for one in rows(store, person))


def test_who_people_are_goes_with_the_last_of_their_events(
    store: Store, clock: Clock
) -> None:
    happen(store, "ada")
    happen(store, "bob")
    clock.seconds += 60
    happen(store, "ada")
    clock.seconds = NOW + MONTH + 1
    assert store.prune() == 2
    assert people(store) == ["ada"]
    clock.seconds += 60
    assert store.prune() == 1
    assert people(store) == []
    assert (row(store, issue).event_count, row(store, issue).user_count) == (3, 2)


def test_who_people_are_goes_with_the_last_of_their_issues(store: Store) -> None:
    happen(store, "ada")
    happen(store, "bob")
    happen(store, "ada", place=1)
    actions.delete_issues(store, [1])
    assert people(store) == ["ada"]
    actions.delete_issues(store, [2])
    assert people(store) == []


def test_old_tallies_go_with_the_events_of_their_time(
    store: Store, clock: Clock
) -> None:
    store.write(lambda made: tally.add(made, 1, hour_of(NOW), "lost", "x"))
    store.write(lambda made: tally.add(made, 1, hour_of(NOW) + 1, "lost", "x"))
    clock.seconds = NOW + MONTH + 3600
    store.prune()
    assert row(store, schema.tally).hour == hour_of(NOW) + 1


def test_old_feedback_goes_if_its_event_never_came(store: Store, clock: Clock) -> None:
    store.record(item(event_id=event_id(1)))
    for number in (1, 2):
        store.record(report(event_id(number)))
    clock.seconds += 60
    store.record(report(event_id(3)))
    clock.seconds = NOW + MONTH + 1
    store.prune()
    left = [one.event_id for one in rows(store, schema.feedback)]
    assert left == [event_id(1), event_id(3)]


def test_an_event_waits_for_one_batch_of_old_ones_at_most(
    store: Store, clock: Clock
) -> None:
    happen(store, "ada")
    old = [
        {
            "project_id": 1,
            "event_id": event_id(number),
            "group_id": row(store, group).id,
            "received_at": NOW - MONTH,
            "is_landmark": False,
        }
        for number in range(2 * retention.BATCH_SIZE)
    ]
    store.write(lambda connection: connection.execute(event.insert(), old))
    clock.seconds += 3601
    kept = []
    for _ in range(4):
        happen(store, "ada")
        kept.append(len(rows(store, event)))
    assert kept == [retention.BATCH_SIZE + 2, 3, 4, 5]


def test_nothing_is_lost_while_old_events_go(store: Store, clock: Clock) -> None:
    for number in range(40):
        happen(store, f"user {number % 10}", number % 4)
    clock.seconds = NOW + MONTH + 1

    def prune() -> None:
        store.prune()

    def record(number: int) -> None:
        happen(store, f"user {number % 5}", number % 4)

    record_meanwhile(prune, record)
    prune()
    assert len(rows(store, event)) == 60
    assert sum(one.event_count for one in rows(store, issue)) == 100
    assert people(store) == [f"user {number}" for number in range(5)]


@pytest.mark.postgresql
def test_no_two_writers_wait_for_each_other(clock: Clock) -> None:
    url = postgresql_url()
    store = Store(url, max_events_per_issue=8, retention_days=30, now=clock)
    for number in range(20):
        happen(store, "ada", number % 4)
    clock.seconds = NOW + MONTH + 1

    def change() -> None:
        numbers = [one.id for one in rows(store, issue)]
        actions.resolve(store, numbers)
        if len(numbers) > 1:
            merging.merge(store, numbers)
        else:
            merging.unmerge(store, rows(store, group)[0].id)
        store.prune()

    def record(number: int) -> None:
        happen(store, f"user {number % 5}", number % 4)
        # An edited line, whose group comes to an issue that may be merged just now.
        edited = broken(function=f"place_{number % 4}", line=f"line_{number // 2}()")
        store.record(item(release=f"{number // 4}", exception={"values": [edited]}))

    record_meanwhile(change, record)
    # What a connection has counted is written down at its end.
    store.close()
    assert deadlocks(url) == 0


def deadlocks(url: str) -> int:
    """Return how often writers of a database have waited for each other."""
    engine = create_engine(Database(url).url)
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    with engine.connect() as connection:
        found = connection.execute(text(query)).scalar_one()
    engine.dispose()
    return int(found)
