"""A process of the app under test, as the tests see it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from flask_errtrack.protocol.drops import by_reason
from flask_errtrack.transports.ledger import Ledger

from .receiver import WAIT_SECONDS

_TESTS = Path(__file__).parent.parent
#: What the waiting between two tries begins with, in these tests.
FIRST_PAUSE_SECONDS = 0.02


def environment(
    folder: Path,
    dsn: str | None,
    first_pause_seconds: float | None = FIRST_PAUSE_SECONDS,
    **options: Any,
) -> dict[str, str]:
    """Return the environment of a process that runs the app.

    :param folder: the app's instance folder is in it.
    :param dsn: None: the app has a tracker of its own.
    :param first_pause_seconds: None: as long as people have it.
    """
    options = {"include_source_context": False, **options}
    made = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(_TESTS.parent), str(_TESTS))),
        "DELIVERY_FOLDER": str(folder),
        "DELIVERY_OPTIONS": json.dumps(options),
    }
    if first_pause_seconds is not None:
        made["DELIVERY_FIRST_PAUSE_SECONDS"] = str(first_pause_seconds)
    return made if dsn is None else {**made, "ERRTRACK_DSN": dsn}


def outbox(folder: Path, pattern: str = "*.envelope") -> list[Path]:
    """Return the files in the outbox of an app, to whatever destination."""
    return sorted(folder.glob(f"shop/errtrack-outbox/*/{pattern}"))


def dropped_on_this_host(folder: Path) -> Counter[str]:
    """Return what all processes of an app have dropped, by reason."""
    total: Counter[str] = Counter()
    for ledger in outbox(folder, "ledger.json"):
        total += by_reason(Ledger(ledger).read().dropped)
    return total


class Program:
    """A process with the app, which does as it is told; a context manager.

    :param folder: the app's instance folder is in it.
    """

    def __init__(self, folder: Path, dsn: str | None, **options: Any) -> None:
        self._folder = folder
        self._environment = environment(folder, dsn, **options)
        self._log = folder / "program.log"

    def __enter__(self) -> Program:
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "delivery.driver"],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self.answer() == "ready"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            # With the children that it may have.
            os.killpg(self.process.pid, signal.SIGKILL)
        with self.process:
            # Closes its pipes, and waits.
            pass

    def tell(self, *order: str) -> Any:
        """Give an order, and return the answer to it."""
        self.give(*order)
        return self.answer()

    def give(self, *order: str) -> None:
        """Give an order, and do not wait for the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def fail(self, marks: Sequence[str]) -> None:
        """Fail once a mark."""
        assert self.tell("fail", *marks) == [500] * len(marks)

    def get_ready(self) -> None:
        """Answer a first request, which has what waits delivered."""
        assert self.tell("get", "/ready") == 200

    def dropped(self) -> dict[str, int]:
        """Return what it has dropped, by reason."""
        found: dict[str, int] = self.tell("stats")
        return found

    def log(self) -> str:
        """Return what it wrote to stderr."""
        return self._log.read_text()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def close_stdin(self) -> None:
        """Let it end as programs do."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def ended(self, within_seconds: float = WAIT_SECONDS) -> int:
        """Wait for its end, and return its exit status."""
        return self.process.wait(within_seconds)

    def end(self) -> int:
        """Let it end as programs do, and return its exit status."""
        self.close_stdin()
        return self.ended()

    def has_answer(self, within_seconds: float) -> bool:
        """Wait for an answer; tell whether there is one."""
        assert self.process.stdout is not None
        # Nothing is left in its buffer: it says one line at a time.
        return bool(select.select([self.process.stdout], [], [], within_seconds)[0])

    def answer(self) -> Any:
        """Wait for an answer, and return it."""
        assert self.process.stdout is not None
        is_there = self.has_answer(WAIT_SECONDS)
        assert is_there, f"the process does not answer: {self.log()[-2000:]}"
        line = self.process.stdout.readline()
        assert line, f"the process has ended: {self.log()[-2000:]}"
        return json.loads(line)
