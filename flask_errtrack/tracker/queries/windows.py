"""Stretches of time that counts are asked for.

Pure. An hour is counted as :func:`..storing.counting.hour_of` does.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..storing.counting import hour_of

DAY_HOURS = 24


@dataclass(frozen=True)
class Window:
    """The time that a picture covers: so many steps of some hours, in UTC."""

    first_hour: int
    steps: int
    step_hours: int

    @property
    def hours(self) -> range:
        """The first hour of each step."""
        end = self.first_hour + self.steps * self.step_hours
        return range(self.first_hour, end, self.step_hours)


def window_of(days: int, now: float) -> Window:
    """Return the window of the 24 hours up to ``now``, or of some days, today last."""
    if days == 1:
        return Window(hour_of(now) - DAY_HOURS + 1, DAY_HOURS, 1)
    today = hour_of(now) // DAY_HOURS
    return Window((today - days + 1) * DAY_HOURS, days, DAY_HOURS)
