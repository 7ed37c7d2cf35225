"""Monitors: what jobs tell of their runs, and the runs that did not happen."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_errtrack.errors import Refused
from flask_errtrack.protocol.envelope import Item
from flask_errtrack.tracker import monitor_actions
from flask_errtrack.tracker.database.schema import (
    activity,
    check_in,
    event,
    issue,
    monitor,
)
from flask_errtrack.tracker.monitoring import check_ins
from flask_errtrack.tracker.store import Store
from flask_errtrack.tracker.storing.recording import Recorded

from .stores import Clock, row, rows, stored

HOURLY = {
    "schedule": {"type": "interval", "value": 1, "unit": "hour"},
    "checkin_margin": 5,
    "max_runtime": 20,
}
ID = "a" * 32
LATEST = "0" * 32


def tell(store: Store, status: Any = "ok", **fields: Any) -> Recorded:
    raw = {"monitor_slug": "report", "status": status, **fields}
    recorded = store.record(Item("check_in", json.dumps(raw).encode()))
    assert recorded is not None
    return recorded


def kinds(store: Store) -> list[str]:
    return [one.kind for one in rows(store, activity)]


def titles(store: Store) -> list[str]:
    return [one.title for one in rows(store, issue)]


def statuses(store: Store) -> list[str]:
    return [one.status for one in rows(store, check_in)]


def test_a_run_is_told_at_its_beginning_and_at_its_end(
    store: Store, clock: Clock
) -> None:
    tell(store, "in_progress", check_in_id=ID, monitor_config=HOURLY)
    clock.seconds += 90
    tell(store, "ok", check_in_id=ID, environment="production")
    run = row(store, check_in)
    assert (run.status, run.duration_seconds) == ("ok", 90)
    job = row(store, monitor)
    assert (job.slug, job.schedule, job.timezone) == ("report", "1 hour", "UTC")
    assert (job.margin_seconds, job.max_runtime_seconds) == (300, 1200)
    assert rows(store, issue) == []


def test_zeros_are_the_run_that_is_going_on(store: Store) -> None:
    tell(store, "in_progress", check_in_id=ID)
    assert tell(store, "ok", check_in_id=LATEST).event_id == ID
    assert statuses(store) == ["ok"]
    tell(store, "ok", check_in_id=LATEST, duration=3)
    assert statuses(store) == ["ok", "ok"]


def test_what_comes_twice_counts_once(store: Store) -> None:
    for _ in range(3):
        tell(store, "error", check_in_id=ID)
    # What was under way for long, too.
    assert tell(store, "in_progress", check_in_id=ID).is_duplicate
    assert (statuses(store), len(rows(store, event))) == (["error"], 1)


def test_a_run_that_failed_becomes_an_issue(store: Store) -> None:
    recorded = tell(store, "error", check_in_id=ID, release="2.1", environment="live")
    assert (recorded.is_new, recorded.issue_id) == (True, row(store, issue).id)
    (content,) = stored(store)
    assert content["logentry"]["message"] == "report failed"
    assert content["fingerprint"] == ["monitor", "report", "live", "error"]
    assert (content["level"], content["release"]) == ("error", "2.1")
    assert content["environment"] == "live"
    assert content["contexts"]["monitor"]["check_in_id"] == ID
    assert content["tags"] == {"monitor": "report"}
    tell(store, "error", check_in_id="b" * 32, environment="live")
    assert row(store, issue).event_count == 2


def test_a_run_that_is_missed_becomes_an_issue_once(store: Store, clock: Clock) -> None:
    tell(store, monitor_config=HOURLY)
    due_at = row(store, monitor).due_at
    assert due_at - clock.seconds == pytest.approx(3600 + 300 + 15)
    clock.seconds = due_at - 1
    store.report_overdue()
    assert rows(store, issue) == []
    clock.seconds = due_at
    store.report_overdue()
    store.report_overdue()
    assert (titles(store), statuses(store)) == (
        ["report did not run"],
        ["ok", "missed"],
    )
    assert row(store, monitor).due_at == due_at + 3600 + 300
    # A tracker that was down for days notes one run, and goes on from now.
    clock.seconds += 3 * 86400
    store.report_overdue()
    assert statuses(store) == ["ok", "missed", "missed"]
    assert row(store, issue).event_count == 2
    assert row(store, monitor).due_at > clock.seconds


def test_a_run_that_takes_too_long_becomes_an_issue(store: Store, clock: Clock) -> None:
    tell(store, "in_progress", check_in_id=ID, monitor_config=HOURLY)
    clock.seconds += 1199
    store.report_overdue()
    assert statuses(store) == ["in_progress"]
    clock.seconds += 1
    store.report_overdue()
    assert (titles(store), statuses(store)) == (["report takes too long"], ["timeout"])
    # It ends after all.
    tell(store, "ok", check_in_id=ID)
    assert statuses(store) == ["ok"]


def test_a_job_that_works_again_is_noted(store: Store) -> None:
    tell(store, "ok")
    tell(store, "error")
    assert kinds(store) == ["created"]
    tell(store, "ok")
    tell(store, "ok")
    assert kinds(store) == ["created", "recovered"]
    # Alerts are about what broke.
    assert [one.is_told for one in rows(store, activity)] == [False, True]


def test_so_many_bad_runs_in_a_row_are_an_issue_and_so_many_good_ones_its_end(
    store: Store,
) -> None:
    config = {**HOURLY, "failure_issue_threshold": 3, "recovery_threshold": 2}
    told = ["error", "error", "ok", "error", "error"]
    for status in told:
        tell(store, status, monitor_config=config)
    assert rows(store, issue) == []
    for count in (1, 2):
        tell(store, "error")
        assert row(store, issue).event_count == count
    tell(store, "ok")
    assert "recovered" not in kinds(store)
    tell(store, "ok")
    tell(store, "ok")
    assert kinds(store) == ["created", "recovered"]


@pytest.mark.parametrize("threshold", [0, -1, True, 1.5, "3", None, 10**9])
def test_a_threshold_that_makes_no_sense_is_one(store: Store, threshold: Any) -> None:
    tell(store, monitor_config={**HOURLY, "failure_issue_threshold": threshold})
    assert row(store, monitor).failure_threshold == 1


def test_a_job_is_watched_in_each_environment_on_its_own(
    store: Store, clock: Clock
) -> None:
    tell(store, monitor_config=HOURLY, environment="live")
    clock.seconds += 3600
    tell(store, monitor_config=HOURLY, environment="test")
    clock.seconds += 360
    store.report_overdue()
    assert [(one.environment, one.title) for one in rows(store, issue)] == [
        ("live", "report did not run")
    ]
    tell(store, "error", environment="test")
    tell(store, "ok", environment="live")
    assert kinds(store) == ["created", "created", "recovered"]
    assert len(rows(store, monitor)) == 2


def test_a_run_ends_in_the_environment_in_which_it_began(store: Store) -> None:
    tell(store, "in_progress", check_in_id=ID, environment="live")
    tell(store, "ok", check_in_id=ID)
    assert (row(store, monitor).environment, statuses(store)) == ("live", ["ok"])


def test_a_job_that_is_muted_makes_no_issues(store: Store, clock: Clock) -> None:
    tell(store, monitor_config=HOURLY)
    assert monitor_actions.mute(store, 1)
    tell(store, "error")
    clock.seconds += 86400
    store.report_overdue()
    assert (rows(store, issue), len(rows(store, check_in))) == ([], 3)
    # Until somebody says otherwise.
    tell(store, monitor_config=HOURLY)
    assert row(store, monitor).is_muted
    monitor_actions.mute(store, 1, False)
    tell(store, "error")
    assert titles(store) == ["report failed"]


def test_a_job_that_is_deleted_is_gone_until_it_runs_again(store: Store) -> None:
    tell(store, "error")
    assert monitor_actions.delete_monitor(store, 1)
    assert (rows(store, monitor), rows(store, check_in)) == ([], [])
    assert titles(store) == ["report failed"]
    assert not monitor_actions.delete_monitor(store, 1)
    assert not monitor_actions.mute(store, 1)
    tell(store, "ok")
    assert statuses(store) == ["ok"]


def test_a_job_without_a_schedule_is_never_missed(store: Store, clock: Clock) -> None:
    tell(store, "in_progress")
    clock.seconds += 365 * 86400
    store.report_overdue()
    assert (statuses(store), row(store, monitor).due_at) == (["in_progress"], None)


def test_a_job_whose_clock_is_fast_is_not_missed_a_moment_later(
    store: Store, clock: Clock
) -> None:
    schedule = {"type": "crontab", "value": "0 * * * *"}
    clock.seconds = clock.seconds // 3600 * 3600 + 3590
    tell(store, monitor_config={"schedule": schedule})
    clock.seconds += 10 + 60
    store.report_overdue()
    assert statuses(store) == ["ok"]


def test_a_run_longer_than_its_interval_waits_for_the_next(
    store: Store, clock: Clock
) -> None:
    tell(store, duration=3 * 3600, monitor_config=HOURLY)
    assert row(store, monitor).due_at == clock.seconds + 3600 + 300


def test_a_new_schedule_replaces_the_old_one(store: Store, clock: Clock) -> None:
    tell(store, monitor_config=HOURLY)
    daily = {
        "schedule": {"type": "crontab", "value": "@daily"},
        "timezone": "Asia/Tokyo",
    }
    tell(store, monitor_config=daily)
    job = row(store, monitor)
    assert (job.schedule, job.timezone) == ("0 0 * * *", "Asia/Tokyo")
    assert (job.margin_seconds, job.max_runtime_seconds) == (60, 1800)
    # A check-in that says nothing of it, and one with nonsense, change nothing.
    tell(store)
    tell(store, monitor_config={"schedule": {"type": "crontab", "value": "soon"}})
    assert row(store, monitor).schedule == "0 0 * * *"


def test_only_the_last_runs_are_kept(store: Store) -> None:
    for number in range(check_ins.MAX_RUNS + 3):
        tell(store, check_in_id=f"{number:032x}")
    kept = rows(store, check_in)
    assert len(kept) == check_ins.MAX_RUNS
    assert kept[0].check_in_id == f"{3:032x}"


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "fine"},
        {"status": None},
        {"status": ["ok"]},
        {"monitor_slug": None},
        {"monitor_slug": "***"},
        {"monitor_slug": {"a": 1}},
    ],
)
def test_without_a_name_or_a_status_it_is_refused(
    store: Store, fields: dict[str, Any]
) -> None:
    with pytest.raises(Refused, match="expected"):
        tell(store, **{"status": "ok", **fields})
    assert rows(store, monitor) == []


def test_long_texts_are_cut(store: Store) -> None:
    long = "🦜" * 300
    tell(store, "error", environment=long, release=long, monitor_slug="a🦜" * 99)
    assert row(store, monitor).environment == long[:200]
    assert row(store, monitor).slug == "a-" * 24 + "a"


def test_an_odd_name_is_written_as_clients_write_it(store: Store) -> None:
    tell(store, monitor_slug="Nightly Report\0 <b>")
    assert row(store, monitor).slug == "nightly-report-b"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda deeper: (
        st.lists(deeper, max_size=3)
        | st.dictionaries(st.text(max_size=9), deeper, max_size=3)
    ),
    max_leaves=6,
)
_CONFIG = st.fixed_dictionaries(
    {},
    optional={
        "schedule": st.fixed_dictionaries(
            {"type": st.sampled_from(["crontab", "interval"])},
            optional={
                "value": _JSON | st.sampled_from(["* * * * *", "@daily", 1, 10**30]),
                "unit": _JSON | st.sampled_from(["minute", "month", "year"]),
            },
        )
        | _JSON,
        "checkin_margin": _JSON,
        "max_runtime": _JSON,
        "timezone": _JSON | st.sampled_from(["Europe/Berlin", "UTC"]),
    },
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    config=_CONFIG | _JSON,
    duration=_JSON,
    check_in_id=_JSON,
    environment=_JSON,
    status=st.sampled_from(["ok", "error", "in_progress"]),
)
def test_hostile_values_never_break_anything(
    store: Store, clock: Clock, status: str, config: Any, **fields: Any
) -> None:
    tell(store, status, monitor_config=config, **fields)
    clock.seconds += 40 * 60
    store.report_overdue()
