"""Contestants side by side: each with a sink, in a process of its own, in turns."""

from __future__ import annotations

import json
import os
import random
import select
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from .sink import Sink

ROOT = Path(__file__).resolve().parents[1]
# Which turn a contestant has changes, so that none always follows the same.
_ORDER = random.Random(6)
_Found = TypeVar("_Found")


class Runner:
    """A contestant that runs, and the sink to which it sends.

    :raises ChildProcessError: it ended; what it said on its standard error.
    """

    def __init__(self, name: str, folder: Path, **options: Any) -> None:
        self.name = name
        self.folder = folder
        folder.mkdir(parents=True)
        self.sink = Sink()
        self._said = folder / "stderr"
        self._options = options
        self._owed = 0
        self.start()

    def start(self) -> None:
        """Start the process; what another has left in the folder is still there."""
        # Nothing but the sink is meant to be reached, and never by a proxy.
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}
        command = [sys.executable, "-m", "benchmarks.worker", self.name]
        command += [str(self.folder), self.sink.address, json.dumps(self._options)]
        with self._said.open("w") as errors:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environ,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )

    def wait(self) -> None:
        """Wait until it is set up."""
        self._answer()

    def do(self, order: str, **arguments: Any) -> Any:
        """Let it do something, and return what it found."""
        self.begin(order, **arguments)
        return self.finish()

    def begin(self, order: str, **arguments: Any) -> None:
        """Let it do something, and do not wait for it."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([order, arguments]) + "\n")
        self.process.stdin.flush()
        self._owed += 1

    def finish(self) -> Any:
        """Return what it found when it did what was begun."""
        self._owed -= 1
        return self._answer()

    def is_busy(self) -> bool:
        """Tell whether it is at something that was begun."""
        assert self.process.stdout is not None
        return self._owed > 0 and not select.select([self.process.stdout], [], [], 0)[0]

    def close(self) -> None:
        """End it, and its sink."""
        self.process.kill()
        self.process.communicate()
        self.sink.close()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            said = self._said.read_text()[-2000:]
            raise ChildProcessError(f"{self.name} ended: {said}")
        return json.loads(line)


@contextmanager
def running(
    names: Iterable[str], folder: Path, **options: Any
) -> Iterator[list[Runner]]:
    """Run contestants, each set up with the same options of ``peers.Setting``."""
    with ExitStack() as stack:
        runners = []
        for number, name in enumerate(names):
            runner = Runner(name, folder / str(number), **options)
            stack.callback(runner.close)
            runners.append(runner)
        for runner in runners:
            runner.wait()
        yield runners


def in_turns(
    runners: list[Runner], rounds: int, do: Callable[[Runner], _Found]
) -> dict[str, list[_Found]]:
    """Return what each found in each round; a first round warms up."""
    found: dict[str, list[_Found]] = {runner.name: [] for runner in runners}
    for number in range(rounds + 1):
        for runner in _ORDER.sample(runners, len(runners)):
            one = do(runner)
            if number:
                found[runner.name].append(one)
    return found
