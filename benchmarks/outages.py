"""What a bad server does to requests, and what arrives when it is well again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import quantiles

from .arrivals import LIGHT, Figures, warm_up, watch
from .peers import OURS_TO_DSN, SENTRY
from .plan import Plan, progress
from .results import Result
from .sink import STATES
from .turns import Runner, running, shuffled

PART = "outages"
CONTESTANTS = (OURS_TO_DSN, SENTRY, "rollbar", "bugsnag", "honeybadger")
#: So many errors at a time, in turns: all meet the same noise.
BLOCK = 20
_MEBIBYTE = 2**20


def measure(plan: Plan) -> Iterator[Result]:
    """Have each contestant's app fail while its server is in each state."""
    blocks, limit_seconds = (2, 15.0) if plan.is_quick else (10, 60.0)
    for place, state in enumerate(STATES, 1):
        errors = blocks * BLOCK
        progress(f"{errors} errors, server {state}: {place} of {len(STATES)}")
        yield from of_state(state, CONTESTANTS, blocks, limit_seconds)


def of_state(
    state: str, names: Sequence[str], blocks: int, limit_seconds: float
) -> Iterator[Result]:
    """Measure some contestants while their servers are in a state."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(names, Path(folder)) as runners,
    ):
        figures = Figures(PART, runners)
        warm_up(runners, BLOCK, limit_seconds)
        _fail(runners, state, blocks, figures)
        _recover(runners, state, blocks * BLOCK, limit_seconds, figures)
        yield from figures.told()


def _fail(runners: Sequence[Runner], state: str, blocks: int, figures: Figures) -> None:
    """Let each fail, and note how its requests fare and how its memory grows."""
    seconds: dict[str, list[float]] = {one.name: [] for one in runners}
    more_bytes = {}
    for one in runners:
        with suppress(ChildProcessError):
            more_bytes[one.name] = -one.do("facts")["resident_bytes"]
            one.sink.become(state)
    for _ in range(blocks):
        for one in shuffled(runners):
            with suppress(ChildProcessError):
                seconds[one.name] += one.do("broken", times=BLOCK, **LIGHT)
    for one in runners:
        with suppress(ChildProcessError):
            more_bytes[one.name] += one.do("facts")["resident_bytes"]
            times = [taken * 1e3 for taken in seconds[one.name]]
            p99 = quantiles(times, n=100, method="inclusive")[-1]
            case = f"server {state}: failing request"
            figures.add(case, "ms", one.name, *times)
            figures.add(f"{case}, p99", "ms", one.name, p99)
            more = more_bytes[one.name] / _MEBIBYTE
            figures.add(f"server {state}: memory added", "MiB", one.name, more)


def _recover(
    runners: Sequence[Runner],
    state: str,
    errors: int,
    limit_seconds: float,
    figures: Figures,
) -> None:
    """Let the servers be well again, and note what has arrived in the end."""
    for one in runners:
        with suppress(ChildProcessError):
            one.sink.become("healthy")
            one.begin("flush", seconds=limit_seconds)
    for name, found in watch(runners, errors, limit_seconds + 1, BLOCK).items():
        figures.count(f"server {state}: delivered of {errors}", name, found.count)
        if found.count and state != "healthy":
            case = f"server {state}: last one after it is well again"
            figures.add(case, "s", name, found.seconds)
