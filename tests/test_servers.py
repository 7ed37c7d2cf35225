"""Real servers, which log what leaves the app: it is still one event."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from flask_errtrack.tracker import Tracker
from flask_errtrack.tracker.dashboard.finding.issue_list import issue_rows

APP = """
    from flask import Flask, Response, request
    from flask_errtrack import ErrTrack

    app = Flask(__name__, instance_path={folder!r})
    ErrTrack(app)

    @app.get("/plain")
    def plain():
        raise LookupError("plain")

    @app.get("/stream")
    def stream():
        def chunks():
            yield "a"
            raise ValueError("stream")
        return Response(chunks())

    @app.get("/teardown")
    def teardown():
        return "fine"

    @app.teardown_request
    def fail(error):
        if request.path == "/teardown":
            raise KeyError("teardown")

    @app.get("/ready")
    def ready():
        return "ready"
"""
SERVERS = {
    "gunicorn sync": ["gunicorn", "-w", "2", "-b", "127.0.0.1:{port}", "app:app"],
    "gunicorn gthread": [
        *["gunicorn", "-w", "1", "-k", "gthread", "--threads", "4", "--preload"],
        *["-b", "127.0.0.1:{port}", "app:app"],
    ],
    "flask run": ["flask", "run", "--port", "{port}"],
}


@contextlib.contextmanager
def running(command: list[str], folder: Path) -> Iterator[int]:
    """Run a server of the app, and yield its port."""
    (folder / "app.py").write_text(textwrap.dedent(APP.format(folder=str(folder))))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [word.format(port=port) for word in command]
    root = str(Path(__file__).parent.parent)
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until_ready(process, port)
        yield port
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    """Ask until the server answers; a refused connection returns at once."""
    for _ in range(100_000):
        assert process.poll() is None, "the server ended"
        with contextlib.suppress(OSError, HTTPException):
            if get(port, "/ready"):
                return
    pytest.fail("the server did not answer")


def until_delivered(port: int, folder: Path) -> None:
    """Ask until nothing waits in the outbox."""
    for _ in range(10_000):
        get(port, "/ready")
        if not list(folder.glob("errtrack-outbox/*/*.envelope")):
            return
    pytest.fail("the outbox was not emptied")


def get(port: int, path: str) -> bytes:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def recorded(folder: Path) -> list[dict[str, Any]]:
    store = Tracker(f"sqlite:///{folder}/errtrack.db").store
    try:
        return issue_rows(store, now=0.0)
    finally:
        store.close()


@pytest.mark.parametrize("command", SERVERS.values(), ids=SERVERS)
def test_what_leaves_the_app_is_one_event_and_a_kill_loses_none(
    command: list[str], tmp_path: Path
) -> None:
    with running(command, tmp_path) as port:
        for path in ("/plain", "/stream", "/teardown"):
            # What is sent before an error breaks the answer differs from server to
            # server.
            with contextlib.suppress(OSError, HTTPException):
                get(port, path)
        # The master or the process, and its workers.
        pids = subprocess.run(
            ["pgrep", "-f", str(port)], capture_output=True, text=True
        ).stdout.split()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    with running(command, tmp_path) as port:
        until_delivered(port, tmp_path)
    assert {row["title"]: row["events"] for row in recorded(tmp_path)} == {
        "LookupError: plain": 1,
        "ValueError: stream": 1,
        "KeyError: 'teardown'": 1,
    }
