"""What a server has said about how much it wants, by category ("Rate Limiting").

Knows nothing of envelopes and of the disk: it is what one transport has heard.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .ledger import ALL, MAX_PAUSE_SECONDS

#: How long to leave a server alone that said 429 and no time.
DEFAULT_RETRY_AFTER_SECONDS = 60.0
# More than the protocol has.
_MAX_CATEGORIES = 100


class RateLimits:
    """Until when a server wants nothing of a category.

    :param clock: returns seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def hear(self, status: int, headers: Mapping[str, str], category: str) -> None:
        """Note what an answer says. Every answer may tell of limits.

        :param category: of what was sent: a 429 forbids it, whatever else it says.
        """
        limits = rate_limits(headers.get("X-Sentry-Rate-Limits"))
        if status == 429 and not limits.keys() & {ALL, category}:
            retry_after = headers.get("Retry-After")
            limits[ALL] = retry_after_seconds(retry_after, datetime.now(UTC))
        for limited, seconds in limits.items():
            if limited not in self._until and len(self._until) >= _MAX_CATEGORIES:
                continue
            until = self._clock() + seconds
            self._until[limited] = max(until, self._until.get(limited, until))

    def limit_on(self, category: str) -> tuple[float, frozenset[str]]:
        """Return how long nothing of a category may be sent, and for which it holds.

        No categories means all.
        """
        left = self._left_seconds(category)
        left_for_all = self._left_seconds(ALL)
        if left > left_for_all:
            return left, frozenset({category})
        return left_for_all, frozenset()

    def _left_seconds(self, category: str) -> float:
        now = self._clock()
        return max(self._until.get(category, now) - now, 0.0)


def rate_limits(value: str | None) -> dict[str, float]:
    """Return the seconds of each limit in an ``X-Sentry-Rate-Limits`` header.

    Its limits are ``seconds:categories:…``, with commas between them, and semicolons
    between categories; none means all.
    """
    found: dict[str, float] = {}
    for limit in (value or "").split(","):
        seconds, categories = [*limit.split(":"), ""][:2]
        if (number := _positive(seconds)) > 0:
            for category in categories.split(";"):
                name = category.strip()
                found[name] = max(number, found.get(name, 0.0))
    return found


def _positive(text: str) -> float:
    """The number that a text is; 0 if it is none, or none to wait for."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    is_usable = math.isfinite(number) and number > 0
    return min(number, MAX_PAUSE_SECONDS) if is_usable else 0.0


def retry_after_seconds(value: str | None, now: datetime) -> float:
    """Return how long a ``Retry-After`` header asks to wait: seconds or a date."""
    try:
        seconds = float(value or "")
    except ValueError:
        try:
            date = parsedate_to_datetime(value or "")
            # A date has whole seconds only, and clocks differ: it may be past already.
            seconds = max((date - now).total_seconds(), 0.0)
        except (ValueError, TypeError):
            return DEFAULT_RETRY_AFTER_SECONDS
    if not 0 <= seconds <= MAX_PAUSE_SECONDS:
        return DEFAULT_RETRY_AFTER_SECONDS
    return seconds
