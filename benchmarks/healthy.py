"""Measure what a request that goes well costs, beside the peers."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from .app import LOG_RECORDS
from .peers import ALONE, CONTESTANTS
from .plan import Plan, progress
from .results import Result
from .turns import Runner, each, in_turns, running

PART = "healthy"
REQUEST = "healthy request"
LOGGING = f"{REQUEST} with {LOG_RECORDS} log records"
QUIET = f"{REQUEST} with {LOG_RECORDS} log records below the level"
LOGIN = f"{REQUEST} of who is logged in"
LOADED = "users loaded in a healthy request that asks for none"
_TIMES = 200


def measure(plan: Plan) -> Iterator[Result]:
    """Measure it, with log records, and with somebody logged in."""
    yield from of_contestants(list(CONTESTANTS), 8 if plan.is_quick else 60)


def of_contestants(names: Sequence[str], rounds: int) -> Iterator[Result]:
    """Measure some of them."""
    paths = {
        REQUEST: "/healthy",
        LOGGING: f"/logs/{logging.INFO}",
        QUIET: f"/logs/{logging.DEBUG}",
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running(names, folder / "anybody") as runners:
            for case, path in paths.items():
                yield from of_path(case, runners, path, rounds)
        with running(names, folder / "somebody", reports_user=True) as runners:
            yield from of_path(LOGIN, runners, "/healthy", rounds, is_logged_in=True)
            yield from _loaded(runners)


def of_path(
    case: str,
    runners: Sequence[Runner],
    path: str,
    rounds: int,
    is_logged_in: bool = False,
) -> Iterator[Result]:
    """Yield what a request takes on Flask alone, and what each adds to that."""
    progress(f"{case}, {len(runners)} contestants")

    def microseconds(runner: Runner) -> float:
        arguments = {"path": path, "times": _TIMES, "is_logged_in": is_logged_in}
        # The median: one of them may have waited for another process.
        found: list[float] = runner.do("healthy", **arguments)
        return median(found) * 1e6

    found = in_turns(runners, rounds, microseconds)
    alone = found.pop(ALONE)
    yield Result.of(PART, case, ALONE, "µs", alone)
    # Each with Flask in the same round: both met the same noise.
    samples = {
        name: [one - bare for one, bare in zip(mine, alone, strict=False)]
        for name, mine in found.items()
    }
    notes = _users() if is_logged_in else {}
    yield from each(PART, f"{case}: added", "µs", runners, samples, notes)


def _loaded(runners: Sequence[Runner]) -> Iterator[Result]:
    def loaded(runner: Runner) -> float:
        before = runner.do("facts")["users_loaded"]
        runner.do("healthy", path="/healthy", times=_TIMES, is_logged_in=True)
        return float(runner.do("facts")["users_loaded"] - before) / _TIMES

    found = in_turns(runners, 1, loaded)
    yield from each(PART, LOADED, "", runners, found, _users())


def _users() -> dict[str, str]:
    return {name: one.user for name, one in CONTESTANTS.items()}
