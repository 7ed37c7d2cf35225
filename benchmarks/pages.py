"""Measure the pages of a tracker with very many events: quiet, and while it stores.

Each is a whole request through Flask, rendered; the processor's time is told beside the
clock's, which on a busy machine says little.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles

from flask.testing import FlaskClient

from flask_errtrack.event import Event
from flask_errtrack.tracker.store import Store

from . import receiver
from .load import envelopes, send
from .rows import Filling, hash_of
from .shop import Row

_PAGES = {
    "issue list": "/errtrack/",
    "issue list, page 3": "/errtrack/?page=3",
    "issue list, 14 days": "/errtrack/?period=14d",
    "most events in 30 days": "/errtrack/?q=&period=30d&sort=events",
    "search: word": "/errtrack/?q=broken17",
    "search: two words": "/errtrack/?q=broken17+shop",
    "search: part of a name": "/errtrack/?q=user-317@",
    "search: no such word": "/errtrack/?q=nowhere",
    "search: tag": "/errtrack/?q=shop:shop-7",
    "search: !tag": "/errtrack/?q=!shop:shop-7",
    "search: tag:*": "/errtrack/?q=shop:*op-7",
    "search: release": "/errtrack/?q=release:1.2",
    "search: environment": "/errtrack/?q=environment:staging+is:unresolved",
    "search: user": "/errtrack/?q=user:user-3@example.org",
    "search: user:*": "/errtrack/?q=user:user-317*",
    "largest issue": "/errtrack/issues/1",
    "smallest issue": "/errtrack/issues/{issues}",
    "user": "/errtrack/users/1/{user_hash}",
    "releases": "/errtrack/releases",
    "release": "/errtrack/releases/1?version=1.1",
    "status page": "/errtrack/status",
}
_WHILE_STORING = ("issue list", "search: word", "search: tag", "largest issue")


def measure(
    folder: Path,
    samples: Sequence[Event],
    events: int,
    rounds: int,
    database_url: str | None = None,
    stored: int = 2000,
) -> Iterator[Row]:
    """Fill a database with so many events, and measure its pages.

    :param database_url: an empty database; None: a new one of SQLite in the folder.
    :param stored: how many more events are stored while some pages are measured again.
    """
    folder.mkdir()
    url = database_url or f"sqlite:///{folder}/errtrack.db"
    store = Store(url)
    store.check()
    name = f"{events:,}"
    filling = _fill(store, samples, events)
    if database_url is None:
        each = (folder / "errtrack.db").stat().st_size / events
        yield f"{name}: disk for each event", f"{each:.0f} B", ""
    addresses = {
        page: address.format(issues=filling.issues, user_hash=hash_of("user", 3))
        for page, address in _PAGES.items()
    }
    browser = receiver.app_of(store).test_client()
    for page, address in addresses.items():
        yield _row(f"{name}: {page}", browser, address, rounds)
    bodies = list(envelopes(samples, stored))
    with receiver.running(url) as running, ThreadPoolExecutor(1) as other:
        storing = other.submit(send, running.dsn, bodies, 1)
        for page in _WHILE_STORING:
            told = f"{name}: {page}, storing"
            yield _row(told, browser, addresses[page], rounds)
        note = "was over first" if storing.done() else "was not over"
        load = storing.result()
    statuses = ", ".join(f"{status}: {n}" for status, n in load.statuses.items())
    yield (
        f"{name}: stored",
        f"{load.stored / load.seconds:.0f}/s",
        f"{statuses}, {note}",
    )
    store.close()


def _fill(store: Store, samples: Sequence[Event], events: int) -> Filling:
    filling = Filling(samples, events, time.time())
    started = time.perf_counter()
    filling.fill(store)
    with store.reading() as connection:
        # As PostgreSQL does it by itself within minutes.
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("VACUUM ANALYZE")
    took = time.perf_counter() - started
    told = f"{events:,} events of {filling.issues:,} issues written in {took:.0f} s"
    print(told, file=sys.stderr)
    store.close()
    return filling


def _row(name: str, browser: FlaskClient, address: str, rounds: int) -> Row:
    clock, processor = [], []
    for number in range(rounds + 1):
        started, used = time.perf_counter(), time.process_time()
        answer = browser.get(address)
        took, used = time.perf_counter() - started, time.process_time() - used
        assert answer.status_code == 200, (address, answer.status)
        # The first one warms up.
        if number:
            clock.append(took * 1e3)
            processor.append(used * 1e3)
    slow, busy = quantiles(clock, n=20)[-1], quantiles(processor, n=20)[-1]
    spread = f"p95 {slow:.1f} ms; of the processor {median(processor):.1f}, {busy:.1f}"
    return name, f"{median(clock):.1f} ms", spread
