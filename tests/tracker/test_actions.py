"""What people do with issues, and what the next events make of it."""

from __future__ import annotations

from typing import Any

import pytest

from flask_errtrack.errors import ActionError
from flask_errtrack.tracker import actions, projects
from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.database.rows import MAX_ID
from flask_errtrack.tracker.database.schema import activity, issue
from flask_errtrack.tracker.store import Store

from .samples import NOW, event_id
from .stores import Clock, broken, item, report, row, rows


def another() -> dict[str, Any]:
    return {"exception": {"values": [broken(function="other")]}}


def history(store: Store) -> list[tuple[str, str, str]]:
    return [(one.kind, one.actor, one.detail) for one in rows(store, activity)]


def happen(store: Store, **fields: Any) -> str:
    """Record an event, and return the status that its issue has then."""
    recorded = store.record(item(**fields))
    assert recorded is not None
    return next(
        str(one.status) for one in rows(store, issue) if one.id == recorded.issue_id
    )


def test_several_issues_are_resolved_at_once_in_somebodys_name(
    store: Store, clock: Clock
) -> None:
    happen(store)
    happen(store, **another())
    clock.seconds = NOW + 60
    changed = actions.resolve(store, [1, 2, 4711], "Ada")
    assert (changed.issue_ids, changed.missing_ids) == ((1, 2), (4711,))
    assert [one.status for one in rows(store, issue)] == ["resolved"] * 2
    assert [one.status_changed_at for one in rows(store, issue)] == [NOW + 60] * 2
    assert history(store)[2:] == [("resolved", "Ada", "")] * 2


def test_what_is_so_already_is_not_noted_again(store: Store, clock: Clock) -> None:
    happen(store)
    actions.resolve(store, [1])
    clock.seconds = NOW + 60
    assert actions.resolve(store, [1]).issue_ids == (1,)
    assert row(store, issue).status_changed_at == NOW
    assert len(history(store)) == 2


@pytest.mark.parametrize("number", [0, -1, 4711, MAX_ID + 1, -(10**30)])
def test_an_issue_that_is_not_there_is_told(store: Store, number: int) -> None:
    for act in (actions.resolve, actions.reopen, actions.mute, actions.delete_issues):
        assert act(store, [number]).missing_ids == (number,)


def test_too_many_at_once_are_refused(store: Store) -> None:
    with pytest.raises(ActionError, match="at most 1,000"):
        actions.resolve(store, range(1001))


def test_an_older_release_does_not_reopen_and_the_newest_does(store: Store) -> None:
    happen(store, release="1")
    happen(store, release="2")
    actions.resolve(store, [1])
    assert happen(store, release="1") == "resolved"
    assert happen(store, release="2") == "unresolved"


def test_resolved_in_the_next_release_only_a_new_one_reopens(store: Store) -> None:
    happen(store, release="1")
    happen(store, release="2")
    actions.resolve_in_next_release(store, [1], "Ada")
    assert history(store)[-1] == ("resolved_next", "Ada", "2")
    assert happen(store, release="2") == "resolved"
    assert happen(store, release="3") == "unresolved"
    assert row(store, issue).is_regressed


@pytest.mark.parametrize(
    ("seen", "reopens", "does_not"),
    [
        # The numbers say which is later, in whatever order they were seen.
        (["1.10.0", "1.9.0"], ["1.10.1", "1.11", "2.0.0-rc.1"], ["1.2", "1.10.0-rc.2"]),
        (["shop@2.0", "shop@1.0"], ["shop@2.0.1"], ["shop@1.9", "shop@2.0.0"]),
        (["1.0rc2", "1.0rc1"], ["1.0rc10", "1.0"], ["1.0b9"]),
        # Nothing but time tells it of hashes, and of another package.
        (["0badc0ffee", "dead1234"], ["1234567"], []),
        (["shop@9.0"], ["desk@1.0"], []),
    ],
)
def test_only_a_later_release_reopens_what_is_resolved_in_the_next(
    store: Store, seen: list[str], reopens: list[str], does_not: list[str]
) -> None:
    for version in seen:
        happen(store, release=version)
    actions.resolve_in_next_release(store, [1])
    for version in [*seen, *does_not]:
        assert happen(store, release=version) == "resolved"
    for version in reopens:
        actions.reopen(store, [1])
        actions.resolve_in_next_release(store, [1])
        assert happen(store, release=version) == "unresolved"


def test_a_late_event_of_an_old_release_hides_no_regression_of_the_new(
    store: Store,
) -> None:
    happen(store, release="1.1.0")
    happen(store, release="1.0.0")
    actions.resolve(store, [1])
    assert happen(store, release="1.0.0") == "resolved"
    assert happen(store, release="1.1.0") == "unresolved"


def test_an_event_without_release_reopens(store: Store) -> None:
    happen(store, release="1")
    actions.resolve_in_next_release(store, [1])
    assert happen(store) == "unresolved"


