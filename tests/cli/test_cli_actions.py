"""The commands that finish issues: who did it stands in the history."""

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
    """An app in which two things have failed in one release."""
    app = make_app(release="shop@1", dashboard_access=lambda: True)
    client = app.extensions["errtrack"]
    for name in ("clear", "import"):
        client.capture_message(f"{name} failed")
    assert client.flush(10)
    yield app


def run(app: Flask, *arguments: str, **more: Any) -> Result:
    return app.test_cli_runner().invoke(args=["errtrack", *arguments], **more)


def states(app: Flask) -> dict[int, tuple[str, int]]:
    found = run(app, "issues", "--status", "all", "--format", "json").output
    return {row["id"]: (row["status"], row["events"]) for row in json.loads(found)}


def happen(app: Flask) -> None:
    client = app.extensions["errtrack"]
    client.capture_message("clear failed")
    assert client.flush(10)


def test_an_issue_resolved_in_the_next_release_waits_for_it(app: Flask) -> None:
    assert run(app, "resolve", "1", "--in-next-release").exit_code == 0
    happen(app)
    assert states(app) == {1: ("resolved", 2), 2: ("unresolved", 1)}


def test_an_issue_is_muted_until_more_events(app: Flask) -> None:
    assert run(app, "mute", "1", "--events", "2").exit_code == 0
    happen(app)
    assert states(app)[1] == ("muted", 2)
    happen(app)
    assert states(app)[1] == ("unresolved", 3)


def test_a_mute_that_makes_no_sense_is_refused(app: Flask) -> None:
    result = run(app, "mute", "1", "--hours", "nan")
    assert result.exit_code == 1 and "cannot be muted" in result.output
    assert states(app)[1] == ("unresolved", 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("mute", "1", "--hours", "0"),
        ("mute", "1", "--events", "-1"),
        ("mute", "1", "--users", "0"),
        ("merge", "1"),
        ("merge", "1", "1"),
    ],
)
def test_what_cannot_be_meant_is_an_error_of_usage(
    app: Flask, arguments: tuple[str, ...]
) -> None:
    assert run(app, *arguments).exit_code == 2
    assert states(app)[1] == ("unresolved", 1)


def test_issues_are_merged_into_the_first_named_and_taken_apart(app: Flask) -> None:
    assert run(app, "merge", "2", "1").output == "All is issue 2 now.\n"
    assert states(app) == {2: ("unresolved", 2)}
    groups = run(app, "unmerge", "2").output.splitlines()
    assert [line.split()[:3] for line in groups] == [
        ["1", "1", "event"],
        ["2", "1", "event"],
    ]
    assert run(app, "unmerge", "2", "7").exit_code == 1
    nowhere = run(app, "unmerge", "77")
    assert nowhere.exit_code == 1 and "there is no issue 77" in nowhere.output
    assert run(app, "unmerge", "2", "1").exit_code == 0
    assert sorted(states(app).values()) == [("unresolved", 1)] * 2


def test_what_cannot_be_merged_is_told(app: Flask) -> None:
    result = run(app, "merge", "1", "77")
    assert result.exit_code == 1 and "no issue 77" in result.output
    assert len(states(app)) == 2


def test_an_issue_is_deleted_by_who_says_yes(app: Flask) -> None:
    assert run(app, "delete", "1", input="n\n").exit_code == 1
    assert len(states(app)) == 2
    assert run(app, "delete", "1", input="y\n").exit_code == 0
    assert run(app, "delete", "2", "--yes").exit_code == 0
    assert states(app) == {}
    assert run(app, "delete", "2", "--yes").exit_code == 1


def test_a_note_stands_on_the_issues_page_as_the_command_lines(app: Flask) -> None:
    assert run(app, "note", "1", "It is the rates.").exit_code == 0
    text = app.test_client().get("/errtrack/issues/1").text
    assert "It is the rates." in text and "command line</b>" in text.replace(")", "")
    assert run(app, "note", "1", "  ").exit_code == 1
