"""The program whose instructions are counted: each path that an app notices, by itself.

It asks for its parent's number before a path and after it: a call of the C library that
nothing else makes, at which valgrind writes down what it counted since the last one.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

# Nothing of Flask here: its import is the first path.

#: Without Flask-ErrTrack, and with it.
ALONE, OURS = "alone", "ours"
IMPORT, REQUEST = "import", "healthy request"
TO_DSN, WITH_TRACKER = "set-up to a DSN", "set-up with a tracker"
_WARM_UP = 20
_FRAMES = 10


class Paths:
    """Runs paths, and keeps what was run how often, in order."""

    def __init__(self) -> None:
        self.run: list[tuple[str, str, int]] = []

    def count(
        self,
        side: str,
        name: str,
        prepare: Callable[[], Callable[[], object]],
        times: int = 100,
    ) -> None:
        """Let one path be counted.

        :param prepare: returns what one run of it is to call.
        """
        for _ in range(_WARM_UP):
            prepare()()
        self._count(side, name, [prepare() for _ in range(times)])

    def once(self, side: str, name: str, call: Callable[[], object]) -> None:
        """Let what happens once in a program be counted."""
        self._count(side, name, [call])

    def _count(
        self, side: str, name: str, calls: Sequence[Callable[[], object]]
    ) -> None:
        gc.collect()
        os.getppid()
        for call in calls:
            call()
        os.getppid()
        self.run.append((side, name, len(calls)))


class Nowhere:
    """A transport that keeps the newest envelope, and sends nothing."""

    newest: Any = None

    def send(self, envelope: Any) -> None:
        """Keep it."""
        self.newest = envelope


def main() -> None:
    """Run all paths, and write down which they were."""
    folder = Path(sys.argv[1])
    gc.disable()
    paths = Paths()
    imported(paths, ALONE, "flask")
    imported(paths, OURS, "flask_errtrack")
    set_up(paths, folder)
    alone(paths, folder / "alone")
    envelope = with_ours(paths, folder / "ours")
    unsampled(paths, folder / "unsampled")
    stored(paths, folder / "tracker.db", envelope)
    received(paths, folder / "receiver.db", envelope)
    (folder / "paths.json").write_text(json.dumps(paths.run))


def imported(paths: Paths, side: str, module: str) -> None:
    """Import what is not imported yet."""
    paths.once(side, IMPORT, partial(importlib.import_module, module))


def set_up(paths: Paths, folder: Path) -> None:
    """Set one app up for each of two destinations, with all that they import."""
    from flask import Flask

    from flask_errtrack import ErrTrack

    options = {TO_DSN: {"dsn": "http://key@127.0.0.1:9/1"}, WITH_TRACKER: {}}
    for name, given in options.items():
        app = Flask(name, instance_path=str(folder / name))
        paths.once(OURS, name, partial(ErrTrack, app, **given))
        with app.app_context():
            app.extensions["errtrack"].close()


def alone(paths: Paths, folder: Path) -> None:
    """Run what an app does without Flask-ErrTrack."""
    from .app import make_app

    app, _ = make_app(folder)
    _requests(paths, ALONE, app)


def _requests(paths: Paths, side: str, app: Any) -> None:
    from .app import environ, respond

    def request(path: str) -> Callable[[], Callable[[], object]]:
        return lambda: partial(respond, app, environ(path))

    paths.count(side, REQUEST, request("/healthy"))
    paths.count(side, "10 log records", request("/logs/20"))
    paths.count(side, "10 log records below the level", request("/logs/10"))
    paths.count(side, "ignored error", request("/broken/ignored/1/1"))
    numbers = itertools.count()

    def failing() -> Callable[[], object]:
        # Each another error: of the same one, less is read, for so long by the clock.
        path = f"/broken/light/{_FRAMES}/{next(numbers)}"
        return partial(respond, app, environ(path))

    paths.count(side, "failing request", failing, times=30)


def with_ours(paths: Paths, folder: Path) -> Any:
    """Run the same with it, and what its own functions do; return an envelope."""
    from flask_errtrack import ErrTrack

    from .app import Ignored, make_app

    app, _ = make_app(folder)
    transport, errtrack = Nowhere(), ErrTrack()
    errtrack.init_app(app, transport=transport, ignore_exceptions=[Ignored])
    _requests(paths, OURS, app)
    envelope = transport.newest
    with app.app_context():
        note = partial(errtrack.add_breadcrumb, message="paid", category="shop")
        paths.count(OURS, "breadcrumb", lambda: note)
        again = partial(errtrack.capture_exception, ValueError("met before"))
        paths.count(OURS, "error met before", lambda: again)
        errtrack.close()
    return envelope


def unsampled(paths: Paths, folder: Path) -> None:
    """Run what becomes of an error that is not in the sample."""
    from flask_errtrack import ErrTrack

    from .app import make_app

    app, _ = make_app(folder)
    errtrack = ErrTrack(app, transport=Nowhere(), sample_rate=0.0)

    def capture() -> Callable[[], object]:
        return partial(errtrack.capture_exception, ValueError("one of many"))

    with app.app_context():
        paths.count(OURS, "unsampled error", capture)
        errtrack.close()


def stored(paths: Paths, path: Path, envelope: Any) -> None:
    """Run what the tracker does with an event, the next of the same issue."""
    from flask_errtrack.protocol.envelope import Envelope
    from flask_errtrack.tracker.store import Store

    from .load import different

    store = Store(f"sqlite:///{path}")
    event = json.loads(envelope.items[0].payload)

    def record() -> Callable[[], object]:
        return partial(store.record, Envelope.from_event(different(event)).items[0])

    paths.count(OURS, "stored event", record, times=30)
    store.close()


def received(paths: Paths, path: Path, envelope: Any) -> None:
    """Run what the tracker does with such an event when another app sends it."""
    from werkzeug.test import EnvironBuilder

    from flask_errtrack.tracker import projects
    from flask_errtrack.tracker.store import Store

    from .app import respond
    from .load import envelopes
    from .receiver import PREFIX, app_of

    store = Store(f"sqlite:///{path}")
    app, key = app_of(store), projects.every(store)[0].public_key
    event = json.loads(envelope.items[0].payload)
    headers = [
        ("Content-Encoding", "gzip"),
        ("X-Sentry-Auth", f"Sentry sentry_version=7, sentry_key={key}"),
    ]

    def request() -> Callable[[], object]:
        (body,) = envelopes([event], 1)
        target = f"{PREFIX}/api/1/envelope/"
        built = EnvironBuilder(target, method="POST", headers=headers, data=body)
        return partial(respond, app, built.get_environ())

    paths.count(OURS, "received event", request, times=30)
    # What is refused costs little.
    with store.reading() as connection:
        found = connection.exec_driver_sql("SELECT event_count FROM errtrack_issue")
        assert found.scalar() == _WARM_UP + 30
    store.close()


if __name__ == "__main__":
    main()
