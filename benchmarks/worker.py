"""A contestant in a process of its own: ``python -m benchmarks.worker``.

It does what it is told on standard input, an order a line, and answers on standard
output, a line of JSON each; it ends when its input ends.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from .alone import hide_others
from .app import FRAMES, Ignored, broken, environ, logged_in_cookie, make_app, respond
from .peers import CONTESTANTS, Setting
from .process import resident_bytes, thread_count

FLUSH_SECONDS = 30.0


class Worker:
    """What can be asked of a contestant."""

    def __init__(self, name: str, folder: Path, address: str, **options: Any) -> None:
        self.app, self._users = make_app(folder)
        self._cookie = logged_in_cookie(self.app)
        self._numbers = itertools.count(1)
        setting = Setting(self.app, address, Ignored, **options)
        contestant = CONTESTANTS[name]
        self._flush, self._capture = contestant.set_up(setting), contestant.capture

    def healthy(self, path: str, times: int, is_logged_in: bool = False) -> list[float]:
        """Return the seconds of each of so many requests that go well."""
        cookie = self._cookie if is_logged_in else ""
        environs = [environ(path, cookie) for _ in range(times)]
        return [respond(self.app, one) for one in environs]

    def broken(self, kind: str, times: int, frames: int = FRAMES) -> list[float]:
        """Return the seconds of each of so many requests that fail."""
        paths = [f"/broken/{kind}/{frames}/{next(self._numbers)}" for _ in range(times)]
        environs = [environ(path) for path in paths]
        # What waited for its turn is slow at first, whoever watches it.
        respond(self.app, environ("/healthy"))
        return [respond(self.app, one) for one in environs]

    def broken_at_once(
        self, kind: str, times: int, threads: int, frames: int
    ) -> list[float]:
        """Do as ``broken`` does in several threads, each for its share."""
        with ThreadPoolExecutor(threads) as pool:
            share = partial(self.broken, kind, times // threads, frames)
            found = [pool.submit(share) for _ in range(threads)]
            return [seconds for one in found for seconds in one.result()]

    def captured_again(self, times: int) -> list[float]:
        """Return the seconds of each report of an exception that is reported."""
        assert self._capture is not None
        found = []
        with self.app.test_request_context("/healthy"):
            try:
                broken("different", FRAMES, next(self._numbers))
            except Exception as error:  # noqa: BLE001 - as different as they are
                self._capture(self.app, error)
                for _ in range(times):
                    started = time.perf_counter()
                    self._capture(self.app, error)
                    found.append(time.perf_counter() - started)
        return found

    def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Wait until all is delivered."""
        self._flush(seconds)

    def facts(self) -> dict[str, Any]:
        """Return what the process is like now."""
        return {
            "resident_bytes": resident_bytes(),
            "threads": thread_count() - 1,
            "cpu_seconds": time.process_time(),
            "users_loaded": self._users.loaded,
        }


def main() -> None:
    """Obey."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=CONTESTANTS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("address")
    parser.add_argument("options", type=json.loads, help="of Setting, as JSON")
    given = parser.parse_args()
    hide_others()
    # Whatever else is printed here is no answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    worker = Worker(given.name, given.folder, given.address, **given.options)
    print(json.dumps(None), file=answers, flush=True)
    for line in sys.stdin:
        order, arguments = json.loads(line)
        found = getattr(worker, order)(**arguments)
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
