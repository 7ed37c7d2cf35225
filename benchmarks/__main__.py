"""Measure the same app with and without Flask-ErrTrack, turn by turn, in one run.

``python3 dev.py bench`` prints a table: medians, and for times the spread from the
10th to the 90th percentile. Machines are noisy: compare within a run.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles

from flask_errtrack.transports import BackgroundTransport

from . import breadcrumbs, delivery, tracker
from .shop import Row, Shop, added, in_turns, quiet_log

#: In fewer events not every page that is measured has something to show.
MIN_SIZE = 1000


def import_seconds(statement: str, runs: int = 9) -> list[float]:
    """Return the seconds that a fresh interpreter needs for a statement."""
    found = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True)
        found.append(time.perf_counter() - started)
    return found


def requests(bare: Shop, tracked: Shop, other: Shop, rounds: int) -> Iterator[Row]:
    """Measure what is added to requests."""
    plain, mine = in_turns([bare, tracked], "/healthy", rounds, 300)
    yield added("healthy request: added", plain, mine, "µs")
    plain, mine = in_turns([bare, tracked], "/broken/1", rounds * 3, 1)
    yield added("failing request, tracker: added", plain, mine, "ms")
    plain, mine = in_turns([bare, other], "/broken/1", rounds * 3, 1)
    yield added("failing request, ignored error: added", plain, mine, "µs")


def imports() -> Iterator[Row]:
    """Measure what is added to the start of a program."""
    flask = import_seconds("import flask")
    mine = import_seconds("import flask, flask_errtrack")
    yield added("import flask_errtrack: added", flask, mine, "ms")
    start = "import flask; app = flask.Flask('x')"
    bare = import_seconds(start)
    mine = import_seconds(
        f"{start}; import flask_errtrack; flask_errtrack.ErrTrack(app)"
    )
    yield added("ErrTrack(app) with the tracker: added", bare, mine, "ms")


def memory(shop: Shop, errors: int) -> Iterator[Row]:
    """Measure how memory grows while errors are captured."""
    shop.get("/broken/1", 200)
    shop.settle()
    before = resident_mebibytes()
    for start in range(0, errors, 100):
        for number in range(start, start + 100):
            shop.get(f"/broken/{number}")
        print(f"\r{start + 100} of {errors} errors", end="", file=sys.stderr)
    print(file=sys.stderr)
    started = time.perf_counter()
    shop.settle()
    seconds = time.perf_counter() - started
    grown = resident_mebibytes() - before
    yield f"memory after {errors:,} errors: added", f"{grown:.1f} MiB", ""
    yield "time until the last of them was stored", f"{seconds:.1f} s", ""


def resident_mebibytes() -> float:
    """Return how much memory the process holds."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmRSS"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def pages(shop: Shop, rounds: int) -> Iterator[Row]:
    """Measure the pages of the dashboard, with the 200 issues made before."""
    browser = shop.app.test_client()
    paths = {"issue list": "/errtrack/", "issue page": "/errtrack/issues/1"}
    for name, path in paths.items():
        seconds = []
        for _ in range(rounds):
            started = time.perf_counter()
            answer = browser.get(path)
            seconds.append(time.perf_counter() - started)
            assert answer.status_code == 200, answer.status
        tenths = quantiles([one * 1e3 for one in seconds], n=10)
        kilobytes = len(answer.data) / 1000
        spread = f"{tenths[0]:.1f} … {tenths[-1]:.1f}, {kilobytes:.0f} kB"
        yield f"{name}: time", f"{median(seconds) * 1e3:.1f} ms", spread


def measure(errors: int, rounds: int) -> Iterator[Row]:
    """Measure what an app notices."""
    with tempfile.TemporaryDirectory() as folder, quiet_log():
        bare = Shop(Path(folder) / "bare", None)
        tracked = Shop(Path(folder) / "tracked", {"dashboard_access": lambda: True})
        ignoring = {"ignore_exceptions": [Exception]}
        other = Shop(Path(folder) / "ignoring", ignoring)
        yield from requests(bare, tracked, other, rounds)
        yield from imports()
        yield from memory(tracked, errors)
        yield from pages(tracked, rounds)
        transport = tracked.client.transport
        assert isinstance(transport, BackgroundTransport) and not transport.dropped
        for shop in (tracked, other):
            with shop.app.app_context():
                assert shop.errtrack is not None
                shop.errtrack.close()


def _target(text: str) -> tuple[str, str]:
    name, _, dsn = text.partition("=")
    if not name or "://" not in dsn:
        raise argparse.ArgumentTypeError(f"{text!r}; expected name=https://key@host/1")
    return name, dsn


def _size(text: str) -> int:
    if not text.isdecimal() or int(text) < MIN_SIZE:
        raise argparse.ArgumentTypeError(f"{text!r}; expected {MIN_SIZE:,} or more")
    return int(text)


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "app": lambda given: measure(given.errors, given.rounds),
    "breadcrumbs": lambda given: breadcrumbs.measure(given.rounds),
    "delivery": lambda given: delivery.measure(given.errors, given.rounds),
    "tracker": lambda given: tracker.measure(
        given.errors,
        given.rounds,
        dict(given.target),
        given.events,
        given.database_url,
    ),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("part", nargs="?", choices=PARTS, help="default: all parts")
    parser.add_argument("--errors", type=int, default=5000, help="default: 5000")
    parser.add_argument("--rounds", type=int, default=40, help="default: 40")
    parser.add_argument(
        "--target",
        type=_target,
        action="append",
        default=[],
        metavar="NAME=DSN",
        help="tracker: another server that stores events, in turns with ours",
    )
    parser.add_argument(
        "--database-url",
        help="tracker: an empty PostgreSQL database whose pages to measure, alone",
    )
    parser.add_argument(
        "--events",
        type=_size,
        nargs="+",
        default=tracker.SIZES,
        help="tracker: sizes of the databases; default: 10000 100000",
    )
    arguments = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    show: Callable[..., str] = "{:<48} {:>12}   {}".format
    for name, part in PARTS.items():
        if arguments.part in (None, name):
            for row in part(arguments):
                print(show(*row), flush=True)


if __name__ == "__main__":
    main()
