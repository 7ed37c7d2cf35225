"""The extension: composes client, tracker, dialog and commands for an app.

The only file that knows both the client and the tracker. Nothing of an app lives
on :class:`ErrTrack`; it all is in ``app.extensions``.
"""

from __future__ import annotations

import os
import weakref
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, current_app, g, has_app_context, request

from . import logging as log_records
from .access import Access
from .api import ScopeApi
from .cli import errtrack_commands
from .client import Client
from .config import Config
from .errors import ConfigError, SeveralApps
from .event import Level
from .feedback import Feedback
from .health import Health
from .hooks import AppHooks
from .host import (
    CLIENT_KEY,
    KEYS_KEY,
    TRACKER_KEY,
    WATCHER_KEY,
    FlaskHost,
)
from .request import person_of
from .scope import CrumbSource, Scope
from .signing import key_from_file
from .transports import BackgroundTransport, Transport, transport_to_dsn

if TYPE_CHECKING:
    from .tracker import Tracker


class ErrTrack(ScopeApi):
    """Error tracking for Flask apps: ``ErrTrack(app)``, or ``init_app`` later.

    :param options: see :class:`~flask_errtrack.config.Config`.
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
        _Composer(app, config).compose()
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
        """The DSN without its secret, for pages that load a browser SDK."""
        client = self.client
        dsn = client.config.dsn if client is not None else None
        return None if dsn is None else dsn.public

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

    # The names by which raven knows them.
    captureException = capture_exception
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
        if client is None or client.host.app is None:
            return
        extensions = client.host.app.extensions
        if (watcher := extensions.get(WATCHER_KEY)) is not None:
            log_records.unwatch(watcher)
        if (tracker := extensions.get(TRACKER_KEY)) is not None:
            tracker.store.close()
        client.close()

    def _active_scope(self) -> Scope | None:
        client = self.client
        return None if client is None else client._active_scope()

    def _send_check_in(self, *given: Any) -> str | None:
        client = self.client
        return None if client is None else client._send_check_in(*given)

    def _pushed_scope(self) -> AbstractContextManager[Scope]:
        client = self.client
        return nullcontext(Scope()) if client is None else client._pushed_scope()


class _Composer:
    """Builds what one app needs, and puts it together."""

    def __init__(self, app: Flask, config: Config) -> None:
        self.app = app
        self.config = config
        self.instance = Path(app.instance_path)
        self._file_key: str | None = None

    def compose(self) -> None:
        app, config = self.app, self.config
        tracker = self.make_tracker() if self.wants_tracker else None
        client = Client.of_host(config, self.make_transport(tracker), FlaskHost(app))
        feedback = Feedback(
            self.signing_keys,
            client.capture_user_report,
            lambda: g.get("event_id"),
            self.person,
        )
        app.extensions[CLIENT_KEY] = client
        if tracker is not None:
            app.extensions[TRACKER_KEY] = tracker
        dialog = feedback.dialog
        app.context_processor(lambda: {"errtrack_feedback": dialog})
        blueprint = None
        if config.enabled:
            blueprint = self.serve(client, feedback, tracker)
        AppHooks(app, client, lambda: self.complete(client, blueprint)).connect()
        app.cli.add_command(errtrack_commands)
        app.extensions[KEYS_KEY] = self.signing_keys
        if config.enabled and config.logging:
            watcher = app.extensions[WATCHER_KEY] = log_records.LogWatcher(client)
            log_records.watch(watcher)

    @property
    def wants_tracker(self) -> bool:
        config = self.config
        has_other_way = config.dsn is not None or config.transport is not None
        return config.enabled and (not has_other_way or bool(config.dashboard))

    def make_tracker(self) -> Tracker:
        # SQLAlchemy is for those who use the tracker.
        from .tracker import Tracker

        return Tracker(
            self.database_url(),
            max_events_per_issue=self.config.max_events_per_issue,
            retention_days=self.config.retention_days,
        )

    def database_url(self) -> str:
        """The tracker's database; a file without a folder is in the instance folder."""
        url, scheme = self.config.database_url or "sqlite:///errtrack.db", "sqlite:///"
        path = url.removeprefix(scheme)
        if not url.startswith(scheme) or path.startswith(":"):
            return url
        return scheme + (self.instance / path).as_posix()

    def make_transport(self, tracker: Tracker | None) -> Transport | None:
        config = self.config
        if config.transport is not None or not config.enabled:
            return config.transport  # type: ignore[no-any-return]
        folder = config.outbox_folder(self.instance, self.database_url())
        if config.dsn is not None:
            return transport_to_dsn(config, folder)
        assert tracker is not None
        return BackgroundTransport(
            lambda: tracker.transport,
            folder,
            config.outbox_max_bytes,
            config.shutdown_timeout_seconds,
        )

    def serve(
        self, client: Client, feedback: Feedback, tracker: Tracker | None
    ) -> Blueprint:
        config = self.config
        blueprint = Blueprint(
            "errtrack",
            __package__ or "flask_errtrack",
            url_prefix=config.url_prefix,
            template_folder="templates",
            static_folder="static",
        )
        if config.feedback:
            feedback.add_to(blueprint)
        access = Access(self.signing_keys, config.dashboard_access)
        check_store = None if tracker is None else tracker.store.check
        Health(client, check_store, access.allows).add_to(blueprint)
        if tracker is not None and config.dashboard is not False:
            from .tracker.dashboard.views import add_pages

            add_pages(blueprint, tracker.store, access)
        self.app.register_blueprint(blueprint)
        if config.error_page and not self.app.error_handler_spec[None].get(500):
            self.app.register_error_handler(500, partial(self.answer_500, feedback))
        return blueprint

    def answer_500(self, feedback: Feedback, error: Exception) -> Any:
        """Answer with the ready-made page, unless the app handles such errors.

        Flask asks a handler for a status before one for a class: the app's handler
        for ``HTTPException`` would not be asked at all.
        """
        for name in (*request.blueprints, None):
            handlers = self.app.error_handler_spec[name][None]
            for kind in type(error).__mro__:
                if kind in handlers:
                    return self.app.ensure_sync(handlers[kind])(error)
        return feedback.error_page(error)

    def complete(self, client: Client, blueprint: Blueprint | None) -> None:
        """Do what had to wait until the app is complete: at its first request."""
        csrf = self.app.extensions.get("csrf")
        if csrf is not None and blueprint is not None:
            # The dialog's form is signed, and the dashboard checks where it came from.
            csrf.exempt(blueprint)
        transport = client.transport
        if client.is_enabled and isinstance(transport, BackgroundTransport):
            if transport.has_leftovers():
                transport.wake()

    def signing_keys(self) -> list[str | bytes]:
        """The app's own keys, the newest last; else one from a file of ours."""
        key = self.app.secret_key
        if key:
            fallbacks = self.app.config.get("SECRET_KEY_FALLBACKS") or []
            return [*fallbacks, key]
        if self._file_key is None:
            self._file_key = key_from_file(self.instance / "errtrack.key")
        return [self._file_key]

    def person(self) -> tuple[str, str]:
        return person_of() if self.config.send_default_pii else ("", "")
