"""Measure the pages of trackers with very many events: quiet, and while they store.

Each is a whole request through Flask, rendered; the processor's time is told beside the
clock's, which on a busy machine says little. The first one is cold: it
connects anew, and nothing of an SQLite file is in memory.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from flask.testing import FlaskClient
from sqlalchemy import func, select

from flask_errtrack.event import Event
from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.rest.tokens import Token
from flask_errtrack.tracker.store import Store

from . import receiver
from .load import envelopes, sample_events, send
from .plan import Plan, progress
from .results import Result
from .rows import Filling, event_id_of, hash_of

PART = "pages"
SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (2_000,)
_PAGES = {
    "issue list": "/?q=is:unresolved",
    "issue list, all": "/?q=",
    "issue list, page 3": "/?page=3",
    "issue list, page 100": "/?page=100&q=",
    "issue list, 14 days": "/?period=14d",
    "last seen": "/?sort=last_seen",
    "newest": "/?sort=first_seen",
    "most events": "/?q=&sort=events",
    "most people": "/?q=&sort=users",
    "most events in 24 hours": "/?q=&period=24h&sort=events",
    "most events in 30 days": "/?q=&period=30d&sort=events",
    "search: regressed": "/?q=is:regressed",
    "search: level": "/?q=level:error",
    "search: new in 24 hours": "/?q=first:24h",
    "search: word": "/?q=broken17",
    "search: two words": "/?q=broken17+order",
    "search: !word": "/?q=!broken17",
    "search: word in all": "/?q=priced",
    "search: part of a name": "/?q=user-317@",
    "search: no such word": "/?q=nowhere",
    "search: event id": "/?q={event_id}",
    "search: tag": "/?q=shop:shop-7",
    "search: !tag": "/?q=!shop:shop-7",
    "search: tag:*": "/?q=shop:*op-7",
    "search: has:tag": "/?q=has:shop",
    "search: transaction": "/?q=transaction:shop.view_7",
    "search: no such tag": "/?q=nothing:here",
    "search: release": "/?q=release:1.12",
    "search: release of today": "/?q=release:1.29",
    "search: firstRelease": "/?q=firstRelease:1.12",
    "search: environment": "/?q=environment:staging+is:unresolved",
    "search: environment of all": "/?q=environment:production",
    "search: environment, 30 days": "/?q=environment:production&sort=events&period=30d",
    "search: user": "/?q=user:user-3@example.org",
    "search: !user": "/?q=!user:user-3@example.org",
    "search: user:*": "/?q=user:user-317*",
    "search: three terms": "/?q=environment:production+browser:Firefox+broken17",
    "largest issue": "/issues/1",
    "smallest issue": "/issues/{issues}",
    "event": "/events/{event_id}",
    "event as JSON": "/events/{event_id}.json",
    "event as Markdown": "/events/{event_id}.md",
    "user": "/users/1/{user_hash}",
    "user with most events": "/users/1/{first_user_hash}",
    "releases": "/releases",
    "release": "/releases/1?version=1.1",
    "feedback": "/feedback",
    "status page": "/status",
    "API: issues": "/api/0/issues",
    "API: issues, most events": "/api/0/issues?sort=events&limit=100",
    "API: issues, page 100": "/api/0/issues?page=100&limit=100",
    "API: search": "/api/0/issues?query=environment:production+broken17",
    "API: events": "/api/0/issues/1/events?limit=100",
    "API: event": "/api/0/events/{event_id}",
}
_WHILE_STORING = ("issue list", "search: word", "search: tag", "largest issue")


@dataclass
class Tracker:
    """A tracker with very many events.

    :param name: as the contestant that it is.
    """

    name: str
    url: str
    store: Store
    addresses: dict[str, str]
    browser: FlaskClient


@dataclass
class _Times:
    """Of a page, in milliseconds: by the clock, and of the processor."""

    cold: float | None = None
    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def add(self, took: float, used: float) -> None:
        """Add what a request took; the first one is cold."""
        if self.cold is None:
            self.cold = took
        else:
            self.clock.append(took)
            self.processor.append(used)


def measure(plan: Plan) -> Iterator[Result]:
    """Fill a tracker of each size, and measure their pages in turns."""
    sizes = plan.sizes or (QUICK_SIZES if plan.is_quick else SIZES)
    rounds, stored = (3, 50) if plan.is_quick else (20, 2000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = sample_events(folder / "samples")
        urls = {
            f"{size:,} events": (size, f"sqlite:///{folder}/{size}.db")
            for size in sizes
        }
        if plan.database_url:
            told = f"{sizes[-1]:,} events, PostgreSQL"
            urls[told] = sizes[-1], plan.database_url
        trackers = []
        for told, (size, url) in urls.items():
            progress(f"filling a tracker with {told}")
            trackers.append(filled(told, url, samples, size))
        yield from of_trackers(trackers, samples, rounds, stored)


def filled(name: str, url: str, samples: Sequence[Event], events: int) -> Tracker:
    """Return a tracker with so many events, in an empty database."""
    store = Store(url)
    store.check()
    filling = Filling(samples, events, time.time())
    filling.fill(store)
    with store.reading() as connection:
        # As PostgreSQL does it by itself within minutes.
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("VACUUM ANALYZE")
    return Tracker(name, url, store, addresses_of(filling.issues), browser_of(store))


def of_trackers(
    trackers: Sequence[Tracker], samples: Sequence[Event], rounds: int, stored: int
) -> Iterator[Result]:
    """Measure the pages of trackers, in turns.

    :param stored: how many more events are stored while some pages are measured again.
    """
    yield from _disk(trackers)
    for page in _PAGES:
        progress(f"pages: {page}")
        for tracker in trackers:
            forget(tracker.store)
        yield from _told(page, _in_turns(trackers, page, rounds), trackers)
    bodies = list(envelopes(samples, stored))
    for tracker in trackers:
        progress(f"pages while {tracker.name} store")
        yield from _while_storing(tracker, bodies, rounds)
        tracker.store.close()


def addresses_of(issues: int) -> dict[str, str]:
    """Return the addresses of the pages that are measured, by what they show."""
    found = {
        "issues": issues,
        "event_id": event_id_of(0),
        "user_hash": hash_of("user", 3),
        "first_user_hash": hash_of("user", 0),
    }
    return {
        page: receiver.PREFIX + address.format(**found)
        for page, address in _PAGES.items()
    }


def browser_of(store: Store) -> FlaskClient:
    """Return a client that may see the pages, and what the API reads."""
    token = Token("benchmark", False, time.time() + 86400).signed([receiver.KEY])
    browser = receiver.app_of(store).test_client()
    browser.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return browser


def forget(store: Store) -> None:
    """Close the connections, and let the system forget what it has read of a file."""
    with store.reading() as connection:
        engine = connection.engine
    engine.dispose()
    file = engine.url.database or ""
    is_file = engine.dialect.name == "sqlite"
    if is_file and hasattr(os, "posix_fadvise"):
        with open(file, "rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _disk(trackers: Sequence[Tracker]) -> Iterator[Result]:
    for tracker in trackers:
        _, is_file, path = tracker.url.partition("sqlite:///")
        if is_file:
            with tracker.store.reading() as connection:
                events = connection.scalar(select(func.count(schema.event.c.id)))
            each = Path(path).stat().st_size / (events or 1) / 1000
            yield Result.of(PART, "disk for each event", tracker.name, "kB", [each])


def _in_turns(trackers: Sequence[Tracker], page: str, rounds: int) -> list[_Times]:
    """Return the times of each tracker; the first round is cold."""
    found = [_Times() for _ in trackers]
    for _ in range(rounds + 1):
        for tracker, times in zip(trackers, found, strict=True):
            times.add(*_get(tracker, page))
    return found


def _get(tracker: Tracker, page: str) -> tuple[float, float]:
    address = tracker.addresses[page]
    started, used = time.perf_counter(), time.process_time()
    answer = tracker.browser.get(address)
    took, used = time.perf_counter() - started, time.process_time() - used
    assert answer.status_code == 200, (address, answer.status)
    return took * 1e3, used * 1e3


def _told(
    page: str, found: Sequence[_Times], trackers: Sequence[Tracker]
) -> Iterator[Result]:
    """Yield the medians, and beside them what 19 of 20 take at most."""
    names = [tracker.name for tracker in trackers]
    for name, times in zip(names, found, strict=True):
        note = f"{median(times.processor):.1f} ms of the processor"
        yield Result.of(PART, page, name, "ms", times.clock, note)
    for name, times in zip(names, found, strict=True):
        slow = quantiles(times.clock, n=20, method="inclusive")[-1]
        yield Result.of(PART, f"{page}, p95", name, "ms", [slow])
    for name, times in zip(names, found, strict=True):
        if times.cold is not None:
            yield Result.of(PART, f"{page}, cold", name, "ms", [times.cold])


def _while_storing(
    tracker: Tracker, bodies: Sequence[bytes], rounds: int
) -> Iterator[Result]:
    """Measure some pages in turns as long as the events are being stored."""
    found = {page: _Times() for page in _WHILE_STORING}
    with receiver.running(tracker.url) as running, ThreadPoolExecutor(1) as other:
        storing = other.submit(send, running.dsn, bodies, 1)
        for number in range(rounds + 1):
            for page, times in found.items():
                times.add(*_get(tracker, page))
            # Two are enough to tell a spread, if storing is that fast.
            if number > 1 and storing.done():
                break
        load = storing.result()
    for page, times in found.items():
        yield from _told(f"{page}, while storing", [times], [tracker])
    rate = load.stored / load.seconds
    yield Result.of(PART, "stored while pages are read", tracker.name, "/s", [rate])
