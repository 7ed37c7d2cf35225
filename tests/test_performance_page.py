"""The page on performance shows what the benchmark has found, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import aims
from benchmarks.__main__ import PARTS as MEASURED
from benchmarks.charts import CHARTS
from benchmarks.found import Found
from benchmarks.page import FOLDER, files, write
from benchmarks.results import RESULTS, Result, Results
from benchmarks.sheets import PARTS as SHOWN
from benchmarks.svg import Bar, Bars, Dots, Grid, Panel, picture

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "performance.rst"
TABLES = DOCS / "all_figures.rst"
MENDED = "python3 dev.py charts makes them anew"


def _found(*results: Result) -> Found:
    return Found.of(Results({}, {}, "2026-01-01", results))


def test_pictures_and_tables_are_what_the_results_make_of_them() -> None:
    made = files(Results.load(RESULTS))
    kept = {path.name: path.read_text() for path in FOLDER.iterdir()}
    assert sorted(kept) == sorted(made), MENDED
    assert [name for name in made if made[name] != kept[name]] == [], MENDED


def test_the_page_names_no_figure_by_hand_and_shows_each_file() -> None:
    text = PAGE.read_text()
    prose = re.sub(r"(?ms)^\.\. (image|csv-table|code-block)::.*?\n(?=\S)", "", text)
    measured = re.findall(r"\b[\d.,]+ ?(?:µs|ms|/s|MiB|kB|×)", prose)
    # The limit that the figures are held against, and how late the server answers.
    assert measured == ["50 ms"]
    named = set(re.findall(r"performance/([\w.]+)", text + TABLES.read_text()))
    assert named == {path.name for path in FOLDER.iterdir()}


def test_each_figure_that_a_sentence_names_is_made() -> None:
    text = PAGE.read_text()
    made = files(Results.load(RESULTS))["figures.rst"]
    named = set(re.findall(r"(?<!\w)\|(\w+)\|", text))
    assert named == set(re.findall(r"^\.\. \|(\w+)\| replace::", made, re.M))


@pytest.mark.parametrize("name", sorted(CHARTS))
def test_a_picture_says_what_it_shows_and_asks_for_nothing_from_elsewhere(
    name: str,
) -> None:
    text = (FOLDER / f"{name}.svg").read_text()
    root = ElementTree.fromstring(text)
    assert root.attrib["role"] == "img"
    assert [root[0].text, root[1].text] == [
        CHARTS[name].title,
        CHARTS[name].description,
    ]
    assert not re.findall(r"href|url\(|@import|@font-face|<script", text)
    assert "prefers-color-scheme: dark" in text


def test_bars_are_as_long_as_their_figures_and_tell_why_one_is_missing() -> None:
    bars = [
        Bar("ours", 10.0, "10 ms", "ours", 9.0, 11.0),
        Bar("theirs", 20.0, "20 ms"),
        Bar("other", None, "it cannot"),
    ]
    text = picture("title", "description", [Bars("Time", bars)])
    ours, theirs = re.findall(r'width="([\d.]+)" height="15"', text)
    assert float(theirs) == pytest.approx(2 * float(ours), abs=0.2)
    assert "it cannot" in text
    assert "log scale" not in text


def test_a_scale_is_logarithmic_where_one_bar_would_hide_the_others() -> None:
    ours, theirs = Bar("ours", 1.0, "1 ms"), Bar("theirs", 2.0, "2 ms")
    slow = Bar("slow", 1000.0, "1 s")
    assert "log scale" in picture("title", "", [Bars("Time", [ours, theirs, slow])])
    assert "log scale" not in picture("title", "", [Bars("Time", [ours, theirs])])


def test_a_name_in_a_picture_is_text_and_nothing_else() -> None:
    panels: list[Panel] = [
        Bars("a < b", [Bar("<script>", 1.0, "1 & 2")]),
        Dots("a < b", "ms", ["&"], {"<page>": [1.0]}),
        Grid("a < b", ["<"], {"&": [1.0]}, 1.0),
    ]
    root = ElementTree.fromstring(picture("<", "&", panels))
    assert "<script>" in "".join(root.itertext())


def test_an_aim_is_reached_not_reached_or_not_measured() -> None:
    below = aims.Aim("below", lambda found: 4.0, 5, "µs")
    above = aims.Aim("above", lambda found: 4.0, 5, "×", is_at_least=True)
    unknown = aims.Aim("unknown", lambda found: None, 5, "µs")
    rows = [one.row(_found()) for one in (below, above, unknown)]
    assert rows == [
        ("below", "at most 5 µs", "4 µs: reached"),
        ("above", "at least 5×", "4×: not reached"),
        ("unknown", "at most 5 µs", "not measured"),
    ]


def test_the_least_that_arrived_is_what_tells() -> None:
    found = _found(
        Result.of("outages", "server far: delivered of 1,000", OURS, "", [1000]),
        Result.of("outages", "server hung: delivered of 1,000", OURS, "", [990]),
    )
    assert found.delivered("outages", "", OURS) == [1, 0.99]


OURS = "Flask-ErrTrack, DSN"


@pytest.mark.parametrize(
    ("case", "unit", "ours", "theirs", "is_better"),
    [
        ("time: added", "ms", 2.0, 1.0, True),
        ("time: added", "ms", 2.0, 1.9, False),
        ("time: added", "ms", 1.0, 2.0, False),
        ("delivered a second", "/s", 100.0, 200.0, True),
        ("delivered a second", "/s", 200.0, 100.0, False),
        ("delivered of 50", "", 49.0, 50.0, True),
        ("delivered of 50", "", 50.0, 50.0, False),
    ],
)
def test_where_a_peer_is_better_is_told(
    case: str, unit: str, ours: float, theirs: float, is_better: bool
) -> None:
    found = _found(
        Result.of("part", case, OURS, unit, [ours]),
        Result.of("part", case, "sentry-sdk", unit, [theirs]),
    )
    told = [one.contestant for one, _ in found.where_a_peer_is_better()]
    assert told == ["sentry-sdk"] * is_better


def test_a_peer_is_not_better_within_the_spread() -> None:
    found = _found(
        Result.of("part", "time", OURS, "ms", [1.0, 2.0, 3.0]),
        Result.of("part", "time", "rollbar", "ms", [0.5, 1.5, 2.5]),
    )
    assert found.where_a_peer_is_better() == []


def test_what_was_not_measured_is_told_as_that() -> None:
    made = files(Results.here())
    assert sorted(made) == sorted(path.name for path in FOLDER.iterdir())
    told = made["aims.csv"].splitlines()[1:]
    assert len(told) == len(aims.AIMS)
    assert all(line.endswith(",not measured") for line in told)


def test_the_page_tells_how_the_pages_of_a_tracker_grow() -> None:
    figures = [
        Result.of("pages", f"issue list{which}", f"{size} events", "ms", [value])
        for which in ("", ", p95")
        for size, value in (("10,000", 4.0), ("1,000,000", 12.0))
    ]
    made = files(Results.here().merged(figures))["figures.rst"]
    assert "|size_times| replace:: 100\n" in made
    assert "|growth| replace:: 3\n" in made


def test_files_of_figures_that_are_no_longer_made_go(tmp_path: Path) -> None:
    folder = tmp_path / "performance"
    folder.mkdir()
    (folder / "old.csv").write_text("")
    write(folder, RESULTS)
    assert {path.name for path in folder.iterdir()} == set(files(Results.load(RESULTS)))


def test_each_part_of_the_benchmark_is_on_the_page() -> None:
    assert {*SHOWN, "pages"} == {*MEASURED}
