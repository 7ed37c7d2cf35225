"""What Flask-ErrTrack wants to reach, and whether the figures say that it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import exits, failing, healthy, outages, pages, start, storing
from .found import Found
from .peers import OURS_TO_DSN, SENTRY
from .tables import number

LARGEST = "1,000,000 events"
PAGE_MILLISECONDS = 50.0

#: Of all that was found the figure that tells; None: it was not measured.
Figure = Callable[[Found], float | None]


@dataclass(frozen=True)
class Aim:
    """One aim.

    :param limit: where it is to stay below, or to reach.
    :param is_at_least: whether it is to be reached.
    """

    what: str
    figure: Figure
    limit: float
    unit: str = ""
    is_at_least: bool = False

    def row(self, found: Found) -> tuple[str, str, str]:
        """Return what, how much is wanted, and how much it is: whether that is it."""
        value = self.figure(found)
        word = "at least" if self.is_at_least else "at most"
        wanted = f"{word} {self._told(self.limit)}"
        if value is None:
            return self.what, wanted, "not measured"
        is_reached = value >= self.limit if self.is_at_least else value <= self.limit
        told = "reached" if is_reached else "not reached"
        return self.what, wanted, f"{self._told(value)}: {told}"

    def _told(self, value: float) -> str:
        unit = self.unit if self.unit.startswith("×") else f" {self.unit}"
        return f"{number(value)}{unit}".rstrip()


def rows(found: Found) -> Iterator[tuple[str, str, str]]:
    """Yield the row of each aim."""
    for aim in AIMS:
        yield aim.row(found)


def listed_pages(found: Found, size: str = LARGEST) -> dict[str, float]:
    """Return what 19 of 20 requests take at most, of each list and search."""
    shown = {}
    for part, case in found.cases:
        name = case.removesuffix(", p95")
        is_list = not name.endswith(("storing", "cold")) and name.startswith(
            ("issue list", "search", "last seen", "newest", "most ")
        )
        if part == pages.PART and name != case and is_list:
            value = found.median(part, case, size)
            if value is not None:
                shown[name] = value
    return shown


def _of(part: str, case: str, contestant: str = OURS_TO_DSN) -> Figure:
    return lambda found: found.median(part, case, contestant)


def _added(part: str, case: str) -> Figure:
    return _of(part, f"{case}: added")


def _times(part: str, case: str, contestant: str, other: str) -> Figure:
    """Return how many times what the other adds a contestant adds."""
    return lambda found: found.times(part, f"{case}: added", contestant, other)


def _difference(found: Found) -> float | None:
    quiet = _added(healthy.PART, healthy.QUIET)(found)
    bare = _added(healthy.PART, healthy.REQUEST)(found)
    return None if quiet is None or bare is None else quiet - bare


def _delivered(part: str, ending: str = "") -> Figure:
    """Return the least of what arrived in any case, in %."""

    def least(found: Found) -> float | None:
        shares = found.delivered(part, ending, OURS_TO_DSN)
        return min(shares) * 100 if shares else None

    return least


def _p99(found: Found) -> float | None:
    """Return how many times a healthy server's p99 the worst one is."""
    told = ": failing request, p99"
    usual = found.median(outages.PART, f"server healthy{told}", OURS_TO_DSN)
    every = [
        value
        for part, case in found.cases
        if part == outages.PART
        and case.endswith(told)
        and (value := found.median(part, case, OURS_TO_DSN)) is not None
    ]
    return max(every) / usual if usual else None


def _storm(found: Found) -> float | None:
    same = _added(failing.PART, failing.STORM)(found)
    other = _added(failing.PART, failing.REQUEST)(found)
    return None if same is None or not other else same / other


def _counted(found: Found) -> float | None:
    share = found.median(failing.PART, failing.COUNTED, OURS_TO_DSN)
    return None if share is None else share * 100


AIMS = (
    Aim("Healthy request: time added", _added(healthy.PART, healthy.REQUEST), 5, "µs"),
    Aim(
        "Healthy request: sentry-sdk adds",
        _times(healthy.PART, healthy.REQUEST, SENTRY, OURS_TO_DSN),
        10,
        "×",
        is_at_least=True,
    ),
    Aim("Ten log records that nobody asked for: time added", _difference, 1, "µs"),
    Aim(
        "Failing request: sentry-sdk adds",
        _times(failing.PART, failing.REQUEST, SENTRY, OURS_TO_DSN),
        5,
        "×",
        is_at_least=True,
    ),
    Aim(
        "Failing request, p99: with the worst server, of that with a healthy one",
        _p99,
        1.5,
        "×",
    ),
    Aim(
        "Arrived after the server was bad",
        _delivered(outages.PART),
        100,
        "%",
        is_at_least=True,
    ),
    Aim(
        "Arrived after the program ended, also by kill -9, and started again",
        _delivered(exits.PART, " after the next start"),
        100,
        "%",
        is_at_least=True,
    ),
    Aim("The same error again: of what the first costs", _storm, 0.5, "×"),
    Aim(
        "The same error again: counted",
        _counted,
        100,
        "%",
        is_at_least=True,
    ),
    Aim("Ignored error: time added", _added(failing.PART, failing.IGNORED), 20, "µs"),
    Aim(
        "Unsampled error: time added", _added(failing.PART, failing.UNSAMPLED), 20, "µs"
    ),
    Aim(
        "Error that is reported before: time to see that",
        _of(failing.PART, failing.DUPLICATE),
        20,
        "µs",
    ),
    Aim(
        "Memory: grown by 5,000 errors, after as many",
        _of(start.PART, start.more_errors(5000)),
        2,
        "MiB",
    ),
    Aim(
        "Import and set-up: of what sentry-sdk takes",
        _times(start.PART, "import and set-up", OURS_TO_DSN, SENTRY),
        1 / 3,
        "×",
    ),
    Aim(
        "Threads before the first event",
        _of(start.PART, "threads before the first event"),
        0,
    ),
    Aim(
        "Tracker over HTTP: of what SQLite alone stores",
        _of(storing.PART, "200 issues: share of SQLite alone", storing.HTTP),
        0.21,
        "×",
        is_at_least=True,
    ),
    Aim(
        "Lists and searches of a million events: the slowest, p95",
        lambda found: max(listed_pages(found).values(), default=None),
        PAGE_MILLISECONDS,
        "ms",
    ),
    Aim(
        "Disk for each event",
        _of(pages.PART, "disk for each event", LARGEST),
        6,
        "kB",
    ),
)
