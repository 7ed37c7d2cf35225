"""The benchmark itself: a tiny run, so that it works when it is wanted."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from benchmarks import breadcrumbs, exits, outages, pages, storing, tables
from benchmarks.__main__ import WHOLE, keep, run_all, run_alone, run_one
from benchmarks.load import sample_events
from benchmarks.peers import OURS_TO_DSN
from benchmarks.plan import Plan
from benchmarks.results import Result, Results


def _told(found: Iterable[Result]) -> dict[tuple[str, str], float | None]:
    return {(one.case, one.contestant): one.median for one in found}


def test_storing_is_measured_as_a_share_of_sqlite_alone(tmp_path: Path) -> None:
    samples = sample_events(tmp_path / "samples", kinds=2)

    told = _told(storing.Course(tmp_path, samples, 20, {}).run(rounds=1))

    share = "2 issues: share of SQLite alone"
    assert told[share, "SQLite alone"] == 1
    # So few events are no measurement: which is faster cannot be said here.
    assert (told[share, "Flask-ErrTrack, in-process"] or 0) > 0
    assert (told[share, storing.HTTP] or 0) > 0
    assert 1 < (told["2 issues: disk for each event", storing.HTTP] or 0) < 50


def test_pages_are_measured_also_while_events_are_stored(tmp_path: Path) -> None:
    samples = sample_events(tmp_path / "samples", kinds=2)
    url = f"sqlite:///{tmp_path}/errtrack.db"
    tracker = pages.filled("400 events", url, samples, 400)

    told = _told(pages.of_trackers([tracker], samples, rounds=2, stored=10))

    assert (told["issue list", "400 events"] or 0) > 0
    assert (told["issue list, while storing, p95", "400 events"] or 0) > 0
    assert (told["stored while pages are read", "400 events"] or 0) > 0


def test_what_breadcrumbs_add_is_measured_for_each_library() -> None:
    found = list(breadcrumbs.measure(Plan(is_quick=True)))
    assert len(found) == 5
    assert all(one.unit == "µs" for one in found)


def test_results_outlast_a_file_and_newer_ones_take_the_place_of_older(
    tmp_path: Path,
) -> None:
    old = Result.of("part", "case", "ours", "ms", [1, 2, 3])
    other = Result.missing("part", "case", "theirs", "it has no such thing")
    new = Result.of("part", "case", "ours", "ms", [4.00004])
    path = tmp_path / "results.json"

    Results.here().merged([old, other]).save(path)
    read = Results.load(path)
    assert read.results == (old, other)
    assert (old.median, old.low, old.high) == (2, 1.2, 2.8)

    read.merged([new]).save(path)
    assert Results.load(path).results == (new, other)
    assert (new.median, new.low) == (4, None)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234.5, "1,234"),
        (99.46, "99.5"),
        (4.1234, "4.12"),
        (0.2101, "0.21"),
        (0.00412, "0.0041"),
        (3.0, "3"),
        (-1.5, "-1.50"),
    ],
)
def test_numbers_are_shown_with_the_digits_that_count(value: float, shown: str) -> None:
    assert tables.number(value) == shown


def test_a_table_tells_ratios_first_and_why_there_is_no_figure() -> None:
    found = [
        Result.of("part", "case", "sentry-sdk", "ms", [4.0, 4.0]),
        Result.of("part", "case", "Flask-ErrTrack, DSN", "ms", [2.0, 2.0]),
        Result.missing("part", "case", "rollbar", "ended with status 1"),
    ]
    head, theirs, ours, missing = tables.lines(found)
    assert head == "part: case, ratio to Flask-ErrTrack, DSN"
    assert theirs.split() == ["sentry-sdk", "×", "2", "4", "ms", "4", "…", "4"]
    assert ours.split()[:5] == ["Flask-ErrTrack,", "DSN", "×", "1", "2"]
    assert missing.split() == ["rollbar", "–", "ended", "with", "status", "1"]


def test_what_a_dead_server_missed_is_counted_when_it_is_well_again() -> None:
    found = list(outages.of_state("refusing", [OURS_TO_DSN], 1, 60.0))

    told = _told(found)
    assert told["server refusing: delivered of 20", OURS_TO_DSN] == 20
    assert (told["server refusing: failing request", OURS_TO_DSN] or 0) > 0


def test_what_a_killed_program_left_is_counted_after_its_next_start() -> None:
    found = list(exits.of_way("kill -9", "down", [OURS_TO_DSN]))

    told = _told(found)
    assert told["kill -9, server down: delivered of 50", OURS_TO_DSN] == 0
    after = "kill -9, server down: delivered of 50 after the next start"
    assert told[after, OURS_TO_DSN] == 50


def test_another_server_that_stores_nothing_is_a_row_that_says_so(
    tmp_path: Path,
) -> None:
    samples = sample_events(tmp_path / "samples", kinds=1)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    targets = {"nobody": f"http://key@127.0.0.1:{port}/1"}

    found = storing.Course(tmp_path, samples, 5, targets).run(rounds=1)

    missing = next(one for one in found if one.contestant == "nobody")
    assert missing.median is None
    assert missing.note.startswith("does not store: ConnectionRefusedError")


def test_a_part_that_breaks_keeps_what_it_found_until_it_runs_well(
    tmp_path: Path,
) -> None:
    path = tmp_path / "results.json"
    one = Result.of("part", "case", "ours", "ms", [1.0])
    other = Result.of("part", "other", "ours", "ms", [2.0])

    def breaks(plan: Plan) -> Iterator[Result]:
        yield one
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        run_one(breaks, Plan(), path)
    keep([Result.missing("part", WHOLE, "", "ended with status 1")], path)
    assert [kept.case for kept in Results.load(path).results] == ["case", WHOLE]

    run_one(lambda plan: iter([other]), Plan(), path)
    assert Results.load(path).results == (one, other)


def test_a_part_that_ends_badly_is_told_and_costs_no_other_part(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results.json"
    # The first is given what it cannot read.
    assert run_all(["breadcrumbs"], ["--events", "few"], path) == 1
    (told,) = Results.load(path).results
    assert (told.part, told.case, told.note) == (
        "breadcrumbs",
        WHOLE,
        "ended with status 2",
    )
    assert "'few'; expected 1,000 or more" in capfd.readouterr().err


def test_a_part_that_takes_too_long_is_ended() -> None:
    hangs = [sys.executable, "-c", "import threading; threading.Event().wait()"]
    assert run_alone(hangs, 0.3) == "took more than 0.0 minutes and was ended"
