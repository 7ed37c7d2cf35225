"""Measure storing: as a share of what SQLite alone takes of the very same rows.

What a tracker writes for each event is written down, and run again by the bare
driver, turn by turn with the tracker itself: once with a transaction for each event,
which is what the share is of, and once with a hundred in each.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import func, select

from flask_errtrack.event import Event
from flask_errtrack.protocol.envelope import Envelope, Item
from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.store import Store

from . import receiver
from .load import Load, different, envelopes, send
from .rows import Filling
from .shop import Row

CLIENTS = 4
#: So many different errors the events are of.
ISSUES = (200, 1)
_BATCH = 100
_SQLITE = "SQLite"
_BATCHED = f"SQLite, {_BATCH} at once"
_INSERT = "INSERT INTO errtrack_event"

#: What a tracker ran for an event: each statement, and what it was given.
Transaction = list[tuple[str, Any, bool]]
#: By name: the events that were stored in a second, one number a round.
Rates = dict[str, list[float]]


def measure(
    folder: Path,
    samples: Sequence[Event],
    events: int,
    rounds: int,
    targets: Mapping[str, str],
    issues: Sequence[int] = ISSUES,
) -> Iterator[Row]:
    """Measure storing, of many issues and of one.

    :param events: how many, in each round.
    :param targets: other servers by name, each with a DSN.
    """
    bodies = list(envelopes(samples, len(samples)))
    plain = sum(len(_item(one).payload) for one in samples) / len(samples) / 1000
    packed = sum(map(len, bodies)) / len(bodies) / 1000
    yield "an event: JSON", f"{plain:.1f} kB", f"{packed:.1f} kB compressed"
    for count in issues:
        place = folder / f"storing-{count}"
        place.mkdir()
        yield from _Course(place, samples[:count], events, targets).run(rounds)


def busy(folder: Path, samples: Sequence[Event], events: int) -> Iterator[Row]:
    """Store while pages are read and as many old events are deleted."""
    folder.mkdir()
    url = f"sqlite:///{folder}/busy.db"
    store = Store(url)
    store.check()
    Filling(samples, events, time.time() - 200 * 86400).fill(store)
    bodies = list(envelopes(samples, events))
    with receiver.running(url) as running, ThreadPoolExecutor(2) as others:
        is_over = threading.Event()
        pages = others.submit(_read_pages, running.dsn, is_over)
        gone = others.submit(_prune, store, is_over)
        load = send(running.dsn, bodies, CLIENTS)
        is_over.set()
        shown, pruned = pages.result(), gone.result()
    store.close()
    yield "busy: stored", f"{load.stored / load.seconds:.0f}/s", _told(load.statuses)
    yield "busy: pages read meanwhile", f"{shown.total()}", _told(shown)
    yield "busy: deleted meanwhile", f"{pruned}", "no error, or this would have ended"


def _read_pages(dsn: str, is_over: threading.Event) -> Counter[int]:
    found: Counter[int] = Counter()
    parts = urlsplit(dsn)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    while not is_over.is_set():
        for path in ("/", "/issues/1", "/?q=broken17", "/status"):
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


def _told(statuses: Mapping[int, int]) -> str:
    return ", ".join(f"{status}: {count}" for status, count in statuses.items())


class _Course:
    """Everything that stores, turn by turn, with the same events."""

    def __init__(
        self,
        folder: Path,
        samples: Sequence[Event],
        events: int,
        targets: Mapping[str, str],
    ) -> None:
        self._folder = folder
        self._samples = samples
        self._events = events
        self._targets = targets
        self._copies = 0
        self._empty = folder / "empty.db"
        self._request_seconds: list[float] = []
        self._answers: dict[str, Counter[int]] = {}
        #: The processor's time for each event, by way and round.
        self._cpu_seconds: dict[str, list[float]] = {}
        self._bytes = 0.0

    def run(self, rounds: int) -> Iterator[Row]:
        """Yield what was found."""
        transactions = self._written_down()
        ways: dict[str, Callable[[], float]] = {
            _SQLITE: lambda: self._alone(_SQLITE, transactions, 1),
            _BATCHED: lambda: self._alone(_BATCHED, transactions, _BATCH),
            "in-process": self._in_process,
            "HTTP": self._over_http,
        }
        for name, dsn in self._targets.items():
            ways[name] = lambda name=name, dsn=dsn: self._rate(name, dsn)  # type: ignore[misc]
        rates: Rates = {name: [] for name in ways}
        for _ in range(rounds):
            for name, store_all in ways.items():
                rates[name].append(store_all())
        yield from self._found(rates)

    def _found(self, rates: Rates) -> Iterator[Row]:
        kind = f"{len(self._samples)} issues" if len(self._samples) > 1 else "1 issue"
        for name, found in rates.items():
            both = zip(found, rates[_SQLITE], strict=True)
            shares = [one / raw for one, raw in both]
            note = f"{median(found):,.0f}/s ({min(found):,.0f} … {max(found):,.0f})"
            if name in self._cpu_seconds:
                milliseconds = median(self._cpu_seconds[name]) * 1e3
                note += f", {milliseconds:.2f} ms of the processor each"
            note = f"{note} {_told(self._answers.get(name, {}))}"
            yield f"{kind}: {name}: share", f"{median(shares):.3f}", note
        twentieths = quantiles([one * 1e3 for one in self._request_seconds], n=20)
        middle, slow = median(self._request_seconds) * 1e3, twentieths[-1]
        yield f"{kind}: HTTP: answer", f"{middle:.1f} ms", f"p95 {slow:.1f} ms"
        if len(self._samples) > 1:
            # Of one issue that storms most events are only counted.
            yield f"{kind}: on disk", f"{self._bytes / 1000:.1f} kB", "for each event"

    def _written_down(self) -> list[Transaction]:
        """Store each event by itself, and return what was run for it."""
        store = Store(f"sqlite:///{self._empty}")
        for sample in self._samples:
            store.record(_item(different(sample)))
        store.close()
        path = self._copy()
        store = Store(f"sqlite:///{path}")
        with store.reading() as connection:
            engine = connection.engine
        engine.dispose()
        sqlalchemy_event.listen(engine, "do_connect", _write_down)
        transactions: list[Transaction] = []
        _Cursor.transactions = transactions
        for item in self._items():
            store.record(item)
        store.close()
        # The first one also looked for what is too old.
        found = [one for one in transactions if one[0][0].startswith(_INSERT)]
        assert len(found) == self._events
        return found

    def _alone(
        self, name: str, transactions: Sequence[Transaction], at_once: int
    ) -> float:
        connection = sqlite3.connect(self._copy(), isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        busy, started = time.process_time(), time.perf_counter()
        for number, statements in enumerate(transactions):
            if number % at_once == 0:
                connection.execute("BEGIN IMMEDIATE")
            for sql, given, many in statements:
                if many:
                    connection.executemany(sql, given)
                else:
                    connection.execute(sql, given).fetchall()
            if number % at_once == at_once - 1 or number == len(transactions) - 1:
                connection.execute("COMMIT")
        took = time.perf_counter() - started
        self._note(name, time.process_time() - busy)
        connection.close()
        return len(transactions) / took

    def _in_process(self) -> float:
        store = Store(f"sqlite:///{self._copy()}")
        store.check()
        items = self._items()
        with ThreadPoolExecutor(CLIENTS) as threads:
            busy, started = time.process_time(), time.perf_counter()
            for _ in threads.map(store.record, items):
                pass
            took = time.perf_counter() - started
        self._note("in-process", time.process_time() - busy)
        store.close()
        return len(items) / took

    def _over_http(self) -> float:
        path = self._copy()
        before = _counted(path)
        with receiver.running(f"sqlite:///{path}") as running:
            busy = running.cpu_seconds()
            rate = self._rate("HTTP", running.dsn)
            self._note("HTTP", running.cpu_seconds() - busy)
        # 200 means stored.
        assert _counted(path) - before == self._events
        self._bytes = (_size(path) - _size(self._empty)) / self._events
        return rate

    def _rate(self, name: str, dsn: str) -> float:
        load: Load = send(dsn, list(envelopes(self._samples, self._events)), CLIENTS)
        self._answers.setdefault(name, Counter()).update(load.statuses)
        if name == "HTTP":
            self._request_seconds += load.request_seconds
        return load.stored / load.seconds

    def _note(self, name: str, cpu_seconds: float) -> None:
        self._cpu_seconds.setdefault(name, []).append(cpu_seconds / self._events)

    def _items(self) -> list[Item]:
        samples, events = self._samples, self._events
        return [_item(different(samples[n % len(samples)], n)) for n in range(events)]

    def _copy(self) -> Path:
        self._copies += 1
        path = self._folder / f"{self._copies}.db"
        shutil.copy(self._empty, path)
        return path


class _Cursor(sqlite3.Cursor):
    """Writes down what is run."""

    transactions: ClassVar[list[Transaction]] = []

    def execute(self, sql: str, given: Any = (), /) -> Self:
        if sql.startswith("BEGIN"):
            self.transactions.append([])
        elif not sql.startswith("PRAGMA"):
            self.transactions[-1].append((sql, given, False))
        return super().execute(sql, given)

    def executemany(self, sql: str, every: Iterable[Any], /) -> Self:
        given = list(every)
        self.transactions[-1].append((sql, given, True))
        return super().executemany(sql, given)


class _Connection(sqlite3.Connection):
    def execute(self, sql: str, given: Any = (), /) -> Any:
        return self.cursor().execute(sql, given)

    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)


def _write_down(_: Any, __: Any, ___: Any, arguments: dict[str, Any]) -> None:
    arguments["factory"] = _Connection


def _item(event: Event) -> Item:
    return Envelope.from_event(event).items[0]


def _counted(path: Path) -> int:
    """Return how many events a tracker has counted."""
    store = Store(f"sqlite:///{path}")
    with store.reading() as connection:
        found = connection.scalar(select(func.sum(schema.issue.c.event_count)))
    store.close()
    return int(found or 0)


def _size(path: Path) -> int:
    return sum(os.path.getsize(one) for one in path.parent.glob(f"{path.name}*"))
