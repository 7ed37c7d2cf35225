"""The tables of ``docs/performance.rst``, each a file that Sphinx reads."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from . import aims
from .charts import sizes
from .found import Found, is_more_better
from .tables import figure, number, ratio, reference, spread

#: A part's table is there though it was not measured.
PARTS = (
    "healthy",
    "failing",
    "throughput",
    "outages",
    "exits",
    "start",
    "storing",
    "breadcrumbs",
)

_SLOW = ", p95"
_COLD = ", cold"
_ENDINGS = (_SLOW, _COLD)

Row = Sequence[str]


def sheets(found: Found) -> dict[str, str]:
    """Return the text of each file, by its name."""
    made = {part: _rows(found, _cases(found, part)) for part in PARTS}
    made["pages"] = _pages(found)
    made["trackers"] = _rows(found, _cases_of_no_page(found))
    made["aims"] = _aims(found)
    made["better"] = _better(found)
    return {f"{name}.csv": _csv(list(rows)) for name, rows in made.items()}


def escaped(text: str) -> str:
    """Return text that means nothing but itself in reStructuredText."""
    return re.sub(r"([\\*`|_])", r"\\\1", text)


def _cases(found: Found, part: str) -> list[tuple[str, str]]:
    return [key for key in found.cases if key[0] == part]


def _cases_of_no_page(found: Found) -> list[tuple[str, str]]:
    pages = {case for _, case in _page_cases(found)}
    endings = ("", *_ENDINGS)
    told = {f"{page}{ending}" for page in pages for ending in endings}
    return [key for key in _cases(found, "pages") if key[1] not in told]


def _page_cases(found: Found) -> list[tuple[str, str]]:
    return [
        (part, case)
        for part, case in _cases(found, "pages")
        if (part, f"{case}{_SLOW}") in found.cases
    ]


def _rows(found: Found, cases: Iterable[tuple[str, str]]) -> Iterator[Row]:
    """Yield a row for each figure, the ratios first."""
    yield "Case", "Contestant", "Ratio", "Median", "Spread", "Note"
    for key in cases:
        every = found.cases[key]
        against = reference(every) if len(every) > 1 else None
        for place, one in enumerate(every):
            times = ratio(one, against)
            told = "" if times is None else number(times)
            name = key[1] if place == 0 else ""
            yield name, one.contestant, told, figure(one), spread(one), one.note


def _pages(found: Found) -> Iterator[Row]:
    """Yield the median and the 95th percentile of each page, a column for a size."""
    names = sizes(found)
    yield "Page, ms (p95)", *names, "the largest, cold"
    for _, case in _page_cases(found):
        cold = [found.median("pages", f"{case}{_COLD}", name) for name in names]
        told = "" if not cold or cold[-1] is None else number(cold[-1])
        yield case, *(_two(found, case, name) for name in names), told


def _two(found: Found, case: str, size: str) -> str:
    usual = found.median("pages", case, size)
    slow = found.median("pages", f"{case}{_SLOW}", size)
    if usual is None or slow is None:
        return "–"
    return f"{number(usual)} ({number(slow)})"


def _aims(found: Found) -> Iterator[Row]:
    yield "Aim", "Wanted", "Measured"
    yield from aims.rows(found)


def _better(found: Found) -> Iterator[Sequence[str]]:
    yield "Case", "Peer", "Its figure", "Flask-ErrTrack", "Times better", "Note"
    for one, mine in found.where_a_peer_is_better():
        assert one.median is not None and mine.median is not None
        better, worse = (
            (one.median, mine.median)
            if is_more_better(one)
            else (mine.median, one.median)
        )
        times = number(better / worse) if worse > 0 else ""
        yield one.case, one.contestant, figure(one), figure(mine), times, one.note


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    # Sphinx takes no table without a row.
    for row in rows if len(rows) > 1 else [*rows, ["nothing"]]:
        writer.writerow([escaped(cell) for cell in row])
    return text.getvalue()
