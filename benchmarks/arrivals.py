"""How much of what contestants send arrives, until no more comes.

Knows nothing of what is done to them, nor of which figures are told.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from .peers import OURS
from .results import Result
from .turns import Runner, each

#: A light error of an app: for a heavy one, the slowest contestant needs a second.
LIGHT = {"kind": "light", "frames": 10}
#: A count that has not moved for so long stands still.
STILL_SECONDS = 3.0
_LOOK_SECONDS = 0.02


@dataclass
class Arrival:
    """How many different errors of a contestant have arrived.

    :param seconds: from the start of the watch to the last of them.
    """

    count: int = 0
    seconds: float = 0.0


def arrived(runner: Runner) -> int:
    """Return how many different errors have arrived so far."""
    return runner.counted() if runner.name == OURS else runner.sink.taken()[1]


def watch(
    runners: Sequence[Runner],
    wanted: int,
    limit_seconds: float,
    before: int = 0,
    still_seconds: float = STILL_SECONDS,
) -> dict[str, Arrival]:
    """Wait until so many errors of each have arrived, or no more come.

    A count stands still when nothing has come for a while, and the contestant is at
    nothing that was begun, such as to send what waits.

    :param before: how many had arrived of each before, which do not count.
    :param still_seconds: after that long without any, no more come.
    """
    started = time.monotonic()
    found = {one.name: Arrival() for one in runners}
    going = list(runners)
    while going and time.monotonic() < started + limit_seconds:
        for one in list(going):
            arrival, now = found[one.name], time.monotonic() - started
            if (count := arrived(one) - before) > arrival.count:
                arrival.count, arrival.seconds = count, now
            is_still = now > arrival.seconds + still_seconds and not one.is_busy()
            if arrival.count >= wanted or is_still:
                going.remove(one)
        time.sleep(_LOOK_SECONDS)
    return found


def warm_up(runners: Sequence[Runner], times: int, limit_seconds: float) -> None:
    """Have each fail some times, and wait until that is away."""
    for one in runners:
        with suppress(ChildProcessError):
            one.do("broken", times=times, **LIGHT)
            one.do("flush")
    watch(runners, times, limit_seconds)


class Figures:
    """What is found, in the order in which cases were met first.

    :param runners: whose figures they are.
    """

    def __init__(self, part: str, runners: Sequence[Runner]) -> None:
        self._part = part
        self._runners = runners
        self._samples: dict[tuple[str, str], dict[str, list[float]]] = {}
        self._notes: dict[str, str] = {}

    def add(self, case: str, unit: str, name: str, *samples: float) -> None:
        """Add samples of a contestant."""
        found = self._samples.setdefault((case, unit), {})
        found[name] = [*found.get(name, ()), *samples]

    def count(self, case: str, name: str, number: int) -> None:
        """Add to a number of a contestant: it is one figure in the end."""
        found = self._samples.setdefault((case, ""), {})
        found[name] = [sum(found.get(name, ()), number)]

    def note(self, name: str, note: str) -> None:
        """Say something about all figures of a contestant."""
        self._notes[name] = note

    def told(self) -> Iterator[Result]:
        """Yield the figures of each case."""
        for (case, unit), samples in self._samples.items():
            yield from each(self._part, case, unit, self._runners, samples, self._notes)
