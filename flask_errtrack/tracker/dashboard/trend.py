"""Counts per hour as small pictures: bars for an inline SVG.

Pure functions. An hour is counted as :func:`..counting.hour_of` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ...words import count, number
from ..storing.counting import HOUR_SECONDS, hour_of

DAY_HOURS = 24
TREND_DAYS = 14

_ROW_WIDTH, _ROW_HEIGHT = 96, 20
_DAY_STEP, _DAY_HEIGHT = 14, 44


@dataclass(frozen=True)
class Trend:
    """The last hours or days as one SVG path, and the same in words."""

    path: str
    label: str


@dataclass(frozen=True)
class Bar:
    """One day: its place in the picture, and the same in words."""

    x: int
    y: int
    height: int
    label: str


def day_trend(per_hour: Mapping[int, int], now: float) -> Trend:
    """Return the trend of the 24 hours up to ``now``."""
    last = hour_of(now)
    counts = [per_hour.get(last - back, 0) for back in reversed(range(DAY_HOURS))]
    return _trend(counts, "24 hours", "an hour")


def days_trend(per_day: Mapping[int, int], now: float, days: int) -> Trend:
    """Return the trend of so many days, in UTC, today last; days count from 1970."""
    today = hour_of(now) // DAY_HOURS
    counts = [per_day.get(today - back, 0) for back in reversed(range(days))]
    return _trend(counts, f"{days} days", "a day")


def daily_bars(per_hour: Mapping[int, int], now: float) -> list[Bar]:
    """Return a bar a day for the last 14 days, in UTC, today last."""
    today = hour_of(now) // DAY_HOURS
    per_day: dict[int, int] = {}
    for hour, events in per_hour.items():
        per_day[hour // DAY_HOURS] = per_day.get(hour // DAY_HOURS, 0) + events
    days = [today - back for back in reversed(range(TREND_DAYS))]
    most = max([per_day.get(day, 0) for day in days], default=0)
    return [
        _bar(place, day, per_day.get(day, 0), most, day == today)
        for place, day in enumerate(days)
    ]


def _bar(place: int, day: int, events: int, most: int, is_today: bool) -> Bar:
    height = _height(events, most, _DAY_HEIGHT)
    date = datetime.fromtimestamp(day * DAY_HOURS * HOUR_SECONDS, UTC)
    label = f"{date.day} {date:%b}: {count(events, 'event')}"
    if is_today:
        label += " so far"
    return Bar(place * _DAY_STEP, _DAY_HEIGHT - height, height, label)


def _trend(counts: Sequence[int], period: str, step: str) -> Trend:
    total = sum(counts)
    label = f"{count(total, 'event')} in the last {period}"
    if total:
        label += f", at most {number(max(counts))} {step}"
    return Trend(_path(counts), label)


def _path(counts: Sequence[int]) -> str:
    most = max(counts, default=0)
    step = _ROW_WIDTH // len(counts)
    return "".join(
        f"M{place * step} {_ROW_HEIGHT}v-{height}h{step - 1}v{height}z"
        for place, events in enumerate(counts)
        if (height := _height(events, most, _ROW_HEIGHT))
    )


def _height(events: int, most: int, full: int) -> int:
    # One event among thousands must still be seen.
    return max(round(full * events / most), 2) if events else 0
