"""A scheduled job from the decorator to the page, and what a killed one leaves."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from textwrap import dedent

import click
import pytest
from flask import Flask
from places import Broken, fail

from flask_errtrack import ErrTrack
from flask_errtrack.tracker.store import Store
from flask_errtrack.transports import MemoryTransport

PROGRAM = """
import sys
from flask import Flask
from flask.cli import FlaskGroup
from flask_errtrack import ErrTrack

app = Flask("shop", instance_path=sys.argv[1])
errtrack = ErrTrack(app)

@app.cli.command()
@errtrack.monitor("nightly", schedule="0 3 * * *", max_runtime_minutes=20)
def restock():
    print("at work", flush=True)
    sys.stdin.read()

FlaskGroup(create_app=lambda: app).main(["restock"])
"""


@pytest.fixture
def shop(tmp_path: Path, errtrack: ErrTrack) -> Iterator[Flask]:
    """An app with a tracker of its own, in the folder of the program."""
    app = Flask("shop", instance_path=str(tmp_path))
    app.secret_key = "the-secret-key-of-the-tests"
    errtrack.init_app(app, dashboard_access=lambda: True)
    yield app
    with app.app_context():
        errtrack.close()


def read(app: Flask, path: str) -> str:
    """Return the words of a page of the dashboard."""
    response = app.test_client().get(f"/errtrack{path}")
    assert response.status_code == 200
    return " ".join(unescape(re.sub("<[^>]+>", " ", response.text)).split())


def test_a_job_is_watched_from_its_decorator_to_the_page(
    shop: Flask, errtrack: ErrTrack
) -> None:
    @shop.cli.command()
    @errtrack.monitor("nightly", schedule="0 3 * * *", timezone="Asia/Tokyo")
    def restock() -> None:
        if ids:
            errtrack.set_tag("shelf", "top")
            fail()
        ids.append("good")

    ids: list[str] = []
    runner = shop.test_cli_runner()
    assert runner.invoke(args=["restock"]).exit_code == 0
    result = runner.invoke(args=["restock"])
    assert result.exit_code == 1 and isinstance(result.exception, Broken)
    with shop.app_context():
        assert errtrack.flush(60)
    page = read(shop, "/monitors")
    assert "nightly" in page and "0 3 * * * Asia/Tokyo" in page and "failed" in page
    issues = read(shop, "/")
    assert "Broken" in issues and "nightly failed" in issues
    listed = runner.invoke(args=["errtrack", "monitors"]).output
    assert "nightly" in listed


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=lambda n: n.name)
def test_a_job_that_is_killed_takes_too_long(
    tmp_path: Path, shop: Flask, errtrack: ErrTrack, end: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as job:
        assert job.stdout is not None
        assert job.stdout.readline() == b"at work\n"
        job.send_signal(end)
        assert job.wait(60) == -end
    # The next process that serves the app delivers what is left.
    assert "nightly" in after_delivery(shop, errtrack)
    later = Store(f"sqlite:///{tmp_path}/errtrack.db", now=lambda: time.time() + 1201)
    later.report_overdue()
    later.close()
    assert "nightly takes too long" in read(shop, "/")
    assert "UTC too long just now" in read(shop, "/monitors")


def after_delivery(app: Flask, errtrack: ErrTrack) -> str:
    read(app, "/monitors")
    with app.app_context():
        assert errtrack.flush(60)
    return read(app, "/monitors")


FORKING = """
import os, sys
from flask_errtrack import Client

class Printed:
    def send(self, envelope):
        for item in envelope.items:
            os.write(1, item.json()["status"].encode() + b"\\n")

with Client(transport=Printed()).monitor("nightly"):
    child = os.fork()
    if child == 0:
        sys.exit(3)
    os.waitpid(child, 0)
"""


def test_a_child_that_a_run_forks_tells_nothing() -> None:
    output = subprocess.check_output(
        [sys.executable, "-c", FORKING],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        text=True,
    )
    assert output == "in_progress\nok\n"


def code_of(page: str) -> list[str]:
    """Return the blocks of Python on a page of the docs."""
    text = (Path(__file__).parents[2] / "docs" / page).read_text()
    found = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", text)
    return [dedent(block) for block in found]


def test_the_code_about_monitors_works_as_it_stands(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    for block in code_of("monitors.rst"):
        exec(block, {"app": app, "errtrack": errtrack})
    assert app.test_cli_runner().invoke(args=["send-report"]).exit_code == 0
    told = [item.json() for envelope in sent.envelopes for item in envelope.items]
    assert [(one["monitor_slug"], one["status"]) for one in told] == [
        ("sync", "in_progress"),
        ("sync", "ok"),
        ("backup", "ok"),
        ("import", "in_progress"),
        ("import", "ok"),
        ("nightly-report", "in_progress"),
        ("nightly-report", "ok"),
    ]


def test_the_code_about_commands_works_as_it_stands(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    for block in code_of("commands.rst"):
        body = block.replace("    ...", '    raise ValueError("no " + api_token)')
        exec(body, {"app": app, "errtrack": errtrack, "click": click})
    page = (Path(__file__).parents[2] / "docs/commands.rst").read_text()
    typed = re.findall(r"\$ flask (restock.*)", page)[0].split()
    assert app.test_cli_runner().invoke(args=typed).exit_code == 1
    assert app.test_cli_runner().invoke(args=["resend", "17"]).exit_code == 0
    failed, message = sent.events
    assert failed["transaction"] == "restock"
    assert failed["contexts"]["command"]["params"] == {
        "count": 3,
        "api_token": "[redacted]",
        "shelf": "top",
    }
    assert "vault-7741-x" not in str(failed)
    assert (message["transaction"], message["tags"]) == ("resend", {"order": "17"})
