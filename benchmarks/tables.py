"""The figures as text for a terminal: ratios first, medians with their spread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .results import Result

#: Each ratio is to the first of these that is among the contestants.
REFERENCES = (
    "Flask-ErrTrack, DSN",
    "SQLite alone",
    "Flask-ErrTrack, embedded",
    "Flask-ErrTrack",
)
_WIDTH = 42


def lines(results: Iterable[Result]) -> Iterator[str]:
    """Yield the table of each case."""
    for (part, case), every in by_case(results).items():
        against = reference(every)
        told = f", ratio to {against.contestant}" if len(every) > 1 and against else ""
        yield f"{part}: {case}{told}"
        for one in every:
            yield f"  {_line(one, ratio(one, against) if told else None)}".rstrip()


def by_case(results: Iterable[Result]) -> dict[tuple[str, str], list[Result]]:
    """Return the figures of each part and case, in the order in which they came."""
    found: dict[tuple[str, str], list[Result]] = {}
    for one in results:
        found.setdefault((one.part, one.case), []).append(one)
    return found


def reference(results: Sequence[Result]) -> Result | None:
    """Return what the others of a case are compared with, if any has a figure."""
    known = {one.contestant: one for one in results if one.median is not None}
    named = (known[name] for name in REFERENCES if name in known)
    return next(named, None) or next(iter(known.values()), None)


def ratio(one: Result, against: Result | None) -> float | None:
    """Return how many times the other's figure it is; None: that would say nothing."""
    if against is None or one.median is None or against.median is None:
        return None
    # What is added may be less than noise takes away.
    if one.median < 0 or against.median <= 0:
        return None
    return one.median / against.median


def number(value: float) -> str:
    """Return it with the digits that count: three, or two of one below a hundredth."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.01 else f"{value:.2g}"


def figure(one: Result) -> str:
    """Return the median with its unit."""
    return "–" if one.median is None else f"{number(one.median)} {one.unit}".rstrip()


def spread(one: Result) -> str:
    """Return from where to where the samples are."""
    if one.low is None or one.high is None:
        return ""
    return f"{number(one.low)} … {number(one.high)}"


def _line(one: Result, times: float | None) -> str:
    factor = "" if times is None else f"× {number(times)}"
    return f"{one.contestant:<{_WIDTH}} {factor:>9} {figure(one):>14}   " + "   ".join(
        filter(None, (spread(one), one.note))
    )
