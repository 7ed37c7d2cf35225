"""Issues that become one and are taken apart again: every number stays exact."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_errtrack.errors import ActionError
from flask_errtrack.tracker import actions, merging
from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.database.schema import activity, group, issue
from flask_errtrack.tracker.store import Store

from .samples import NOW, event_id
from .stores import Clock, broken, item, record_meanwhile, report, row, rows

#: An event: in which of three places, and who met it.
Happening = tuple[int, str | None]


def happen(store: Store, place: int = 0, who: str | None = None, **more: Any) -> int:
    """Record an event in one of several places; return the number of its issue."""
    user = {"user": {"id": who}} if who else {}
    where = {"values": [broken(function=f"place_{place}")]}
    recorded = store.record(item(exception=where, **user, **more))
    assert recorded is not None and recorded.issue_id is not None
    return recorded.issue_id


def numbers_by_group(store: Store) -> dict[str, tuple[Any, ...]]:
    """What each issue shows, by the hash of each of its groups."""
    issues = {one.id: one for one in rows(store, issue)}
    names = "event_count user_count first_seen last_seen title culprit level".split()
    names += ["environment", "release", "first_release"]
    return {
        one.hash: tuple(issues[one.issue_id]._mapping[name] for name in names)
        for one in rows(store, group)
    }


def assert_exact(store: Store) -> None:
    """Every issue's numbers are those that its groups' own rows give."""
    issues = {one.id: one for one in rows(store, issue)}
    groups = {one.id: one for one in rows(store, group)}
    events = Counter(one.group_id for one in rows(store, schema.event))
    people: dict[int, set[str]] = {number: set() for number in issues}
    for met in rows(store, schema.group_user):
        people[groups[met.group_id].issue_id].add(met.user_hash)
    for number, shown in issues.items():
        own = [one for one in groups.values() if one.issue_id == number]
        assert own
        assert {one.id: one.event_count for one in own} == {
            one.id: events[one.id] for one in own
        }
        assert shown.event_count == sum(one.event_count for one in own)
        assert shown.user_count == len(people[number])
        assert shown.first_seen == min(one.first_seen for one in own)
        assert shown.last_seen == max(one.last_seen for one in own)


def test_a_merged_issue_has_the_numbers_and_the_history_of_all(
    store: Store, clock: Clock
) -> None:
    happen(store, 0, "ada", release="1")
    clock.seconds += 60
    happen(store, 1, "ada", release="2")
    happen(store, 1, "bob", release="2", level="fatal")
    assert merging.merge(store, [2, 1], "Ada") == 1
    made = row(store, issue)
    assert (made.event_count, made.user_count) == (3, 2)
    assert (made.first_seen, made.last_seen) == (NOW, NOW + 60)
    assert (made.first_release, made.release, made.level) == ("1", "2", "fatal")
    happened = [(one.issue_id, one.kind, one.actor) for one in rows(store, activity)]
    assert happened == [(1, "created", ""), (1, "created", ""), (1, "merged", "Ada")]
    assert rows(store, activity)[-1].detail == "#2 KeyError: 'EUR'"


def test_what_comes_after_a_merge_counts_in_the_merged_issue(store: Store) -> None:
    for place in (0, 1):
        happen(store, place, "ada")
    merging.merge(store, [1, 2], into=2)
    assert {happen(store, 0, "ada"), happen(store, 1, "eve")} == {2}
    assert (row(store, issue).event_count, row(store, issue).user_count) == (4, 2)


@pytest.mark.parametrize(
    ("target", "other", "expected"),
    [
        (actions.resolve, actions.reopen, "unresolved"),
        (actions.resolve, actions.mute, "resolved"),
        (actions.mute, actions.resolve, "muted"),
        (actions.reopen, actions.resolve, "unresolved"),
    ],
)
def test_a_merged_issue_hides_nothing_that_is_open(
    store: Store, target: Any, other: Any, expected: str
) -> None:
    target(store, [happen(store, 0)])
    other(store, [happen(store, 1)])
    merging.merge(store, [1, 2])
    assert row(store, issue).status == expected


def test_so_many_more_events_are_as_many_more_after_a_merge(store: Store) -> None:
    actions.mute(store, [happen(store, 0)], events=2)
    for _ in range(3):
        happen(store, 1)
    actions.resolve(store, [2])
    merging.merge(store, [1, 2])
    happen(store, 1)
    assert row(store, issue).status == "muted"
    happen(store, 0)
    assert row(store, issue).status == "unresolved"


def test_a_group_becomes_an_issue_of_its_own_again(store: Store) -> None:
    happen(store, 0, "ada")
    happen(store, 1, "ada")
    actions.resolve(store, [1, 2])
    merging.merge(store, [1, 2])
    number = merging.unmerge(store, 2, "Ada")
    old, new = rows(store, issue)
    assert (old.id, old.status, old.event_count, old.user_count) == (
        1,
        "resolved",
        1,
        1,
    )
    assert (new.status, new.event_count, new.user_count) == ("unresolved", 1, 1)
    assert new.id == number
    told = [(one.issue_id, one.kind, one.detail) for one in rows(store, activity)[-2:]]
    title = "KeyError: 'EUR'"
    assert told == [
        (1, "unmerged", f"#{number} {title}"),
        (number, "separated", f"#1 {title}"),
    ]
    assert happen(store, 1) == number


@pytest.mark.parametrize(
    ("issue_ids", "problem"),
    [([1], "at least two"), ([1, 1], "at least two"), ([1, 9], "no issue 9")]
    + [([1, 2**70], "no issue"), ([1, 2], "several projects")],
)
def test_what_cannot_be_merged_stays_as_it_is(
    store: Store, issue_ids: list[int], problem: str
) -> None:
    happen(store)
    store.write(
        lambda connection: connection.execute(
            schema.project.insert().values(
                id=2, name="b", public_key="0" * 32, created_at=NOW
            )
        )
    )
    store.record(item(), project_id=2)
    before = rows(store, issue)
    with pytest.raises(ActionError, match=problem):
        merging.merge(store, issue_ids)
    assert rows(store, issue) == before


@pytest.mark.parametrize(
    ("number", "problem"), [(1, "all that issue 1 has"), (9, "no group"), (2**70, "no")]
)
def test_a_group_that_cannot_be_taken_out_stays(
    store: Store, number: int, problem: str
) -> None:
    happen(store)
    with pytest.raises(ActionError, match=problem):
        merging.unmerge(store, number)
    assert_exact(store)


@contextmanager
def twins(made_file: Path) -> Iterator[tuple[list[Store], Clock]]:
    """Two empty stores with the same time."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        files = [shutil.copy(made_file, Path(folder, f"{n}.db")) for n in (1, 2)]
        made = [Store(f"sqlite:///{file}", now=clock) for file in files]
        for store in made:
            stack.callback(store.close)
        yield made, clock


