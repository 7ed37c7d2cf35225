"""Measure the tracker: what it stores in a second, and how fast its pages are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from . import pages, storing
from .load import sample_events
from .shop import Row

SIZES = (10_000, 100_000)
STORING_ROUNDS = 5


def measure(
    events: int,
    rounds: int,
    targets: Mapping[str, str],
    sizes: Sequence[int],
    database_url: str | None = None,
) -> Iterator[Row]:
    """Measure everything.

    :param events: how many are stored in a round.
    :param targets: other servers that store events, each with a DSN: measured by
        their answers, in turns with ours.
    :param sizes: of the databases whose pages are measured, in events.
    :param database_url: an empty database: only pages are measured, in the last size.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = sample_events(folder / "samples")
        if database_url:
            given = samples, sizes[-1], rounds, database_url
            yield from pages.measure(folder / "pages", *given)
            return
        yield from storing.measure(folder, samples, events, STORING_ROUNDS, targets)
        yield from storing.busy(folder / "busy", samples, events)
        for size in sizes:
            yield from pages.measure(folder / str(size), samples, size, rounds)
