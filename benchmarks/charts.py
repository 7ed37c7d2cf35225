"""The pictures of ``docs/performance.rst``: which figures each shows, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from . import aims, exits, failing, healthy, outages, start, storing
from .found import Found, is_ours
from .peers import ALONE
from .results import Result
from .svg import Bar, Bars, Dots, Grid, Kind, Panel, picture
from .tables import figure

_LIMITS = (storing.SQLITE, ALONE)
_STATES = {
    "far": "far",
    "slow": "slow",
    "closed": "refusing",
    "hung": "hanging",
    "500": "answering 500",
    "429": "answering 429",
}
_WAYS = {
    "exit": "exit",
    "gunicorn": "SIGTERM to gunicorn",
    "SIGTERM": "SIGTERM",
    "kill -9": "kill -9",
}
_PAGES = (
    "issue list",
    "issue list, 14 days",
    "most events",
    "search: word",
    "search: two words",
    "search: tag",
    "search: environment",
    "search: release",
    "search: user",
    "largest issue",
    "event",
    "user",
    "releases",
    "status page",
)

#: Makes a part of a picture; None: nothing of it was measured.
Make = Callable[[Found], Panel | None]


@dataclass(frozen=True)
class Chart:
    """A picture.

    :param description: what it shows, for who does not see it.
    """

    title: str
    description: str
    panels: Sequence[Make]

    def drawn(self, found: Found) -> str:
        """Return the SVG file."""
        panels = [panel for make in self.panels if (panel := make(found)) is not None]
        return picture(self.title, self.description, panels)


def sizes(found: Found) -> list[str]:
    """Return the trackers whose pages were measured, from the smallest on."""
    names = [one.contestant for one in found.case("pages", "issue list")]
    return sorted(names, key=lambda name: (len(name), name))


def _bars(part: str, case: str, title: str) -> Make:
    def make(found: Found) -> Panel | None:
        every = found.case(part, case)
        return Bars(title, [_bar(one) for one in every]) if every else None

    return make


def _bar(one: Result) -> Bar:
    if one.median is None:
        return Bar(one.contestant, None, one.note)
    kind: Kind = "peer"
    if is_ours(one.contestant):
        kind = "ours"
    elif one.contestant.startswith(_LIMITS):
        kind = "limit"
    return Bar(one.contestant, one.median, figure(one), kind, one.low, one.high)


def _grid(part: str, cases: Mapping[str, str], title: str) -> Make:
    """Return what makes a grid of the senders.

    :param cases: by column, how the case begins; it ends with how many were sent.
    """

    def make(found: Found) -> Panel | None:
        known = {
            column: case for column, case in cases.items() if found.case(part, case)
        }
        wholes = [found.whole(part, case) for case in known.values()]
        rows = {
            name: [found.median(part, case, name) for case in known.values()]
            for name in outages.CONTESTANTS
        }
        return Grid(title, list(known), rows, max(wholes)) if known else None

    return make


def _pages(found: Found) -> Panel | None:
    names = sizes(found)
    rows = {
        page: [found.median("pages", f"{page}, p95", size) for size in names]
        for page in _PAGES
    }
    if not names:
        return None
    limit = aims.PAGE_MILLISECONDS
    aim = limit, f"{limit:g} ms"
    return Dots("19 of 20 requests take at most", "ms", names, rows, aim)


def _exits(server: str, ending: str, title: str) -> Make:
    told = f"server {server}: delivered of {exits.ERRORS}{ending}"
    cases = {column: f"{way}, {told}" for column, way in _WAYS.items()}
    return _grid(exits.PART, cases, title)


_ENDED = " after the next start"
_THROUGHPUT = "2,000 times different errors, 4 threads: "
_HEALTHY = _bars(healthy.PART, f"{healthy.REQUEST}: added", "A request that goes well")
_FAILING = _bars(failing.PART, f"{failing.REQUEST}: added", "A request that fails")
_OUTAGES = _grid(
    outages.PART,
    {column: f"server {state}: delivered of" for column, state in _STATES.items()},
    "Arrived after the server was …",
)

CHARTS = {
    "summary": Chart(
        "What Flask-ErrTrack costs, and what arrives",
        "Time that each client adds to a request that goes well, and to one that "
        "fails; and how many events have arrived after the server was in a bad state.",
        [_HEALTHY, _FAILING, _OUTAGES],
    ),
    "healthy": Chart(
        "What is added to a request that goes well",
        "Microseconds that each client adds to a request of a bare Flask app.",
        [
            _HEALTHY,
            _bars(
                healthy.PART,
                f"{healthy.LOGGING}: added",
                "… that writes 10 log records",
            ),
        ],
    ),
    "failing": Chart(
        "What is added to a request that fails",
        "Time that each client adds on the thread of a request that fails, below 30 "
        "frames with 12 variables each; also of the same error, and of an ignored one.",
        [
            _FAILING,
            _bars(
                failing.PART,
                f"{failing.REQUEST}: added, p99",
                "… 99 of 100 take at most",
            ),
            _bars(
                failing.PART,
                f"{failing.STORM}: added",
                "The same error, again and again",
            ),
            _bars(
                failing.PART, f"{failing.IGNORED}: added", "An error that is ignored"
            ),
        ],
    ),
    "delivered": Chart(
        "What arrives",
        "How many events have arrived of each client: after the server was in a bad "
        "state, and after the program ended in different ways.",
        [
            _OUTAGES,
            _exits("0.1 s away", "", "Arrived of 50 when the program ended"),
            _exits("0.1 s away", _ENDED, "… and when it had started again"),
            _exits("down", _ENDED, "… with no server when it ended"),
        ],
    ),
    "throughput": Chart(
        "How fast events arrive",
        "Errors of four threads: how many arrive in a second, and how much of the "
        "processor's time each takes.",
        [
            _bars(
                "throughput",
                f"{_THROUGHPUT}delivered a second",
                "Delivered in a second",
            ),
            _bars(
                "throughput",
                f"{_THROUGHPUT}processor time an error",
                "Processor time for each error",
            ),
        ],
    ),
    "start": Chart(
        "What a start costs",
        "What each client adds to the start of a program: time and memory.",
        [
            _bars(start.PART, "import and set-up: added", "Import and set-up"),
            _bars(start.PART, "memory after set-up: added", "Memory after set-up"),
            _bars(start.PART, start.WIRE, "Sent for an event"),
        ],
    ),
    "storing": Chart(
        "What a tracker stores in a second",
        "Events of 200 issues, in a second: bare SQLite with the same rows, the "
        "tracker in-process and over HTTP, and a Flask app that stores nothing.",
        [
            _bars(storing.PART, "200 issues: stored", "Events stored in a second"),
            _bars(
                storing.PART,
                "200 issues: processor for each event",
                "Processor time for each event",
            ),
        ],
    ),
    "pages": Chart(
        "How long pages take, and how that grows",
        "For each page a dot for each size of the tracker, in milliseconds.",
        [_pages],
    ),
}
