"""When a job should run next: crontab lines and intervals, each in its time zone.

Pure functions of a schedule and a time. What a stranger sent as a schedule is either
one that works or none. Knows nothing of monitors.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

# Small, without dependencies, kept by those who run it in a cron monitor of their
# own, and right about DST; croniter has changed hands and skips or doubles such hours.
from cronsim import CronSim, CronSimError

MAX_CRONTAB_LENGTH = 100
MAX_INTERVAL = 10_000

_CRONTAB = re.compile(r"[\w*/,#-]+( [\w*/,#-]+){4}", re.ASCII)
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_UNITS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_MONTHS = {"month": 1, "year": 12}


@dataclass(frozen=True)
class Schedule:
    """When a job runs: ``0 3 * * *`` in a time zone, or every ``10 minutes``."""

    text: str
    timezone: str = "UTC"

    @classmethod
    def of(cls, raw: Any, timezone: Any = None) -> Schedule | None:
        """Return the schedule of a ``monitor_config``; None if it is none."""
        match raw:
            case {"type": "crontab", "value": str(line)}:
                text = _crontab(line)
            case {"type": "interval", "value": int(number), "unit": str(unit)} if (
                not isinstance(number, bool)
            ):
                text = _interval(number, unit)
            case _:
                return None
        return None if text is None else cls(text, _timezone(timezone))

    @property
    def is_crontab(self) -> bool:
        """Tell whether it is a crontab line, and no interval."""
        return _CRONTAB.fullmatch(self.text) is not None

    def next_after(self, seconds: float) -> float | None:
        """Return when a job runs next that began at a time; both since 1970.

        None: never again.
        """
        try:
            if not self.is_crontab:
                return _after_interval(self.text, seconds)
            zone = ZoneInfo(_timezone(self.timezone))
            return next(_times(self.text, datetime.fromtimestamp(seconds, zone)))
        except (StopIteration, OverflowError, ValueError, OSError):
            return None


def _times(line: str, after: datetime) -> Iterator[float]:
    for time in CronSim(line, after):
        yield time.timestamp()


def _crontab(line: str) -> str | None:
    if len(line) > MAX_CRONTAB_LENGTH:
        return None
    line = " ".join(line.split())
    line = _NICKNAMES.get(line.lower(), line)
    if not _CRONTAB.fullmatch(line):
        return None
    try:
        next(_times(line, datetime.fromtimestamp(0, UTC)))
    except (CronSimError, AssertionError, StopIteration):
        return None
    return line


def _interval(number: int, unit: str) -> str | None:
    unit = unit[:20].lower().removesuffix("s")
    if not 0 < number <= MAX_INTERVAL or unit not in {*_UNITS, *_MONTHS}:
        return None
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _after_interval(text: str, seconds: float) -> float:
    number, unit = text.removesuffix("s").split(" ")
    time = datetime.fromtimestamp(seconds, UTC)
    if unit in _UNITS:
        return (time + int(number) * _UNITS[unit]).timestamp()
    months = time.month - 1 + int(number) * _MONTHS[unit]
    year, month = time.year + months // 12, months % 12 + 1
    day = min(time.day, monthrange(year, month)[1])
    return time.replace(year=year, month=month, day=day).timestamp()


def _timezone(raw: Any) -> str:
    """The name of a time zone that is known here; UTC instead of any other."""
    with suppress(KeyError, ValueError, OSError):
        if isinstance(raw, str) and 0 < len(raw) <= 100:
            ZoneInfo(raw)
            return raw
    return "UTC"
