"""The error of a future that nobody looks at, where an app asks for it.

A pool keeps the error of what it ran for whoever asks for the result; if nobody does,
it is gone without a word. Changes nothing but the futures it is given.
"""

from __future__ import annotations

import contextvars
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any, ParamSpec, TypeVar

from ..client.client import Client
from ..errors import guard, is_own_work, own_work
from ..extension import ErrTrack
from ..integration import check, client_of
from ..reading.exceptions import is_error
from ..reading.marks import was_met
from ..runtime.process import Exits, OfProcess

P = ParamSpec("P")
T = TypeVar("T")


def watch(future: Future[T], errtrack: ErrTrack | Client) -> Future[T]:
    """Capture the error of a future if the future goes, and nobody has asked for it.

    To ask is to call ``result`` or ``exception`` once it is done, as ``await`` and
    ``map`` do. The event has the request, user and tags of where this was called.

    :return: the same future.
    """
    with guard("watching a future"):
        if not isinstance(future, _Watched):
            vars(future)[_KEY] = _Unseen(errtrack)
            kind: Any = type(future)
            future.__class__ = _watched_class(kind)
            _at_exit.get()
            _alive.add(future)
    return future


class WatchedThreadPoolExecutor(ThreadPoolExecutor):
    """A pool of threads that watches its futures: see :func:`watch`.

    :param arguments: and ``options``: those of ``ThreadPoolExecutor``.
    :raises ConfigError: ``errtrack`` is none.
    """

    def __init__(
        self, errtrack: ErrTrack | Client, *arguments: Any, **options: Any
    ) -> None:
        check(errtrack, "WatchedThreadPoolExecutor")
        super().__init__(*arguments, **options)
        self._errtrack = errtrack

    def submit(
        self, function: Callable[P, T], /, *arguments: P.args, **options: P.kwargs
    ) -> Future[T]:
        """Run a function in a thread of the pool; return its future."""
        return watch(super().submit(function, *arguments, **options), self._errtrack)


# Where a future keeps what to do if nobody looks.
_KEY = "_errtrack_unseen"
_alive: weakref.WeakSet[Any] = weakref.WeakSet()


class _Watched(Future[Any]):
    """A future that knows whether somebody has looked."""

    def result(self, timeout: float | None = None) -> Any:
        """Return what came of it, or raise its error."""
        try:
            return super().result(timeout)
        finally:
            self._look()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return its error, or None."""
        try:
            return super().exception(timeout)
        finally:
            self._look()

    def __del__(self) -> None:
        self.report()

    def report(self) -> None:
        """Capture the error if nobody has looked."""
        unseen: _Unseen | None = self._look()
        if unseen is not None and not self.cancelled():
            unseen.report(super().exception())

    def _look(self) -> _Unseen | None:
        return vars(self).pop(_KEY, None) if self.done() else None


@lru_cache
def _watched_class(kind: type[Any]) -> type[Any]:
    """A class for futures of a class, which may be a library's own."""
    return type(kind.__name__, (_Watched, kind), {"__module__": kind.__module__})


def _report_at_exit() -> None:
    """Look at the futures that somebody holds to the end."""
    for future in list(_alive):
        future.report()


# Once: each call makes a list grow that never shrinks.
_at_exit = OfProcess(lambda: Exits(_report_at_exit))


class _Unseen:
    """What to do with the error of a future that nobody looks at."""

    def __init__(self, errtrack: ErrTrack | Client) -> None:
        self._errtrack = errtrack
        self._context = contextvars.copy_context()

    def report(self, error: BaseException | None) -> None:
        """Capture the error, in the context where the future was given to us."""
        if error is None or not is_error(error) or was_met(error):
            return
        if is_own_work():
            # The garbage collector calls in the midst of it, where locks are held.
            run = self._context.run
            threading.Thread(target=run, args=(self._capture, error)).start()
        else:
            self._context.run(self._capture, error)

    def _capture(self, error: BaseException) -> None:
        with guard("looking at a future"), own_work():
            client = client_of(self._errtrack)
            if client is not None:
                client.capture_exception(error, mechanism="futures", handled=False)
