"""Errors that nobody catches: in a thread, and at the end of the program.

Python tells of them through ``threading.excepthook`` and ``sys.excepthook``, which
are there to be set: what was set before is called as ever.
"""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Any

from ..errors import guard, own_work
from ..reading.exceptions import is_error
from ..reading.marks import was_met
from .watched import Watched, Watching


def watch(client: Watching) -> None:
    """Let a client see what nobody catches, if its options say so."""
    if client.config.enabled and client.config.uncaught_errors:
        _of_threads.add(client, _see_in_thread)
        _of_program.add(client, _see_in_program)


def unwatch(client: Watching) -> None:
    """Let a client see no more; without any, the hooks are as they were."""
    _of_threads.remove(client)
    _of_program.remove(client)


def _thread_hook(given: threading.ExceptHookArgs) -> None:
    try:
        _of_threads.tell(given.exc_value)
    finally:
        _of_threads.original(given)


def _program_hook(
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType | None,
) -> None:
    try:
        # At a prompt people try things; hasattr, as Python itself asks it.
        if not hasattr(sys, "ps1"):
            _of_program.tell(error)
    finally:
        _of_program.original(kind, error, traceback)


_of_threads: Watched = Watched(threading, "excepthook", _thread_hook)
_of_program: Watched = Watched(sys, "excepthook", _program_hook)


def _see_in_thread(client: Watching, error: Any) -> str | None:
    return _see(client, error, "threading", _of_threads)


def _see_in_program(client: Watching, error: Any) -> str | None:
    return _see(client, error, "excepthook", _of_program)


def _see(client: Watching, error: Any, mechanism: str, watched: Watched) -> str | None:
    with guard("looking at an uncaught error"), own_work():
        if not is_error(error) or watched.place_of(client) is None:
            return None
        if was_met(error) and not client.scope.work.awaits_better(error):
            return None
        return client.capture_exception(error, mechanism=mechanism, handled=False)
    return None
