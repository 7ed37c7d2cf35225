"""Real events, and as many clients as wanted that send them to any DSN at once."""

from __future__ import annotations

import gzip
import os
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from flask_errtrack import ErrTrack
from flask_errtrack.event import Event
from flask_errtrack.protocol.envelope import Envelope
from flask_errtrack.transports import MemoryTransport

from .app import environ, make_app, respond

#: So many different errors there are.
KINDS = 200
USERS = 50
#: So many clients send at once.
CLIENTS = 4
#: With these an event is 15 kB, of which a tenth is like nothing else.
FRAMES = 11
NOISE_BYTES = 700


@dataclass
class Load:
    """What sending was like."""

    seconds: float = 0.0
    request_seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    #: Why a client gave up; nothing if none did.
    problem: str = ""

    @property
    def stored(self) -> int:
        """How many were answered 200."""
        return self.statuses[200]


def sample_events(folder: Path, kinds: int = KINDS) -> list[Event]:
    """Return one event of each kind, as our own client makes it: 11 frames deep."""
    transport, (app, _) = MemoryTransport(), make_app(folder)
    errtrack = ErrTrack(
        app, transport=transport, release="1.0", environment="production"
    )
    for kind in range(kinds):
        respond(app, environ(f"/broken/light/{FRAMES}/{kind}"))
    with app.app_context():
        errtrack.close()
    return transport.events


def envelopes(samples: Sequence[Event], count: int) -> Iterator[bytes]:
    """Yield so many different events as clients send them, compressed."""
    for number in range(count):
        event = different(samples[number % len(samples)], number)
        yield gzip.compress(Envelope.from_event(event).encode(), 6)


def different(sample: Event, number: int = 0) -> Event:
    """Return the event that happens to another user, with another basket."""
    event = sample.copy()
    event["event_id"] = uuid.uuid4().hex
    event["user"] = {"id": f"user-{number % USERS}"}
    event["extra"] = {"basket": os.urandom(NOISE_BYTES).hex()}
    return event


def send(dsn: str, bodies: Sequence[bytes], clients: int) -> Load:
    """Send all of the bodies, by so many clients at once, each on one connection."""
    parts = urlsplit(dsn)
    path, _, project = parts.path.rpartition("/")
    target = f"{path}/api/{project}/envelope/"
    headers = {
        "Content-Type": "application/x-sentry-envelope",
        "Content-Encoding": "gzip",
        "X-Sentry-Auth": f"Sentry sentry_version=7, sentry_key={parts.username}, "
        "sentry_client=errtrack-benchmark/1.0",
    }
    load, waiting, lock = Load(), iter(bodies), threading.Lock()

    def work() -> None:
        try:
            send_all()
        except OSError as error:
            load.problem = f"{type(error).__name__}: {error}"

    def send_all() -> None:
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        while True:
            with lock:
                body = next(waiting, None)
            if body is None:
                connection.close()
                return
            started = time.perf_counter()
            connection.request("POST", target, body, headers)
            response = connection.getresponse()
            response.read()
            took = time.perf_counter() - started
            with lock:
                load.request_seconds.append(took)
                load.statuses[response.status] += 1

    threads = [threading.Thread(target=work) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.seconds = time.perf_counter() - started
    return load
