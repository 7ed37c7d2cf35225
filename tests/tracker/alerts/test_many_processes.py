"""Several processes watch one tracker: each alert is told once, by one that lives."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from waiting import wait_until

from flask_errtrack.tracker.database.schema import alert
from flask_errtrack.tracker.store import Store

from ..stores import broken, item, rows
from .receivers import WebServer, web_server

ROOT = Path(__file__).parents[3]
ISSUES = 12
# Claims run out in seconds here, not in minutes.
PROGRAM = """
import sys, threading
from flask_errtrack.settings.alert_rules import rules_of
from flask_errtrack.tracker.alerts import queue
from flask_errtrack.tracker.alerts.targets import targets_of
from flask_errtrack.tracker.alerts.watchman import Watchman
from flask_errtrack.tracker.store import Store

url, target, claim_seconds = sys.argv[1:]
queue.CLAIM_SECONDS = float(claim_seconds)
store = Store(url)
watchman = Watchman(store, targets_of([target]), rules_of(["new"]),
                    max_messages_per_hour=1000)
while True:
    watchman.round()
    print("round", flush=True)
    threading.Event().wait(0.02)
"""


@contextlib.contextmanager
def watching(
    url: str, server: WebServer, claim_seconds: float = 300
) -> Iterator[subprocess.Popen[str]]:
    """Run a process that tells the server; it has made a round."""
    target = f"json://127.0.0.1:{server.port}/?rto=60"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, url, target, str(claim_seconds)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "round\n"


def fail(store: Store, number: int) -> None:
    values = [broken(function=f"step_{number}")]
    store.record(item(exception={"values": values}))


def wait_until_sent(store: Store, count: int) -> None:
    wait_until(
        lambda: [one.status for one in rows(store, alert)] == ["sent"] * count,
        lambda: rows(store, alert),
    )


def test_several_processes_tell_everything_once(database_url: str) -> None:
    store = Store(database_url)
    store.check()
    with (
        web_server() as server,
        watching(database_url, server) as one,
        watching(database_url, server) as other,
    ):
        ready(one)
        ready(other)
        for number in range(ISSUES):
            fail(store, number)
        wait_until_sent(store, ISSUES)
        text = "\n".join(post["message"] for post in server.posts)
    store.close()
    for number in range(ISSUES):
        assert text.count(f"shop.prices in step_{number}\n") == 1


def test_what_a_killed_process_was_about_to_tell_another_one_tells(
    database_url: str,
) -> None:
    store = Store(database_url)
    store.check()
    with web_server() as server:
        server.may_answer.clear()
        with watching(database_url, server, 1) as killed:
            ready(killed)
            fail(store, 1)
            wait_until(lambda: server.posts)
        assert rows(store, alert)[0].status == "pending"
        server.may_answer.set()
        with watching(database_url, server, 1):
            wait_until_sent(store, 1)
        assert len(server.posts) == 2
    store.close()
