"""Measure what a start costs, and what is there after it, beside the peers."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from .peers import ALONE, CONTESTANTS, OURS
from .plan import Plan, progress
from .results import Result
from .sink import Sink
from .turns import ROOT, Runner, each, in_turns, running, shuffled, surroundings

PART = "start"
WIRE = "request to the server for an event"
_MEBIBYTE = 2**20
#: Of the errors that fill the memory: with 30 frames there would be time for few.
_FRAMES = 5
_BLOCK = 100
#: In which these errors must be over: who is slower has fewer of them.
_SECONDS_AN_ERROR = 0.006
_EVENTS = 10

_Start = dict[str, float]
#: Each case, its unit, and the figure of a start.
_OF_START: tuple[tuple[str, str, Callable[[_Start], float]], ...] = (
    ("import: added", "ms", lambda one: one["import_seconds"] * 1e3),
    ("set-up: added", "ms", lambda one: one["set_up_seconds"] * 1e3),
    (
        "import and set-up: added",
        "ms",
        lambda one: (one["import_seconds"] + one["set_up_seconds"]) * 1e3,
    ),
    (
        "memory after set-up: added",
        "MiB",
        lambda one: one["resident_bytes"] / _MEBIBYTE,
    ),
    ("threads before the first event", "", lambda one: one["threads"]),
)


def measure(plan: Plan) -> Iterator[Result]:
    """Measure the start, and what is there after many errors."""
    names = list(CONTESTANTS)
    if plan.is_quick:
        yield from of_contestants(names, rounds=2, errors=300)
    else:
        yield from of_contestants(names, rounds=10, errors=5000)


def of_contestants(names: Sequence[str], rounds: int, errors: int) -> Iterator[Result]:
    """Measure some of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from _starts(names, folder / "starts", rounds)
        with running(names, folder / "running") as runners:
            yield from _memory(runners, errors)
        senders = [name for name in names if name not in (ALONE, OURS)]
        with running(senders, folder / "sending") as runners:
            yield from _wire(runners)


def _starts(names: Sequence[str], folder: Path, rounds: int) -> Iterator[Result]:
    progress(f"start, {rounds} times {len(names)} contestants")
    found: dict[str, list[_Start]] = {name: [] for name in names}
    broken: dict[str, str] = {}
    with closing(Sink()) as sink:
        for number in range(rounds + 1):
            for name in shuffled(names):
                command = [sys.executable, "-m", "benchmarks.starting", name]
                command += [str(folder / f"{number} {name}"), sink.address]
                done = subprocess.run(
                    command,
                    cwd=ROOT,
                    env=surroundings(name),
                    text=True,
                    capture_output=True,
                )
                if done.returncode:
                    broken[name] = done.stderr.strip().rpartition("\n")[2]
                elif number:
                    found[name].append(json.loads(done.stdout.splitlines()[-1]))
    for case, unit, figure in _OF_START:
        for name, starts in found.items():
            if name in broken:
                yield Result.missing(PART, case, name, broken[name])
            elif name != ALONE:
                yield Result.of(PART, case, name, unit, [figure(one) for one in starts])


def _memory(runners: Sequence[Runner], errors: int) -> Iterator[Result]:
    """Yield by how much a process has grown after so many errors, and so many more."""
    case = f"memory after {errors:,} errors: grown"
    progress(f"{case}, and by as many more, {len(runners)} contestants")

    def held(runner: Runner) -> float:
        runner.do("broken", kind="different", times=_BLOCK, frames=_FRAMES)
        runner.do("flush")
        return float(runner.do("facts")["resident_bytes"]) / _MEBIBYTE

    half = errors // _BLOCK
    found = in_turns(runners, 2 * half, held, 2 * errors * _SECONDS_AN_ERROR)
    # The first turn is no growth: what is needed for any error is made there.
    first = {name: mine[:half] for name, mine in found.items()}
    grown = {name: [one[-1] - one[0]] if one else [] for name, one in first.items()}
    notes = {
        name: f"after {len(mine) * _BLOCK:,} errors: it had no time for more"
        for name, mine in found.items()
        if len(mine) < half
    }
    yield from each(PART, case, "MiB", runners, grown, notes)
    more = {
        name: [mine[-1] - mine[half - 1]] if len(mine) == 2 * half else []
        for name, mine in found.items()
    }
    too_slow = {
        name: "it had no time for them" for name, mine in more.items() if not mine
    }
    yield from each(PART, more_errors(errors), "MiB", runners, more, too_slow)


def more_errors(errors: int) -> str:
    """The case of what is added by as many errors as there were before."""
    return f"memory after {errors:,} errors more: grown"


def _wire(runners: Sequence[Runner]) -> Iterator[Result]:
    """Yield how large a request is that brings an event, with its headers."""
    progress(f"{WIRE}, {len(runners)} contestants")

    def kilobytes(runner: Runner) -> float:
        runner.do("broken", kind="different", times=_EVENTS)
        runner.do("flush")
        count, _ = runner.sink.taken()
        return runner.sink.traffic_bytes()[0] / max(count, 1) / 1000

    sizes = in_turns(runners, 1, kilobytes)
    notes = {name: f"variables: {one.variables}" for name, one in CONTESTANTS.items()}
    yield from each(PART, WIRE, "kB", runners, sizes, notes)
