"""A server of the app under test, with all its processes, as the tests see it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from itertools import compress
from pathlib import Path
from types import TracebackType

from .program import environment
from .receiver import WAIT_SECONDS

_PORT = re.compile(r"127\.0\.0\.1:([1-9]\d*)")
_CLIENTS = 4
# Whoever is asked to end is not asked again for so long.
_PATIENCE_SECONDS = 10.0
#: Nobody waits longer for a page.
PAGE_SECONDS = 30.0


class Served:
    """A server that listens on a free port of loopback; a context manager.

    :param command: it says on which port it listens.
    :param folder: the app's instance folder is in it.
    :param options: of the app.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        dsn: str | None,
        first_pause_seconds: float | None = None,
        **options: object,
    ) -> None:
        self._command = command
        self._folder = folder
        self._environment = environment(folder, dsn, first_pause_seconds, **options)
        self._port = 0
        self._said: list[str] = []
        self._has_port = threading.Event()

    def __enter__(self) -> Served:
        self.process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._has_port.wait(WAIT_SECONDS)
        assert self._port, self.log()
        self.pid()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self._listener.join(WAIT_SECONDS)
        with self.process:
            # Closes its pipe, and waits.
            pass

    def _listen(self) -> None:
        """Read what it says, until the last of its processes has ended."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._said.append(line)
            found = _PORT.search(line)
            if found and not self._port:
                self._port = int(found[1])
                self._has_port.set()
        self._has_port.set()

    def log(self) -> str:
        """Return what it has said so far."""
        return "".join(self._said)

    def get(self, path: str) -> tuple[int, int]:
        """Return the status of a page, and the process that has answered.

        :raises OSError, HTTPException: there was no answer.
        """
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PAGE_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response.status, int(response.headers.get("X-Process", "0"))
        finally:
            connection.close()

    def pid(self) -> int:
        """Return a process that answers."""
        status, pid = self.get("/ready")
        assert status == 200
        return pid

    def until_another_than(self, pid: int) -> None:
        """Wait until another process answers. One that ends breaks its connections."""
        until = time.monotonic() + WAIT_SECONDS
        answering = pid
        while answering == pid:
            assert time.monotonic() < until, self.log()
            with contextlib.suppress(OSError, HTTPException):
                answering = self.pid()

    def pids(self, count: int, path: str = "/ready") -> set[int]:
        """Ask for a page, several at once, until so many processes have answered."""
        until = time.monotonic() + WAIT_SECONDS
        found: set[int] = set()
        with ThreadPoolExecutor(_CLIENTS) as clients:
            while len(found) < count:
                assert time.monotonic() < until, f"only {found} answer: {self.log()}"
                found |= {pid for _, pid in clients.map(self.get, [path] * 40)}
        return found

    def fail(self, marks: Sequence[str]) -> list[str]:
        """Fail once a mark, several at once; return those that were answered."""

        def answered(mark: str) -> bool:
            with contextlib.suppress(OSError, HTTPException):
                return self.get(f"/fail/{mark}")[0] == 500
            return False

        with ThreadPoolExecutor(_CLIENTS) as clients:
            return list(compress(marks, clients.map(answered, marks)))

    def kill(self, pid: int) -> None:
        """Kill one of its processes."""
        os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """Have it end as services do."""
        until = time.monotonic() + WAIT_SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < until, self.log()
            # A uWSGI that has only just started may not hear it the first time.
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_PATIENCE_SECONDS)

    def all_have_ended(self) -> bool:
        """Wait until none of its processes is left; tell whether that is so."""
        self._listener.join(WAIT_SECONDS)
        return not self._listener.is_alive()
