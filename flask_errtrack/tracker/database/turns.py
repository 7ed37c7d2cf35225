"""Group commit: writes that wait for their turn go into one transaction together.

Owns who of a process writes, and who only waits until it is done. Knows nothing of
what is written, nor of how a transaction is made.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")
Transaction = Callable[[], AbstractContextManager[Connection]]

#: So many are written together; then other processes may have a turn.
MAX_TOGETHER = 100


class Turns:
    """The turns of one process: one thread writes at a time, for all that wait.

    :param transaction: begins a transaction, and commits it at the end.
    """

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._is_writing = threading.Lock()
        #: What nobody has begun to write.
        self.waiting: deque[_Write] = deque()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction, and return when that is committed.

        Whatever goes wrong is raised here, and changes nothing of what others write;
        ``work`` may be run again.
        """
        own = _Write(work)
        self.waiting.append(own)
        with self._is_writing:
            if not own.outcome.done():
                self._run(self._next(own))
        result: T = own.outcome.result()
        return result

    def _next(self, own: _Write) -> list[_Write]:
        """Take those who have waited longest, and in any case ``own``."""
        # A thread that was interrupted may have taken it, and not have written it.
        found = [own]
        while self.waiting and len(found) < MAX_TOGETHER:
            one = self.waiting.popleft()
            if one is not own:
                found.append(one)
        return found

    def _run(self, writes: list[_Write]) -> None:
        is_begun = False
        try:
            with self._transaction() as connection:
                is_begun = True
                results = [one.work(connection) for one in writes]
        except Exception as error:  # noqa: BLE001 - raised where it was asked for
            if is_begun and len(writes) > 1:
                # One of them is to blame: each stands for itself.
                for one in writes:
                    self._run([one])
            else:
                _fail(writes, error)
        else:
            for one, result in zip(writes, results, strict=True):
                one.outcome.set_result(result)


class _Write:
    """What a thread wants to be written, and what comes of it."""

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.outcome: Future[Any] = Future()


def _fail(writes: Iterable[_Write], error: Exception) -> None:
    for one in writes:
        one.outcome.set_exception(error)
