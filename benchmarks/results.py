"""What the benchmark finds: one shape for each figure, and the file that keeps them.

It knows nothing of how a figure came about, nor of how it is shown.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import median, quantiles
from typing import Any

RESULTS = Path(__file__).with_name("results.json")
#: Whose versions are told beside the figures.
CONTESTANTS = (
    "Flask",
    "Werkzeug",
    "SQLAlchemy",
    "waitress",
    "sentry-sdk",
    "rollbar",
    "bugsnag",
    "honeybadger",
)
_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Result:
    """One figure: of a case of a part of the benchmark, for one contestant.

    :param unit: what the figure is in, as it is shown: ``µs``, ``ms``, ``/s``, ``MiB``.
    :param median: None where there is no figure; the note says why.
    :param low: the 10th percentile of the samples; None: there was one sample.
    :param high: the 90th percentile.
    :param note: what a reader has to know to judge the figure.
    """

    part: str
    case: str
    contestant: str
    unit: str = ""
    median: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""

    @classmethod
    def of(
        cls,
        part: str,
        case: str,
        contestant: str,
        unit: str,
        samples: Sequence[float],
        note: str = "",
    ) -> Result:
        """Return the median of the samples, with their spread."""
        if len(samples) == 1:
            low = high = None
        else:
            tenths = quantiles(samples, n=10, method="inclusive")
            low, high = _rounded(tenths[0]), _rounded(tenths[-1])
        return cls(
            part=part,
            case=case,
            contestant=contestant,
            unit=unit,
            median=_rounded(median(samples)),
            low=low,
            high=high,
            note=note,
        )

    @classmethod
    def missing(cls, part: str, case: str, contestant: str, why: str) -> Result:
        """Return that there is no figure, and why."""
        return cls(part=part, case=case, contestant=contestant, note=why)

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is the figure of."""
        return self.part, self.case, self.contestant


@dataclass(frozen=True)
class Results:
    """All figures of a machine, with what is to be known about it."""

    machine: dict[str, str]
    versions: dict[str, str]
    date: str
    results: tuple[Result, ...] = ()

    @classmethod
    def here(cls) -> Results:
        """Return no figures yet, of this machine."""
        today = datetime.now(UTC).date().isoformat()
        return cls(machine_facts(), versions(), today)

    @classmethod
    def load(cls, path: Path = RESULTS) -> Results:
        """Read what was found before."""
        found = json.loads(path.read_text())
        results = tuple(Result(**one) for one in found.pop("results"))
        return cls(**found, results=results)

    def save(self, path: Path = RESULTS) -> None:
        """Write all, one figure a line, so that a diff shows what moved."""
        told = asdict(self)
        lines = ",\n".join(f"  {_json(one)}" for one in told.pop("results"))
        head = json.dumps(told, indent=1, ensure_ascii=False).removesuffix("\n}")
        path.write_text(f'{head},\n "results": [\n{lines}\n ]\n}}\n')

    def merged(self, newer: Iterable[Result]) -> Results:
        """Return the same with newer figures in place of the older of the same key."""
        every = {one.key: one for one in self.results}
        every.update((one.key, one) for one in newer)
        return Results(self.machine, self.versions, self.date, tuple(every.values()))


def machine_facts() -> dict[str, str]:
    """Return what the machine is, and what the benchmark runs on."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": _memory(),
        "system": platform.system(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def versions() -> dict[str, str]:
    """Return the version of each contestant that is installed."""
    found = {}
    for name in CONTESTANTS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            print(f"{name} is not installed", file=sys.stderr)
    return found


def _rounded(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        for line in facts.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    if not hasattr(os, "sysconf"):
        return "unknown"
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{size / 2**30:.0f} GiB"
