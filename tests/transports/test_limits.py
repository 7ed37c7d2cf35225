"""What a server says about how much it wants."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from flask_errtrack.transports.limits import (
    DEFAULT_RETRY_AFTER_SECONDS,
    RateLimits,
    rate_limits,
    retry_after_seconds,
)

NOW = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        ("2.5", 2.5),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0),
        (format_datetime(NOW + timedelta(days=9)), DEFAULT_RETRY_AFTER_SECONDS),
        ("Mon, 01 Jan 2024 00:00:30", DEFAULT_RETRY_AFTER_SECONDS),
        (None, DEFAULT_RETRY_AFTER_SECONDS),
        ("", DEFAULT_RETRY_AFTER_SECONDS),
        ("soon", DEFAULT_RETRY_AFTER_SECONDS),
        ("-5", DEFAULT_RETRY_AFTER_SECONDS),
        ("nan", DEFAULT_RETRY_AFTER_SECONDS),
        ("inf", DEFAULT_RETRY_AFTER_SECONDS),
        ("1e9", DEFAULT_RETRY_AFTER_SECONDS),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_a_default(
    value: str | None, seconds: float
) -> None:
    assert retry_after_seconds(value, NOW) == seconds


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        (None, {}),
        ("", {}),
        ("60", {"": 60}),
        ("60::organization", {"": 60}),
        ("60:error;transaction:key", {"error": 60, "transaction": 60}),
        (
            "60:error:key, 2700:default;error:organization:reason",
            {"error": 2700, "default": 2700},
        ),
        ("soon:error", {}),
        ("-1:error,5:error", {"error": 5}),
        ("2.5:error:org", {"error": 2.5}),
        (" 60 : monitor ; error : org ", {"monitor": 60, "error": 60}),
        ("nan:error", {}),
        ("inf:error", {}),
        ("-2.5", {}),
        ("9" * 30, {"": 24 * 3600}),
        (":;,:;", {}),
    ],
)
def test_a_header_has_limits_by_category(
    value: str | None, limits: Mapping[str, float]
) -> None:
    assert rate_limits(value) == limits


class Clock:
    """Tells the time that it is set to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_of_two_limits_the_later_holds() -> None:
    limits = RateLimits(clock := Clock())
    limits.hear(200, {"X-Sentry-Rate-Limits": "60:error"}, "error")
    limits.hear(200, {"X-Sentry-Rate-Limits": "30:error"}, "error")
    assert limits.limit_on("error") == (60, frozenset({"error"}))
    limits.hear(200, {"X-Sentry-Rate-Limits": "90"}, "error")
    assert limits.limit_on("error") == (90, frozenset())
    assert limits.limit_on("feedback") == (90, frozenset())
    clock.now += 91
    assert limits.limit_on("error") == (0, frozenset())


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (60, frozenset())),
        ({"Retry-After": "7"}, (7, frozenset())),
        ({"X-Sentry-Rate-Limits": "9:error", "Retry-After": "7"}, (9, {"error"})),
        ({"X-Sentry-Rate-Limits": "9:span", "Retry-After": "7"}, (7, frozenset())),
        ({"X-Sentry-Rate-Limits": "nonsense"}, (60, frozenset())),
    ],
)
def test_a_429_always_forbids_what_was_sent(
    headers: Mapping[str, str], expected: tuple[float, frozenset[str]]
) -> None:
    limits = RateLimits(Clock())
    limits.hear(429, headers, "error")
    assert limits.limit_on("error") == expected


def test_a_server_cannot_fill_the_memory_with_categories() -> None:
    limits = RateLimits(Clock())
    names = [f"category{number}" for number in range(1000)]
    for name in names:
        limits.hear(200, {"X-Sentry-Rate-Limits": f"60:{name}"}, "error")
    assert len([name for name in names if limits.limit_on(name)[0]]) == 100


def test_another_answer_forbids_nothing_by_itself() -> None:
    limits = RateLimits(Clock())
    limits.hear(503, {"Retry-After": "60"}, "error")
    assert limits.limit_on("error") == (0, frozenset())
