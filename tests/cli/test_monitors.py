"""``flask errtrack monitors``: how jobs are, and what is done with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from flask_errtrack import ErrTrack
from flask_errtrack.protocol.envelope import Item

CONFIG = {"schedule": {"type": "interval", "value": 1, "unit": "hour"}}


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[FlaskCliRunner]:
    app = Flask("shop", instance_path=str(tmp_path))
    app.secret_key = "the-secret-key-of-the-tests"
    errtrack = ErrTrack(app, logging=False)
    raw = {"monitor_slug": "backup", "status": "ok", "environment": "live"}
    told = json.dumps({**raw, "monitor_config": CONFIG}).encode()
    store = app.extensions["errtrack_tracker"].store
    store.on_recorded = lambda: None
    store.record(Item("check_in", told))
    yield app.test_cli_runner()
    with app.app_context():
        errtrack.close()


def run(runner: FlaskCliRunner, *arguments: str) -> str:
    result = runner.invoke(args=["errtrack", "monitors", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_it_lists_how_jobs_are(runner: FlaskCliRunner) -> None:
    (one,) = json.loads(run(runner, "--format", "json"))
    assert (one["slug"], one["environment"], one["state"]) == ("backup", "live", "ok")
    assert (one["schedule"], one["is_muted"]) == ("1 hour", False)
    assert one["late_at"].endswith("Z")
    assert "backup" in run(runner)


def test_it_mutes(runner: FlaskCliRunner) -> None:
    assert run(runner, "mute", "1") == "Monitor 1 is muted.\n"
    assert "ok, muted" in run(runner)
    assert run(runner, "mute", "1", "--off") == "Monitor 1 is no longer muted.\n"
    assert "muted" not in run(runner)


def test_it_deletes_when_it_is_sure(runner: FlaskCliRunner) -> None:
    unsure = runner.invoke(args=["errtrack", "monitors", "delete", "1"], input="n")
    assert unsure.exit_code == 1 and "backup" in run(runner)
    assert run(runner, "delete", "1", "--yes") == "Monitor 1 is deleted.\n"
    assert json.loads(run(runner, "--format", "json")) == []
    assert run(runner) == "No job has told of a run yet.\n"
    again = runner.invoke(args=["errtrack", "monitors", "delete", "1", "--yes"])
    assert again.exit_code == 1 and "there is no monitor 1" in again.output
