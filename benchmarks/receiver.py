"""The tracker as a process of its own: ``python -m benchmarks.receiver DATABASE_URL``.

As ``errtrack serve`` runs it, but without a quota: what is measured is how much it
can take. In place of the URL, ``nothing`` stores nothing: that is what HTTP takes.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

from flask import Blueprint, Flask, request
from waitress.server import create_server

from flask_errtrack.tracker import projects
from flask_errtrack.tracker.dashboard.views import add_pages
from flask_errtrack.tracker.ingest.quota import Quota
from flask_errtrack.tracker.ingest.views import add_ingest
from flask_errtrack.tracker.rest.views import add_api
from flask_errtrack.tracker.store import Store
from flask_errtrack.web.access import Access

from .process import resident_bytes

THREADS = 8
PREFIX = "/errtrack"
KEY = "key"
NOTHING = "nothing"
_NO_END = 1e12


class Receiver:
    """A running tracker."""

    def __init__(self, process: Popen[str]) -> None:
        assert process.stdout is not None
        self._process = process
        #: Where it takes events.
        self.dsn = process.stdout.readline().strip()

    def cpu_seconds(self) -> float:
        """Return the processor's time that it took; 0 where that cannot be known."""
        status = Path(f"/proc/{self._process.pid}/stat")
        if not status.is_file():
            return 0.0
        fields = status.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def written_bytes(self) -> int:
        """Return how much it had written to the disk; 0 where that cannot be known."""
        facts = Path(f"/proc/{self._process.pid}/io")
        if not facts.is_file():
            return 0
        lines = facts.read_text().splitlines()
        return int(next(x for x in lines if x.startswith("write_bytes")).split()[1])

    def resident_bytes(self) -> int:
        """Return how much memory it holds; 0 where that cannot be known."""
        return resident_bytes(self._process.pid)


@contextmanager
def running(database_url: str) -> Iterator[Receiver]:
    """Run a tracker with a database, or with ``NOTHING``."""
    command = [sys.executable, "-m", __name__, database_url]
    with Popen(command, stdout=PIPE, text=True) as process:
        try:
            yield Receiver(process)
        finally:
            process.kill()


def app_of(store: Store) -> Flask:
    """Return an app that receives, and shows its pages to everybody."""
    app = Flask(__name__)
    blueprint = Blueprint(
        "errtrack",
        "flask_errtrack",
        url_prefix=PREFIX,
        template_folder="templates",
        static_folder="static",
    )
    add_pages(blueprint, store, Access(lambda: [KEY], lambda: True))
    add_api(blueprint, store, lambda: [KEY])
    add_ingest(blueprint, store, Quota(_NO_END, _NO_END))
    app.register_blueprint(blueprint)
    return app


def forgetful_app() -> Flask:
    """Return an app that takes what is sent, answers, and forgets it."""
    app = Flask(__name__)

    @app.post(f"{PREFIX}/api/<int:project>/envelope/")
    def take(project: int) -> dict[str, int]:
        return {"bytes": len(request.get_data())}

    return app


def main() -> None:
    """Serve until killed; say the DSN first."""
    listener = socket.create_server(("127.0.0.1", 0))
    host = f"127.0.0.1:{listener.getsockname()[1]}"
    if sys.argv[1] == NOTHING:
        app, dsn = forgetful_app(), f"http://{KEY}@{host}{PREFIX}/1"
    else:
        store = Store(sys.argv[1])
        app = app_of(store)
        dsn = projects.dsn_of(projects.every(store)[0], f"http://{host}{PREFIX}")
    server = create_server(app, sockets=[listener], threads=THREADS)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    print(dsn, flush=True)
    server.run()


if __name__ == "__main__":
    main()
