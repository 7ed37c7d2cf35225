"""The scope: what is known about the running work, to go with its events.

In an app context the scope lives on ``g`` and goes when Flask drops it. Outside
of one it lives in a context variable, one entry a client.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, cast

from flask import Flask, g, has_app_context, has_request_context, request
from flask.globals import app_ctx

from .envelope import Envelope
from .event import Breadcrumb, Event, Level, User
from .exceptions import timestamp_now
from .serialize import DATA_LIMITS, Serializer, safe_text

#: In the WSGI environment: the scope of a request whose context is gone.
ENVIRON_KEY = "flask_errtrack.scope"
_G_KEY = "_errtrack_scope"
_MARK = "__errtrack_ids__"
# An exception that is one object for a whole program would gather marks for ever.
_MAX_MARKS = 64

_USER_FIELDS = ("id", "username", "email", "name", "ip_address")
_numbers = itertools.count()
_outside: ContextVar[Mapping[int, Scope]] = ContextVar(
    "errtrack_scopes", default=MappingProxyType({})
)


class Work:
    """What came of one request, command or job; all its scopes share it."""

    def __init__(self) -> None:
        self.number = next(_numbers)
        #: The id of the event that tells most about this work, or None.
        self.event_id: str | None = None
        self.last_event_id: str | None = None
        #: Envelopes that wait for a better report of the same error, by event id.
        self.held: dict[str, Envelope] = {}
        self._rank = -1

    def accept(self, event_id: str, rank: int) -> None:
        """Remember an accepted event; the highest rank speaks for the work."""
        self.last_event_id = event_id
        if rank >= self._rank:
            self.event_id, self._rank = event_id, rank

    def remember(self, error: BaseException, event_id: str | None) -> None:
        """Note what became of an exception: its event id, or None if dropped."""
        marks = error.__dict__.setdefault(_MARK, {})
        marks[self.number] = event_id
        while len(marks) > _MAX_MARKS:
            marks.pop(next(iter(marks)), None)

    def decision_on(self, error: BaseException) -> tuple[bool, str | None]:
        """Tell whether an exception was met in this work, and its event id."""
        marks = error.__dict__.get(_MARK, {})
        return self.number in marks, marks.get(self.number)


class Scope:
    """User, tags, extra, contexts, breadcrumbs and more, for the events to come.

    :param max_breadcrumbs: the oldest breadcrumbs make room for new ones.
    """

    def __init__(self, max_breadcrumbs: int = 100) -> None:
        self.work = Work()
        self._user: User | None = None
        self._tags: dict[str, str] = {}
        self._extra: dict[str, Any] = {}
        self._contexts: dict[str, dict[str, Any]] = {}
        self._level: Level | None = None
        self._fingerprint: list[str] | None = None
        self._transaction: str | None = None
        self._breadcrumbs: deque[Breadcrumb] = deque(maxlen=max_breadcrumbs)

    def fork(self) -> Scope:
        """Return a copy that can change without changing this one."""
        copy = Scope.__new__(Scope)
        copy.__dict__.update(self.__dict__)
        copy._tags = self._tags.copy()
        copy._extra = self._extra.copy()
        copy._contexts = self._contexts.copy()
        copy._breadcrumbs = self._breadcrumbs.copy()
        return copy

    def set_user(self, user: Mapping[str, Any] | None) -> None:
        """Say who is at work; always wins over what is found out. None: nobody."""
        self._user = None if user is None else user_from_mapping(user)

    def set_tag(self, key: str, value: Any) -> None:
        """Set a tag, by which events can be found; the value becomes text."""
        self._tags[str(key)] = safe_text(value, 200)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set several tags."""
        for key, value in tags.items():
            self.set_tag(key, value)

    def set_extra(self, key: str, value: Any) -> None:
        """Add a value of any kind for people to read."""
        self._extra[str(key)] = Serializer(DATA_LIMITS)(value)

    def set_context(self, key: str, value: Mapping[str, Any]) -> None:
        """Add a named group of values."""
        made = Serializer(DATA_LIMITS)(dict(value))
        self._contexts[str(key)] = {**made, "type": made.get("type", str(key))}

    def set_level(self, level: Level) -> None:
        """Set the level of the events to come."""
        self._level = level

    def set_fingerprint(self, fingerprint: list[str] | None) -> None:
        """Say which events belong together; ``{{ default }}`` splices the rule."""
        self._fingerprint = None if fingerprint is None else _texts(fingerprint)

    def set_transaction(self, name: str) -> None:
        """Name the work, instead of the endpoint or command."""
        self._transaction = str(name)

    def add_breadcrumb(self, crumb: Mapping[str, Any]) -> None:
        """Note something that happened; see :class:`~.event.Breadcrumb`."""
        self._breadcrumbs.append(cast("Breadcrumb", crumb))

    def clear_breadcrumbs(self) -> None:
        """Forget what happened so far."""
        self._breadcrumbs.clear()

    def update(
        self,
        user: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        extra: Mapping[str, Any] | None = None,
        contexts: Mapping[str, Mapping[str, Any]] | None = None,
        level: Level | None = None,
        fingerprint: list[str] | None = None,
    ) -> None:
        """Set several things; what is None stays as it is."""
        if user is not None:
            self.set_user(user)
        self.set_tags(tags or {})
        for key, value in (extra or {}).items():
            self.set_extra(key, value)
        for name, context in (contexts or {}).items():
            self.set_context(name, context)
        if level is not None:
            self.set_level(level)
        if fingerprint is not None:
            self.set_fingerprint(fingerprint)

    def apply(self, event: Event) -> Event:
        """Return the event with what the scope knows, never over what it has."""
        made = cast("Event", dict(event))
        made["tags"] = {**self._tags, **event.get("tags", {})}
        made["extra"] = {**self._extra, **event.get("extra", {})}
        made["contexts"] = {**self._contexts, **event.get("contexts", {})}
        made["breadcrumbs"] = {"values": list(self._breadcrumbs)}
        if self._level is not None:
            made["level"] = self._level
        if self._user is not None:
            made["user"] = self._user
        if self._fingerprint is not None:
            made["fingerprint"] = self._fingerprint
        if self._transaction is not None:
            made["transaction"] = self._transaction
            made["transaction_info"] = {"source": "custom"}
        return made


