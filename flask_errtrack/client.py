"""The client: from an exception or message to an envelope on its way.

``_send`` is the way of an event, in order. Everything before it decides whether
there is an event at all: what is ignored, a duplicate or unsampled is not built.
"""

from __future__ import annotations

import os
import random
import sys
import weakref
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cached_property, partial
from typing import Any, cast

from .api import ScopeApi
from .callbacks import before_breadcrumb, before_send, sampling_rate
from .config import Config
from .envelope import Envelope, Item
from .errors import ConfigError, Refused, guard, own_work
from .event import Event, Level, Mechanism, UserReport
from .exceptions import event_from_exception, event_from_message, new_event
from .host import Host
from .identity import identity_of, machine_contexts
from .notes import attempt, note
from .scope import CrumbSource, Scope, ScopeHome, breadcrumb
from .scrub import Scrubber
from .serialize import DATA_LIMITS, Serializer
from .stacktrace import StackReader
from .transports import Transport, transport_to_dsn
from .transports.base import close as close_transport
from .transports.base import flush as flush_transport
from .trim import trimmed

Hint = dict[str, Any]

# Which of several events of one request its g.event_id names.
MESSAGE, HANDLED, UNHANDLED = range(3)


class Client(ScopeApi):
    """Captures events and sends them, with or without Flask.

    :param options: see :class:`~flask_errtrack.config.Config`.
    :raises ConfigError: an option is unknown or wrong.
    """

    def __init__(self, **options: Any) -> None:
        config = Config.load(options, {}, os.environ)
        if config.database_url is not None:
            raise ConfigError(
                "option database_url needs the tracker of an app, ErrTrack(app); "
                "a client of its own sends to a dsn or a transport"
            )
        self._set_up(config, config.transport or transport_to_dsn(config, None), Host())

    @classmethod
    def of_host(cls, config: Config, transport: Transport | None, host: Host) -> Client:
        """Return the client of a Flask app."""
        client = cls.__new__(cls)
        client._set_up(config, transport, host)
        return client

    def _set_up(self, config: Config, transport: Transport | None, host: Host) -> None:
        self.config = config
        self.transport = transport
        self.host = host
        self._is_closed = False
        #: Takes everything instead, for tests: see flask_errtrack.testing.
        self.diversion: Transport | None = None
        #: Events that were not sent, by reason, in this process.
        self.dropped: Counter[str] = Counter()
        self._scopes = ScopeHome(config.max_breadcrumbs, host.app)
        self._scrubber = Scrubber(config.scrub_keys, config.scrub_patterns)
        self._reader = StackReader(
            (*host.packages, *config.include_paths),
            tuple(config.in_app_exclude),
            config.include_local_variables,
            config.include_source_context,
        )
        self._ignored: weakref.WeakKeyDictionary[type, bool] = (
            weakref.WeakKeyDictionary()
        )

    @property
    def is_enabled(self) -> bool:
        """Whether captured events go anywhere at the moment."""
        is_on = self.config.enabled and not self._is_closed
        return is_on and self._transport() is not None

    def _transport(self) -> Transport | None:
        if self.diversion is not None:
            return self.diversion
        if self.config.transport is None and self.host.is_silent():
            return None
        return self.transport

    @property
    def scope(self) -> Scope:
        """The scope of the running work."""
        return self._scopes.current()

    def _active_scope(self) -> Scope | None:
        return self.scope if self.is_enabled else None

    def _pushed_scope(self) -> AbstractContextManager[Scope]:
        return self._scopes.pushed()

    def begin_request(self) -> None:
        """Let nothing of an earlier request show in the one that begins."""
        self._scopes.forget()

    def capture_exception(
        self,
        error: Any = None,
        *,
        mechanism: str = "generic",
        handled: bool = True,
        scope: Scope | None = None,
        request: Any = None,
        hint: Hint | None = None,
        message: Mapping[str, Any] | None = None,
        **scope_kwargs: Any,
    ) -> str | None:
        """Capture an exception; return the id of its event, or None.

        :param error: an exception or ``sys.exc_info()``; None: the one being handled.
        :param scope: the scope to use, where the current one is gone.
        :param request: the request to describe, where the current one is gone.
        :param message: fields of the log record that tells of the exception. In a
            request its event waits for a report that knows more.
        :param scope_kwargs: ``user, tags, extra, contexts, level, fingerprint``.
        """
        if not self.is_enabled:
            return None
        with guard("capturing an exception"), own_work():
            error = _exception_of(error)
            if error is None:
                return None
            scope = scope or self.scope
            was_met, event_id = scope.work.decision_on(error)
            is_held = event_id is not None and event_id in scope.work.held
            if was_met and (message is not None or not is_held):
                return event_id
            hint = {**(hint or {}), "exception": error, "exc_info": _exc_info(error)}
            if not was_met and not self._is_wanted(error, hint):
                scope.work.remember(error, None)
                return None
            way = Mechanism(type=mechanism, handled=handled)
            event = self._event_of(error, way, event_id)
            event.update(message or {})  # type: ignore[typeddict-item]
            envelope = self._envelope(event, hint, scope, request, scope_kwargs)
            rank = HANDLED if handled else UNHANDLED
            may_wait = message is not None and self.host.is_in_request()
            event_id = self._send(envelope, scope, rank, may_wait)
            scope.work.remember(error, event_id)
            return event_id
        return None

    def capture_message(
        self,
        message: str,
        level: Level = "info",
        *,
        params: Any = None,
        logger: str | None = None,
        formatted: str | None = None,
        scope: Scope | None = None,
        hint: Hint | None = None,
        **scope_kwargs: Any,
    ) -> str | None:
        """Capture a message; return the id of its event, or None.

        :param message: the text, or its template where there are ``params``.
        """
        if not self.is_enabled:
            return None
        with guard("capturing a message"), own_work():
            hint = {**(hint or {}), "message": message}
            if not self._is_sampled(hint):
                return None
            scope = scope or self.scope
            params = Serializer(DATA_LIMITS)(params)
            event = event_from_message(str(message), level, params, logger, formatted)
            envelope = self._envelope(event, hint, scope, None, scope_kwargs)
            return self._send(envelope, scope, MESSAGE)
        return None

    def capture_user_report(self, report: UserReport) -> None:
        """Send what a person said about an event.

        :raises TransportError, Refused: it could not be kept; the person is told.
        """
        transport = self._transport()
        if transport is not None and self.config.enabled:
            transport.send(Envelope.from_user_report(report))

    def add_breadcrumb(self, crumb: CrumbSource = None, **fields: Any) -> None:
        """Note something that happened: a dict, fields, or a callable for a dict."""
        if not self.is_enabled or not self.config.max_breadcrumbs:
            return
        with guard("adding a breadcrumb"), own_work():
            found = crumb() if callable(crumb) else crumb
            if found is None and callable(crumb):
                return
            hint = fields.pop("hint", None) or {}
            made = before_breadcrumb(
                self.config.before_breadcrumb,
                breadcrumb({**(found or {}), **fields}),
                hint,
            )
            if made is not None:
                self.scope.add_breadcrumb(made)

    def last_event_id(self) -> str | None:
        """Return the id of the newest event of the running work, or None."""
        return self.scope.work.last_event_id

    def flush(self, timeout_seconds: float = 2.0) -> bool:
        """Wait until everything is delivered; tell whether it is."""
        return flush_transport(self.transport, timeout_seconds)

    def close(self) -> None:
        """Deliver what can be delivered in time, then stop capturing."""
        self._is_closed = True
        close_transport(self.transport)

    def _is_wanted(self, error: BaseException, hint: Hint) -> bool:
        kind = type(error)
        is_ignored = self._ignored.get(kind)
        if is_ignored is None:
            is_ignored = self._ignored[kind] = _is_named(
                kind, self.config.ignore_exceptions
            )
        if is_ignored:
            self.dropped["ignored"] += 1
            return False
        return self._is_sampled(hint)

    def _is_sampled(self, hint: Hint) -> bool:
        rate, error = sampling_rate(self.config.sample_rate, hint)
        if error is not None:
            hint["failed_hook"] = error
        if rate >= 1.0 or random.random() < rate:
            return True
        self.dropped["sample_rate"] += 1
        return False

    def _event_of(
        self, error: BaseException, mechanism: Mechanism, event_id: str | None
    ) -> Event:
        with guard("reading an exception") as reading:
            return event_from_exception(error, self._reader, mechanism, event_id)
        # The event goes all the same, with what is certain.
        event = new_event(event_id=event_id)
        event["exception"] = {
            "values": [{"type": type(error).__name__, "mechanism": mechanism}]
        }
        note(event, "failed", "exception", type(reading.error).__name__)
        return event

    def _envelope(
        self,
        event: Event,
        hint: Hint,
        scope: Scope,
        request: Any,
        scope_kwargs: dict[str, Any],
    ) -> Envelope | None:
        """Make an event complete and safe: the way of every event, in order."""
        event_id = event["event_id"]
        if scope_kwargs:
            scope = scope.fork()
            attempt(event, "arguments", partial(scope.update, **scope_kwargs))
        event = scope.apply(event)
        secrets = self.host.describe(event, request, self.config)
        event = self._identify(event)
        if "failed_hook" in hint:
            failed = type(hint.pop("failed_hook")).__name__
            note(event, "hook_failed", "sample_rate", failed)
        made = before_send(self.config.before_send, event, hint)
        if made is None:
            self.dropped["before_send"] += 1
            return None
        event = self._scrubber.scrub(made, secrets | self._own_secrets)
        event["event_id"] = event_id
        event, payload = trimmed(_as_wire(event))
        headers = {"event_id": event_id, "sdk": event.get("sdk")}
        return Envelope((Item("event", payload),), headers)

    def _send(
        self, envelope: Envelope | None, scope: Scope, rank: int, may_wait: bool = False
    ) -> str | None:
        """Hand an envelope on, or keep it for the end of the request."""
        if envelope is None or envelope.event_id is None:
            return None
        work, event_id = scope.work, envelope.event_id
        work.held.pop(event_id, None)
        if may_wait:
            work.held[event_id] = envelope
        elif not self._deliver(envelope):
            return None
        work.accept(event_id, rank)
        self.host.show_event_id(work.event_id)
        return event_id

    def _deliver(self, envelope: Envelope) -> bool:
        transport = self._transport()
        assert transport is not None
        try:
            transport.send(envelope)
        except Refused:
            self.dropped["queue_overflow"] += 1
            return False
        return True

    def end_request(self) -> None:
        """Send the events that waited for a better report, which did not come."""
        scope = self._scopes.on_g()
        while scope is not None and scope.work.held:
            with guard("sending an event"):
                self._deliver(scope.work.held.popitem()[1])

    def _identify(self, event: Event) -> Event:
        """Add who sends it, never over what the event has."""
        made = cast("Event", {**self.identity, **event})
        made["tags"] = {**self.config.tags, **event.get("tags", {})}
        made["contexts"] = {**self._contexts, **event.get("contexts", {})}
        return made

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The fields of every event: environment, release, server …"""
        return identity_of(self.config, self.host.environment(), self.host.root_path)

    @cached_property
    def _contexts(self) -> dict[str, dict[str, Any]]:
        return machine_contexts()

    @cached_property
    def _own_secrets(self) -> set[str]:
        dsn = self.config.dsn
        return {dsn.secret_key} if dsn is not None and dsn.secret_key else set()


def _exception_of(error: Any) -> BaseException | None:
    if error is None:
        error = sys.exception()
    elif isinstance(error, tuple) and len(error) == 3:
        error = error[1]
    if not isinstance(error, BaseException):
        return None
    # What an error handler gets for 500 wraps the exception it stands for.
    original = getattr(error, "original_exception", None)
    return original if isinstance(original, BaseException) else error


def _exc_info(error: BaseException) -> tuple[type, BaseException, Any]:
    return type(error), error, error.__traceback__


def _is_named(kind: type, names: Any) -> bool:
    """Whether a class, or a class it inherits from, is in a list of names."""
    for base in kind.__mro__:
        full_name = f"{base.__module__}.{base.__qualname__}"
        if any(one in (base, full_name, base.__qualname__) for one in names):
            return True
    return False


def _as_wire(event: Event) -> Event:
    """Drop what is empty, and make texts of what the protocol wants as texts."""
    for key in ("tags", "extra", "contexts", "request", "breadcrumbs", "errors"):
        if not event.get(key):
            event.pop(key, None)  # type: ignore[misc]
    if not event.get("breadcrumbs", {"values": ["any"]})["values"]:
        event.pop("breadcrumbs", None)
    if "tags" in event:
        event["tags"] = {key: str(value)[:200] for key, value in event["tags"].items()}
    user = event.get("user")
    if user and user.get("id") is not None:
        user["id"] = str(user["id"])
    return event
