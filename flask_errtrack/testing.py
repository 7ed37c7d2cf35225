"""For the tests of an app: see what it would have sent, and assert on it.

Knows nothing of pytest: its fixture is in ``_errtrack_pytest_plugin.py``, beside this
package, so that test runs without it do not import Flask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from flask import Flask

from .client.client import Client
from .errors import ErrTrackError
from .event import CheckIn, Event, ExceptionValue, Level, UserReport, exceptions_of
from .extension import ErrTrack
from .protocol.envelope import Envelope
from .protocol.user_reports import report_of
from .runtime.contexts import contextmanager

# Where the text of an event is longer, a failure message shows its beginning.
_MAX_SHOWN_CHARS = 200


class Captured(list[Event]):
    """The events, the oldest first, as they would be on the wire.

    :attr:`check_ins` and :attr:`user_reports` are what else would have been sent.
    """

    def __init__(self) -> None:
        super().__init__()
        self.check_ins: list[CheckIn] = []
        self.user_reports: list[UserReport] = []

    def __repr__(self) -> str:
        return f"<{'; '.join(map(_shown, self)) or 'no events'}>"


@contextmanager
def capture_events(target: Flask | ErrTrack | Client) -> Iterator[Captured]:
    """Yield a list that fills with the events of an app or client.

    ::

        with capture_events(app) as events:
            app.test_client().get("/broken")
        assert_captured(events, KeyError)

    Nothing is written or sent meanwhile. What is captured in any thread counts. Of
    several at once the newest takes everything; the one before goes on after it.

    :param target: an app, its ``ErrTrack`` (that of the current app, where there are
        several), or a ``Client`` without an app.
    :raises ErrTrackError: the app has no ErrTrack.
    """
    client = _client_of(target)
    captured = Captured()
    collector = _Collector(captured)
    # What waits for the end of the running work belongs to whom it happened with.
    client.end_work()
    client.delivery.diversions.append(collector)
    try:
        yield captured
    finally:
        client.end_work()
        client.delivery.diversions.remove(collector)


def assert_captured(
    events: Iterable[Event],
    error: type[BaseException] | str | None = None,
    *,
    message: str | None = None,
    level: Level | None = None,
    transaction: str | None = None,
    tags: Mapping[str, Any] | None = None,
) -> Event:
    """Return the one event that is as described; what is not given may be anything.

    ::

        assert_captured(events, KeyError, transaction="todos.show", tags={"shop": 7})

    :param error: the class of the reported exception, not of its causes; or its name,
        with or without the module: ``"OutOfStock"``, ``"shop.errors.OutOfStock"``.
    :param message: occurs in the text of the exception or message.
    :param tags: are among those of the event; values are compared as text.
    :raises AssertionError: there is no such event, or more than one. It shows what was
        captured instead.
    """
    __tracebackhide__ = True
    events = list(events)
    name = _name_of(error)
    text = {key: str(value) for key, value in (tags or {}).items()}
    found = [
        event
        for event in events
        if (name is None or name in _names_in(event, is_short=isinstance(error, str)))
        and (message is None or message in _text_of(event))
        and level in (None, event.get("level"))
        and transaction in (None, event.get("transaction"))
        and text.items() <= event.get("tags", {}).items()
    ]
    if len(found) == 1:
        return found[0]
    given = {
        "error": name,
        "message": message,
        "level": level,
        "transaction": transaction,
        "tags": text or None,
    }
    wanted = [f"{key}={value!r}" for key, value in given.items() if value is not None]
    raise AssertionError(_failure(wanted, len(found), events))


def exception_of(event: Event) -> ExceptionValue:
    """Return the reported exception of an event, the last of the chain.

    :raises AssertionError: the event is a message.
    """
    __tracebackhide__ = True
    value = _exception_in(event)
    if value is None:
        raise AssertionError(f"expected an event of an exception, not {_shown(event)}")
    return value


class _Collector:
    """A transport into a :class:`Captured`."""

    def __init__(self, captured: Captured) -> None:
        self._captured = captured

    def send(self, envelope: Envelope) -> None:
        kept = self._captured
        kept.extend(envelope.events)
        for item in envelope.items:
            if item.type == "check_in":
                kept.check_ins.append(item.json())
            elif item.type == "user_report":
                kept.user_reports.append(item.json())
            elif item.type == "feedback":
                kept.user_reports.append(cast("UserReport", report_of(item.json())))


def _client_of(target: Flask | ErrTrack | Client) -> Client:
    client: Any = None
    if isinstance(target, Flask):
        client = target.extensions.get("errtrack")
    elif isinstance(target, ErrTrack | Client):
        client = target.client
    if not isinstance(client, Client):
        raise ErrTrackError(
            f"{target!r} has no ErrTrack; call init_app first, and give capture_events "
            "a Flask app, an ErrTrack or a Client"
        )
    return client


def _name_of(error: Any) -> str | None:
    if error is None or isinstance(error, str):
        return error
    if isinstance(error, type) and issubclass(error, BaseException):
        return _full_name(error.__name__, error.__module__)
    raise TypeError(f"error is {error!r}; expected an exception class, or its name")


def _full_name(name: str, module: str | None) -> str:
    return name if module in (None, "builtins") else f"{module}.{name}"


def _exception_in(event: Event) -> ExceptionValue | None:
    # The app's before_send may have left anything.
    values = list(exceptions_of(event))
    return values[-1] if values else None


def _names_in(event: Event, is_short: bool) -> set[str]:
    """The names of an event's exception: the full one, and if wanted the short."""
    value = _exception_in(event)
    if value is None:
        return set()
    short = str(value.get("type"))
    full = _full_name(short, value.get("module"))
    return {full, short} if is_short else {full}


def _text_of(event: Event) -> str:
    value = _exception_in(event)
    if value is not None:
        return str(value.get("value", ""))
    entry: Any = event.get("logentry")
    entry = entry if isinstance(entry, dict) else {}
    return str(entry.get("formatted") or entry.get("message") or "")


def _shown(event: Event) -> str:
    """An event on one line, for people."""
    text = " ".join(_text_of(event).split())
    if len(text) > _MAX_SHOWN_CHARS:
        text = f"{text[:_MAX_SHOWN_CHARS]}…"
    for name in _names_in(event, is_short=False):
        text = f"{name}: {text}"
    known: dict[str, Any] = dict(event)
    names = ("level", "transaction", "tags")
    facts = [f"{name} {known[name]!r}" for name in names if known.get(name)]
    return f"{text} ({', '.join(facts)})"


def _failure(wanted: list[str], found: int, events: list[Event]) -> str:
    what = f" with {', '.join(wanted)}" if wanted else ""
    lines = [f"expected one event{what}; {found or 'none'} of {len(events)} captured:"]
    lines += [f"  {number}. {_shown(one)}" for number, one in enumerate(events, 1)]
    return "\n".join(lines)
