"""Where the scopes of a client live.

In an app context the scope lives on ``g`` and goes when Flask drops it. Outside
of one it lives in a context variable, one entry a client, and so does a scope that is
put over that of ``g`` for a while: tasks share ``g``, and do not see each other's.
A request's scope is in its WSGI environment, too, for what happens when ``g`` is gone
or another one.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar, Token
from types import MappingProxyType
from typing import Any, NamedTuple

import click
from flask import Flask, g, has_app_context, has_request_context
from flask import globals as flask_globals
from flask.globals import app_ctx

from ..runtime.contexts import contextmanager
from ..runtime.runner import runner
from .scope import Scope
from .work import Work

_ENVIRON_KEY = "flask_errtrack.scopes.scope"
_G_KEY = "_errtrack_scope"
_OUTER_KEY = "_errtrack_outer_g"
# What a request leaves on ``g``.
_LENT = (_G_KEY, "event_id")
_NOWHERE = object()
_numbers = itertools.count()


class _Entry(NamedTuple):
    """A scope that is not on ``g``.

    :param owner: the thread or task that it is for; None: all that inherit it.
    :param over: the ``g`` over which it is put; None: outside of any app context.
        Where there is another one it is not the current scope.
    :param work: the work in which the code runs, by whatever context.
    """

    scope: Scope
    owner: object
    over: object
    work: Work | None


_entries: ContextVar[Mapping[int, _Entry]] = ContextVar(
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
        holder = self._g()
        scope = self._known_on(holder)
        if scope is None and holder is not None:
            scope = self._begin_on(holder)
        elif scope is None:
            scope = Scope(self._max_breadcrumbs, Work(may_wait=True))
            self._keep(_Entry(scope, runner(), over=None, work=None))
        return scope

    def known(self) -> Scope | None:
        """Return the scope of the running work, if one was needed so far."""
        return self._known_on(self._g())

    def _known_on(self, holder: Any) -> Scope | None:
        scope = self._over(holder)
        if scope is None and holder is not None:
            scope = holder.get(_G_KEY)
        return scope

    def _over(self, holder: object) -> Scope | None:
        """The scope that is put over a ``g``, or outside of any, if there is one."""
        entry = _entries.get().get(self._number)
        if entry is None or entry.over is not holder or entry.scope.is_over:
            return None
        me = runner()
        if entry.owner is None or entry.owner == me:
            return entry.scope
        # A task inherits from who started it; what it sets is its own.
        scope = entry.scope.fork()
        self._keep(entry._replace(scope=scope, owner=me))
        return scope

    def in_environ(self, environ: dict[str, Any]) -> Scope:
        """Return the scope of a request whose contexts are gone."""
        scope: Scope | None = environ.get(self._environ_key)
        if scope is None:
            work = Work(self.outer_work(), ends=True)
            scope = Scope(self._max_breadcrumbs, work)
            environ[self._environ_key] = scope
        return scope

    def event_id_in(self, environ: dict[str, Any]) -> str | None:
        """Return the id of the event that tells most about a request."""
        scope: Scope | None = environ.get(self._environ_key)
        return None if scope is None else scope.work.event_id

    def is_in_app(self) -> bool:
        """Tell whether a context of the client's app is active."""
        return self._app is not None and running_app() is self._app

    def _g(self) -> Any:
        """The ``g`` of the running code; None outside of the client's app."""
        context = None if self._app is None else app_context()
        return context.g if context is not None and context.app is self._app else None

    def is_nested(self, environ: dict[str, Any]) -> bool:
        """Tell whether a request that begins would see the scope of an outer one."""
        if self._environ_key in environ:
            return True
        return has_app_context() and self.is_in_app()

    @contextmanager
    def isolated(self, environ: dict[str, Any]) -> Iterator[None]:
        """Let a request begin with nothing of an outer one, which gets it back.

        Flask lends a request the ``g`` of an outer context, and an app may hand
        its own environment on.
        """
        environ_scope = environ.pop(self._environ_key, None)
        holder = self._g()
        lent = {} if holder is None else vars(holder)
        outer = {key: lent.pop(key) for key in _LENT if key in lent}
        try:
            with self._nothing_over():
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
        inner = self.current().fork()
        with self._put(inner, None, self.outer_work()):
            yield inner

    @contextmanager
    def work(self, is_shared: bool) -> Iterator[Scope]:
        """Let a scope with nothing of what is around be the current one for a while.

        An app context that is pushed meanwhile has the same scope.

        :param is_shared: threads and tasks that inherit it have it, too; else each of
            them has a copy.
        """
        around = self.current().work if self.is_in_app() else self.outer_work()
        scope = Scope(self._max_breadcrumbs, Work(around, ends=True))
        with self._put(scope, None if is_shared else runner(), scope.work):
            try:
                yield scope
            finally:
                scope.work.ends = False
                # What a request has started may go on, and is still about it.
                scope.is_over = not is_shared

    def outer_work(self) -> Work | None:
        """Return the work outside of any app context in which the code runs."""
        entry = _entries.get().get(self._number)
        work = None if entry is None else entry.work
        return work if work is not None and work.ends else None

    @contextmanager
    def _put(self, scope: Scope, owner: object, work: Work | None) -> Iterator[None]:
        token = self._keep(_Entry(scope, owner, self._g(), work))
        try:
            yield
        finally:
            # A generator may end in another context than it began in.
            with suppress(ValueError):
                _entries.reset(token)

    @contextmanager
    def _nothing_over(self) -> Iterator[None]:
        entry = _entries.get().get(self._number)
        if entry is None:
            yield
        else:
            token = self._keep(entry._replace(over=_NOWHERE))
            try:
                yield
            finally:
                _entries.reset(token)

    def _begin_on(self, holder: Any) -> Scope:
        context = request_context()
        if context is None or self._is_nested_work(holder):
            return self._scope_on(holder)
        environ = context.request.environ
        is_known = self._environ_key in environ
        scope = self.in_environ(environ)
        if is_known:
            # Another thread with a copy of the request's context: the same work.
            scope = scope.fork()
        setattr(holder, _G_KEY, scope)
        return scope

    def _is_nested_work(self, holder: Any) -> bool:
        """Tell whether an app context in a request belongs to work inside of it."""
        outer = holder.get(_OUTER_KEY)
        while outer is not None:
            around: Scope | None = self._over(outer) or outer.get(_G_KEY)
            if around is not None:
                return around.work is self.outer_work()
            outer = outer.get(_OUTER_KEY)
        return False

    def _scope_on(self, holder: Any) -> Scope:
        scope: Scope | None = holder.get(_G_KEY)
        if scope is None:
            scope = self._scope_in(holder.get(_OUTER_KEY))
            setattr(holder, _G_KEY, scope)
        return scope

    def _scope_in(self, outer: Any) -> Scope:
        """A scope for an app context.

        :param outer: the ``g`` of the context around it, or None.
        """
        work, around = self.outer_work(), self._over(outer)
        if around is None and outer is not None:
            around = self._scope_on(outer)
        if work is not None and around is not None and around.work is work:
            return around
        if outer is None or around is None:
            # A command has its context until it ends; others may live for ever.
            is_command = click.get_current_context(silent=True) is not None
            work = Work(ends=is_command, may_wait=True)
            return Scope(self._max_breadcrumbs, work)
        return Scope(self._max_breadcrumbs, around.work)

    def _keep(self, entry: _Entry) -> Token[Any]:
        return _entries.set({**_entries.get(), self._number: entry})


def app_context() -> Any:
    """Return the active context of an app, or None.

    Each look through a proxy of Flask costs as much as this.
    """
    return app_ctx._get_current_object() if has_app_context() else None  # type: ignore[attr-defined]


def running_app() -> Flask | None:
    """Return the app whose context is active, or None."""
    context = app_context()
    return None if context is None else context.app


def request_context() -> Any:
    """Return the context of the running request, or None.

    None also while the request's code is at work in the context of another app.
    """
    if not has_request_context():
        return None
    context = _request_ctx._get_current_object()
    return context if context.app is running_app() else None


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


# Newer versions of Flask have one context for both.
_request_ctx: Any = vars(flask_globals).get("request_ctx", app_ctx)
