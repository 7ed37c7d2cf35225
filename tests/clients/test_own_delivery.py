"""One app's client delivers into another app's tracker, whichever of them is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from delivery.program import Program, outbox
from tracker.stores import rows
from waiting import WAIT_SECONDS, wait_until

from flask_errtrack.tracker import projects
from flask_errtrack.tracker.database.schema import event, group_tag, issue
from flask_errtrack.tracker.store import Store

#: So many errors come at once, from four threads.
STORM = 80
_ROOT = Path(__file__).parent.parent.parent


@contextlib.contextmanager
def receiving(folder: Path, port: int, database_url: str) -> Iterator[None]:
    """Run an app with a tracker on gunicorn; at the end it is killed."""
    command = ["-m", "gunicorn", "-w", "2", "-k", "gthread", "--threads", "4"]
    with (folder / "receiver.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *command, "-b", f"127.0.0.1:{port}", "shop_host:app"],
            cwd=_ROOT / "tests" / "tracker",
            env={
                **os.environ,
                "PYTHONPATH": str(_ROOT),
                "HOST_FOLDER": str(folder / "receiver"),
                "ERRTRACK_TEST_DATABASE_URL": database_url,
            },
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until_open(port)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def marks_in(store: Store) -> Counter[str]:
    """Return how often each mark was counted."""
    found = [made for made in rows(store, group_tag) if made.key == "mark"]
    return Counter({made.value: made.event_count for made in found})


def wait_for(store: Store, marks: int) -> None:
    wait_until(lambda: marks_in(store).total() >= marks, lambda: marks_in(store))


def wait_until_open(port: int) -> None:
    def is_open() -> bool:
        with socket.socket() as visitor:
            return visitor.connect_ex(("127.0.0.1", port)) == 0

    wait_until(is_open)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def killed(program: Program, marks: Sequence[str] = ()) -> None:
    program.fail(marks)
    program.signal(signal.SIGKILL)
    assert program.ended() == -signal.SIGKILL


def test_a_kill_on_either_side_loses_nothing_and_counts_nothing_twice(
    tmp_path: Path,
) -> None:
    database_url, port = f"sqlite:///{tmp_path}/errtrack.db", free_port()
    store = Store(database_url)
    project = projects.find(store, projects.HOME_ID)
    assert project is not None
    dsn = projects.dsn_of(project, f"http://127.0.0.1:{port}/errtrack")
    early = [f"early{number}" for number in range(5)]
    with Program(tmp_path, dsn) as program:
        # Nobody receives, and the sender ends.
        killed(program, early)
    assert len(outbox(tmp_path)) == len(early)
    with Program(tmp_path, dsn) as program:
        with receiving(tmp_path, port, database_url):
            program.get_ready()
            wait_for(store, len(early))
            program.give("storm", "4", "storm", str(STORM))
            wait_for(store, len(early) + 1)
        assert program.answer() == STORM
        killed(program)
    with Program(tmp_path, dsn) as program, receiving(tmp_path, port, database_url):
        program.get_ready()
        wait_for(store, len(early) + STORM)
        assert program.tell("flush", str(WAIT_SECONDS))
        assert program.dropped() == {}
    assert outbox(tmp_path) == []
    everything = {*early, *(f"storm{number}" for number in range(STORM))}
    assert marks_in(store) == dict.fromkeys(everything, 1)
    (made,) = rows(store, issue)
    assert made.event_count == len(rows(store, event)) == len(everything)
    store.close()
