"""Log records become breadcrumbs and events, and nobody's logging changes.

The one patch of Flask-ErrTrack: ``Logger.callHandlers`` is wrapped while a client
wants records. A handler on the root logger would silence ``logging.basicConfig``,
``lastResort`` and Flask's default handler, and would miss loggers that do not
propagate; the wrap sees each record after the logger's own filters, and only
looks.
"""

from __future__ import annotations

import fnmatch
import logging
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

from .client import Client
from .errors import guard, is_own_work, own_work
from .serialize import safe_text
from .wire import level_of
from .work import was_met

#: Their records would be about us, or come from below us.
_OWN_LOGGERS = ("flask_errtrack",)
# What logging itself puts on a record; the rest is the caller's ``extra``.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
}

# Reentrant: the garbage collector may end a watcher anywhere.
_lock = threading.RLock()
_watchers: list[LogWatcher] = []
_original: Callable[[logging.Logger, logging.LogRecord], None] = (
    logging.Logger.callHandlers
)
_is_in_place = False


class LogWatcher:
    """Turns the records that concern one client into breadcrumbs and events.

    The client is held weakly: an app that is no more wants no records.
    """

    def __init__(self, client: Client) -> None:
        config = client.config
        self._client = weakref.ref(client, lambda _: unwatch(self))
        self._breadcrumb_level = config.breadcrumb_level
        self._event_level = config.event_level
        self._exclusions = (*_OWN_LOGGERS, *config.logging_exclusions)
        self._excluded: dict[str, bool] = {}

    def see(self, record: logging.LogRecord, is_alone: bool) -> None:
        """Look at a record; never raises, never changes it.

        :param is_alone: no other client wants records: what is logged outside of
            every app concerns this one.
        """
        client = self._client()
        if client is None or is_own_work() or not client.is_enabled:
            return
        place = client.host.place()
        is_event = _is_at(record, self._event_level)
        is_crumb = _is_at(record, self._breadcrumb_level) and place == "inside"
        if not (is_event or is_crumb) or self._is_excluded(record.name):
            return
        if place == "outside" and not (is_alone and _is_news(record)):
            return
        if place != "elsewhere":
            self._tell(client, record, is_event, is_crumb)

    def _tell(
        self, client: Client, record: logging.LogRecord, is_event: bool, is_crumb: bool
    ) -> None:
        with guard("looking at a log record"), own_work():
            if is_event:
                self._capture(client, record)
            if is_crumb:
                client.add_breadcrumb(
                    type="log",
                    category=record.name,
                    level=level_of(record.levelno),
                    message=_message(record),
                    data=_extra(record),
                    hint={"log_record": record},
                )

    def _capture(self, client: Client, record: logging.LogRecord) -> None:
        hint = {"log_record": record}
        level, extra = level_of(record.levelno), _extra(record)
        error = _error_of(record)
        if error is not None:
            client.capture_exception(
                error,
                mechanism="logging",
                hint=hint,
                record={
                    "logger": record.name,
                    "logentry": {"message": safe_text(record.msg)},
                },
                level=level,
                extra=extra,
            )
        else:
            client.capture_message(
                safe_text(record.msg),
                level,
                params=record.args,
                formatted=_message(record),
                logger=record.name,
                hint=hint,
                extra=extra,
            )

    def _is_excluded(self, name: str) -> bool:
        found = self._excluded.get(name)
        if found is None:
            found = self._excluded[name] = any(
                fnmatch.fnmatchcase(name, pattern)
                for one in self._exclusions
                for pattern in (one, f"{one}.*")
            )
        return found


def watch(watcher: LogWatcher) -> None:
    """Let a watcher see every record from now on."""
    global _original, _is_in_place
    with _lock:
        _watchers.append(watcher)
        if not _is_in_place:
            _original, _is_in_place = logging.Logger.callHandlers, True
            setattr(logging.Logger, "callHandlers", _call_handlers)  # noqa: B010 - a patch


def unwatch(watcher: LogWatcher) -> None:
    """Let a watcher see no more; without any, ``Logger`` is as it was."""
    global _is_in_place  # noqa: PLW0603 - Logger is the process's, too
    with _lock:
        if watcher in _watchers:
            _watchers.remove(watcher)
        # Another wrap around ours would be lost: then ours stays, and does nothing.
        is_ours = logging.Logger.callHandlers is _call_handlers
        if not _watchers and _is_in_place and is_ours:
            _is_in_place = False
            setattr(logging.Logger, "callHandlers", _original)  # noqa: B010 - a patch


def _call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
    try:
        _original(logger, record)
    finally:
        watchers = tuple(_watchers)
        for watcher in watchers:
            watcher.see(record, is_alone=len(watchers) == 1)


def _error_of(record: logging.LogRecord) -> BaseException | None:
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    return error if isinstance(error, BaseException) else None


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a record does not just tell of an error that a hook has seen.

    Servers log what leaves the app: gunicorn with the exception, Werkzeug's with its
    text alone while it is being handled.
    """
    error = _error_of(record) or sys.exception()
    return error is None or not was_met(error)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - the arguments may be anything
        return safe_text(record.msg)


def _is_at(record: logging.LogRecord, level: int | None) -> bool:
    return level is not None and record.levelno >= level


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}
