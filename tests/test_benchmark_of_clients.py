"""The benchmark beside the peers: a tiny run, and what it makes of a broken one."""

from __future__ import annotations

from pathlib import Path

from benchmarks import failing, healthy
from benchmarks.peers import ALONE, OURS, OURS_TO_DSN, SENTRY
from benchmarks.turns import each, in_turns, running

_ONE = {"kind": "light", "times": 1, "frames": 1}


def test_the_errors_of_each_peer_arrive(tmp_path: Path) -> None:
    peers = [SENTRY, "rollbar", "bugsnag", "honeybadger"]
    with running(peers, tmp_path) as runners:
        for runner in runners:
            runner.begin("broken", **_ONE)
        for runner in runners:
            runner.finish()
            runner.do("flush")
        assert [(one.name, one.counted()) for one in runners] == [
            (name, 1) for name in peers
        ]


def test_a_quick_run_gives_a_figure_for_flask_and_for_us(tmp_path: Path) -> None:
    with running([ALONE, OURS_TO_DSN], tmp_path) as runners:
        healthy_one = list(healthy.of_path("request", runners, "/healthy", 1))
        failing_one = list(failing.of_kind("error", runners, "light", 1, "ms"))
    cases = [(one.case, one.contestant) for one in healthy_one + failing_one]
    assert cases == [
        ("request", ALONE),
        ("request: added", OURS_TO_DSN),
        ("error", ALONE),
        ("error: added", OURS_TO_DSN),
        ("error: added, p99", OURS_TO_DSN),
    ]
    assert all(one.median is not None for one in healthy_one + failing_one)


def test_a_contestant_that_ends_is_told_of_and_costs_no_other_its_figure(
    tmp_path: Path,
) -> None:
    with running([ALONE], tmp_path / "well") as well:
        with running([OURS], tmp_path / "broken", nonsense=1) as broken:
            both = [*well, *broken]
            found = in_turns(both, 1, lambda one: len(one.do("broken", **_ONE)))
            alone, ours = each("part", "case", "", both, found)
    assert alone.median == 1
    assert ours.median is None
    assert "unexpected keyword argument 'nonsense'" in ours.note
