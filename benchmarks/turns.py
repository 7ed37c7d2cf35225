"""Contestants side by side: each with a sink, in a process of its own, in turns."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from .alone import VARIABLE, others
from .peers import CONTESTANTS, OURS
from .results import Result
from .sink import Sink

ROOT = Path(__file__).resolve().parents[1]
#: Nothing that anybody waits for takes longer.
PATIENCE_SECONDS = 120.0
_ORDER = random.Random(6)
_Found = TypeVar("_Found")


class Runner:
    """A contestant that runs, and the sink to which it sends."""

    def __init__(self, name: str, folder: Path, **options: Any) -> None:
        self.name = name
        self.folder = folder
        #: Why it can do no more; empty while it can.
        self.broken = ""
        folder.mkdir(parents=True)
        self.sink = Sink()
        self.said = folder / "stderr"
        self._options = options
        self.start()

    def start(self) -> None:
        """Start the process; what another has left in the folder is still there."""
        self._owed = 0
        command = [sys.executable, "-m", "benchmarks.worker", self.name]
        command += [str(self.folder), self.sink.address, json.dumps(self._options)]
        with self.said.open("w") as errors:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=surroundings(self.name),
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )

    def wait(self) -> None:
        """Wait until it is set up, or broken."""
        with suppress(ChildProcessError):
            self._answer()

    def do(self, order: str, **arguments: Any) -> Any:
        """Let it do something, and return what it found.

        :raises ChildProcessError: it has ended, with what it said last; or gives no
            answer in time.
        """
        self.begin(order, **arguments)
        return self.finish()

    def begin(self, order: str, **arguments: Any) -> None:
        """Let it do something, and do not wait for it."""
        assert self.process.stdin is not None
        self._owed += 1
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps([order, arguments]) + "\n")
            self.process.stdin.flush()

    def finish(self) -> Any:
        """Return what it found when it did what was begun."""
        self._owed -= 1
        return self._answer()

    def is_busy(self) -> bool:
        """Tell whether it is at something that was begun."""
        return self._owed > 0 and not self._has_answer(0)

    def end(self, signal_name: str | None, seconds: float) -> float | None:
        """Let it end, by a signal or by itself; return how many seconds that took.

        Who takes longer than ``seconds`` is killed, and None returned.
        """
        started = time.monotonic()
        if signal_name is not None:
            self.process.send_signal(signal.Signals[signal_name])
        elif self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            took_seconds = time.monotonic() - started
            self.kill()
        return took_seconds

    def counted(self) -> int:
        """Return how many errors were counted where they arrived."""
        if self.name != OURS:
            return self.sink.taken()[0]
        url = f"file:{self.folder}/errtrack.db?mode=ro"
        # Until the first event is stored there is no table.
        with (
            suppress(sqlite3.OperationalError),
            closing(sqlite3.connect(url, uri=True)) as database,
        ):
            total = database.execute("SELECT sum(event_count) FROM errtrack_issue")
            return total.fetchone()[0] or 0
        return 0

    def kill(self) -> None:
        """End it now."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def close(self) -> None:
        """End it, and its sink."""
        self.kill()
        self.sink.close()

    def last_words(self) -> str:
        """Return what it said last on its standard error."""
        return self.said.read_text(errors="replace").strip().rpartition("\n")[2]

    def _has_answer(self, seconds: float) -> bool:
        assert self.process.stdout is not None
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def _answer(self) -> Any:
        if not self._has_answer(PATIENCE_SECONDS):
            self.broken = f"no answer in {PATIENCE_SECONDS:.0f} s"
            raise ChildProcessError(f"{self.name}: {self.broken}")
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.broken = f"ended: {self.last_words()}"
            raise ChildProcessError(f"{self.name} {self.broken}")
        return json.loads(line)


def surroundings(name: str) -> dict[str, str]:
    """Return the environment of a contestant: it reaches the sink without a proxy."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        # Whoever installs a package has it compiled, too.
        "PYTHONDONTWRITEBYTECODE": "",
        "NO_PROXY": "127.0.0.1",
        VARIABLE: others(CONTESTANTS[name].distributions),
    }


def shuffled(every: Sequence[_Found]) -> list[_Found]:
    """Return all in another order: none always follows the same."""
    return _ORDER.sample(every, len(every))


@contextmanager
def running(
    names: Iterable[str],
    folder: Path,
    kind: type[Runner] = Runner,
    **options: Any,
) -> Iterator[list[Runner]]:
    """Run contestants, each set up with the same options of ``peers.Setting``."""
    with ExitStack() as stack:
        runners = []
        for number, name in enumerate(names):
            runner = kind(name, folder / str(number), **options)
            stack.callback(runner.close)
            runners.append(runner)
        for runner in runners:
            runner.wait()
        yield runners


def in_turns(
    runners: Sequence[Runner],
    rounds: int,
    do: Callable[[Runner], _Found],
    budget_seconds: float = 60,
) -> dict[str, list[_Found]]:
    """Return what each found in each round; a first round warms up.

    Who has ended finds nothing more, nor who took longer than ``budget_seconds``.
    """
    found: dict[str, list[_Found]] = {runner.name: [] for runner in runners}
    left = dict.fromkeys(found, budget_seconds)
    for number in range(rounds + 1):
        for runner in shuffled(runners):
            if runner.broken or (left[runner.name] < 0 and number > 1):
                continue
            started = time.monotonic()
            with suppress(ChildProcessError):
                one = do(runner)
                if number:
                    found[runner.name].append(one)
            left[runner.name] -= time.monotonic() - started
    return found


def each(
    part: str,
    case: str,
    unit: str,
    runners: Sequence[Runner],
    samples: Mapping[str, Sequence[float]],
    notes: Mapping[str, str] | None = None,
) -> Iterator[Result]:
    """Yield what each runner found of those that are among the samples or broken."""
    for runner in runners:
        name, found = runner.name, samples.get(runner.name)
        if runner.broken:
            yield Result.missing(part, case, name, runner.broken)
        elif found:
            note = (notes or {}).get(name, "")
            yield Result.of(part, case, name, unit, found, note)
        elif found is not None:
            yield Result.missing(part, case, name, "took too long for a figure")
