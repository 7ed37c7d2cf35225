"""Measure delivery: what a bad server costs a request, and whether all arrives."""

from __future__ import annotations

import itertools
import logging
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

from flask_errtrack import Client
from flask_errtrack.transports import transport_to_dsn

from .shop import Row, Shop, quiet_log
from .sink import STATES, Sink

THREADS = 8
# Real pauses would make a long run of it; all others are in proportion.
FIRST_PAUSE_SECONDS = 0.02


def measure(errors: int, rounds: int) -> Iterator[Row]:
    """Measure everything."""
    logging.getLogger("flask_errtrack").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder, quiet_log():
        yield from states(Path(folder), rounds)
        yield from storm(Path(folder), 2 * errors)


def states(folder: Path, rounds: int) -> Iterator[Row]:
    """Measure a failing request while its server is in each state, turn by turn."""
    sinks = {state: Sink() for state in STATES}
    options = {"shutdown_timeout_seconds": 0.1}
    shops = {
        state: Shop(folder / state, {"dsn": sink.dsn, **options})
        for state, sink in sinks.items()
    }
    for state, sink in sinks.items():
        sink.become(state)
    seconds: dict[str, list[float]] = {state: [] for state in STATES}
    for number in range(rounds * 3 + 3):
        for state, shop in shops.items():
            took = shop.get(f"/broken/{number}")
            if state == "healthy":
                shop.settle()
            # The first rounds warm up.
            if number >= 3:
                seconds[state].append(took)
    healthy = median(seconds["healthy"])
    for state, found in seconds.items():
        tenths = quantiles([one * 1e3 for one in found], n=10)
        ratio = median(found) / healthy
        spread = f"{tenths[0]:.1f} … {tenths[-1]:.1f}, ratio {ratio:.2f}"
        name = f"failing request, server {state}"
        yield name, f"{median(found) * 1e3:.1f} ms", spread
    for state, shop in shops.items():
        started = time.perf_counter()
        shop.client.close()
        took = time.perf_counter() - started
        yield (
            f"end of the process, server {state}",
            f"{took:.2f} s",
            "at most 0.1 + 0.1",
        )
        sinks[state].close()


def storm(folder: Path, errors: int) -> Iterator[Row]:
    """Send from several threads while the server goes from state to state."""
    sink = Sink()
    client = Client(dsn=sink.dsn, outbox=str(folder / "storm"), timeout_seconds=0.2)
    transport = transport_to_dsn(
        client.config, folder / "storm", first_pause_seconds=FIRST_PAUSE_SECONDS
    )
    assert transport is not None
    client = Client(transport=transport)
    started = time.perf_counter()
    threads = [
        threading.Thread(target=_fail, args=(client, errors // THREADS))
        for _ in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    states = itertools.cycle(STATES)
    while any(thread.is_alive() for thread in threads):
        sink.become(next(states))
        threads[0].join(0.5)
    took = time.perf_counter() - started
    sink.become("healthy")
    is_done = transport.flush(600)
    total, different = sink.taken()
    name = f"{errors} errors, {THREADS} threads, server up and down"
    yield f"{name}: captured", f"{errors / took:.0f}/s", f"{took:.1f} s"
    took = time.perf_counter() - started
    dropped = transport.dropped.total()
    yield f"{name}: delivered", f"{different}", f"{took:.1f} s, all: {is_done}"
    yield f"{name}: twice", f"{total - different}", f"dropped {dropped}"
    client.close()
    sink.close()


def _fail(client: Client, times: int) -> None:
    for number in range(times):
        try:
            raise LookupError(number)
        except LookupError as error:
            client.capture_exception(error)
