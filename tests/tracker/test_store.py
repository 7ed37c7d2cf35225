"""The store: what it counts, what it keeps, and in which order things may come."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import update

from flask_errtrack.errors import Refused
from flask_errtrack.protocol.envelope import Item
from flask_errtrack.tracker import actions
from flask_errtrack.tracker.database.schema import (
    event,
    feedback,
    group,
    group_hour,
    group_tag,
    group_user,
    issue,
    project,
)
from flask_errtrack.tracker.store import Store
from flask_errtrack.tracker.storing.counting import FOLD_INTERVAL, MAX_TAG_KEYS

from .samples import NOW, event_id
from .stores import Clock, broken, item, report, row, rows, stored


def test_an_event_makes_an_issue_with_its_facts(store: Store) -> None:
    recorded = store.record(
        item(event_id=event_id(1), environment="production", release="1.4")
    )

    made = row(store, issue)
    assert recorded is not None
    assert (recorded.event_id, recorded.issue_id) == (event_id(1), made.id)
    assert (recorded.is_new, recorded.is_regression) == (True, False)
    assert made.title == "KeyError: 'EUR'"
    assert made.culprit == "shop.prices in price"
    assert (made.level, made.status) == ("error", "unresolved")
    assert (made.environment, made.release) == ("production", "1.4")
    assert (made.event_count, made.user_count) == (1, 0)
    assert row(store, group).words == (
        "KeyError in shop.prices.price, at the line rates[currency]"
    )
    assert stored(store)[0]["event_id"] == event_id(1)


def test_an_event_that_comes_again_is_counted_once(store: Store) -> None:
    first = store.record(item(event_id=event_id(1), tags={"a": "b"}))
    second = store.record(item(event_id=event_id(1), tags={"a": "b"}))

    assert first is not None
    assert second is not None
    assert (second.is_duplicate, second.issue_id) == (True, first.issue_id)
    assert row(store, issue).event_count == 1
    assert row(store, group_tag).event_count == 1
    assert row(store, group_hour).event_count == 1


def test_events_of_two_projects_never_meet(store: Store) -> None:
    other = _add_project(store)

    first = store.record(item(event_id=event_id(1)))
    second = store.record(item(event_id=event_id(1)), project_id=other)

    assert first is not None
    assert second is not None
    assert second.is_new
    assert first.issue_id != second.issue_id
    assert [made.project_id for made in rows(store, issue)] == [1, other]


def test_an_issue_shows_its_newest_event_and_when_it_was_seen(
    store: Store, clock: Clock
) -> None:
    store.record(item(release="1", level="error"))
    clock.seconds = NOW - 60
    store.record(item(release="0", level="warning"))
    clock.seconds = NOW + 60
    store.record(item(release="2", level="fatal"))

    made = row(store, issue)
    assert (made.first_seen, made.last_seen) == (NOW - 60, NOW + 60)
    assert (made.release, made.level, made.event_count) == ("2", "fatal", 3)


def test_an_older_event_changes_no_facts(store: Store, clock: Clock) -> None:
    store.record(item(release="2"))
    clock.seconds = NOW - 60
    store.record(item(release="1"))

    assert row(store, issue).release == "2"


@pytest.mark.parametrize(
    ("users", "count"),
    [
        ([{"id": "1"}, {"id": "1"}, {"id": "2"}], 2),
        ([{"id": 1}, {"id": "1"}], 1),
        ([{"id": "1", "email": "a@b.c"}, {"id": "1", "email": "d@e.f"}], 1),
        ([{"id": "x"}, {"email": "x"}, {"username": "x"}, {"ip_address": "x"}], 4),
        ([{}, None, {"name": "Ada"}], 0),
    ],
)
def test_users_are_counted_once_each(
    store: Store, users: list[Any], count: int
) -> None:
    for user in users:
        store.record(item(user=user))

    assert row(store, issue).user_count == count
    assert len(rows(store, group_user)) == count


def test_hours_and_tags_are_counted(store: Store, clock: Clock) -> None:
    store.record(item(tags={"plan": "pro"}, environment="live"))
    clock.seconds = NOW + 3600
    store.record(item(tags=[["plan", "pro"]], server_name="web-1"))
    store.record(item(tags={"plan": "free", "environment": "mine"}, environment="live"))

    hours = [(made.hour, made.event_count) for made in rows(store, group_hour)]
    tags = {(made.key, made.value): made.event_count for made in rows(store, group_tag)}
    assert hours == [(NOW // 3600, 1), (NOW // 3600 + 1, 2)]
    assert tags == {
        ("plan", "pro"): 2,
        ("plan", "free"): 1,
        ("environment", "live"): 2,
        ("server_name", "web-1"): 1,
    }


def test_tags_and_values_without_end_are_bounded_the_common_ones_stay(
    store: Store,
) -> None:
    for number in range(FOLD_INTERVAL):
        tags = {f"key{3 * number + n}": "x" for n in range(3)} | {"plan": "pro"}
        store.record(item(tags=tags, release=f"{number}", environment="live"))
    counts = Counter(made.key for made in rows(store, group_tag))
    assert len(counts) == MAX_TAG_KEYS + len({"release", "environment"})
    assert counts["release"] == FOLD_INTERVAL
    common = [made for made in rows(store, group_tag) if made.key == "plan"]
    assert [(made.value, made.event_count) for made in common] == [("pro", 100)]


def test_no_event_counts_more_than_fifty_tags_nor_long_ones(store: Store) -> None:
    store.record(item(release="1", tags={f"{n}" * 300: "v" * 300 for n in range(99)}))

    found = rows(store, group_tag)
    assert len(found) == 50
    assert "release" in {made.key for made in found}
    assert {len(made.key) for made in found} <= {7, 200}
    assert {len(made.value) for made in found} == {1, 200}


def test_a_resolved_issue_that_happens_again_is_a_regression(
    store: Store, clock: Clock
) -> None:
    store.record(item())
    issue_id = row(store, issue).id
    actions.resolve(store, [issue_id])
    clock.seconds = NOW + 60

    again = store.record(item())
    after = store.record(item())

    assert again is not None
    assert after is not None
    assert (again.is_regression, again.is_new) == (True, False)
    assert not after.is_regression
    made = row(store, issue)
    assert (made.status, made.is_regressed) == ("unresolved", True)
    assert made.status_changed_at == NOW + 60
    assert [kept.is_landmark for kept in rows(store, event)] == [True, True, False]


def test_a_muted_issue_stays_muted(store: Store) -> None:
    store.record(item())
    actions.mute(store, [row(store, issue).id])

    again = store.record(item())

    assert again is not None
    assert not again.is_regression
    assert (row(store, issue).status, row(store, issue).event_count) == ("muted", 2)


def test_an_edited_line_stays_in_its_issue_in_a_new_release(store: Store) -> None:
    first = store.record(item(release="1"))
    edited = item(release="2", exception={"values": [broken(line="rates.get(name)")]})

    second = store.record(edited)

    assert first is not None
    assert second is not None
    assert (second.issue_id, second.is_new) == (first.issue_id, False)
    assert len(rows(store, group)) == 2


@pytest.mark.parametrize(("one", "two"), [("1", "1"), (None, "2"), ("1", None)])
def test_two_lines_of_one_release_are_two_issues(
    store: Store, one: str | None, two: str | None
) -> None:
    store.record(item(release=one))

    store.record(item(release=two, exception={"values": [broken(line="other()")]}))

    assert len(rows(store, issue)) == 2


def test_an_edited_line_follows_no_issue_where_two_are_possible(store: Store) -> None:
    for line in ("one()", "two()"):
        store.record(item(release="1", exception={"values": [broken(line=line)]}))

    store.record(item(release="2", exception={"values": [broken(line="three()")]}))

    assert len(rows(store, issue)) == 3


def test_a_storm_is_counted_in_full_and_stored_in_part(store: Store) -> None:
    for number in range(100):
        store.record(item(event_id=event_id(number)))

    numbers = [int(kept["event_id"], 16) for kept in stored(store)]
    assert row(store, issue).event_count == 100
    assert len(numbers) <= 8
    # The first, the newest, and a spread between that grows thinner with age.
    assert numbers[0] == 0
    assert numbers[-3:] == [97, 98, 99]
    assert 0 < numbers[1] < 96


def test_events_that_matter_outlive_a_storm(store: Store) -> None:
    for number in range(40):
        if number == 5:
            actions.resolve(store, [1])
        store.record(item(event_id=event_id(number)))
        if number == 7:
            store.record(report(event_id(7)))

    kept = {int(one["event_id"], 16) for one in stored(store)}
    assert {0, 5, 7, 39} <= kept
    assert len(kept) <= 8


def test_a_report_belongs_to_the_issue_of_its_event(store: Store) -> None:
    recorded = store.record(item(event_id=event_id(1)))

    told = store.record(report(event_id(1), name="Ada", email="ada@example.org"))

    assert recorded is not None
    assert told is not None
    assert told.issue_id == recorded.issue_id
    made = row(store, feedback)
    assert (made.group_id, made.name) == (row(store, group).id, "Ada")
    assert (made.email, made.comments) == ("ada@example.org", "It broke.")


def test_a_report_may_come_before_its_event(store: Store) -> None:
    told = store.record(report(event_id(1)))
    assert told is not None
    assert told.issue_id is None

    recorded = store.record(item(event_id=event_id(1)))

    assert recorded is not None
    assert row(store, feedback).group_id == row(store, group).id


def test_the_last_report_about_an_event_counts(store: Store) -> None:
    store.record(item(event_id=event_id(1)))
    store.record(report(event_id(1), comments="First.", name="Ada"))
    store.record(report(event_id(1), comments="Second."))

    made = row(store, feedback)
    assert (made.comments, made.name) == ("Second.", "")
    assert made.group_id == row(store, group).id


def test_old_events_go_and_counters_stay(store: Store, clock: Clock) -> None:
    store.record(item(event_id=event_id(1)))
    clock.seconds = NOW + 86400
    store.record(item(event_id=event_id(2)))
    clock.seconds = NOW + 30 * 86400 + 1

    assert store.prune() == 1

    assert [kept["event_id"] for kept in stored(store)] == [event_id(2)]
    assert row(store, issue).event_count == 2


def test_more_old_events_than_a_batch_go_at_once(store: Store, clock: Clock) -> None:
    recorded = store.record(item())
    assert recorded is not None
    old = [
        {
            "project_id": 1,
            "event_id": event_id(number),
            "group_id": row(store, group).id,
            "received_at": NOW - 40 * 86400,
            "is_landmark": False,
            "payload": b"",
        }
        for number in range(1200)
    ]
    with store.reading() as connection:
        connection.execute(event.insert(), old)

    assert store.prune() == 1200
    assert len(rows(store, event)) == 1


def test_recording_prunes_once_an_hour(store: Store, clock: Clock) -> None:
    store.record(item(event_id=event_id(1)))
    with store.reading() as connection:
        connection.execute(update(event).values(received_at=NOW - 31 * 86400))
    clock.seconds = NOW + 3599
    store.record(item(event_id=event_id(2)))
    assert len(rows(store, event)) == 2

    clock.seconds = NOW + 3601
    store.record(item(event_id=event_id(3)))

    kept = [one["event_id"] for one in stored(store)]
    assert kept == [event_id(2), event_id(3)]


def test_items_of_other_types_are_skipped(store: Store) -> None:
    assert store.record(Item("transaction", b"not even JSON")) is None


@pytest.mark.parametrize("kind", ["event", "user_report"])
@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b"[]", b'"text"', b"null"])
def test_what_is_no_json_object_is_refused(
    store: Store, kind: str, payload: bytes
) -> None:
    with pytest.raises(Refused, match=kind):
        store.record(Item(kind, payload))


def test_a_report_about_no_event_is_refused(store: Store) -> None:
    with pytest.raises(Refused, match="expected 32 hex digits"):
        store.record(report("latest"))


def _add_project(store: Store) -> int:
    with store.reading() as connection:
        made = connection.execute(
            project.insert().values(name="other", public_key="k" * 32, created_at=NOW)
        )
        assert made.inserted_primary_key is not None
        return int(made.inserted_primary_key[0])
