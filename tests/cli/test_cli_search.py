"""``flask errtrack issues QUERY`` and ``events QUERY``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import Result
from conftest import MakeApp
from flask import Flask


@pytest.fixture
def app(make_app: MakeApp) -> Iterator[Flask]:
    """An app in which two jobs have failed, one of them twice."""
    app = make_app()
    client = app.extensions["errtrack"]
    for job, level in (("clear", "error"), ("import", "fatal"), ("clear", "error")):
        client.capture_message(f"{job} failed", level=level, tags={"cron-job": job})
    assert client.flush(10)
    yield app


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["errtrack", *arguments])


def found(app: Flask, *arguments: str) -> list[dict[str, Any]]:
    result = run(app, *arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(result.output)
    return rows


def titles(app: Flask, *arguments: str) -> list[str]:
    return sorted(row["title"] for row in found(app, "issues", *arguments))


def test_issues_are_searched_as_on_the_dashboard(app: Flask) -> None:
    assert titles(app) == ["clear failed", "import failed"]
    assert titles(app, "cron-job:clear") == ["clear failed"]
    assert titles(app, "!cron-job:clear", "failed") == ["import failed"]
    assert titles(app, 'level:fatal "import failed"') == ["import failed"]


def test_without_a_state_a_search_is_for_all_issues(app: Flask) -> None:
    (issue,) = found(app, "issues", "cron-job:clear")
    assert run(app, "resolve", str(issue["id"])).exit_code == 0
    assert titles(app) == ["import failed"]
    assert titles(app, "failed") == ["clear failed", "import failed"]
    assert titles(app, "failed", "--status", "resolved") == ["clear failed"]
    assert titles(app, "--status", "all") == ["clear failed", "import failed"]
    assert titles(app, "is:resolved") == ["clear failed"]


def test_events_are_searched_the_newest_first(app: Flask) -> None:
    every = found(app, "events")
    titles = [row["title"] for row in every]
    assert titles == ["clear failed", "import failed", "clear failed"]
    clear = found(app, "events", "cron-job:clear")
    assert clear == [every[0], every[2]]
    assert found(app, "events", "cron-job:clear", "--limit", "1") == [every[0]]
    text = run(app, "events", "level:fatal").output
    assert every[1]["event_id"] in text and "import failed" in text


def test_that_nothing_is_found_is_said(app: Flask) -> None:
    assert run(app, "issues", "cron-job:none").output == "No issues.\n"
    assert run(app, "events", "cron-job:none").output == "No such events are kept.\n"
    assert found(app, "events", "cron-job:none") == []


@pytest.mark.parametrize("command", ["issues", "events"])
def test_a_search_that_cannot_be_meant_is_refused(app: Flask, command: str) -> None:
    result = run(app, command, "level:high")
    assert result.exit_code == 2
    assert "level:high is not known; known are level:debug, " in result.output


def test_what_is_not_found_says_which_tags_nobody_has(app: Flask) -> None:
    hint = "No event has a tag cron-jb.\n"
    assert run(app, "issues", "cron-jb:clear").output == f"No issues. {hint}"
    assert (
        run(app, "events", "cron-jb:clear").output == f"No such events are kept. {hint}"
    )
    assert run(app, "issues", "cron-job:none").output == "No issues.\n"
    assert found(app, "issues", "cron-jb:clear") == []
