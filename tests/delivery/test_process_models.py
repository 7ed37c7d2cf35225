"""Real servers with several processes: each answered error arrives once."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from .program import dropped_on_this_host, outbox
from .receiver import Receiver, assert_each_arrived_once
from .served import Served

MARKS = [f"m{number}" for number in range(60)]
LONG_SECONDS = 60.0


def gunicorn(*words: str) -> list[str]:
    """Return the command of a gunicorn with two workers."""
    start = [sys.executable, "-m", "gunicorn", "-w", "2", "-b", "127.0.0.1:0"]
    # A worker that does not answer its master is found out, and not helped.
    patience = ["--timeout", "300", "--graceful-timeout", "300"]
    return [*start, *patience, *words, "delivery.app:app"]


def uwsgi(*words: str) -> list[str]:
    """Return the command of a uWSGI with two workers."""
    run = "import sys, pyuwsgi; pyuwsgi.run(sys.argv[1:])"
    start = "--http-socket 127.0.0.1:0 --master --processes 2 --die-on-term --need-app"
    module = ["--module", "delivery.app:app"]
    return [sys.executable, "-c", run, *start.split(), *module, *words]


# With threads, and with an app that each worker loads, a uWSGI that is stopped soon
# after its start hangs at times, whatever the app is. Then its master ends it.
MERCY = ("--worker-reload-mercy", "15")

SERVERS = {
    "sync": gunicorn("-k", "sync"),
    "sync preload": gunicorn("-k", "sync", "--preload"),
    "gthread": gunicorn("-k", "gthread", "--threads", "4"),
    "gthread preload": gunicorn("-k", "gthread", "--threads", "4", "--preload"),
    "gevent": gunicorn("-k", "gevent"),
    "gevent preload": gunicorn("-k", "gevent", "--preload"),
    "uwsgi": uwsgi(),
    "uwsgi lazy": uwsgi("--lazy-apps", *MERCY),
    "uwsgi threads": uwsgi("--threads", "4", *MERCY),
    "uwsgi threads lazy": uwsgi("--threads", "4", "--lazy-apps", *MERCY),
}


@pytest.fixture(params=SERVERS)
def command(request: pytest.FixtureRequest) -> list[str]:
    """Return the command of a server, whose package has to be here."""
    name = str(request.param)
    package = {"gevent": "gevent", "uwsgi": "pyuwsgi"}.get(name.split()[0])
    if package and importlib.util.find_spec(package) is None:
        if "CI" in os.environ:
            pytest.fail(f"there is no {package} here")
        pytest.skip(f"needs {package}")
    return SERVERS[name]


def test_each_error_arrives_once(command: list[str], tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        with Served(command, tmp_path, receiver.dsn) as served:
            assert served.fail(MARKS) == MARKS
            receiver.until_arrived(MARKS)
            served.stop()
            assert served.all_have_ended()
        assert_each_arrived_once(receiver, MARKS)
    assert outbox(tmp_path) == []


def test_a_server_that_was_down_gets_each_error_once(
    command: list[str], tmp_path: Path
) -> None:
    with Receiver(tmp_path) as receiver:
        receiver.stop()
        with Served(command, tmp_path, receiver.dsn) as served:
            assert served.fail(MARKS) == MARKS
            receiver.start()
            receiver.until_arrived(MARKS)
            served.stop()
            assert served.all_have_ended()
        assert_each_arrived_once(receiver, MARKS)
    assert outbox(tmp_path) == []


def test_pages_are_served_and_the_end_comes_while_the_server_hangs(
    command: list[str], tmp_path: Path
) -> None:
    with Receiver(tmp_path) as receiver:
        receiver.play("hang")
        options = {"timeout_seconds": LONG_SECONDS, "shutdown_timeout_seconds": 0.5}
        with Served(command, tmp_path, receiver.dsn, **options) as served:
            # Each has something to deliver, and one has the turn.
            failed = served.pids(2, "/fail/m")
            receiver.until_requests(1)
            # None of them waits, neither for the server nor for the other.
            assert served.pids(2) == failed
            served.stop()
            assert served.all_have_ended()
        assert len(outbox(tmp_path)) >= 2


@pytest.mark.parametrize("who", ["a worker", "the master"])
def test_a_kill_loses_nothing(who: str, command: list[str], tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        receiver.stop()
        with Served(command, tmp_path, receiver.dsn) as served:
            marks = served.fail(MARKS)
            served.kill(served.pid() if who == "a worker" else served.process.pid)
            if who == "a worker":
                # There is another soon.
                marks += served.fail([f"later{mark}" for mark in MARKS])
                assert len(marks) > len(MARKS)
            receiver.start()
        # All processes are dead now.
        with Served(command, tmp_path, receiver.dsn) as served:
            receiver.until_arrived(marks)
            served.stop()
            assert served.all_have_ended()
        found = receiver.event_ids()
        assert set(marks) <= set(found)
        assert {len(ids) for ids in found.values()} == {1}
    assert outbox(tmp_path) == []


def test_what_does_not_fit_is_counted_by_every_process(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        receiver.stop()
        with Served(
            SERVERS["sync"], tmp_path, receiver.dsn, outbox_max_bytes=20_000
        ) as served:
            assert served.fail(MARKS) == MARKS
            receiver.start()
            served.stop()
            assert served.all_have_ended()
        with Served(SERVERS["sync"], tmp_path, receiver.dsn) as served:
            served.fail(["last"])
            receiver.until_arrived(["last"])
            served.stop()
            assert served.all_have_ended()
        arrived = receiver.arrived()
        assert set(arrived.values()) == {1}
    dropped = dropped_on_this_host(tmp_path)
    assert dropped["queue_overflow"] > 0
    assert len(arrived) + dropped.total() == len(MARKS) + 1
    assert outbox(tmp_path) == []


@pytest.mark.parametrize("worker", ["sync", "gthread", "gevent"])
def test_workers_that_are_recycled_under_load_lose_nothing(
    worker: str, tmp_path: Path
) -> None:
    command = gunicorn("-k", worker, "--max-requests", "5")
    marks = [f"m{number}" for number in range(50)]
    with Receiver(tmp_path) as receiver:
        with Served(command, tmp_path, receiver.dsn) as served:
            answered = served.fail(marks)
            receiver.until_arrived(answered)
            served.stop()
            assert served.all_have_ended()
        found = receiver.event_ids()
        assert set(answered) <= set(found) <= set(marks)
        assert {len(ids) for ids in found.values()} == {1}
    assert outbox(tmp_path) == []


def test_a_reload_loses_nothing(tmp_path: Path) -> None:
    watched = tmp_path / "watched.txt"
    watched.touch()
    command = [sys.executable, "-m", "flask", "--app", "delivery.app", "run", "--debug"]
    command += ["--port", "0", "--extra-files", str(watched)]
    with Receiver(tmp_path) as receiver:
        receiver.stop()
        with Served(command, tmp_path, receiver.dsn) as served:
            assert served.fail(MARKS) == MARKS
            before = served.pid()
            watched.write_text("changed")
            served.until_another_than(before)
            receiver.start()
            receiver.until_arrived(MARKS)
            served.stop()
            assert served.all_have_ended()
        assert_each_arrived_once(receiver, MARKS)
