"""Measure what a request that fails costs on its own thread, beside the peers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles

from .app import FRAMES, SLOW_REPR_SECONDS
from .peers import ALONE, CONTESTANTS
from .plan import Plan, progress
from .results import Result
from .turns import Runner, each, in_turns, running

PART = "failing"
REQUEST = f"failing request, {FRAMES} frames of 12 variables"
SLOW = f"{REQUEST}, one with a repr of {SLOW_REPR_SECONDS * 1e3:g} ms"
STORM = "the same error again and again"
COUNTED = f"{STORM}: share that is counted"
IGNORED = "ignored error"
UNSAMPLED = "unsampled error"
DUPLICATE = "error that is reported before"
#: So many errors, then all that waits is sent: it disturbs nobody else.
_BLOCK = 5
#: As many as come in a moment: a storm is one because of how soon the next one comes.
_STORM_BLOCK = 25
#: Of errors of which nothing is sent.
_DROPPED_BLOCK = 25
#: Who is slower than this has fewer rounds.
_SECONDS_A_ROUND = 0.13


def measure(plan: Plan) -> Iterator[Result]:
    """Measure different errors and the same one, and what is not reported."""
    yield from of_contestants(list(CONTESTANTS), 5 if plan.is_quick else 60)


def of_contestants(names: Sequence[str], rounds: int) -> Iterator[Result]:
    """Measure some of them."""
    sampling = [name for name in names if CONTESTANTS[name].can_sample]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running(names, folder / "reported") as runners:
            yield from of_kind(REQUEST, runners, "different", rounds, "ms")
            yield from of_kind(SLOW, runners, "slow", rounds // 2, "ms")
            yield from of_kind(IGNORED, runners, "ignored", rounds, "µs")
        with running(names, folder / "storm") as runners:
            yield from _storm(runners, rounds * 2 // 3)
            yield from _duplicates(runners, rounds)
        with running(sampling, folder / "unsampled", sample_rate=0.0) as runners:
            yield from of_kind(UNSAMPLED, runners, "different", rounds, "µs")
        for name in names:
            if name not in sampling:
                why = "reports all errors or none"
                yield Result.missing(PART, f"{UNSAMPLED}: added", name, why)


def of_kind(
    case: str, runners: Sequence[Runner], kind: str, rounds: int, unit: str
) -> Iterator[Result]:
    """Yield what a request takes on Flask alone, and what each adds to that."""
    progress(f"{case}, {len(runners)} contestants")
    block = _BLOCK if unit == "ms" else _DROPPED_BLOCK
    found = _taken(runners, kind, rounds, block, unit)
    alone = found.pop(ALONE)
    yield Result.of(PART, case, ALONE, unit, alone)
    samples = {
        name: [one - median(alone) for one in mine] for name, mine in found.items()
    }
    notes = _variables() if unit == "ms" else {}
    yield from each(PART, f"{case}: added", unit, runners, samples, notes)
    if unit == "ms":
        slowest = {
            name: [quantiles(mine, n=100, method="inclusive")[-1]]
            for name, mine in samples.items()
            if mine
        }
        yield from each(PART, f"{case}: added, p99", unit, runners, slowest, notes)


def _storm(runners: Sequence[Runner], rounds: int) -> Iterator[Result]:
    """Yield what each error of a storm adds, and how many of them were counted."""
    progress(f"{STORM}, {len(runners)} contestants")
    found = _taken(runners, "same", rounds, _STORM_BLOCK, "ms")
    alone = found.pop(ALONE)
    samples = {
        name: [one - median(alone) for one in mine] for name, mine in found.items()
    }
    yield from each(PART, f"{STORM}: added", "ms", runners, samples, _variables())
    # The first turn is no sample, but its errors happened.
    shares = {
        one.name: [one.counted() / (len(samples[one.name]) + _STORM_BLOCK)]
        for one in runners
        if one.name in samples
    }
    yield from each(PART, COUNTED, "", runners, shares)


def _duplicates(runners: Sequence[Runner], rounds: int) -> Iterator[Result]:
    """Yield what it takes to report an exception again that is reported."""
    progress(DUPLICATE)
    knowing = [one for one in runners if CONTESTANTS[one.name].capture]

    def taken(runner: Runner) -> list[float]:
        found = runner.do("captured_again", times=_DROPPED_BLOCK)
        runner.do("flush")
        return [one * 1e6 for one in found]

    every = in_turns(knowing, rounds, taken, rounds * _SECONDS_A_ROUND)
    samples = {name: sum(turns, []) for name, turns in every.items()}
    yield from each(PART, DUPLICATE, "µs", knowing, samples)
    for one in runners:
        if one.name != ALONE and one not in knowing:
            why = "reports it once more"
            yield Result.missing(PART, DUPLICATE, one.name, why)


def _taken(
    runners: Sequence[Runner], kind: str, rounds: int, block: int, unit: str
) -> dict[str, list[float]]:
    """Return what each request took."""
    factor = {"ms": 1e3, "µs": 1e6}[unit]

    def taken(runner: Runner) -> list[float]:
        found = runner.do("broken", kind=kind, times=block)
        runner.do("flush")
        return [one * factor for one in found]

    every = in_turns(runners, rounds, taken, rounds * _SECONDS_A_ROUND)
    return {name: sum(turns, []) for name, turns in every.items()}


def _variables() -> dict[str, str]:
    return {
        name: f"variables: {one.variables}"
        for name, one in CONTESTANTS.items()
        if one.variables
    }
