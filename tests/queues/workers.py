"""Programs that take jobs from a queue, and the events that they have written."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from celery import Celery
from waiting import WAIT_SECONDS, wait_until

TESTS = Path(__file__).parent.parent


@contextlib.contextmanager
def program(
    *words: str, log: Path, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python module; what it says is in ``log``. It is killed at the end."""
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            env={**os.environ, "PYTHONPATH": path, **environment},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        with process:
            # Closes its pipes, and waits.
            pass


class CeleryWorker:
    """A running worker, and what its tasks have sent.

    :param file: where the events are written.
    """

    def __init__(self, celery_app: Celery, file: Path) -> None:
        self._celery_app = celery_app
        self._file = file
        self._seen = 0

    def run(self, task: str, *args: Any, **options: Any) -> Any:
        """Have a task run; return its result, or the exception that it failed with."""
        result = self.send(task, *args, **options)
        return result.get(timeout=WAIT_SECONDS, propagate=False)

    def send(self, task: str, *args: Any, **options: Any) -> Any:
        """Have a task run, some time."""
        return self._celery_app.send_task(f"queues.tasks.{task}", args, **options)

    def events(self) -> list[dict[str, Any]]:
        """Return the events that came since the last look, when all tasks are done."""
        self.run("fence")
        return self._new()

    def wait_for_events(self, count: int) -> list[dict[str, Any]]:
        """Return the events that came since the last look, when there are so many."""
        found: list[dict[str, Any]] = []

        def are_there() -> bool:
            found.extend(self._new())
            return len(found) >= count

        wait_until(are_there, lambda: f"only {len(found)} events came")
        return found

    def _new(self) -> list[dict[str, Any]]:
        lines = self._file.read_text().splitlines()
        new, self._seen = lines[self._seen :], len(lines)
        return [json.loads(line) for line in new]


@contextlib.contextmanager
def celery_worker(
    folder: Path, redis_url: str, pool: str, processes: int
) -> Iterator[CeleryWorker]:
    """Run a worker of the shop."""
    file = folder / "events.jsonl"
    file.touch()
    celery_app = Celery(set_as_current=False, broker=redis_url, backend=redis_url)
    with program(
        *("celery", "-A", "queues.celery_worker", "worker", "-l", "INFO"),
        *("-P", pool, "-c", str(processes)),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        log=folder / "worker.log",
        SHOP_REDIS_URL=redis_url,
        SHOP_EVENTS=str(file),
    ):
        worker = CeleryWorker(celery_app, file)
        worker.run("fence")
        yield worker
    celery_app.close()
