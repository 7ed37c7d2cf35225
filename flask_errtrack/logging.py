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
import weakref
from functools import partial
from types import FrameType
from typing import Any

from .errors import guard, own_work
from .event import Breadcrumb, LogEntry, timestamp_now
from .protocol.wire import level_of
from .reading.marks import was_met
from .reading.serialize import DATA_LIMITS, Serializer, safe_text
from .watching.watched import Watched, Watching

#: Their records would be about us, or come from below us.
_OWN_LOGGERS = ("flask_errtrack",)
# Loggers may have any number of names.
_MAX_NAMES = 10_000
# What logging itself puts on a record; the rest is the caller's ``extra``.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
}


def watch(client: Watching) -> None:
    """Let a client see every record from now on, if its options say so."""
    if client.config.enabled and client.config.logging:
        _records.add(client, _Reader(client).see)


def unwatch(client: Watching) -> None:
    """Let a client see no more; without any, ``Logger`` is as it was."""
    _records.remove(client)


class EventIdFilter(logging.Filter):
    """Gives records an ``event_id`` for a format such as ``%(event_id)s %(message)s``.

    It is the id of the event that the record makes, or else of the one that tells most
    about the running request, command or job; ``-`` if there is none. Belongs on a
    handler; lets every record pass.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record be captured now, not after its handlers."""
        if not hasattr(record, "event_id"):
            event_id = None
            with guard("looking for the id of an event"):
                # That of a QueueListener gets a copy of what was captured already.
                if _is_being_handled(record):
                    _seen.add(record)
                    event_id = _records.tell(record)
                event_id = event_id or _id_of_work()
            record.event_id = event_id or "-"
        return True


class _Reader:
    """Turns the records that concern one client into breadcrumbs and events."""

    def __init__(self, client: Watching) -> None:
        config = client.config
        is_noting = config.max_breadcrumbs > 0
        self._breadcrumb_level = config.breadcrumb_level if is_noting else None
        self._event_level = config.event_level
        self._exclusions = (*_OWN_LOGGERS, *config.logging_exclusions)
        self._excluded: dict[str, bool] = {}

    def see(self, client: Watching, record: logging.LogRecord) -> str | None:
        """Look at a record; never changes it."""
        is_event = _is_at(record, self._event_level)
        is_crumb = _is_at(record, self._breadcrumb_level)
        if not (is_event or is_crumb):
            return None
        event_id = None
        with own_work():
            if self._is_left_out(client, record):
                return None
            place = _records.place_of(client)
            if place is None:
                return None
            is_inside = place == "inside"
            if is_event and (is_inside or _is_news(record)):
                event_id = _capture(client, record)
            # What is outside of an app would be noted for as long as its thread lives.
            if is_crumb and (is_inside or client.host.app is None):
                _note(client, record)
        return event_id

    def _is_left_out(self, client: Watching, record: logging.LogRecord) -> bool:
        # A record that came from elsewhere may have no name.
        name = str(record.name)
        if self._is_excluded(name):
            return True
        return bool(client.echoes) and (name, safe_text(record.msg)) in client.echoes

    def _is_excluded(self, name: str) -> bool:
        found = self._excluded.get(name)
        if found is None:
            if len(self._excluded) >= _MAX_NAMES:
                self._excluded.clear()
            found = self._excluded[name] = any(
                fnmatch.fnmatchcase(name, pattern)
                for one in self._exclusions
                for pattern in (one, f"{one}.*")
            )
        return found


def _capture(client: Watching, record: logging.LogRecord) -> str | None:
    error = _error_of(record)
    if error is not None:
        # Mostly a hook has told of it, and knew more.
        was_met, event_id = client.scope.work.decision_on(error)
        if was_met:
            return event_id
    given: dict[str, Any] = {
        "level": level_of(record.levelno),
        "extra": _extra(record),
        "hint": {"log_record": record},
        "stack": _caller_of(record),
    }
    if record.stack_info and given["stack"] is None:
        given["extra"]["stack_info"] = record.stack_info
    if error is not None:
        tell = partial(_fields_of, record)
        return client.capture_exception(
            error, mechanism="logging", record=tell, **given
        )
    return client.capture_message(
        safe_text(record.msg),
        params=record.args,
        formatted=_message(record),
        logger=str(record.name),
        **given,
    )


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    entry = LogEntry(message=safe_text(record.msg))
    if record.args:
        entry["params"] = Serializer(DATA_LIMITS)(record.args)
        entry["formatted"] = _message(record)
    return {"logger": str(record.name), "logentry": entry}


def _note(client: Watching, record: logging.LogRecord) -> None:
    made = Breadcrumb(
        timestamp=timestamp_now(),
        type="log",
        category=safe_text(record.name),
        level=level_of(record.levelno),
        message=safe_text(_message(record)),
    )
    extra = _extra(record)
    if extra:
        made["data"] = Serializer(DATA_LIMITS)(extra)
    client.note(made, {"log_record": record})


def _call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
    try:
        _records.original(logger, record)
    finally:
        with guard("looking at a log record"):
            if "event_id" not in vars(record) or record not in _seen:
                _records.tell(record)


# Where a record cannot be formatted, logging prints the calls down to its own first
# one, which it knows by its file: ours is not to show among them.
_call_handlers.__code__ = _call_handlers.__code__.replace(co_filename=logging.__file__)
_records: Watched = Watched(logging.Logger, "callHandlers", _call_handlers)
# What an EventIdFilter has shown already.
_seen: weakref.WeakSet[logging.LogRecord] = weakref.WeakSet()


def _is_being_handled(record: logging.LogRecord) -> bool:
    """Tell whether a logger hands this very record to its handlers at the moment."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code is _call_handlers.__code__:
            return frame.f_locals["record"] is record
        frame = frame.f_back
    return False


def _id_of_work() -> str | None:
    client = _records.at_work()
    return None if client is None else client.scope.work.event_id


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


def _caller_of(record: logging.LogRecord) -> FrameType | None:
    """The frame that made a record with ``stack_info``, if it is still at work.

    A record may come from another thread or process.
    """
    frame: FrameType | None = sys._getframe() if record.stack_info else None
    made_at = (record.pathname, record.lineno, record.funcName)
    while frame is not None:
        code = frame.f_code
        if (code.co_filename, frame.f_lineno, code.co_name) == made_at:
            return frame
        frame = frame.f_back
    return None


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - the arguments may be anything
        return safe_text(record.msg)


def _is_at(record: logging.LogRecord, level: int | None) -> bool:
    return level is not None and record.levelno >= level


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    given = vars(record)
    if given.keys() <= _STANDARD:
        return {}
    return {key: value for key, value in given.items() if key not in _STANDARD}
