"""A receiver of envelopes that others wrote: Spotlight, as a process on loopback."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests

PROGRAM = (
    Path(__file__).parent / "receivers/node_modules/@spotlightjs/spotlight/dist/run.js"
)
#: It takes some seconds to start, and longer on a busy machine.
WAIT_SECONDS = 120.0
# It reports its own faults to its makers; nobody listens on the port for
# discarded traffic.
_NO_WAY_OUT = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}

Found = TypeVar("Found")


class Spotlight:
    """A running Spotlight: what it has received, and what it prints of it.

    :param program: the command that runs it.
    :param home: a folder that it may take for the user's.
    """

    def __init__(self, program: list[str], home: Path) -> None:
        self._changed = threading.Condition()
        self._port: int | None = None
        self._stream: requests.Response | None = None
        self._lines: list[str] = []
        self._printed: list[dict[str, Any]] = []
        self._items: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._process = subprocess.Popen(
            program,
            env={"PATH": os.environ["PATH"], "HOME": str(home), **_NO_WAY_OUT},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        assert self._process.stdout and self._process.stderr
        self._threads = [
            self._read(self._process.stdout, self._take_printed),
            self._read(self._process.stderr, self._take_line),
        ]

    def connect(self) -> None:
        """Wait until it listens, and follow what it receives."""
        port = self._wait_for("an address", lambda: self._port)
        self._stream = requests.get(
            f"http://127.0.0.1:{port}/stream", stream=True, timeout=(WAIT_SECONDS, None)
        )
        lines = (line.decode() for line in self._stream.iter_lines())
        self._threads.append(self._read(lines, self._take_envelope))

    @property
    def dsn(self) -> str:
        """Where to send to."""
        return f"http://key@127.0.0.1:{self._port}/1"

    def close(self) -> None:
        """End it at once; it has nothing to save, and takes long to end itself."""
        with self._process:
            # What "node" names may be a script that starts the real one.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            for thread in self._threads:
                thread.join()
        if self._stream is not None:
            self._stream.close()

    def received(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Wait for an item of a type whose payload has these fields; return it."""

        def find() -> dict[str, Any] | None:
            for header, payload in self._items:
                if header["type"] == kind and fields.items() <= payload.items():
                    return payload
            return None

        return self._wait_for(f"{kind} with {fields}", find)

    def printed(self, event_id: str | None) -> dict[str, Any]:
        """Wait for what it prints of an error; return it."""

        def find() -> dict[str, Any] | None:
            ids = [one["event_id"] for one in self._printed]
            return self._printed[ids.index(event_id)] if event_id in ids else None

        return self._wait_for(f"a line about {event_id}", find)

    @property
    def is_running(self) -> bool:
        """Whether the process lives: what it cannot read may end it."""
        return self._process.poll() is None

    def _wait_for(self, what: str, find: Callable[[], Found | None]) -> Found:
        with self._changed:
            is_over = self._changed.wait_for(
                lambda: find() is not None or not self.is_running, WAIT_SECONDS
            )
            found = find()
            assert is_over and found is not None, (
                f"Spotlight has not received {what}: {''.join(self._lines)}"
            )
            return found

    def _read(
        self, lines: Iterable[str], take: Callable[[str], None]
    ) -> threading.Thread:
        def read() -> None:
            # The stream breaks when the process ends.
            with suppress(requests.RequestException):
                for line in lines:
                    with self._changed:
                        take(line)
                        self._changed.notify_all()
            with self._changed:
                self._changed.notify_all()

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        return thread

    def _take_printed(self, line: str) -> None:
        self._printed.append(json.loads(line))

    def _take_line(self, line: str) -> None:
        self._lines.append(line)
        if found := re.search(r"listening on (\d+)", line):
            self._port = int(found[1])

    def _take_envelope(self, line: str) -> None:
        if line.startswith("data: "):
            _, items = json.loads(line.removeprefix("data: "))
            self._items += [(header, payload) for header, payload in items]


@contextmanager
def spotlight(home: Path) -> Iterator[Spotlight]:
    """Start Spotlight, or skip the test where it is not installed; in CI, fail it."""
    node = shutil.which("node")
    if node is None or not PROGRAM.is_file() or not _is_recent(node):
        reason = "no Spotlight: install Node.js 20, and `npm ci` in tests/receivers"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    command = "tail errors -p 0 --format json".split()
    running = Spotlight([node, str(PROGRAM), *command], home)
    try:
        running.connect()
        yield running
    finally:
        running.close()


def _is_recent(node: str) -> bool:
    version = subprocess.check_output([node, "--version"], text=True)
    return int(version.removeprefix("v").partition(".")[0]) >= 20
