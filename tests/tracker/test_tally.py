"""What is no event here is counted by hour and reason, in few writes."""

from __future__ import annotations

from threading import Thread

from flask_errtrack.tracker import projects, tally
from flask_errtrack.tracker.database.schema import tally as table
from flask_errtrack.tracker.store import Store
from flask_errtrack.tracker.storing.counting import hour_of
from flask_errtrack.tracker.tally import MAX_QUANTITY, Kind, Sum, Tallies

from .samples import NOW
from .stores import Clock, row, rows

HOUR = hour_of(NOW)


def put(store: Store, project_id: int, hour: int, kind: Kind, quantity: int) -> None:
    store.write(lambda made: tally.add(made, project_id, hour, kind, "x", quantity))


def test_counts_add_up_over_hours_and_projects(store: Store) -> None:
    other_id = projects.add(store, "other").id
    for project_id, hour, quantity in (
        (1, 5, 1),
        (1, 5, 2),
        (1, 6, 4),
        (other_id, 6, 8),
    ):
        put(store, project_id, hour, "refused", quantity)
    put(store, 1, 6, "lost", 1)
    with store.reading() as connection:
        everything = tally.sums(connection, 0)
        newest = tally.sums(connection, 6)
    assert everything == [Sum("lost", "x", 1), Sum("refused", "x", 15)]
    assert newest == [Sum("lost", "x", 1), Sum("refused", "x", 12)]


def test_a_count_that_is_full_stays_so(store: Store) -> None:
    for quantity in (5, MAX_QUANTITY - 1, 10**30, 1):
        put(store, 1, 5, "lost", quantity)
    assert row(store, table).quantity == MAX_QUANTITY
    put(store, 1, 6, "lost", 5)
    with store.reading() as connection:
        assert tally.sums(connection, 0) == [Sum("lost", "x", MAX_QUANTITY + 5)]


def test_what_threads_count_is_written_once(store: Store, clock: Clock) -> None:
    tallies = Tallies(store, clock)

    def count() -> None:
        for _ in range(500):
            tallies.count(1, "refused", "quota")
            tallies.flush_sometimes()

    threads = [Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clock.seconds += 1
    tallies.flush_sometimes()
    assert [(one.hour, one.quantity) for one in rows(store, table)] == [(HOUR, 2000)]


def test_what_waits_is_written_when_somebody_asks_for_it(
    store: Store, clock: Clock
) -> None:
    tallies = Tallies(store, clock)
    for number in range(3):
        tallies.count(1, "refused", "quota")
        tallies.flush_sometimes()
        assert row(store, table).quantity == 1, number
    tallies.flush()
    tallies.flush()
    assert row(store, table).quantity == 3
