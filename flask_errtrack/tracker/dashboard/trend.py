"""Counts per hour as small pictures: bars for an inline SVG.

Pure functions. An hour is counted as :func:`..storing.counting.hour_of` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ...words import count, number
from ..queries.windows import Window
from ..storing.counting import HOUR_SECONDS

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


def trend_of(counts: Mapping[int, int], window: Window) -> Trend:
    """Return the trend of a window.

    :param counts: events by the first hour of a step.
    """
    events = [counts.get(hour, 0) for hour in window.hours]
    unit = "hour" if window.step_hours == 1 else "day"
    label = f"{count(sum(events), 'event')} in the last {window.steps} {unit}s"
    if any(events):
        article = "an" if unit == "hour" else "a"
        label += f", at most {number(max(events))} {article} {unit}"
    return Trend(_path(events), label)


def daily_bars(counts: Mapping[int, int], window: Window) -> list[Bar]:
    """Return a bar for each day of a window.

    :param counts: events by the first hour of a day.
    """
    most = max(counts.get(hour, 0) for hour in window.hours)
    return [
        _bar(place, hour, counts.get(hour, 0), most, hour == window.hours[-1])
        for place, hour in enumerate(window.hours)
    ]


def _bar(place: int, hour: int, events: int, most: int, is_today: bool) -> Bar:
    height = _height(events, most, _DAY_HEIGHT)
    date = datetime.fromtimestamp(hour * HOUR_SECONDS, UTC)
    label = f"{date.day} {date:%b}: {count(events, 'event')}"
    if is_today:
        label += " so far"
    return Bar(place * _DAY_STEP, _DAY_HEIGHT - height, height, label)


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
