"""Measure a tracker that does everything at once: stores, shows pages, deletes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from flask_errtrack.event import Event
from flask_errtrack.tracker.store import Store

from . import receiver
from .load import CLIENTS, envelopes, send
from .results import Result
from .rows import Filling

_CASE = "stored while pages are read and old events deleted"
_OLD_SECONDS = 200 * 86400
_PAGES = ("/", "/issues/1", "/?q=broken17", "/status")


def measure(folder: Path, samples: Sequence[Event], events: int) -> Iterator[Result]:
    """Store while pages are read and as many old events are deleted."""
    folder.mkdir()
    url = f"sqlite:///{folder}/busy.db"
    store = Store(url)
    store.check()
    Filling(samples, events, time.time() - _OLD_SECONDS).fill(store)
    bodies = list(envelopes(samples, events))
    with receiver.running(url) as running, ThreadPoolExecutor(2) as others:
        is_over = threading.Event()
        pages = others.submit(_read_pages, running.dsn, is_over)
        gone = others.submit(_prune, store, is_over)
        load = send(running.dsn, bodies, CLIENTS)
        is_over.set()
        shown, pruned = pages.result(), gone.result()
    store.close()
    note = f"answers {told(load.statuses)}; pages {told(shown)}; {pruned:,} deleted"
    rate = load.stored / load.seconds
    yield Result.of(
        "storing", _CASE, "Flask-ErrTrack, over HTTP", "/s", [rate], note=note
    )


def told(statuses: Mapping[int, int]) -> str:
    """Return how often each status was answered."""
    return ", ".join(f"{status}: {count:,}" for status, count in statuses.items())


def _read_pages(dsn: str, is_over: threading.Event) -> Counter[int]:
    found: Counter[int] = Counter()
    parts = urlsplit(dsn)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    while not is_over.is_set():
        for path in _PAGES:
            connection.request("GET", f"{receiver.PREFIX}{path}")
            response = connection.getresponse()
            response.read()
            found[response.status] += 1
    connection.close()
    return found


def _prune(store: Store, is_over: threading.Event) -> int:
    found = store.prune()
    while not is_over.is_set():
        found += store.prune()
    return found