happenings = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([None, "ada", "bob", "eve"])),
    max_size=6,
)


@settings(max_examples=15, deadline=None)
@given(before=happenings, between=happenings, after=happenings)
def test_a_merge_that_is_undone_leaves_no_trace_in_the_numbers(
    made_file: Path,
    before: Sequence[Happening],
    between: Sequence[Happening],
    after: Sequence[Happening],
) -> None:
    with twins(made_file) as ((plain, merged), clock):

        def all_happen(found: Sequence[Happening]) -> None:
            for number, (place, who) in enumerate(found):
                clock.seconds += 1
                for store in (plain, merged):
                    happen(store, place, who, environment=f"{place}-{number}")

        all_happen([(place, "ada") for place in range(3)])
        all_happen(before)
        merging.merge(merged, [1, 2, 3])
        all_happen(between)
        assert row(merged, issue).event_count == 3 + len(before) + len(between)
        assert_exact(merged)
        for number in (1, 3):
            merging.unmerge(merged, number)
        assert numbers_by_group(merged) == numbers_by_group(plain)
        all_happen(after)
        assert numbers_by_group(merged) == numbers_by_group(plain)


def test_nothing_is_lost_while_issues_are_merged_and_taken_apart(store: Store) -> None:
    for place in range(4):
        happen(store, place)

    def change() -> None:
        merging.merge(store, [one.id for one in rows(store, issue)])
        for number in (2, 3, 4):
            merging.unmerge(store, number)

    def record(number: int) -> None:
        happen(store, number % 4, f"user {number % 7}")

    record_meanwhile(change, record)
    assert sum(one.event_count for one in rows(store, issue)) == 4 + 60
    assert_exact(store)


def test_an_edited_line_finds_an_issue_even_while_it_is_merged(store: Store) -> None:
    for place in range(3):
        happen(store, place, release="first")

    def change() -> None:
        numbers = [one.id for one in rows(store, issue)]
        if len(numbers) > 1:
            merging.merge(store, numbers, into=numbers[-1])
        groups = rows(store, group)
        if len(groups) > 1:
            merging.unmerge(store, groups[0].id)

    def record(number: int) -> None:
        edited = broken(function=f"place_{number % 3}", line=f"line_{number}()")
        store.record(item(release=str(number), exception={"values": [edited]}))

    record_meanwhile(change, record)
    assert sum(one.event_count for one in rows(store, issue)) == 3 + 60
    assert_exact(store)


def test_nothing_breaks_while_issues_are_deleted(store: Store) -> None:
    happen(store)

    def change() -> None:
        actions.delete_issues(store, [one.id for one in rows(store, issue)])

    def record(number: int) -> None:
        happen(store, number % 2, event_id=event_id(number))
        store.record(report(event_id(number)))

    record_meanwhile(change, record)
    assert_exact(store)
