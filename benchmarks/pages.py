"""Measure the pages of a tracker with very many events: quiet, and while it stores.

Each is a whole request through Flask, rendered; the processor's time is told beside the
clock's, which on a busy machine says little. The first one is cold: it opens the
database, and nothing of an SQLite file is in memory.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles

from flask.testing import FlaskClient

from flask_errtrack.event import Event
from flask_errtrack.tracker.rest.tokens import Token
from flask_errtrack.tracker.store import Store

from . import receiver
from .load import envelopes, send
from .rows import Filling, event_id_of, hash_of
from .shop import Row

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
    "search: level": "/?q=level:warning",
    "search: new in 24 hours": "/?q=first:24h",
    "search: word": "/?q=broken17",
    "search: two words": "/?q=broken17+shop",
    "search: !word": "/?q=!broken17",
    "search: word in all": "/?q=error",
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
    addresses = addresses_of(filling.issues)
    browser = browser_of(store)
    for page, address in addresses.items():
        forget(store)
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
    """Close the database, and let the system forget what it has read of its file."""
    with store.reading() as connection:
        file = connection.engine.url.database or ""
        is_file = connection.dialect.name == "sqlite"
    store.close()
    if is_file and hasattr(os, "posix_fadvise"):
        with open(file, "rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


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
    clock, processor, first = [], [], 0.0
    for number in range(rounds + 1):
        started, used = time.perf_counter(), time.process_time()
        answer = browser.get(address)
        took, used = time.perf_counter() - started, time.process_time() - used
        assert answer.status_code == 200, (address, answer.status)
        if number == 0:
            first = took * 1e3
            continue
        clock.append(took * 1e3)
        processor.append(used * 1e3)
    slow, busy = quantiles(clock, n=20)[-1], quantiles(processor, n=20)[-1]
    spread = (
        f"p95 {slow:.1f} ms, cold {first:.1f}; "
        f"of the processor {median(processor):.1f}, {busy:.1f}"
    )
    return name, f"{median(clock):.1f} ms", spread
