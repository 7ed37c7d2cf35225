"""Measure Flask-ErrTrack beside its peers: ``python3 dev.py bench``.

Each part is a process of its own and keeps what it finds in ``results.json``: one that
breaks, or takes far too long, costs its own figures and no others.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from . import (
    breadcrumbs,
    exits,
    failing,
    healthy,
    outages,
    pages,
    start,
    storing,
    tables,
    throughput,
)
from .plan import Part, Plan
from .results import RESULTS, Result, Results

#: Each part, and about how many minutes it takes.
PARTS: dict[str, tuple[Part, float]] = {
    "healthy": (healthy.measure, 1),
    "failing": (failing.measure, 3),
    "start": (start.measure, 3),
    "throughput": (throughput.measure, 3),
    "outages": (outages.measure, 4),
    "exits": (exits.measure, 3),
    "breadcrumbs": (breadcrumbs.measure, 0.5),
    "storing": (storing.measure, 2.5),
    "pages": (pages.measure, 3),
}
#: A part that takes so many times its minutes is ended.
PATIENCE = 4
#: What was interrupted has so long to clean up.
_END_SECONDS = 30
#: The case of a part that did not end well.
WHOLE = "the whole part"
#: In fewer events not every page that is measured has something to show.
MIN_SIZE = 1000


def run_all(names: Sequence[str], given: Sequence[str], path: Path | None) -> int:
    """Run parts one after the other; return how many did not end well.

    :param given: the arguments for each of them.
    """
    minutes = sum(PARTS[name][1] for name in names)
    _say(f"{len(names)} parts, about {minutes:.0f} min without --quick")
    if path is not None:
        Results.here().save(path)
    started = time.monotonic()
    broken = 0
    for place, name in enumerate(names, 1):
        passed = (time.monotonic() - started) / 60
        _say(f"[{place}/{len(names)}, {passed:.1f} min passed] {name}")
        command = [sys.executable, "-m", __package__, name, *given]
        why = run_alone(command, PARTS[name][1] * 60 * PATIENCE)
        if why:
            broken += 1
            _say(f"{name} {why}")
            keep([Result.missing(name, WHOLE, "", why)], path)
    return broken


def run_alone(command: Sequence[str], limit_seconds: float) -> str:
    """Run a part; return why it did not end well, nothing if it did."""
    with subprocess.Popen(command) as process:
        try:
            status = process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            # Interrupted, it keeps what it has found until then.
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            return f"took more than {limit_seconds / 60:.1f} minutes and was ended"
    return f"ended with status {status}" if status else ""


def run_one(part: Part, plan: Plan, path: Path | None) -> None:
    """Run a part, keep what it finds also if it breaks, and print it."""
    found: list[Result] = []
    try:
        for one in part(plan):
            found.append(one)
    finally:
        keep(found, path)
        for line in tables.lines(found):
            print(line, flush=True)


def keep(found: Sequence[Result], path: Path | None) -> None:
    """Add figures to those of the file, in place of older ones of the same."""
    if path is None:
        return
    here = Results.here()
    known = Results.load(path) if path.is_file() else here
    # Figures of two machines, or of two versions, cannot be compared.
    if (known.machine, known.versions) != (here.machine, here.versions):
        _say(f"{path} is of another machine, or of other versions: begun anew")
        known = here
    parts = {one.part for one in found}
    kept = [one for one in known.results if one.case != WHOLE or one.part not in parts]
    replace(known, date=here.date, results=tuple(kept)).merged(found).save(path)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _target(text: str) -> tuple[str, str]:
    name, _, dsn = text.partition("=")
    if not name or "://" not in dsn:
        raise argparse.ArgumentTypeError(f"{text!r}; expected name=https://key@host/1")
    return name, dsn


def _size(text: str) -> int:
    if not text.isdecimal() or int(text) < MIN_SIZE:
        raise argparse.ArgumentTypeError(f"{text!r}; expected {MIN_SIZE:,} or more")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 dev.py bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", nargs="?", choices=PARTS, help="default: all parts")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="see that it works, and about where the figures are",
    )
    parser.add_argument(
        "--results",
        type=Path,
        help="where to keep the figures; default: benchmarks/results.json, and "
        "nowhere with --quick",
    )
    parser.add_argument(
        "--target",
        type=_target,
        action="append",
        default=[],
        metavar="NAME=DSN",
        help="storing: another server that stores events, in turns with ours",
    )
    parser.add_argument(
        "--events",
        type=_size,
        nargs="+",
        default=[],
        help="pages: sizes of the trackers; default: 10000 100000 1000000",
    )
    parser.add_argument(
        "--database-url",
        help="pages: an empty PostgreSQL database, filled to the last size",
    )
    return parser


def main() -> int:
    """Read the command line."""
    given = _parser().parse_args()
    path = given.results or (None if given.quick else RESULTS)
    if given.part is None:
        return min(run_all(list(PARTS), sys.argv[1:], path), 1)
    plan = Plan(
        is_quick=given.quick,
        targets=dict(given.target),
        sizes=given.events,
        database_url=given.database_url,
    )
    part, minutes = PARTS[given.part]
    _say(f"  about {minutes:g} min without --quick")
    run_one(part, plan, path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
