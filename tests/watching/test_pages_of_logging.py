"""The pages about logging and threads: their code runs, and does what they say."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from flask import Flask
from places import Broken, fail
from waiting import wait_until

from flask_errtrack import ErrTrack
from flask_errtrack.transports import MemoryTransport

ROOT = Path(__file__).parents[2]


def blocks_of(page: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text()
    found = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", text)
    return [dedent(block) for block in found]


PROGRAM = """
import logging, tempfile
from flask import Flask
from flask_errtrack import ErrTrack
from flask_errtrack.transports import MemoryTransport

sent = MemoryTransport()
app = Flask("shop", instance_path=tempfile.mkdtemp())
ErrTrack(app, transport=sent)
{configuration}
logger = logging.getLogger("shop.stock")
with app.app_context():
{lines}
(event,) = sent.events
print(event["event_id"])
print(event["extra"], event["logentry"]["message"], event["logentry"]["params"])
print([crumb["message"] for crumb in event["breadcrumbs"]["values"]])
"""


def test_the_log_looks_as_the_page_shows_it(tmp_path: Path) -> None:
    lines, configuration = blocks_of("logging.rst")
    indented = "".join(f"    {line}\n" for line in lines.splitlines())
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            PROGRAM.format(configuration=configuration, lines=indented),
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    event_id, *facts = done.stdout.splitlines()
    assert facts == [
        "{'clerk': 'Ada'} shelf %s is empty [17]",
        "['counting shelf 17']",
    ]
    written = [line.split(" ", 2)[2] for line in done.stderr.splitlines()]
    assert written == [
        "INFO [-] counting shelf 17",
        f"ERROR [{event_id}] shelf 17 is empty",
    ]
    page = (ROOT / "docs" / "logging.rst").read_text()
    assert "INFO [-] counting shelf 17" in page


@pytest.mark.parametrize("number", range(len(blocks_of("threads.rst"))))
def test_the_code_about_threads_runs(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport, number: int
) -> None:
    with ThreadPoolExecutor(1) as pool:
        names: dict[str, Any] = {
            "app": app,
            "errtrack": errtrack,
            "pool": pool,
            "processes": pool,
            "render": fail,
            "send_mail": fail,
            "threading": threading,
        }
        exec(blocks_of("threads.rst")[number], names)
        submitted = isinstance(names.get("future"), Future)
        if "order" in names:
            app.test_client().post("/orders")
            wait_until(lambda: sent.events)
        elif submitted:
            wait([names.pop("future")])
        elif "WatchedThreadPoolExecutor" in names:
            with names["pool"] as watched:
                wait([watched.submit(fail)])
            submitted = True
    names.clear()
    if submitted:
        wait_until(lambda: sent.events)
    for event in sent.events:
        assert event["exception"]["values"][-1]["type"] == Broken.__name__
