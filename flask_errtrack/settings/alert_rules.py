"""The rules by which people are told of an issue: what they are, and when one holds.

Pure. Knows neither where issues are kept nor how anybody is told.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

RuleKind = Literal["new", "regressed", "users", "events", "spike"]

DEFAULT_RULES = ("new", "regressed")
MAX_MINUTES = 24 * 60
#: An issue that hardly ever happens does not spike.
MIN_SPIKE_EVENTS = 10
#: The hours before the last one, with which a spike compares it.
USUAL_HOURS = 24
COOL_DOWN_SECONDS = 3600.0

EXPECTED = (
    'a list of "new", "regressed", {"users": 10, "minutes": 60}, '
    '{"events": 100, "minutes": 5} and {"spike": 5}'
)
_WORDS = {"new": "new issue", "regressed": "came back"}


@dataclass(frozen=True)
class Rule:
    """When to tell of an issue.

    :param threshold: how many users or events, or how many times the usual.
    :param minutes: in how many minutes.
    """

    kind: RuleKind
    threshold: float = 0
    minutes: int = 0

    @property
    def words(self) -> str:
        """The rule as people read it; no two rules read alike."""
        if self.kind == "spike":
            return f"{self.threshold:g} times the usual"
        if self.kind in _WORDS:
            return _WORDS[self.kind]
        return f"{self.threshold:g} {self.kind} in {self.minutes} min"

    @property
    def window_seconds(self) -> float:
        """How far back it looks."""
        return self.minutes * 60.0

    @property
    def cool_down_seconds(self) -> float:
        """For how long it says no more about an issue."""
        return max(COOL_DOWN_SECONDS, self.window_seconds)

    @property
    def min_events(self) -> int:
        """How many events an hour must have at least to be a spike."""
        return max(MIN_SPIKE_EVENTS, math.ceil(self.threshold))

    def is_spike(self, in_hour: int, before: int, hours_before: float) -> bool:
        """Tell whether an hour's events are so many times those of the hours before.

        :param before: how many came in :data:`USUAL_HOURS`.
        :param hours_before: for how long the issue is known; less than an hour tells
            nothing of what is usual.
        """
        if hours_before < 1:
            return False
        usual = max(before / min(hours_before, USUAL_HOURS), 1.0)
        return in_hour >= max(self.min_events, self.threshold * usual)


def rules_of(value: Any) -> tuple[Rule, ...]:
    """Return the rules that a developer wrote.

    :raises ValueError: says what was expected.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Collection):
        raise ValueError(EXPECTED)
    return tuple(dict.fromkeys(_rule(one) for one in value))


def _rule(value: Any) -> Rule:
    match value:
        case Rule():
            return value
        case "new" | "regressed":
            return Rule(value)
        case {"spike": threshold, **more} if not more and _is_factor(threshold):
            return Rule("spike", threshold)
        case {"minutes": minutes, **more} if len(more) == 1 and _is_count(minutes):
            ((kind, threshold),) = more.items()
            if minutes <= MAX_MINUTES and _is_count(threshold):
                if kind == "users" or kind == "events":
                    return Rule(kind, threshold, minutes)
    raise ValueError(
        f"{EXPECTED}; users and events are whole numbers of 1 or more, minutes go from "
        f"1 to {MAX_MINUTES}, and a spike is 2 or more times the usual ({value!r:.80} "
        "is none of them)"
    )


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 < value < 2**31


def _is_factor(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 2 <= value < 2**31
