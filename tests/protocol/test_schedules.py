"""When a job runs next: crontab lines and intervals, DST, and nonsense."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_errtrack.protocol.schedules import Schedule

BERLIN = "Europe/Berlin"


def crontab(line: Any, timezone: Any = None) -> Schedule | None:
    return Schedule.of({"type": "crontab", "value": line}, timezone)


def interval(value: Any, unit: Any) -> Schedule | None:
    return Schedule.of({"type": "interval", "value": value, "unit": unit})


def seconds(text: str, timezone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(timezone)).timestamp()


def next_after(schedule: Schedule | None, text: str) -> str:
    assert schedule is not None
    found = schedule.next_after(seconds(text))
    assert found is not None
    return f"{datetime.fromtimestamp(found, UTC):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        (crontab("0 3 * * *"), "2026-11-21 03:00", "2026-11-22 03:00"),
        (crontab("*/15 9-17 * * mon-fri"), "2026-11-20 17:46", "2026-11-23 09:00"),
        (crontab("@daily"), "2026-11-21 03:00", "2026-11-22 00:00"),
        (crontab("  0   3 * * * "), "2026-11-21 00:00", "2026-11-21 03:00"),
        (interval(10, "minute"), "2026-11-21 23:55", "2026-11-22 00:05"),
        (interval(1, "hours"), "2026-11-21 03:00", "2026-11-21 04:00"),
        (interval(2, "week"), "2026-11-21 03:00", "2026-12-05 03:00"),
        (interval(1, "month"), "2026-01-31 03:00", "2026-02-28 03:00"),
        (interval(2, "year"), "2024-02-29 03:00", "2026-02-28 03:00"),
    ],
)
def test_the_next_run(schedule: Schedule | None, after: str, expected: str) -> None:
    assert next_after(schedule, after) == expected


@pytest.mark.parametrize(
    ("line", "after", "expected"),
    [
        # The hour from 2 to 3 does not exist on 29 March: as cron does, right after.
        ("30 2 * * *", "2026-03-28 12:00", "2026-03-29 01:00"),
        ("0 3 * * *", "2026-03-28 12:00", "2026-03-29 01:00"),
        ("0 3 * * *", "2026-03-29 12:00", "2026-03-30 01:00"),
        # The hour from 2 to 3 comes twice on 25 October: once is enough.
        ("30 2 * * *", "2026-10-24 12:00", "2026-10-25 00:30"),
        ("30 2 * * *", "2026-10-25 00:30", "2026-10-26 01:30"),
        # What runs every hour runs in both.
        ("0 * * * *", "2026-10-25 00:00", "2026-10-25 01:00"),
        ("0 * * * *", "2026-10-25 01:00", "2026-10-25 02:00"),
    ],
)
def test_summer_time_begins_and_ends(line: str, after: str, expected: str) -> None:
    assert next_after(crontab(line, BERLIN), after) == expected


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "0 3 * * *",
        {},
        {"type": "crontab"},
        {"type": "crontab", "value": 7},
        {"type": "crontab", "value": ""},
        {"type": "crontab", "value": "0 3 * *"},
        {"type": "crontab", "value": "0 0 3 * * *"},
        {"type": "crontab", "value": "61 3 * * *"},
        {"type": "crontab", "value": "0 0 31 2 *"},
        {"type": "crontab", "value": "0 0 * * 1#1/2"},
        {"type": "crontab", "value": "9" * 5000 + " 3 * * *"},
        {"type": "crontab", "value": "0 3 * * *" + " " * 10**6 + "x"},
        {"type": "crontab", "value": "0,\ud800 3 * * *"},
        {"type": "interval", "value": 0, "unit": "day"},
        {"type": "interval", "value": -1, "unit": "day"},
        {"type": "interval", "value": 10**400, "unit": "day"},
        {"type": "interval", "value": True, "unit": "day"},
        {"type": "interval", "value": 1.5, "unit": "day"},
        {"type": "interval", "value": 1, "unit": "fortnight"},
        {"type": "interval", "value": 1},
    ],
)
def test_nonsense_is_no_schedule(raw: Any) -> None:
    assert Schedule.of(raw) is None


@pytest.mark.parametrize(
    "timezone",
    [7, "", "Mars/Base", "../../etc/passwd", "Europe", "/etc", "\0", "x" * 999],
)
def test_a_time_zone_that_nobody_knows_is_utc(timezone: Any) -> None:
    found = crontab("0 3 * * *", timezone)
    assert found is not None and found.timezone == "UTC"


def test_a_time_zone_that_another_host_knew_is_utc_too() -> None:
    # Its monitor must not keep all others from being looked after.
    assert next_after(Schedule("0 3 * * *", "Mars/Base"), "2026-11-21 03:00") == (
        "2026-11-22 03:00"
    )


def test_a_schedule_that_is_stored_is_the_same() -> None:
    for made in (crontab("0 3 * * *", BERLIN), interval(1, "month")):
        assert made is not None
        assert Schedule(made.text, made.timezone) == made


_FIELDS = st.text("0123456789*/,-#LWMON", min_size=1, max_size=6)


@settings(max_examples=300, deadline=None)
@given(st.lists(_FIELDS, min_size=5, max_size=5), st.floats(0, 4e9))
def test_whatever_is_taken_for_a_crontab_line_works(
    fields: list[str], after: float
) -> None:
    schedule = crontab(" ".join(fields))
    if schedule is not None:
        found = schedule.next_after(after)
        assert found is None or found > after
