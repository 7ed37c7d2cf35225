"""Counts of what came and is no event here: refused, skipped or lost, by hour.

Owns the table of these counts, and the memory in which they wait, so that a storm of
refusals costs few writes. Knows nothing of what was counted.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, case, func, select

from ..errors import StoreError
from ..runtime.process import OfProcess
from .database.schema import tally
from .database.statements import insert_of
from .store import Store
from .storing.counting import hour_of

Kind = Literal["refused", "skipped", "lost"]

#: Of what the column can hold; a client may claim to have lost any number.
MAX_QUANTITY = 2**31 - 1
FLUSH_INTERVAL_SECONDS = 1.0


@dataclass(frozen=True)
class Sum:
    """So much came of one reason."""

    kind: str
    reason: str
    quantity: int


def add(
    connection: Connection,
    project_id: int,
    hour: int,
    kind: Kind,
    reason: str,
    quantity: int = 1,
) -> None:
    """Count something; a count that is full stays so."""
    quantity = min(quantity, MAX_QUANTITY)
    statement = insert_of(connection)(tally).values(
        project_id=project_id, hour=hour, kind=kind, reason=reason, quantity=quantity
    )
    known = tally.c.quantity
    more = case((known > MAX_QUANTITY - quantity, MAX_QUANTITY), else_=known + quantity)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["project_id", "hour", "kind", "reason"],
            set_={"quantity": more},
        )
    )


def sums(connection: Connection, since_hour: int) -> list[Sum]:
    """Return what was counted since an hour, in all projects, the most first."""
    quantity = func.sum(tally.c.quantity)
    query = (
        select(tally.c.kind, tally.c.reason, quantity)
        .where(tally.c.hour >= since_hour)
        .group_by(tally.c.kind, tally.c.reason)
        .order_by(tally.c.kind, quantity.desc(), tally.c.reason)
    )
    return [Sum(row[0], row[1], int(row[2])) for row in connection.execute(query)]


# Project, hour, kind and reason.
_Key = tuple[int, int, Kind, str]


class _Waiting:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counts: Counter[_Key] = Counter()
        self.flushed_at = float("-inf")


class Tallies:
    """Counts in memory, and writes that down once a second at most.

    :param clock: in seconds.
    """

    def __init__(
        self, store: Store, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._clock = clock
        self._waiting = OfProcess(_Waiting)

    def count(
        self, project_id: int, kind: Kind, reason: str, quantity: int = 1
    ) -> None:
        """Count something, in memory."""
        key = project_id, hour_of(self._store.now()), kind, reason
        waiting = self._waiting.get()
        with waiting.lock:
            waiting.counts[key] += quantity

    def flush_sometimes(self) -> None:
        """Write down what waits, unless that was done a moment ago."""
        waiting = self._waiting.get()
        with waiting.lock:
            if self._clock() - waiting.flushed_at < FLUSH_INTERVAL_SECONDS:
                return
        self.flush()

    def flush(self) -> None:
        """Write down what waits. What cannot be written now waits for the next time."""
        waiting = self._waiting.get()
        with waiting.lock:
            if not waiting.counts:
                return
            waiting.flushed_at = self._clock()
            counts, waiting.counts = waiting.counts, Counter()
        try:
            self._store.write(lambda connection: _add_all(connection, counts))
        except StoreError:
            with waiting.lock:
                waiting.counts += counts


def _add_all(connection: Connection, counts: Counter[_Key]) -> None:
    # In one order, so that no two writers wait for each other.
    for key in sorted(counts):
        add(connection, *key, counts[key])
