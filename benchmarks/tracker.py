"""Measure the tracker: what it stores in a second, and how fast its pages are."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles

from flask.testing import FlaskClient

from flask_errtrack.event import Event
from flask_errtrack.tracker.store import Store

from . import receiver, storing
from .load import sample_events
from .rows import Filling
from .shop import Row

SIZES = (10_000, 100_000)
STORING_ROUNDS = 5
_PAGES = {
    "issue list": "/errtrack/",
    "issue list, page 3": "/errtrack/?page=3",
    "search: words": "/errtrack/?q=broken17",
    "search: no such words": "/errtrack/?q=nowhere",
    "search: tag": "/errtrack/?q=shop:shop-7",
    "search: no such tag": "/errtrack/?q=!shop:shop-7",
    "search: user": "/errtrack/?q=user.email:user-3@example.org",
    "largest issue": "/errtrack/issues/1",
    "smallest issue": "/errtrack/issues/{issues}",
    "status page": "/errtrack/status",
}


def measure(
    events: int, rounds: int, targets: Mapping[str, str], sizes: Sequence[int]
) -> Iterator[Row]:
    """Measure everything.

    :param events: how many are stored in a round.
    :param targets: other servers that store events, each with a DSN: measured by
        their answers, in turns with ours.
    :param sizes: of the databases whose pages are measured, in events.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = sample_events(folder / "samples")
        yield from storing.measure(folder, samples, events, STORING_ROUNDS, targets)
        yield from storing.busy(folder / "busy", samples, events)
        for size in sizes:
            yield from pages(folder / str(size), samples, size, rounds)


def pages(
    folder: Path, samples: Sequence[Event], events: int, rounds: int
) -> Iterator[Row]:
    """Measure the pages of a tracker with so many events."""
    folder.mkdir()
    path = folder / "errtrack.db"
    store = Store(f"sqlite:///{path}")
    store.check()
    empty_bytes = path.stat().st_size
    filling = Filling(samples, events, time.time())
    started = time.perf_counter()
    filling.fill(store)
    took = time.perf_counter() - started
    print(f"{events:,} events written in {took:.0f} s", file=sys.stderr)
    store.close()
    each = (path.stat().st_size - empty_bytes) / events
    name = f"{events:,} events"
    yield f"{name}: disk for each", f"{each:.0f} B", f"{filling.issues:,} issues"
    browser = receiver.app_of(store).test_client()
    for page, address in _PAGES.items():
        seconds = _visits(browser, address.format(issues=filling.issues), rounds)
        tenths = quantiles([one * 1e3 for one in seconds], n=20)
        spread = f"p95 {tenths[-1]:.1f} ms"
        yield f"{name}: {page}", f"{median(seconds) * 1e3:.1f} ms", spread
    store.close()


def _visits(browser: FlaskClient, address: str, rounds: int) -> list[float]:
    found = []
    for number in range(rounds + 1):
        started = time.perf_counter()
        answer = browser.get(address)
        took = time.perf_counter() - started
        assert answer.status_code == 200, (address, answer.status)
        # The first one warms up.
        found += [took] if number else []
    return found
