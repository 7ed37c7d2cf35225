"""The guard of the hot paths: what it counts, and when it complains."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.counted import ALONE, IMPORT, OURS, REQUEST
from benchmarks.counts import Counts, check

INSTRUCTIONS: dict[str, dict[str, float]] = {
    ALONE: {IMPORT: 1000.0, REQUEST: 400.0, "ignored error": 800.0},
    OURS: {IMPORT: 250.0, REQUEST: 420.0, "ignored error": 1000.0, "breadcrumb": 40.0},
}


def test_what_is_added_is_told_in_requests_and_imports_of_flask_alone() -> None:
    assert Counts.of(INSTRUCTIONS).shares == {
        IMPORT: 0.25,
        REQUEST: 0.05,
        "ignored error": 0.5,
        "breadcrumb": 0.1,
    }


def test_a_path_that_takes_more_is_named_with_what_is_allowed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = Counts.of(INSTRUCTIONS)
    slower = replace(kept, shares={**kept.shares, "breadcrumb": 0.11})
    assert check(kept, kept) == 0
    assert check(slower, kept) == 1
    told = capsys.readouterr().err
    assert "breadcrumb: 0.110 times" in told
    assert "0.100 is kept, 0.107 allowed" in told
    assert "dev.py counts --accept" in told


def test_another_version_of_a_library_is_named_beside_what_it_may_have_changed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = Counts.of(INSTRUCTIONS)
    newer = replace(
        kept,
        shares={**kept.shares, IMPORT: 0.5},
        versions={**kept.versions, "Flask": "99.0"},
    )
    was = kept.versions["Flask"]
    assert check(newer, kept) == 1
    assert f"Flask is 99.0, and was {was}." in capsys.readouterr().err


@pytest.mark.parametrize("name", ["counted, not kept", "kept, not counted"])
def test_a_path_that_is_new_or_gone_is_accepted_first(name: str) -> None:
    fewer = Counts.of(INSTRUCTIONS)
    more = replace(fewer, shares={**fewer.shares, name: 1.0})
    given = (more, fewer) if name.startswith("counted") else (fewer, more)
    assert check(*given) == 1


def test_figures_of_another_python_are_not_compared() -> None:
    kept = Counts.of(INSTRUCTIONS)
    other = replace(kept, python="3.99", shares={})
    assert check(kept, other) == 0


def test_each_path_that_is_kept_is_one_that_is_run(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "benchmarks.counted", str(tmp_path)]
    root = Path(__file__).parent.parent
    subprocess.run(program, cwd=root, check=True)
    run = json.loads((tmp_path / "paths.json").read_text())
    assert {name for side, name, _ in run if side == OURS} == set(Counts.load().shares)