def test_projects_have_releases_of_their_own(store: Store) -> None:
    other = projects.add(store, "other").id
    happen(store, release="2")
    store.record(item(release="1"), other)
    store.record(item(release="2"), other)
    actions.resolve_in_next_release(store, [1, 2])
    store.record(item(release="2"), other)
    assert [one.status for one in rows(store, issue)] == ["resolved"] * 2
    store.record(item(release="3"), other)
    assert [one.status for one in rows(store, issue)] == ["resolved", "unresolved"]


def test_the_number_of_an_issue_that_is_gone_is_never_given_again(store: Store) -> None:
    happen(store)
    happen(store, **another())
    actions.delete_issues(store, [2])
    happen(store, **another())
    assert [one.id for one in rows(store, issue)] == [1, 3]


def test_without_any_release_there_is_no_next_one(store: Store) -> None:
    happen(store)
    with pytest.raises(ActionError, match="option release"):
        actions.resolve_in_next_release(store, [1])
    assert row(store, issue).status == "unresolved"


@pytest.mark.parametrize("act", [actions.reopen, actions.resolve, actions.mute])
def test_a_person_who_decides_clears_the_regression(store: Store, act: Any) -> None:
    happen(store)
    actions.resolve(store, [1])
    happen(store)
    assert row(store, issue).is_regressed
    act(store, [1])
    assert not row(store, issue).is_regressed


def test_an_issue_muted_for_a_time_is_reopened_by_what_comes_after(
    store: Store, clock: Clock
) -> None:
    happen(store)
    actions.mute(store, [1], seconds=3600)
    clock.seconds = NOW + 3599
    assert happen(store) == "muted"
    clock.seconds = NOW + 3600
    assert happen(store) == "unresolved"


def test_an_issue_muted_until_more_events_is_reopened_by_the_last(store: Store) -> None:
    happen(store)
    actions.mute(store, [1], events=2)
    assert history(store)[-1] == ("muted", "", "until 2 more events")
    assert [happen(store), happen(store)] == ["muted", "unresolved"]


def test_an_issue_muted_until_more_people_is_reopened_by_the_last(store: Store) -> None:
    ada, bob, eve = ({"user": {"id": name}} for name in ("ada", "bob", "eve"))
    happen(store, **ada)
    actions.mute(store, [1], users=2)
    states = [happen(store, **who) for who in (ada, bob, bob, eve)]
    assert states == ["muted", "muted", "muted", "unresolved"]


@pytest.mark.parametrize(
    "until",
    [{"seconds": 0}, {"seconds": float("nan")}, {"seconds": 1e300}]
    + [{"events": 0}, {"users": -1}, {"events": 2**31}],
)
def test_a_mute_that_makes_no_sense_is_refused(
    store: Store, until: dict[str, Any]
) -> None:
    happen(store)
    with pytest.raises(ActionError, match="expected"):
        actions.mute(store, [1], **until)
    assert row(store, issue).status == "unresolved"


def test_a_note_stands_in_the_history_and_changes_nothing_else(store: Store) -> None:
    happen(store)
    before = row(store, issue)
    actions.note(store, [1], " It is\nthe \x00\ud800 rates. ", "Ada\x00")
    kind, actor, detail = history(store)[-1]
    assert (kind, actor, detail) == ("noted", "Ada␀", "It is\nthe ␀⟨U+D800⟩ rates.")
    assert row(store, issue) == before


@pytest.mark.parametrize("text", ["", " \n", "x" * 4001])
def test_a_note_without_text_or_end_is_refused(store: Store, text: str) -> None:
    happen(store)
    with pytest.raises(ActionError, match="note"):
        actions.note(store, [1], text)
    assert len(history(store)) == 1


def test_a_deleted_issue_leaves_nothing_and_no_other_issue_is_touched(
    store: Store,
) -> None:
    happen(store, event_id=event_id(1), user={"id": "ada"}, release="1")
    store.record(report(event_id(1)))
    tables = [schema.issue, schema.group, schema.event, schema.activity]
    tables += [schema.group_hour, schema.group_user, schema.group_tag]
    happen(store, user={"id": "ada"}, **another())
    kept = {table.name: rows(store, table)[1:] for table in tables}
    assert actions.delete_issues(store, [1, 3]).issue_ids == (1,)
    left = {table.name: rows(store, table) for table in tables}
    assert rows(store, schema.feedback) == []
    assert left.pop("errtrack_group_tag") == []
    assert left == {name: kept[name] for name in left}


def test_a_deleted_issue_that_happens_again_is_new(store: Store) -> None:
    first = store.record(item())
    assert first is not None and first.issue_id is not None
    actions.delete_issues(store, [first.issue_id])
    again = store.record(item())
    assert again is not None and again.is_new
    assert row(store, issue).event_count == 1


def test_feedback_is_read_and_unread(store: Store) -> None:
    happen(store, event_id=event_id(1))
    store.record(report(event_id(1)))
    for is_read in (True, False):
        assert actions.mark_feedback(store, 1, is_read)
        assert row(store, schema.feedback).is_read is is_read
    assert not actions.mark_feedback(store, 2, True)
