"""Where the scopes of a client live.

In an app context the scope lives on ``g`` and goes when Flask drops it. Outside
of one it lives in a context variable, one entry a client. A request's scope is in
its WSGI environment, too, for what happens when ``g`` is gone or another one.
"""

from __future__ import annotations

import itertools
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from types import MappingProxyType
from typing import Any

from flask import Flask, g, has_app_context, has_request_context, request
from flask import globals as flask_globals
from flask.globals import app_ctx

from .scope import Scope

_ENVIRON_KEY = "flask_errtrack.scope"
_G_KEY = "_errtrack_scope"
_OUTER_KEY = "_errtrack_outer_g"
# What a request leaves on ``g``.
_LENT = (_G_KEY, "event_id")
_numbers = itertools.count()
# Each scope with the thread or task it is for; None: for all that inherit it.
_outside: ContextVar[Mapping[int, tuple[Scope, object]]] = ContextVar(
    "errtrack_scopes", default=MappingProxyType({})
)


class ScopeHome:
    """Where the scopes of one client live.

    :param app: the client's app; None for a client without Flask.
    """

    def __init__(self, max_breadcrumbs: int, app: Flask | None = None) -> None:
        self._max_breadcrumbs = max_breadcrumbs
        self._app = app
        self._number = next(_numbers)
        # Two apps may see the same environment: each has its own key.
        self._environ_key = f"{_ENVIRON_KEY}.{self._number}"

    def current(self) -> Scope:
        """Return the scope of the running work, made if there is none."""
        if self.is_in_app():
            return self.on_g() or self._begin_on_g()
        runner = _runner()
        found = _outside.get().get(self._number)
        if found is None:
            scope = Scope(self._max_breadcrumbs)
            self._put_outside(scope, runner)
            return scope
        scope, owner = found
        if owner is not None and owner != runner:
            # A task inherits from who started it; what it sets is its own.
            scope = scope.fork()
            self._put_outside(scope, runner)
        return scope

    def on_g(self) -> Scope | None:
        """Return the scope of the running request, if one was needed so far."""
        scope: Scope | None = g.get(_G_KEY)
        return scope

    def in_environ(self, environ: dict[str, Any]) -> Scope:
        """Return the scope of a request whose contexts are gone."""
        scope: Scope | None = environ.get(self._environ_key)
        if scope is None:
            scope = environ[self._environ_key] = Scope(self._max_breadcrumbs)
        return scope

    def event_id_in(self, environ: dict[str, Any]) -> str | None:
        """Return the id of the event that tells most about a request."""
        scope: Scope | None = environ.get(self._environ_key)
        return None if scope is None else scope.work.event_id

    def is_in_app(self) -> bool:
        """Tell whether a context of the client's app is active."""
        return self._app is not None and has_app_context() and app_ctx.app is self._app

    def is_nested(self, environ: dict[str, Any]) -> bool:
        """Tell whether a request that begins would see the scope of an outer one."""
        return self._environ_key in environ or self.is_in_app()

    @contextmanager
    def isolated(self, environ: dict[str, Any]) -> Iterator[None]:
        """Let a request begin with nothing of an outer one, which gets it back.

        Flask lends a request the ``g`` of an outer context, and an app may hand
        its own environment on.
        """
        environ_scope = environ.pop(self._environ_key, None)
        holder = g._get_current_object() if self.is_in_app() else None
        lent = {} if holder is None else vars(holder)
        outer = {key: lent.pop(key) for key in _LENT if key in lent}
        try:
            yield
        finally:
            if holder is not None:
                for key in _LENT:
                    lent.pop(key, None)
                lent.update(outer)
            if environ_scope is not None:
                environ[self._environ_key] = environ_scope

    @contextmanager
    def pushed(self) -> Iterator[Scope]:
        """Let a copy of the current scope be the current one for a while."""
        outer = self.current()
        inner = outer.fork()
        if self.is_in_app():
            holder = g._get_current_object()
            setattr(holder, _G_KEY, inner)
            try:
                yield inner
            finally:
                setattr(holder, _G_KEY, outer)
        else:
            token = self._put_outside(inner, None)
            try:
                yield inner
            finally:
                _outside.reset(token)

    def _begin_on_g(self) -> Scope:
        if request_context() is None:
            return self._scope_on(g._get_current_object())
        if self._environ_key in request.environ:
            # Another thread with a copy of the request's context: the same work.
            scope = self.in_environ(request.environ).fork()
        else:
            scope = self.in_environ(request.environ)
        setattr(g, _G_KEY, scope)
        return scope

    def _scope_on(self, holder: Any) -> Scope:
        scope: Scope | None = holder.get(_G_KEY)
        if scope is None:
            scope = Scope(self._max_breadcrumbs)
            outer = holder.get(_OUTER_KEY)
            if outer is not None:
                scope.work = self._scope_on(outer).work
            setattr(holder, _G_KEY, scope)
        return scope

    def _put_outside(self, scope: Scope, owner: object) -> Token[Any]:
        return _outside.set({**_outside.get(), self._number: (scope, owner)})


def request_context() -> Any:
    """Return the context of the running request, or None.

    None also while the request's code is at work in the context of another app.
    """
    if not has_request_context():
        return None
    context = _request_ctx._get_current_object()
    return context if context.app is app_ctx.app else None


def session_of(context: Any) -> Any:
    """Return the session of a request's context; None before it was opened.

    To look at it in the usual way would mark it as used, and add ``Vary: Cookie``
    to the response.
    """
    stored = vars(context)
    return stored.get("_session", stored.get("session"))


def globals_class(app: Flask) -> type[Any]:
    """Return a class for the ``g`` of an app: its ``event_id`` is always there.

    It knows the ``g`` of the context around its own: an exception that leaves both
    is one event.
    """
    base: Any = app.app_ctx_globals_class
    # Caches of classes must not keep apps.
    is_of = weakref.ref(app)

    class Globals(base):  # type: ignore[misc]
        event_id: str | None = None

        def __init__(self) -> None:
            super().__init__()
            if has_app_context() and app_ctx.app is is_of():
                setattr(self, _OUTER_KEY, g._get_current_object())

    Globals.__name__ = base.__name__
    return Globals


def _runner() -> object:
    """What runs this code: a task, or else a thread."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        with suppress(RuntimeError):
            task = asyncio.current_task()
            if task is not None:
                return task
    return threading.get_ident()


# Newer versions of Flask have one context for both.
_request_ctx: Any = vars(flask_globals).get("request_ctx", app_ctx)
