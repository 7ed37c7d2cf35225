"""How much may come: a bucket for each key, and one for all keys together.

Owns the arithmetic of the buckets, one set for each process. Knows nothing of
requests.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from ...runtime.process import OfProcess

#: So long a client is asked to wait.
RETRY_AFTER_SECONDS = 60


class Quota:
    """Says whether something more may come. Any thread may ask.

    What came at once may be as much as what comes in a minute.

    :param per_minute: items of one category with one key; 0: any number.
    :param total_per_minute: items of one category with any key; 0: any number.
    :param clock: in seconds.
    """

    def __init__(
        self,
        per_minute: float = 1000,
        total_per_minute: float = 5000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_minute = per_minute
        self._total_per_minute = total_per_minute
        self._clock = clock
        self._buckets = OfProcess(_Buckets)

    def admits(self, key: str, category: str) -> bool:
        """Tell whether one item more may come now, and count it if so."""
        now = self._clock()
        buckets = self._buckets.get()
        with buckets.lock:
            own = buckets.level((key, category), self._per_minute, now)
            total = buckets.level(("", category), self._total_per_minute, now)
            if min(own, total) < 1:
                return False
            buckets.levels[key, category] = own - 1, now
            buckets.levels["", category] = total - 1, now
        return True


class _Buckets:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        # What is left, and when that was so.
        self.levels: dict[tuple[str, str], tuple[float, float]] = {}

    def level(self, name: tuple[str, str], per_minute: float, now: float) -> float:
        if not per_minute:
            return math.inf
        left, then = self.levels.get(name, (per_minute, now))
        return min(per_minute, left + (now - then) * per_minute / 60)
