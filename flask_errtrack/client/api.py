"""Calls that are the same on an extension and on a client.

The setters of the current scope, and check-ins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, overload

from ..errors import ConfigError, guard, own_work
from ..event import CheckInStatus, Level
from ..runtime.around import Around
from ..runtime.contexts import contextmanager
from ..scopes.scope import Scope

if TYPE_CHECKING:
    from .monitor import MonitorClient

ScopeCallback = Callable[[Scope], Any]


class ScopeApi:
    """Sets what goes with the events of the running request, command or thread."""

    @property
    def client(self) -> MonitorClient | None:
        """The client that is meant at the moment; None: there is none yet."""
        raise NotImplementedError

    def _active_scope(self) -> Scope | None:
        """The current scope; None where nothing is captured."""
        raise NotImplementedError

    def _pushed_scope(self) -> AbstractContextManager[Scope]:
        """A copy of the current scope, current for a while."""
        raise NotImplementedError

    def _job(self, name: str) -> AbstractContextManager[Scope]:
        """What :meth:`job` does around one run."""
        raise NotImplementedError

    def _send_check_in(self, *given: Any) -> str | None:
        """Send what :meth:`capture_check_in` was given."""
        raise NotImplementedError

    def job(self, name: str) -> Around[Scope]:
        """Run code outside of requests as work of its own, with a scope of its own.

        ::

            with errtrack.job("import-orders") as scope:
                scope.set_tag("shop", shop.name)

            @errtrack.job("send-mails")
            def send_mails(): ...

        An exception that leaves it is captured and goes on. Functions may be async.

        :param name: the transaction of its events.
        :raises ConfigError: ``name`` is none, as in ``@errtrack.job`` alone.
        """
        if not isinstance(name, str):
            raise ConfigError(
                f"the name of a job is {name!r}; expected a text, such as "
                '@errtrack.job("send-mails")'
            )
        return Around(partial(self._job, name))

    def monitor(
        self,
        slug: str,
        *,
        schedule: str | timedelta | None = None,
        timezone: str | None = None,
        checkin_margin_minutes: int | None = None,
        max_runtime_minutes: int | None = None,
        failure_issue_threshold: int | None = None,
        recovery_threshold: int | None = None,
    ) -> Around[Scope]:
        """Run a scheduled job, and tell the server when it begins and how it ends.

        ::

            @errtrack.monitor("nightly-report", schedule="0 3 * * *")
            def send_report(): ...

            with errtrack.monitor("sync", schedule=timedelta(minutes=10)):
                ...

        An exception that leaves it is captured and goes on. Functions may be async.

        :param slug: the job's name: letters, digits, ``-`` and ``_``.
        :param schedule: a crontab line or an interval, by which the server expects
            the job; None: it is shown, and never missed.
        :param timezone: in which the crontab line is read, such as ``Europe/Berlin``.
        :param checkin_margin_minutes: how late it may begin.
        :param max_runtime_minutes: how long it may take.
        :param failure_issue_threshold: so many bad runs in a row become an issue.
        :param recovery_threshold: so many good ones in a row are its end.
        :raises ConfigError: something has a value that cannot be meant.
        """
        # What reads schedules is for those who have some.
        from .monitor import checked_slug, monitor_config, monitored

        config = monitor_config(
            schedule,
            timezone,
            checkin_margin_minutes=checkin_margin_minutes,
            max_runtime_minutes=max_runtime_minutes,
            failure_issue_threshold=failure_issue_threshold,
            recovery_threshold=recovery_threshold,
        )
        return Around(partial(monitored, self, checked_slug(slug), config))

    def capture_check_in(
        self,
        monitor_slug: str,
        status: CheckInStatus,
        *,
        check_in_id: str | None = None,
        duration_seconds: float | None = None,
        monitor_config: Mapping[str, Any] | None = None,
    ) -> str | None:
        """Tell how a scheduled job fares; return the check-in's id, or None.

        :param monitor_slug: the job's name: letters, digits, ``-`` and ``_``.
        :param status: ``in_progress``, and later ``ok`` or ``error``.
        :param check_in_id: what the call with ``in_progress`` returned.
        :param monitor_config: makes the server watch the job, such as
            ``{"schedule": {"type": "crontab", "value": "0 4 * * *"}}``.
        """
        return self._send_check_in(
            monitor_slug, status, check_in_id, duration_seconds, monitor_config
        )

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
