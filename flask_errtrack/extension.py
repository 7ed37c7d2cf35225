"""The extension: what an app's code calls, for whichever app is running.

Nothing of an app lives on :class:`ErrTrack`; it all is in ``app.extensions``.
"""

from __future__ import annotations

import os
import weakref
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from flask import (
    Flask,
    current_app,
    has_app_context,
    has_request_context,
    request,
    url_for,
)

from .client.api import ScopeApi
from .client.client import Client
from .composition import compose, dismantle
from .errors import ConfigError, SeveralApps, guard
from .event import Level
from .host.app import CLIENT_KEY, TRACKER_KEY
from .scopes.scope import CrumbSource, Scope
from .settings.config import Config

if TYPE_CHECKING:
    from .tracker.embedded import Tracker


class ErrTrack(ScopeApi):
    """Error tracking for Flask apps: ``ErrTrack(app)``, or ``init_app`` later.

    :param options: see :class:`~flask_errtrack.settings.config.Config`.
    """

    def __init__(self, app: Flask | None = None, **options: Any) -> None:
        self._options = options
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, **options: Any) -> None:
        """Connect an app. Later changes of its config do nothing.

        :raises ConfigError: an option is unknown or wrong, or the app has an
            ErrTrack already.
        """
        if CLIENT_KEY in app.extensions:
            raise ConfigError(
                f"{app!r} has an ErrTrack already; call init_app once for an app"
            )
        config = Config.load({**self._options, **options}, app.config, os.environ)
        compose(app, config)
        self._apps.add(app)

    @property
    def client(self) -> Client | None:
        """The client of the current app, or of the one app; None without an app.

        :raises SeveralApps: there are several, and no context says which.
        """
        if has_app_context():
            return current_app.extensions.get(CLIENT_KEY)
        apps = list(self._apps)
        if len(apps) > 1:
            names = ", ".join(sorted(app.name for app in apps))
            raise SeveralApps(
                f"this ErrTrack serves several apps ({names}) and no app context is "
                "active; use it inside `with app.app_context():`"
            )
        return apps[0].extensions[CLIENT_KEY] if apps else None

    @property
    def public_dsn(self) -> str | None:
        """The DSN without its secret, for pages that load a browser SDK.

        That of the app's own tracker where there is no other: it needs a request, or
        ``SERVER_NAME``, to know where that is. None if there is nothing to send to.
        """
        client = self.client
        if client is None or client.config.dsn is None:
            return None if client is None else _dsn_of_tracker(client)
        return client.config.dsn.public

    def capture_exception(self, error: Any = None, **scope_kwargs: Any) -> str | None:
        """Capture an exception; return the id of its event, or None.

        :param error: an exception or ``sys.exc_info()``; None: the one being handled.
        :param scope_kwargs: ``user, tags, extra, contexts, level, fingerprint``, for
            this event only.
        """
        client = self.client
        if client is None:
            return None
        return client.capture_exception(error, **scope_kwargs)

    def capture_message(
        self, message: str, level: Level = "info", **scope_kwargs: Any
    ) -> str | None:
        """Capture a message; return the id of its event, or None."""
        client = self.client
        if client is None:
            return None
        return client.capture_message(message, level, **scope_kwargs)

    def captureException(self, exc_info: Any = None, **scope_kwargs: Any) -> str | None:
        """Capture an exception as raven's users know it.

        :param exc_info: an exception, ``sys.exc_info()``, or True for the current one.
        """
        error = None if exc_info is True else exc_info
        return self.capture_exception(error, **scope_kwargs)

    # The name by which raven knows it.
    captureMessage = capture_message

    def add_breadcrumb(self, crumb: CrumbSource = None, **fields: Any) -> None:
        """Note something that happened: a dict, fields, or a callable for a dict.

        A callable is called only if breadcrumbs are kept at all.
        """
        if (client := self.client) is not None:
            client.add_breadcrumb(crumb, **fields)

    def last_event_id(self) -> str | None:
        """Return the id of the newest event of the running work, or None."""
        client = self.client
        return None if client is None else client.last_event_id()

    def flush(self, timeout: float = 2.0) -> bool:
        """Wait until everything is delivered; tell whether it is.

        :param timeout: in seconds.
        """
        client = self.client
        return True if client is None else client.flush(timeout)

    def close(self) -> None:
        """Deliver what can be delivered in time, then stop capturing."""
        client = self.client
        if client is not None and client.host.app is not None:
            dismantle(client.host.app)

    def _active_scope(self) -> Scope | None:
        client = self.client
        return None if client is None else client._active_scope()

    def _job(self, name: str) -> AbstractContextManager[Scope]:
        client = self.client
        return nullcontext(Scope()) if client is None else client._job(name)

    def _send_check_in(self, *given: Any) -> str | None:
        client = self.client
        return None if client is None else client._send_check_in(*given)

    def _pushed_scope(self) -> AbstractContextManager[Scope]:
        client = self.client
        return nullcontext(Scope()) if client is None else client._pushed_scope()


def _dsn_of_tracker(client: Client) -> str | None:
    if not client.is_enabled or not has_app_context():
        return None
    tracker: Tracker | None = current_app.extensions.get(TRACKER_KEY)
    if tracker is None or client.config.dashboard is False:
        return None
    host = request.host if has_request_context() else current_app.config["SERVER_NAME"]
    if not host:
        return None
    with guard("making the public DSN"):
        return tracker.dsn(url_for("errtrack.issue_list", _external=True))
    return None
