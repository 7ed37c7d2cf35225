"""The setters of the current scope, the same on an extension and on a client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, overload

from .errors import guard, own_work
from .event import Level
from .scope import Scope

ScopeCallback = Callable[[Scope], Any]


class ScopeApi:
    """Sets what goes with the events of the running request, command or thread."""

    def _active_scope(self) -> Scope | None:
        """The current scope; None where nothing is captured."""
        raise NotImplementedError

    def _pushed_scope(self) -> AbstractContextManager[Scope]:
        """A copy of the current scope, current for a while."""
        raise NotImplementedError

    def set_user(self, user: Mapping[str, Any] | None) -> None:
        """Say who is at work; always wins over what is found out. None: nobody."""
        self._change("set_user", user)

    def set_tag(self, key: str, value: Any) -> None:
        """Set a tag, by which events can be found; the value becomes text."""
        self._change("set_tag", key, value)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set several tags."""
        self._change("set_tags", tags)

    def set_extra(self, key: str, value: Any) -> None:
        """Add a value of any kind for people to read."""
        self._change("set_extra", key, value)

    def set_context(self, key: str, value: Mapping[str, Any]) -> None:
        """Add a named group of values."""
        self._change("set_context", key, value)

    def set_level(self, level: Level) -> None:
        """Set the level of the events to come."""
        self._change("set_level", level)

    def set_fingerprint(self, fingerprint: list[str] | None) -> None:
        """Say which events belong together; ``{{ default }}`` splices the rule."""
        self._change("set_fingerprint", fingerprint)

    def set_transaction(self, name: str) -> None:
        """Name the work, instead of the endpoint or command."""
        self._change("set_transaction", name)

    def _change(self, setter: str, *arguments: Any) -> None:
        scope = self._active_scope()
        if scope is not None:
            with guard(f"calling {setter}"), own_work():
                getattr(scope, setter)(*arguments)

    @overload
    def configure_scope(self) -> AbstractContextManager[Scope]: ...
    @overload
    def configure_scope(self, callback: ScopeCallback) -> ScopeCallback: ...
    def configure_scope(self, callback: ScopeCallback | None = None) -> Any:
        """Change the current scope.

        As a context manager it yields the scope. As a decorator it calls the
        function with the scope at once, if anything is captured at all.
        """
        return self._with(self._current_scope, callback)

    @overload
    def push_scope(self) -> AbstractContextManager[Scope]: ...
    @overload
    def push_scope(self, callback: ScopeCallback) -> ScopeCallback: ...
    def push_scope(self, callback: ScopeCallback | None = None) -> Any:
        """Change a copy of the scope, which is current only inside.

        As a context manager it yields the copy. As a decorator it calls the
        function with the copy at once, if anything is captured at all.
        """
        return self._with(self._pushed_scope, callback)

    @contextmanager
    def _current_scope(self) -> Iterator[Scope]:
        # Where nothing is captured the caller still gets a scope to write on.
        yield self._active_scope() or Scope()

    def _with(
        self,
        manager: Callable[[], AbstractContextManager[Scope]],
        callback: ScopeCallback | None,
    ) -> Any:
        if callback is None:
            return manager()
        if self._active_scope() is not None:
            with manager() as scope:
                callback(scope)
        return callback
