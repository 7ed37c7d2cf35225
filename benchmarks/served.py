"""A contestant in a gunicorn with two workers: its requests come over HTTP."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from flask import Flask

from .turns import PATIENCE_SECONDS, ROOT, Runner, surroundings
from .worker import Worker

_LOOK_SECONDS = 0.05


def app(name: str, folder: str, address: str) -> Flask:
    """Return the app of a contestant, set up."""
    return Worker(name, Path(folder), address).app


class Served(Runner):
    """A contestant in a gunicorn. It knows the orders that are requests."""

    def start(self) -> None:
        """Start the server, on a port of its own."""
        self._numbers = itertools.count(1)
        made = f"app({self.name!r}, {str(self.folder)!r}, {self.sink.address!r})"
        command = [sys.executable, "-m", "gunicorn", f"benchmarks.served:{made}"]
        with (
            socket.create_server(("127.0.0.1", 0)) as listening,
            self.said.open("w") as said,
        ):
            self._port = listening.getsockname()[1]
            self.process = subprocess.Popen(
                [*command, "--workers=2", f"--bind=fd://{listening.fileno()}"],
                cwd=ROOT,
                env=surroundings(self.name),
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                pass_fds=[listening.fileno()],
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until it answers."""
        with suppress(ChildProcessError):
            self._get("/healthy")

    def begin(self, order: str, **arguments: Any) -> None:
        """Answer requests; whoever asks for them waits for them."""
        if order == "broken":
            kind, frames = arguments["kind"], arguments["frames"]
            for _ in range(arguments["times"]):
                self._get(f"/broken/{kind}/{frames}/{next(self._numbers)}")
        else:
            assert order == "healthy"
            self._get(arguments["path"])

    def finish(self) -> None:
        """Do nothing: all is done."""

    def is_busy(self) -> bool:
        """Tell that it is not."""
        return False

    def kill(self) -> None:
        """End all of its processes now."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _get(self, path: str) -> None:
        """Get a page; whatever its status is, it is an answer."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", path)
            connection.getresponse().read()
        except OSError as error:
            self.broken = f"does not answer: {error}; {self.last_words()}"
            raise ChildProcessError(f"{self.name} {self.broken}") from None
        finally:
            connection.close()
