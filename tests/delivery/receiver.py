"""The server to which the tests send: a real process that plays faults on demand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

_TESTS = Path(__file__).parent.parent
#: Nothing takes that long; a wait ends when what it waits for is there.
WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Request:
    """One request, as the server saw it."""

    connection: int
    at: float
    play: str
    is_stored: bool
    #: The type of the first item: "event", "client_report"; None if nothing was read.
    kind: str | None = None
    mark: str | None = None
    event_id: str | None = None
    payload: Any = None


class Receiver:
    """A server process on loopback; used as a context manager.

    :param folder: where it writes down what arrives.
    :param tls: the files of a certificate and its key.
    """

    def __init__(self, folder: Path, tls: tuple[Path, Path] | None = None) -> None:
        self._book = folder / "received.jsonl"
        self._tls = tls
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def __enter__(self) -> Receiver:
        self._launch()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def dsn(self) -> str:
        """Where it takes events."""
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://the-public-key@127.0.0.1:{self.port}/7"

    def play(
        self,
        fault: str,
        times: int | None = None,
        every: int = 1,
        mark: str | None = None,
    ) -> None:
        """Answer requests in this way from now on.

        :param fault: a name in ``bad_answers.PLAYS``.
        :param times: so many requests; then all is well.
        :param every: only every so many-th request.
        :param mark: only requests with this mark.
        """
        self._order("play", play=fault, times=times, every=every, mark=mark)

    def stop(self) -> None:
        """Go down: connections are refused, and those that are open break."""
        self._order("stop")

    def start(self) -> None:
        """Come up again, on the same port."""
        if self._process is None:
            self._launch()
        else:
            self._order("start")

    def kill(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
            with self._process:
                # Closes its pipes, and waits.
                pass
            self._process = None

    def requests(self) -> list[Request]:
        """Return what was asked of it so far."""
        lines = self._book.read_text().splitlines()
        return [Request(**json.loads(line)) for line in lines]

    def arrived(self) -> Counter[str]:
        """Return how often each mark was stored."""
        return Counter(
            one.mark for one in self.requests() if one.is_stored and one.mark
        )

    def event_ids(self) -> dict[str, set[str | None]]:
        """Return under which event ids each mark was stored: a tracker counts these."""
        found: dict[str, set[str | None]] = defaultdict(set)
        for one in self.requests():
            if one.is_stored and one.mark:
                found[one.mark].add(one.event_id)
        return found

    def until_requests(self, count: int) -> None:
        """Wait until it has been asked so often."""
        answer = self._order("until requests", count=count, seconds=WAIT_SECONDS)
        assert answer, f"only {len(self.requests())} requests came, expected {count}"

    def until_arrived(
        self, marks: Collection[str], within_seconds: float = WAIT_SECONDS
    ) -> None:
        """Wait until each mark is stored."""
        wanted = [*marks]
        missing = self._order("until arrived", marks=wanted, seconds=within_seconds)
        some = ", ".join(missing[:5])
        assert not missing, f"{len(missing)} of {len(wanted)} are missing: {some}"

    def _launch(self) -> None:
        words = ["--port", str(self.port), "--book", str(self._book)]
        if self._tls is not None:
            words += ["--tls", *map(str, self._tls)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "delivery.receiver_process", *words],
            env={**os.environ, "PYTHONPATH": str(_TESTS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = self._answer()

    def _order(self, what: str, **details: Any) -> Any:
        with self._lock:
            assert self._process is not None and self._process.stdin is not None
            self._process.stdin.write(json.dumps({"do": what, **details}) + "\n")
            self._process.stdin.flush()
            return self._answer()

    def _answer(self) -> Any:
        assert self._process is not None and self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the receiver's process has ended"
        return json.loads(line)


def assert_each_arrived_once(receiver: Receiver, marks: Collection[str]) -> None:
    """Assert that each mark, and nothing else, is stored under one event id.

    A tracker counts an event id once, however often it comes.
    """
    found = receiver.event_ids()
    assert set(found) == set(marks)
    assert {mark: len(ids) for mark, ids in found.items()} == dict.fromkeys(marks, 1)
