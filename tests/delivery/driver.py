"""One process of the app under test: does what it is told, a line of stdin each.

It answers each order with a line of JSON. The end of stdin is its normal end.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from flask_errtrack import Client

from .app import Marked, app, errtrack, transport_of
from .forking import children, fail, fork_in_a_storm


def get(path: str) -> int:
    """Return the status with which the app answers."""
    return app.test_client().get(path).status_code


def storm(threads: str, prefix: str, count: str) -> int:
    """Fail from several threads at once; return how many failed as they should."""
    marks = [f"{prefix}{number}" for number in range(int(count))]
    parts = [marks[start :: int(threads)] for start in range(int(threads))]
    done: list[int] = []

    def run(part: Sequence[str]) -> None:
        done.extend(fail(*part))

    started = [threading.Thread(target=run, args=(part,)) for part in parts]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return done.count(500)


def seconds_to_fail(*marks: str) -> list[float]:
    """Return how long each failing request takes."""
    taken = []
    for mark in marks:
        begin = time.perf_counter()
        fail(mark)
        taken.append(time.perf_counter() - begin)
    return taken


def report(mark: str) -> None:
    """Have a person say something about an event."""
    client: Client = app.extensions["errtrack"]
    client.capture_user_report(
        {"event_id": "0" * 32, "name": mark, "email": "", "comments": mark}
    )


def log(*marks: str) -> None:
    """Log an error once a mark, as one does who goes on to raise it."""
    for mark in marks:
        with errtrack.push_scope() as scope:
            scope.set_tag("mark", mark)
            try:
                raise Marked
            except Marked:
                logging.getLogger("shop").exception("failed")


def flush(seconds: str) -> bool:
    """Wait until everything is delivered."""
    with app.app_context():
        return errtrack.flush(float(seconds))


def stats() -> dict[str, int]:
    """Return what was dropped, by reason."""
    return dict(transport_of(app).dropped)


def close() -> None:
    """Close the app's client."""
    with app.app_context():
        errtrack.close()


def workers() -> int:
    """Return how many threads deliver."""
    return [thread.name for thread in threading.enumerate()].count("flask-errtrack")


def fill_disk() -> None:
    """Let nothing more be written to any file."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def free_disk() -> None:
    """Let files be written again."""
    unlimited = resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))


def capture(mark: str, client: Client = app.extensions["errtrack"]) -> None:
    """Capture a message outside of any request."""
    client.capture_message("late", tags={"mark": mark})


class Late:
    """Captures when the interpreter clears its modules."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        # By then, this module has no names left.
        self.capture = capture

    def __del__(self) -> None:
        self.capture(self.mark)


kept: list[Late] = []


def capture_late(mark: str) -> None:
    """Capture when the interpreter is all but gone."""
    kept.append(Late(mark))


def capture_at_exit(mark: str) -> None:
    """Capture after the exit handlers of later ones have run."""
    atexit.register(capture, mark)


def raise_it() -> None:
    raise LookupError("nobody catches this")


ORDERS: dict[str, Callable[..., Any]] = {
    "get": get,
    "fail": fail,
    "children": children,
    "fork in a storm": fork_in_a_storm,
    "storm": storm,
    "seconds to fail": seconds_to_fail,
    "report": report,
    "log": log,
    "flush": flush,
    "stats": stats,
    "close": close,
    "workers": workers,
    "fill disk": fill_disk,
    "free disk": free_disk,
    "capture late": capture_late,
    "capture at exit": capture_at_exit,
    "sys.exit": lambda status: sys.exit(int(status)),
    "os._exit": lambda status: os._exit(int(status)),
    "raise": raise_it,
}


def main() -> None:
    """Do what stdin says."""
    # Who started the tests in the background may have had Python ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(ORDERS[name](*arguments)), flush=True)


if __name__ == "__main__":
    main()
