"""How many of many errors arrive, how fast, and for how much processor time."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .arrivals import LIGHT, Figures, arrived, warm_up, watch
from .peers import ALONE, CONTESTANTS
from .plan import Plan, progress
from .results import Result
from .turns import Runner, running, shuffled

PART = "throughput"
THREADS = 4
#: How errors are called, and what they are to the app.
KINDS = {"different errors": "light", "the same error": "light_same"}
_WARM_UP = 20
_LIMIT_SECONDS = 60.0


def measure(plan: Plan) -> Iterator[Result]:
    """Have each contestant's app fail in four threads, in blocks, in turns."""
    blocks, times = (1, 200) if plan.is_quick else (4, 500)
    for called, kind in KINDS.items():
        case = f"{blocks * times:,} times {called}, {THREADS} threads"
        with (
            tempfile.TemporaryDirectory() as folder,
            running(CONTESTANTS, Path(folder)) as runners,
        ):
            figures = Figures(PART, runners)
            warm_up(runners, _WARM_UP, _LIMIT_SECONDS)
            for block in range(1, blocks + 1):
                progress(f"{case}: block {block} of {blocks}")
                for one in shuffled(runners):
                    with suppress(ChildProcessError):
                        _block(one, kind, times, case, figures)
            yield from figures.told()


def _block(one: Runner, kind: str, times: int, case: str, figures: Figures) -> None:
    before, used_seconds = arrived(one), one.do("facts")["cpu_seconds"]
    started = time.monotonic()
    order = {**LIGHT, "kind": kind, "times": times, "threads": THREADS}
    one.do("broken_at_once", **order)
    failing_seconds = time.monotonic() - started
    one.begin("flush")
    wanted = 0 if one.name == ALONE else times
    arrival = watch([one], wanted, _LIMIT_SECONDS, before)[one.name]
    one.finish()
    cpu_ms = (one.do("facts")["cpu_seconds"] - used_seconds) / times * 1e3
    if one.name != ALONE:
        figures.count(f"{case}: delivered", one.name, arrival.count)
        rate = arrival.count / (failing_seconds + arrival.seconds)
        figures.add(f"{case}: delivered a second", "/s", one.name, rate)
    figures.add(f"{case}: processor time an error", "ms", one.name, cpu_ms)
