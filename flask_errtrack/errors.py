"""The errors that Flask-ErrTrack raises, and the one place that may swallow any.

::

    ErrTrackError
    ├── ConfigError (ValueError)      set-up: an option is unknown or wrong
    │   └── BadDsn                    the DSN cannot be read
    ├── EnvelopeError (ValueError)    bytes that are not a Sentry envelope
    ├── SearchError (ValueError)      a search that cannot be meant
    ├── ActionError (ValueError)      what a person wants cannot be done to an issue
    ├── TransportError                not delivered now, worth another try
    │   └── StoreError                the tracker's database does not work
    ├── Busy                          another process has the outbox all the time
    ├── SeveralApps (RuntimeError)    which app is meant cannot be told
    └── Refused                       never to be delivered: drop it and count it

Set-up fails loud: :class:`ConfigError` leaves ``init_app``. Capture fails
quiet: everything it does runs inside :class:`guard`.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from traceback import walk_tb
from types import TracebackType
from typing import ClassVar

logger = logging.getLogger("flask_errtrack")


class ErrTrackError(Exception):
    """The base of every error that Flask-ErrTrack raises."""


class ConfigError(ErrTrackError, ValueError):
    """An option is unknown or has a value that cannot be used."""


class SeveralApps(ErrTrackError, RuntimeError):
    """One extension serves several apps, and no app context says which is meant."""


class BadDsn(ConfigError):
    """The DSN cannot be read. The message never holds its secret part."""


class EnvelopeError(ErrTrackError, ValueError):
    """Bytes that do not follow the envelope framing."""


class SearchError(ErrTrackError, ValueError):
    """A search asks for something that cannot be meant. The message is a sentence."""


class ActionError(ErrTrackError, ValueError):
    """What a person wants done to issues cannot be. The message is a sentence."""


class TransportError(ErrTrackError):
    """An envelope was not delivered, and may be tried again.

    :param retry_after_seconds: how long the receiver asked to be left alone.
    :param categories: of what it wants no more meanwhile; none means all.
    """

    def __init__(
        self,
        message: str,
        retry_after_seconds: float | None = None,
        categories: Collection[str] = (),
    ) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.categories = frozenset(categories)


class StoreError(TransportError):
    """The tracker's database cannot be used. The message says how to mend it."""


class Refused(ErrTrackError):
    """The receiver will never take this envelope; the message says why."""


# How much of what runs is left out: log records from 1 on, and everything from 2 on.
_quiet: ContextVar[int] = ContextVar("errtrack_quiet", default=0)
_reraise: ContextVar[bool] = ContextVar("errtrack_reraise", default=False)


class _Quiet:
    _at_least: ClassVar[int]
    _token: Token[int] | None = None

    def __enter__(self) -> None:
        if _quiet.get() < self._at_least:
            self._token = _quiet.set(self._at_least)

    def __exit__(self, *error: object) -> None:
        if self._token is not None:
            _quiet.reset(self._token)


class own_work(_Quiet):
    """Mark what runs inside as work of Flask-ErrTrack itself.

    Log records made meanwhile (by a database driver, by a ``__repr__`` that
    logs) are not captured, so that a fault of ours never feeds itself.
    """

    _at_least = 1


class silence(_Quiet):
    """Let nothing be captured of what runs inside, whoever asks for it."""

    _at_least = 2


def is_own_work() -> bool:
    """Tell whether the running code was called by Flask-ErrTrack itself."""
    return _quiet.get() >= own_work._at_least


def is_silence() -> bool:
    """Tell whether nothing of the running code is captured."""
    return _quiet.get() >= silence._at_least


@contextmanager
def swallowed_errors_raise() -> Iterator[None]:
    """Let :class:`guard` pass errors on, for tests of Flask-ErrTrack itself."""
    token = _reraise.set(True)
    try:
        yield
    finally:
        _reraise.reset(token)


class guard:
    """Swallow and log any ``Exception`` of the block, so that the host app goes on.

    ``KeyboardInterrupt``, ``SystemExit`` and their like always pass, and so does what
    a signal handler raises: it is for the host, and tells of a time limit. A block that
    failed leaves :attr:`error` set.

    :param doing: what the block does, for the log: "capturing an exception".
    """

    def __init__(self, doing: str) -> None:
        self.doing = doing
        self.error: Exception | None = None

    def __enter__(self) -> guard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception) or _is_from_signal(traceback):
            return False
        if _reraise.get():
            return False
        self.error = error
        # The host's own handlers may fail, too.
        with own_work(), suppress(Exception):
            logger.error(
                "Flask-ErrTrack failed while %s: %s: the app is not affected",
                self.doing,
                type(error).__name__,
                exc_info=(type(error), error, traceback),
            )
        return True


def _is_from_signal(traceback: TracebackType | None) -> bool:
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    codes = [getattr(handler, "__code__", None) for handler in handlers]
    return any(frame.f_code in codes for frame, _ in walk_tb(traceback))
