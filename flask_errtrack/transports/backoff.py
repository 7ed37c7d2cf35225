"""How long to wait for what failed: by envelope, by category, or for everything.

An envelope that fails while others pass rests alone, and is given up in the end.
If nothing passes, everything pauses, longer each time. What the receiver asked for
is kept to, and what waited then goes slowly. Knows nothing of outboxes and threads.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable

from ..errors import TransportError
from .ledger import ALL, MAX_PAUSE_SECONDS, MAX_TEXT, Page, Pause

FIRST_PAUSE_SECONDS = 1.0
# The longest pause between tries, in first pauses.
_LONGEST_PAUSE = 30.0
#: So often an envelope may fail while others pass; then it is given up.
MAX_STRIKES = 10
# The least time between two envelopes that go slowly, in first pauses.
_LEAST_SPACING = 0.1


class Backoff:
    """What a process knows of its failures. The ledger's page has what all know.

    :param first_pause_seconds: the pause after a first failure; all others are in
        proportion to it.
    """

    def __init__(self, first_pause_seconds: float = FIRST_PAUSE_SECONDS) -> None:
        self._first_pause_seconds = first_pause_seconds
        self._spacing_seconds = first_pause_seconds
        # By the name of an envelope.
        self._failures: Counter[str] = Counter()
        self._strikes: Counter[str] = Counter()
        self._rests_until: dict[str, float] = {}

    def in_order(self, names: Iterable[str]) -> list[str]:
        """Put what has failed least first: nothing is held back by another."""
        return sorted(names, key=self._failures.__getitem__)

    def has_to_wait(self, page: Page, name: str, category: str) -> bool:
        """Tell whether an envelope may not be sent now."""
        now = time.time()
        rests = self._rests_until.get(name, 0.0) > now
        return rests or page.left_seconds(category, now) > 0

    def wait_seconds(self, page: Page) -> float | None:
        """Return when something may be sent that has to wait now; None: nothing."""
        now = time.time()
        lefts = [until - now for until in self._rests_until.values()]
        lefts += [pause.left_seconds(now) for pause in page.pauses.values()]
        return min((left for left in lefts if left > 0), default=None)

    def spacing_seconds(self, page: Page, category: str) -> float:
        """Return how long to wait before the next envelope of a category."""
        if not page.is_slow(category):
            return 0.0
        spacing = self._spacing_seconds
        least = self._first_pause_seconds * _LEAST_SPACING
        self._spacing_seconds = max(spacing / 2, least)
        return spacing

    def passed(self, page: Page, category: str) -> None:
        """Note that an envelope was taken: failing is over."""
        for key in {ALL, category} & page.pauses.keys():
            if not page.pauses[key].is_asked:
                del page.pauses[key]

    def drained(self, page: Page, waiting: set[str]) -> None:
        """Go at full speed again where nothing waits.

        :param waiting: the categories of what waits.
        """
        for key in page.pauses.keys() - waiting - ({ALL} if waiting else set()):
            if not page.pauses[key].left_seconds(time.time()):
                del page.pauses[key]

    def failed(self, name: str) -> None:
        """Note that an envelope was not taken."""
        self._failures[name] += 1

    def strike(self, name: str) -> bool:
        """Let an envelope rest that failed while others passed.

        Returns whether it has failed too often.
        """
        seconds = pause_seconds(self._strikes[name], self._first_pause_seconds)
        self._rests_until[name] = time.time() + seconds
        self._strikes[name] += 1
        return self._strikes[name] >= MAX_STRIKES

    def settled(self, name: str) -> None:
        """Forget an envelope that waits no more."""
        self._failures.pop(name, None)
        self._strikes.pop(name, None)
        self._rests_until.pop(name, None)

    def pause(self, page: Page, problem: Exception) -> None:
        """Pause what has to pause after a failure."""
        asked = asked_seconds(problem)
        now = time.time()
        for key in getattr(problem, "categories", None) or {ALL}:
            before = page.pauses.get(key)
            failures = before.failures if before else 0
            own_seconds = pause_seconds(failures, self._first_pause_seconds)
            seconds = max(own_seconds, min(asked or 0.0, MAX_PAUSE_SECONDS))
            page.pauses[key] = Pause(
                until=now + seconds,
                since=before.since if before else now,
                problem=str(problem)[:MAX_TEXT],
                failures=failures + 1,
                is_asked=asked is not None or (before is not None and before.is_asked),
            )
        self._spacing_seconds = self._first_pause_seconds


def asked_seconds(problem: Exception) -> float | None:
    """Return how long the receiver asked to be left alone, if it did."""
    return problem.retry_after_seconds if isinstance(problem, TransportError) else None


def pause_seconds(
    failures: int,
    first_seconds: float = FIRST_PAUSE_SECONDS,
    jitter: Callable[[float, float], float] = random.uniform,
) -> float:
    """Return how long to wait before the next try.

    :param failures: how many tries have failed before this one.
    :param jitter: ``jitter(low, high)`` keeps processes from coming all at once.
    """
    grown = first_seconds * min(2.0 ** min(failures, 16), _LONGEST_PAUSE)
    return grown * jitter(0.8, 1.2)
