"""Measure storing: as a share of what SQLite alone takes of the very same rows.

In turns: the bare driver with a transaction for each event, which is what the share is
of, and with a hundred in each; the tracker in-process and over HTTP; other servers.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from time import perf_counter, process_time

from sqlalchemy import func, select

from flask_errtrack.event import Event
from flask_errtrack.protocol.envelope import Envelope, Item
from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.store import Store

from . import busy, raw, receiver
from .load import CLIENTS, KINDS, different, envelopes, sample_events, send
from .plan import Plan, progress
from .results import Result

PART = "storing"
#: So many different errors the events are of.
ISSUES = (KINDS, 1)
_BATCH = 100
#: So many events are stored before the clock runs: by then all is loaded.
_WARM_UP = 20
SQLITE = "SQLite alone"
_BATCHED = f"{SQLITE}, {_BATCH} at once"
IN_PROCESS = "Flask-ErrTrack, in-process"
HTTP = "Flask-ErrTrack, over HTTP"
ONE_CLIENT = "Flask-ErrTrack, one client"
IN_MEMORY = "Flask-ErrTrack, in memory"
NOTHING = "Flask alone, over HTTP"
#: Files here are on no disk.
_MEMORY = Path("/dev/shm")

#: Stores all events; returns the seconds by the clock, and of the processor.
Way = Callable[[], tuple[float, float]]


@dataclass
class _Samples:
    """What is measured in each turn, a list for each figure."""

    rates: list[float]
    cpu_milliseconds: list[float]


def measure(plan: Plan) -> Iterator[Result]:
    """Measure storing of many issues and of one, and with everything else going on."""
    events, rounds = (200, 2) if plan.is_quick else (2000, 5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = sample_events(folder / "samples")
        yield from sizes(samples)
        for count in ISSUES:
            place = folder / f"storing-{count}"
            place.mkdir()
            course = Course(place, samples[:count], events, plan.targets)
            yield from course.run(rounds if count > 1 else min(rounds, 3))
        progress("storing while pages are read and old events deleted")
        yield from busy.measure(folder / "busy", samples, events)


def sizes(samples: Sequence[Event]) -> Iterator[Result]:
    """Tell how large the events are, before a tracker has them."""
    plain = [len(_item(one).payload) / 1000 for one in samples]
    packed = [len(one) / 1000 for one in envelopes(samples, len(samples))]
    yield Result.of(PART, "size of an event", "as JSON", "kB", plain)
    yield Result.of(PART, "size of an event", "as sent, compressed", "kB", packed)


class Course:
    """Everything that stores, turn by turn, with the same events.

    :param samples: an event of each issue.
    :param events: how many, in each turn.
    :param targets: other servers by name, each with a DSN.
    """

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
        self._items = [
            _item(different(samples[n % len(samples)], n)) for n in range(events)
        ]
        self._bodies = list(envelopes(samples, events))
        self._copies = 0
        self._empty = folder / "empty.db"
        self._statuses: dict[str, Counter[int]] = {}
        self._of_server: dict[str, list[float]] = {}

    def run(self, rounds: int) -> Iterator[Result]:
        """Yield what was found."""
        transactions = self._written_down()
        ways: dict[str, Way] = {
            SQLITE: lambda: self._alone(transactions, 1),
            _BATCHED: lambda: self._alone(transactions, _BATCH),
            IN_PROCESS: self._in_process,
            HTTP: lambda: self._over_http(HTTP, self._copy()),
        }
        if len(self._samples) > 1:
            ways |= self._for_the_limit()
        for name, dsn in self._targets.items():
            why = self._refusal(dsn)
            if why:
                case = f"{self._kind}: share of SQLite alone"
                yield Result.missing(PART, case, name, why)
                continue
            ways[name] = lambda name=name, dsn=dsn: self._elsewhere(name, dsn)  # type: ignore[misc]
        samples = {name: _Samples([], []) for name in ways}
        for number in range(rounds):
            progress(f"storing, {self._kind}: round {number + 1} of {rounds}")
            for name, store_all in ways.items():
                seconds, cpu_seconds = store_all()
                found = samples[name]
                found.rates.append(self._events / seconds)
                found.cpu_milliseconds.append(cpu_seconds / self._events * 1e3)
        yield from self._found(samples)
        yield from self._found_of_server()

    @property
    def _kind(self) -> str:
        return f"{len(self._samples)} issues" if len(self._samples) > 1 else "1 issue"

    def _found(self, samples: Mapping[str, _Samples]) -> Iterator[Result]:
        alone = samples[SQLITE].rates
        for name, found in samples.items():
            both = zip(found.rates, alone, strict=True)
            shares = [one / other for one, other in both]
            note = busy.told(self._statuses.get(name, {}))
            case = f"{self._kind}: share of SQLite alone"
            yield Result.of(PART, case, name, "", shares, note)
        for name, found in samples.items():
            yield Result.of(PART, f"{self._kind}: stored", name, "/s", found.rates)
        for name, found in samples.items():
            if any(found.cpu_milliseconds):
                case = f"{self._kind}: processor for each event"
                yield Result.of(PART, case, name, "ms", found.cpu_milliseconds)

    def _found_of_server(self) -> Iterator[Result]:
        for told, found in self._of_server.items():
            case, _, unit = told.rpartition(", ")
            yield Result.of(PART, f"{self._kind}: {case}", HTTP, unit, found)

    def _written_down(self) -> list[raw.Transaction]:
        store = Store(f"sqlite:///{self._empty}")
        for sample in self._samples:
            store.record(_item(different(sample)))
        store.close()
        return raw.written_down(self._copy(), self._items)

    def _alone(
        self, transactions: Sequence[raw.Transaction], at_once: int
    ) -> tuple[float, float]:
        found = raw.replay(self._copy(), transactions, at_once)
        return found.seconds, found.cpu_seconds

    def _in_process(self) -> tuple[float, float]:
        store = Store(f"sqlite:///{self._copy()}")
        store.check()
        items = self._items
        for sample in self._samples[:_WARM_UP]:
            store.record(_item(different(sample)))
        with ThreadPoolExecutor(CLIENTS) as threads:
            used, started = process_time(), perf_counter()
            for _ in threads.map(store.record, items):
                pass
            took, used = perf_counter() - started, process_time() - used
        store.close()
        return took, used

    def _for_the_limit(self) -> dict[str, Way]:
        """Return what tells whether the disk, the lock or HTTP is the limit."""
        ways: dict[str, Way] = {
            ONE_CLIENT: lambda: self._over_http(ONE_CLIENT, self._copy(), clients=1),
            NOTHING: self._nothing,
        }
        if _MEMORY.is_dir():
            ways[IN_MEMORY] = self._in_memory
        return ways

    def _nothing(self) -> tuple[float, float]:
        with receiver.running(receiver.NOTHING) as running:
            self._warm_up(running)
            used = running.cpu_seconds()
            seconds, _ = self._send(NOTHING, running.dsn)
            return seconds, running.cpu_seconds() - used

    def _in_memory(self) -> tuple[float, float]:
        with tempfile.TemporaryDirectory(dir=_MEMORY) as name:
            path = Path(shutil.copy(self._empty, name))
            return self._over_http(IN_MEMORY, path)

    def _over_http(
        self, name: str, path: Path, clients: int = CLIENTS
    ) -> tuple[float, float]:
        with receiver.running(f"sqlite:///{path}") as running:
            self._warm_up(running)
            before = _counted(path)
            used, written = running.cpu_seconds(), running.written_bytes()
            seconds, answers = self._send(name, running.dsn, clients)
            used = running.cpu_seconds() - used
            written = running.written_bytes() - written
            memory = running.resident_bytes() / 2**20
        # 200 means stored.
        assert _counted(path) - before == self._events
        on_disk = (_size(path) - _size(self._empty)) / (self._events + _WARM_UP)
        for case, figure in {
            "answer p50, ms": quantiles(answers, n=100)[49] * 1e3,
            "answer p95, ms": quantiles(answers, n=100)[94] * 1e3,
            "processor used by the server, % of a core": used / seconds * 100,
            "written to disk for each event, kB": written / self._events / 1e3,
            "disk for each event, kB": on_disk / 1e3,
            "memory of the server, MiB": memory,
        }.items():
            if name == HTTP:
                self._of_server.setdefault(case, []).append(figure)
        return seconds, used

    def _warm_up(self, running: receiver.Receiver) -> None:
        send(running.dsn, list(envelopes(self._samples, _WARM_UP)), 1)

    def _refusal(self, dsn: str) -> str:
        """Return why a server stores none of our events; nothing if it does."""
        load = send(dsn, list(envelopes(self._samples, 1)), 1)
        answered = busy.told(load.statuses) or load.problem
        return "" if load.stored else f"does not store: {answered}"

    def _elsewhere(self, name: str, dsn: str) -> tuple[float, float]:
        # It keeps what it was sent, and stores none of it twice.
        bodies = list(envelopes(self._samples, self._events))
        return self._send(name, dsn, bodies=bodies)[0], 0.0

    def _send(
        self,
        name: str,
        dsn: str,
        clients: int = CLIENTS,
        bodies: Sequence[bytes] | None = None,
    ) -> tuple[float, list[float]]:
        """Return the seconds that all would have taken, and those of each request."""
        load = send(dsn, bodies or self._bodies, clients)
        self._statuses.setdefault(name, Counter()).update(load.statuses)
        return load.seconds / max(load.stored, 1) * self._events, load.request_seconds

    def _copy(self) -> Path:
        self._copies += 1
        path = self._folder / f"{self._copies}.db"
        shutil.copy(self._empty, path)
        return path


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
