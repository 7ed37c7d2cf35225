"""Makes what ``docs/performance.rst`` shows of ``results.json``: ``dev.py charts``.

Pictures, tables, and the figures that its sentences name: none of them is typed by
hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from . import aims, healthy, pages, storing
from .charts import CHARTS, sizes
from .found import Found
from .peers import OURS_TO_DSN, SENTRY
from .results import RESULTS, Results
from .sheets import escaped, sheets
from .tables import figure, number

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "performance"
_NONE = "–"
_STORED = "200 issues: stored"
#: What the sentences name: part, case and contestant of each figure.
_NAMED = {
    "healthy": (healthy.PART, f"{healthy.REQUEST}: added", OURS_TO_DSN),
    "healthy_sentry": (healthy.PART, f"{healthy.REQUEST}: added", SENTRY),
    "sqlite_rate": (storing.PART, _STORED, storing.SQLITE),
    "http_rate": (storing.PART, _STORED, storing.HTTP),
    "in_process_rate": (storing.PART, _STORED, storing.IN_PROCESS),
    "in_memory_rate": (storing.PART, _STORED, storing.IN_MEMORY),
    "one_client_rate": (storing.PART, _STORED, storing.ONE_CLIENT),
    "nothing_rate": (storing.PART, _STORED, storing.NOTHING),
    "share": (storing.PART, "200 issues: share of SQLite alone", storing.HTTP),
    "server_cpu": (
        storing.PART,
        "200 issues: processor used by the server",
        storing.HTTP,
    ),
    "server_memory": (storing.PART, "200 issues: memory of the server", storing.HTTP),
}
#: From here on the processor is the limit: the rest is noise, and who sends.
_BUSY_PERCENT = 75
#: The disk is the limit if memory in its place makes it so many times faster.
_DISK_TIMES = 1.3


def files(results: Results) -> dict[str, str]:
    """Return each file of the page, by name."""
    found = Found.of(results)
    pictures = {f"{name}.svg": chart.drawn(found) for name, chart in CHARTS.items()}
    figures = [
        f".. |{name}| replace:: {escaped(text)}\n"
        for name, text in _figures(results, found)
    ]
    return {**pictures, **sheets(found), "figures.rst": "".join(figures)}


def write(folder: Path = FOLDER, path: Path = RESULTS) -> None:
    """Write the files, and remove those that are no longer made."""
    made = files(Results.load(path))
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text)


def _figures(results: Results, found: Found) -> Iterator[tuple[str, str]]:
    """Yield the figures that the sentences of the page name."""
    machine = results.machine
    yield "date", results.date
    yield (
        "machine",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory']} of "
        f"memory, {machine['system']}, {machine['python']}",
    )
    yield "versions", ", ".join(f"{k} {v}" for k, v in results.versions.items())
    for name, (part, case, contestant) in _NAMED.items():
        one = found.one(part, case, contestant)
        yield name, _NONE if one is None else figure(one)
    yield "limit", _limit(found)
    yield from _growth(found)
    shown = aims.listed_pages(found)
    within = sum(one <= aims.PAGE_MILLISECONDS for one in shown.values())
    yield "pages_within", f"{within} of {len(shown)}"
    yield "slowest_page", max(shown, key=lambda page: shown[page], default=_NONE)


def _growth(found: Found) -> Iterator[tuple[str, str]]:
    """Yield by how much the largest tracker is larger, and its usual page slower."""
    names = [name for name in sizes(found) if name.endswith(" events")]
    growths = [
        growth
        for page in (aims.listed_pages(found, names[-1]) if names else ())
        if (growth := found.times(pages.PART, page, names[-1], names[0])) is not None
    ]
    if not growths:
        yield from (("size_times", _NONE), ("growth", _NONE))
        return
    small, large = (int(names[at].split()[0].replace(",", "")) for at in (0, -1))
    yield "size_times", number(large / small)
    yield "growth", number(median(growths))


def _limit(found: Found) -> str:
    """Return the sentence that names what limits the tracker."""
    used = found.median(*_NAMED["server_cpu"])
    times = found.times(storing.PART, _STORED, storing.IN_MEMORY, storing.HTTP)
    if used is None or times is None:
        return "What the limit is was not measured."
    if used >= _BUSY_PERCENT:
        return (
            "So the limit is the processor: what the tracker does in Python, one "
            "thread at a time."
        )
    if times >= _DISK_TIMES:
        return "So the limit is the disk."
    return "So it is neither the processor nor the disk alone: threads wait in turns."


if __name__ == "__main__":
    write()