def user_from_mapping(user: Mapping[str, Any]) -> User:
    """Return a user: known fields as texts, everything else below ``data``."""
    made = User()
    data = dict(user.get("data") or {})
    for key, value in user.items():
        if key in _USER_FIELDS:
            if value is not None:
                made[key] = safe_text(value)  # type: ignore[literal-required]
        elif key != "data":
            data[str(key)] = value
    if data:
        made["data"] = Serializer(DATA_LIMITS)(data)
    return made


def breadcrumb(fields: Mapping[str, Any]) -> Breadcrumb:
    """Return a breadcrumb with a time and with texts where texts belong."""
    made: dict[str, Any] = {"timestamp": timestamp_now()}
    for key in ("type", "category", "message", "level", "timestamp"):
        if fields.get(key) is not None:
            made[key] = safe_text(fields[key])
    data = fields.get("data")
    if data:
        value = Serializer(DATA_LIMITS)(data)
        made["data"] = value if isinstance(value, dict) else {"value": value}
    return cast("Breadcrumb", made)


class ScopeHome:
    """Where the scopes of one client live.

    :param app: the client's app; None for a client without Flask.
    """

    def __init__(self, max_breadcrumbs: int, app: Flask | None = None) -> None:
        self._max_breadcrumbs = max_breadcrumbs
        self._app = app
        self._number = next(_numbers)

    def current(self) -> Scope:
        """Return the scope of the running work, made if there is none."""
        if self.is_in_app():
            scope = self.on_g()
            if scope is None:
                scope = Scope(self._max_breadcrumbs)
                self._put_on_g(scope)
            return scope
        scope = _outside.get().get(self._number)
        if scope is None:
            scope = Scope(self._max_breadcrumbs)
            _outside.set({**_outside.get(), self._number: scope})
        return scope

    def on_g(self) -> Scope | None:
        """Return the scope of the running request, if one was needed so far."""
        scope: Scope | None = g.get(_G_KEY)
        return scope

    def is_in_app(self) -> bool:
        """Tell whether a context of the client's app is active."""
        return self._app is not None and has_app_context() and app_ctx.app is self._app

    def forget(self) -> None:
        """Begin a request: Flask may lend it the ``g`` of an outer context."""
        g.pop(_G_KEY, None)

    @contextmanager
    def pushed(self) -> Iterator[Scope]:
        """Let a copy of the current scope be the current one for a while."""
        outer = self.current()
        inner = outer.fork()
        if self.is_in_app():
            holder = g._get_current_object()
            self._put_on_g(inner)
            try:
                yield inner
            finally:
                setattr(holder, _G_KEY, outer)
                if has_request_context():
                    request.environ[ENVIRON_KEY] = outer
        else:
            token = _outside.set({**_outside.get(), self._number: inner})
            try:
                yield inner
            finally:
                _outside.reset(token)

    def _put_on_g(self, scope: Scope) -> None:
        setattr(g, _G_KEY, scope)
        if has_request_context():
            # Teardown and streaming may fail when ``g`` is gone.
            request.environ[ENVIRON_KEY] = scope


def _texts(values: Any) -> list[str]:
    values = [values] if isinstance(values, str) else values
    return [safe_text(value, 200) for value in values]


#: What ``add_breadcrumb`` takes: fields, or a callable that returns them.
CrumbSource = Mapping[str, Any] | Callable[[], Mapping[str, Any] | None] | None
