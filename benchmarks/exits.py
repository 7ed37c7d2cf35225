"""What arrives of a program's last errors: when it ends, and when it starts again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .arrivals import LIGHT, Figures, watch
from .peers import OURS, OURS_TO_DSN, SENTRY
from .plan import Plan, progress
from .results import Result
from .served import Served
from .turns import Runner, running, shuffled

PART = "exits"
CONTESTANTS = (OURS, OURS_TO_DSN, SENTRY, "rollbar", "bugsnag", "honeybadger")
ERRORS = 50


@dataclass(frozen=True)
class Way:
    """How a program ends.

    :param kind: what it runs in.
    :param signal: that ends it; None: it comes to its end.
    :param is_orderly: it may do something before it is gone.
    """

    kind: type[Runner]
    signal: str | None
    is_orderly: bool


WAYS = {
    "exit": Way(Runner, None, True),
    "SIGTERM to gunicorn": Way(Served, "SIGTERM", True),
    "SIGTERM": Way(Runner, "SIGTERM", False),
    "kill -9": Way(Runner, "SIGKILL", False),
}
#: What the server is like meanwhile. At the next start it is well.
SERVERS = {"near": "healthy", "0.1 s away": "far", "down": "refusing"}
#: Who has not ended by then hangs.
_END_SECONDS = 20.0
_LIMIT_SECONDS = 20.0


def measure(plan: Plan) -> Iterator[Result]:
    """End each contestant's program in each way, and start it again."""
    servers = list(SERVERS)[:1] if plan.is_quick else list(SERVERS)
    for server in servers:
        # What an app keeps itself needs no server.
        names = CONTESTANTS if server == "near" else CONTESTANTS[1:]
        for called in WAYS:
            progress(f"{ERRORS} errors, then {called}, server {server}")
            yield from of_way(called, server, names)


def of_way(called: str, server: str, names: Sequence[str]) -> Iterator[Result]:
    """Measure some contestants that end in a way, while their servers are so."""
    way, case = WAYS[called], f"{called}, server {server}"
    with (
        tempfile.TemporaryDirectory() as folder,
        running(names, Path(folder), way.kind) as runners,
    ):
        for one in runners:
            one.sink.become(SERVERS[server])
        figures = Figures(PART, runners)
        _end(runners, case, way, figures)
        _start_again(runners, case, figures)
        yield from figures.told()


def _end(runners: Sequence[Runner], case: str, way: Way, figures: Figures) -> None:
    """Let each fail and end."""
    for one in shuffled(runners):
        with suppress(ChildProcessError):
            one.do("broken", times=ERRORS, **LIGHT)
            took_seconds = one.end(way.signal, _END_SECONDS)
            if took_seconds is None:
                figures.note(one.name, f"killed after {_END_SECONDS:.0f} s")
            elif way.is_orderly:
                figures.add(f"{case}: time to end", "s", one.name, took_seconds)
    # Nothing is on its way but what the servers have begun to read.
    arrivals = watch(runners, ERRORS, _LIMIT_SECONDS, still_seconds=1.0)
    for name, found in arrivals.items():
        figures.count(f"{case}: delivered of {ERRORS}", name, found.count)


def _start_again(runners: Sequence[Runner], case: str, figures: Figures) -> None:
    """Start each anew while its server is well, and have it answer a request."""
    for one in runners:
        one.sink.become("healthy")
        one.start()
    for one in runners:
        one.wait()
        with suppress(ChildProcessError):
            one.do("healthy", path="/healthy", times=1)
    case = f"{case}: delivered of {ERRORS} after the next start"
    for name, found in watch(runners, ERRORS, _LIMIT_SECONDS).items():
        figures.count(case, name, found.count)
