"""Orders of the driver that make other processes: each fails on its own."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from itertools import count

from .app import app

_JOIN_SECONDS = 30.0


def fail(*marks: str) -> list[int]:
    """Fail once a mark; return the statuses."""
    return [app.test_client().get(f"/fail/{mark}").status_code for mark in marks]


def fail_and_vanish(*marks: str) -> None:
    """Fail once a mark, and end without a farewell."""
    fail(*marks)
    os._exit(0)


_ENDS: dict[str, Callable[..., object]] = {"return": fail, "os._exit": fail_and_vanish}


def children(method: str, end: str, *marks: str) -> list[int | None]:
    """Let children of :mod:`multiprocessing` fail, two marks each.

    Returns their exit statuses; None if one does not end.
    """
    context = multiprocessing.get_context(method)
    pairs = [marks[start : start + 2] for start in range(0, len(marks), 2)]
    # mypy knows only the method that each system has for all.
    started = [context.Process(target=_ENDS[end], args=pair) for pair in pairs]  # type: ignore[attr-defined]
    for child in started:
        child.start()
    for child in started:
        child.join(_JOIN_SECONDS)
    return [child.exitcode for child in started]


def fork_in_a_storm(prefix: str, *marks: str) -> list[str]:
    """Fork while threads capture, a child a mark; return what the threads captured.

    A fork may come at any moment, so also while any lock is held.
    """
    # What Flask imports with the first request is imported: a fork in the middle of an
    # import ends badly in any program.
    captured = [prefix]
    fail(prefix)
    numbers, is_over = count(), threading.Event()

    def run() -> None:
        while not is_over.is_set():
            mark = f"{prefix}{next(numbers)}"
            fail(mark)
            captured.append(mark)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for mark in marks:
        child = os.fork()
        if child == 0:
            fail_and_vanish(mark)
        os.waitpid(child, 0)
    is_over.set()
    for thread in threads:
        thread.join()
    return captured
