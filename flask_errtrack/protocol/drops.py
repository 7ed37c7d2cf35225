"""Counts of what was not delivered, by reason and category.

The reasons are those of the protocol's client reports where it has one. Knows
nothing of where the counts are kept in the end.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from ..runtime.process import OfProcess

#: A reason, and the protocol's data category of what was dropped.
Drop = tuple[str, str]


class _Tally:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.total: Counter[Drop] = Counter()
        self.untaken: Counter[Drop] = Counter()


class Drops:
    """What this process has dropped. Any thread may count."""

    def __init__(self) -> None:
        self._tally = OfProcess(_Tally)

    def count(self, reason: str, category: str = "error") -> None:
        """Count something that will not be delivered."""
        tally = self._tally.get()
        with tally.lock:
            tally.total[reason, category] += 1
            tally.untaken[reason, category] += 1

    @property
    def by_reason(self) -> Counter[str]:
        """How much this process has dropped, by reason."""
        tally = self._tally.get()
        with tally.lock:
            return by_reason(tally.total)

    def has_untaken(self) -> bool:
        """Tell whether something was counted since it was taken."""
        return bool(self._tally.get().untaken)

    def take(self) -> Counter[Drop]:
        """Return what was counted since the last time, for whoever keeps it."""
        tally = self._tally.get()
        with tally.lock:
            taken, tally.untaken = tally.untaken, Counter()
        return taken


def by_reason(drops: Mapping[Drop, int]) -> Counter[str]:
    """Sum counts over the categories."""
    total: Counter[str] = Counter()
    for (reason, _), quantity in drops.items():
        total[reason] += quantity
    return total
