"""The benchmark itself: a tiny run, so that it works when it is wanted."""

from __future__ import annotations

from pathlib import Path

from benchmarks import breadcrumbs, pages, storing
from benchmarks.load import sample_events


def test_storing_is_measured_as_a_share_of_sqlite_alone(tmp_path: Path) -> None:
    samples = sample_events(tmp_path / "samples", kinds=2)

    found = storing.measure(tmp_path, samples, 20, 1, {}, issues=[2])

    told = {name: (value, note) for name, value, note in found}
    assert told["2 issues: SQLite: share"][0] == "1.000"
    # So few events are no measurement: which is faster cannot be said here.
    assert float(told["2 issues: in-process: share"][0]) > 0
    assert float(told["2 issues: HTTP: share"][0]) > 0
    assert told["2 issues: HTTP: share"][1].endswith(" 200: 20")
    assert 1 < float(told["2 issues: on disk"][0].removesuffix(" kB")) < 50


def test_pages_are_measured_also_while_events_are_stored(tmp_path: Path) -> None:
    samples = sample_events(tmp_path / "samples", kinds=2)

    found = pages.measure(tmp_path / "pages", samples, 400, 2, stored=10)

    told = {name: value for name, value, _ in found}
    assert told["400: issue list"].endswith(" ms")
    assert told["400: issue list, storing"].endswith(" ms")
    assert told["400: stored"].endswith("/s")


def test_what_breadcrumbs_add_is_measured_for_each_library() -> None:
    found = {name: value for name, value, _ in breadcrumbs.measure(rounds=2)}
    assert len(found) == 5
    assert all(value.endswith(" µs") for value in found.values())
