"""Measure the tracker: what it takes in a second, and how fast its pages are.

What arrives is compared with SQLite alone: the same statements, written down while
one tracker records, are run again by the bare driver on a copy of its database.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from flask import Blueprint, Flask
from flask.testing import FlaskClient
from sqlalchemy import event as sqlalchemy_event

from flask_errtrack.access import Access
from flask_errtrack.envelope import Envelope, Item
from flask_errtrack.event import Event
from flask_errtrack.tracker.dashboard.views import add_pages
from flask_errtrack.tracker.store import Store

from . import receiver
from .load import Load, envelopes, sample_events, send
from .rows import Filling
from .shop import Row

CLIENTS = 8
SIZES = (10_000, 100_000)
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
    events: int, rounds: int, dsn: str | None, sizes: Sequence[int]
) -> Iterator[Row]:
    """Measure everything.

    :param dsn: any server that takes events: it alone is measured, by its answers.
    :param sizes: of the databases whose pages are measured, in events.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = sample_events(folder / "samples")
        if dsn is not None:
            yield from _sent(send(dsn, list(envelopes(samples, events)), CLIENTS))
            return
        yield from arrivals(folder, samples, events)
        for size in sizes:
            yield from pages(folder / str(size), samples, size, rounds)


def arrivals(folder: Path, samples: Sequence[Event], events: int) -> Iterator[Row]:
    """Measure what arrives over HTTP, and the same writes by SQLite alone."""
    bodies = list(envelopes(samples, events))
    yield "envelopes, compressed: size", f"{_mean_kb(bodies):.1f} kB", ""
    path = folder / "arrivals.db"
    with receiver.running(f"sqlite:///{path}") as running:
        before = running.resident_mebibytes()
        send(running.dsn, bodies[: len(samples)], CLIENTS)
        load = send(running.dsn, bodies[len(samples) :], CLIENTS)
        after = running.resident_mebibytes()
    yield from _sent(load)
    yield "memory of the server", f"{after:.0f} MiB", f"{before:.0f} MiB at its start"
    recorded, raw = alone(folder, samples, min(events, 2000))
    rate = load.stored / load.seconds
    for name, other in (("without HTTP", recorded), ("by SQLite alone", raw)):
        yield f"the same {name}", f"{other:.0f}/s", f"HTTP: ratio {rate / other:.2f}"


def alone(folder: Path, samples: Sequence[Event], events: int) -> tuple[float, float]:
    """Return what a store records in a second, and the bare driver of the same."""
    path, copy = folder / "alone.db", folder / "raw.db"
    store = Store(f"sqlite:///{path}")
    for sample in samples:
        store.record(_item(sample, 0))
    store.close()
    shutil.copy(path, copy)
    transactions: list[list[tuple[str, Any, bool]]] = []
    with store.reading() as connection:
        engine = connection.engine

    def note(_: Any, __: Any, statement: str, given: Any, ___: Any, many: bool) -> None:
        if statement.startswith("BEGIN"):
            transactions.append([])
        transactions[-1].append((statement, given, many))

    sqlalchemy_event.listen(engine, "before_cursor_execute", note)
    items = [_item(samples[n % len(samples)], n + 1) for n in range(events)]
    started = time.perf_counter()
    for item in items:
        store.record(item)
    recorded = events / (time.perf_counter() - started)
    store.close()
    return recorded, events / _run_again(copy, transactions)


def _run_again(path: Path, transactions: Sequence[Sequence[Any]]) -> float:
    """Return the seconds that the bare driver needs for these transactions."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    started = time.perf_counter()
    for statements in transactions:
        for statement, given, many in statements:
            if many:
                connection.executemany(statement, given)
            else:
                connection.execute(statement, given).fetchall()
        connection.execute("COMMIT")
    took = time.perf_counter() - started
    connection.close()
    return took


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
    browser = _dashboard(store).test_client()
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


def _dashboard(store: Store) -> Flask:
    app = Flask(__name__)
    blueprint = Blueprint(
        "errtrack",
        "flask_errtrack",
        url_prefix="/errtrack",
        template_folder="templates",
        static_folder="static",
    )
    add_pages(blueprint, store, Access(lambda: ["key"], lambda: True))
    app.register_blueprint(blueprint)
    return app


def _sent(load: Load) -> Iterator[Row]:
    answers = ", ".join(f"{status}: {n}" for status, n in load.statuses.items())
    rate = f"{load.stored / load.seconds:.0f}/s"
    yield f"stored over HTTP, {CLIENTS} clients", rate, f"answers {answers}"
    twentieths = quantiles([one * 1e3 for one in load.request_seconds], n=20)
    middle = median(load.request_seconds) * 1e3
    yield "until the answer", f"{middle:.1f} ms", f"p95 {twentieths[-1]:.1f} ms"


def _item(sample: Event, number: int) -> Item:
    event = sample.copy()
    event["event_id"] = f"{number:08x}{sample['event_id'][8:]}"
    event["user"] = {"id": f"user-{number % 50}"}
    return Envelope.from_event(event).items[0]


def _mean_kb(bodies: Sequence[bytes]) -> float:
    return sum(map(len, bodies)) / len(bodies) / 1000
