"""What Flask-ErrTrack wants to reach, and whether the figures say that it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import storing
from .found import Found
from .tables import number

_DSN = "Flask-ErrTrack, DSN"
_SENTRY = "sentry-sdk"
LARGEST = "1,000,000 events"
_HEALTHY = "healthy request"
_FAILING = "failing request, "
PAGE_MILLISECONDS = 50.0
_STORM = "the same error again and again"


@dataclass(frozen=True)
class Aim:
    """One aim.

    :param figure: of all that was found the figure that tells; None: not measured.
    :param limit: where it is to stay below, or to reach.
    :param is_at_least: whether it is to be reached.
    """

    what: str
    figure: Callable[[Found], float | None]
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
        if part == "pages" and name != case and is_list:
            value = found.median(part, case, size)
            if value is not None:
                shown[name] = value
    return shown


def _added(
    part: str, case: str, contestant: str = _DSN
) -> Callable[[Found], float | None]:
    return lambda found: found.median(part, f"{case}: added", contestant)


def _peer_times(part: str, case: str) -> Callable[[Found], float | None]:
    """Return how many times ours the time of sentry-sdk is."""
    return lambda found: found.times(part, case, _SENTRY, _DSN)


def _difference(found: Found) -> float | None:
    quiet = _added("healthy", f"{_HEALTHY} with 10 log records below the level")(found)
    bare = _added("healthy", _HEALTHY)(found)
    return None if quiet is None or bare is None else quiet - bare


def _delivered(part: str, ending: str = "") -> Callable[[Found], float | None]:
    """Return the least of what arrived in any case, in %."""

    def least(found: Found) -> float | None:
        shares = found.delivered(part, ending, _DSN)
        return min(shares) * 100 if shares else None

    return least


def _p99(found: Found) -> float | None:
    """Return how many times a healthy server's p99 the worst one is."""
    told = ": failing request, p99"
    healthy = found.median("outages", f"server healthy{told}", _DSN)
    every = [
        value
        for part, case in found.cases
        if part == "outages"
        and case.endswith(told)
        and (value := found.median(part, case, _DSN)) is not None
    ]
    return max(every) / healthy if healthy else None


def _storm(found: Found) -> float | None:
    same = found.median("failing", f"{_STORM}: added", _DSN)
    other = found.median("failing", _failing(found), _DSN)
    return None if same is None or not other else same / other


def _counted(found: Found) -> float | None:
    share = found.median("failing", f"{_STORM}: share that is counted", _DSN)
    return None if share is None else share * 100


def _failing(found: Found) -> str:
    """Return the case of a request that fails with errors that differ."""
    return next(
        (
            case
            for part, case in found.cases
            if part == "failing"
            and case.startswith(_FAILING)
            and case.endswith("variables: added")
        ),
        "",
    )


AIMS = (
    Aim("Healthy request: time added", _added("healthy", _HEALTHY), 5, "µs"),
    Aim(
        "Healthy request: sentry-sdk adds",
        _peer_times("healthy", f"{_HEALTHY}: added"),
        10,
        "×",
        is_at_least=True,
    ),
    Aim("Ten log records that nobody asked for: time added", _difference, 1, "µs"),
    Aim(
        "Failing request: sentry-sdk adds",
        lambda found: found.times("failing", _failing(found), _SENTRY, _DSN),
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
        _delivered("outages"),
        100,
        "%",
        is_at_least=True,
    ),
    Aim(
        "Arrived after the program ended, also by kill -9, and started again",
        _delivered("exits", " after the next start"),
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
    Aim("Ignored error: time added", _added("failing", "ignored error"), 20, "µs"),
    Aim("Unsampled error: time added", _added("failing", "unsampled error"), 20, "µs"),
    Aim(
        "Error that is reported before: time to see that",
        lambda found: found.median("failing", "error that is reported before", _DSN),
        20,
        "µs",
    ),
    Aim(
        "Memory: grown by 5,000 errors",
        lambda found: found.median("start", "memory after 5,000 errors: grown", _DSN),
        2,
        "MiB",
    ),
    Aim(
        "Import and set-up: of what sentry-sdk takes",
        lambda found: found.times("start", "import and set-up: added", _DSN, _SENTRY),
        1 / 3,
        "×",
    ),
    Aim(
        "Threads before the first event",
        lambda found: found.median("start", "threads before the first event", _DSN),
        0,
    ),
    Aim(
        "Tracker over HTTP: of what SQLite alone stores",
        lambda found: found.median(
            "storing", "200 issues: share of SQLite alone", storing.HTTP
        ),
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
        lambda found: found.median("pages", "disk for each event", LARGEST),
        6,
        "kB",
    ),
)
