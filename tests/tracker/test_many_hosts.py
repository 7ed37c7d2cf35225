"""Several hosts, each with several workers, write into one database at once.

A host is a gunicorn with an outbox of its own. Counters must be exact, nothing may be
lost, and no two writers may wait for each other for ever.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

from sqlalchemy import text
from waiting import WAIT_SECONDS, wait_until

from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.store import Store

from .stores import rows

HOSTS = 3
WORKERS = 2
KINDS = 4
USERS = 5
#: Each of them once on each host, for each kind and user.
TURNS = 4
_PORT = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+)")
_ROOT = Path(__file__).parent.parent.parent


@contextlib.contextmanager
def running(folder: Path, database_url: str) -> Iterator[int]:
    """Run a host, and yield its port."""
    folder.mkdir()
    log = folder / "log"
    words = ["gunicorn", "-w", str(WORKERS), "-k", "gthread", "--threads", "4"]
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", *words, "-b", "127.0.0.1:0", "shop_host:app"],
            cwd=Path(__file__).parent,
            env={
                **os.environ,
                "PYTHONPATH": str(_ROOT),
                "HOST_FOLDER": str(folder),
                "ERRTRACK_TEST_DATABASE_URL": database_url,
            },
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield port_of(process, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def port_of(process: subprocess.Popen[bytes], log: Path) -> int:
    """Return the port of a server when it answers."""
    wait_until(lambda: _PORT.search(log.read_text()) or process.poll() is not None)
    found = _PORT.search(log.read_text())
    assert found is not None, log.read_text()
    port = int(found[1])
    assert get(port, "/ready") == 200, log.read_text()
    return port


def get(port: int, path: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status


def fail_everywhere(ports: Sequence[int]) -> int:
    """Fail on all hosts at once; return how many errors there were."""
    visits = [
        (port, f"/buy/{kind}/user-{user}")
        for _ in range(TURNS)
        for kind in range(KINDS)
        for user in range(USERS)
        for port in ports
    ]
    with ThreadPoolExecutor(4 * HOSTS) as browsers:
        statuses = browsers.map(lambda visit: get(*visit), visits)
        assert Counter(statuses) == {500: len(visits)}
    return len(visits)


def wait_until_counted(store: Store, events: int, folders: Sequence[Path]) -> None:
    """Wait until all is delivered: counted once, and gone from all outboxes."""
    wait_until(
        lambda: counted(store) >= events and not any(map(waiting, folders)),
        lambda: (counted(store), *map(waiting, folders)),
    )


def counted(store: Store) -> int:
    return sum(issue.event_count for issue in rows(store, schema.issue))


def waiting(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.envelope")]


def tags(store: Store, key: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for row in rows(store, schema.group_tag):
        if row.key == key:
            found[row.value] += row.event_count
    return found


def deadlocks(store: Store) -> int:
    """Return how many there were, as the server has counted them."""
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    with store.reading() as connection:
        if connection.dialect.name == "sqlite":
            return 0
        return int(connection.scalar(text(query)) or 0)


def test_several_hosts_write_into_one_tracker_and_nothing_is_lost(
    empty_url: str, tmp_path: Path
) -> None:
    folders = [tmp_path / f"host-{number}" for number in range(HOSTS)]
    store = Store(empty_url)
    store.check()
    with contextlib.ExitStack() as hosts:
        ports = [hosts.enter_context(running(one, empty_url)) for one in folders]
        events = fail_everywhere(ports)
        wait_until_counted(store, events, folders)
        for port in ports:
            assert get(port, "/errtrack/health") == 200
    each = events // KINDS
    issues = rows(store, schema.issue)
    assert [issue.event_count for issue in issues] == [each] * KINDS
    assert [issue.user_count for issue in issues] == [USERS] * KINDS
    assert [one.event_count for one in rows(store, schema.group)] == [each] * KINDS
    assert len(rows(store, schema.event)) == events
    assert sum(hour.event_count for hour in rows(store, schema.group_hour)) == events
    assert tags(store, "kind") == {str(kind): each for kind in range(KINDS)}
    assert len(rows(store, schema.person)) == USERS
    created = [one for one in rows(store, schema.activity) if one.kind == "created"]
    assert len(created) == KINDS
    assert deadlocks(store) == 0
    store.close()
