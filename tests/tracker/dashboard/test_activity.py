"""What happened to an issue, in words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import get_args

import pytest

from flask_errtrack.tracker.dashboard.issue.activity import Happening, happenings
from flask_errtrack.tracker.storing.history import Kind

from ..samples import NOW


def told(kind: str, detail: str) -> Happening:
    row = SimpleNamespace(kind=kind, detail=detail, actor="", happened_at=NOW)
    (one,) = happenings([row], NOW)
    return one


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("detail", ["", "2.0"])
def test_whatever_happens_is_told_in_words(kind: str, detail: str) -> None:
    assert told(kind, detail).what not in (kind, f"{kind}: {detail}")


def test_that_a_job_runs_well_again_is_what_the_tracker_saw() -> None:
    found = told("recovered", "backup")
    assert (found.who, found.what) == ("ErrTrack", "saw the job backup run well again")
