"""Puts together what an app gets: client, tracker, dialog, pages and commands.

The only file that knows both the client and the tracker. Everything it makes is in
``app.extensions``, and nothing of it anywhere else.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, g, request
from flask.blueprints import BlueprintSetupState

from .cli import errtrack_commands
from .client.client import Client
from .diagnosis.health import Health
from .errors import ConfigError
from .hooks import AppHooks
from .host.app import CLIENT_KEY, KEYS_KEY, TRACKER_KEY, WATCHES_KEY, FlaskHost
from .host.request import person_of
from .settings.config import Config
from .transports import (
    BackgroundTransport,
    Transport,
    outbox_folder,
    transport_to_dsn,
)
from .web.access import Access
from .web.feedback import Feedback
from .web.headers import protect
from .web.signing import KEY_NAME, key_from_file

if TYPE_CHECKING:
    from .tracker.embedded import Tracker

_NAME = "errtrack"
_HOST = "errtrack_host"


def compose(app: Flask, config: Config) -> Tracker | None:
    """Give an app what its options ask for; return its tracker, if it has one.

    :raises ConfigError: the app has a blueprint of the same name.
    """
    if _NAME in app.blueprints:
        raise ConfigError(
            f"{app!r} has a blueprint {_NAME!r} of its own, which is the name of "
            "Flask-ErrTrack's; give it another name"
        )
    return _Composer(app, config).compose()


def dismantle(app: Flask) -> None:
    """Undo what :func:`compose` has started in an app, and deliver what is left."""
    for stop in app.extensions.pop(WATCHES_KEY, ()):
        stop()
    client = app.extensions[CLIENT_KEY]
    if (tracker := app.extensions.get(TRACKER_KEY)) is not None:
        # What is delivered to a closed tracker would begin its work anew.
        client.flush(client.config.shutdown_timeout_seconds)
        tracker.close()
    client.close()


class _OnEveryHost(Blueprint):
    """A blueprint for an app that tells hosts apart: it does not."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.url_value_preprocessor(lambda _, values: (values or {}).pop(_HOST, None))
        self.url_defaults(lambda _, values: values.setdefault(_HOST, request.host))

    def make_setup_state(self, *arguments: Any) -> BlueprintSetupState:
        return _RulesOnEveryHost(self, *arguments)


class _RulesOnEveryHost(BlueprintSetupState):
    def add_url_rule(self, rule: str, *arguments: Any, **options: Any) -> None:
        super().add_url_rule(rule, *arguments, host=f"<{_HOST}>", **options)


class _Composer:
    """Builds what one app needs, and puts it together."""

    def __init__(self, app: Flask, config: Config) -> None:
        self.app = app
        self.config = config
        self.instance = Path(app.instance_path)
        self._file_key: str | None = None

    def compose(self) -> Tracker | None:
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
        AppHooks(
            app, client, lambda: self.complete(client, blueprint, tracker)
        ).connect()
        app.cli.add_command(errtrack_commands)
        app.extensions[KEYS_KEY] = self.signing_keys
        client.watch()
        return tracker

    @property
    def wants_tracker(self) -> bool:
        config = self.config
        has_other_way = config.dsn is not None or config.transport is not None
        return config.enabled and (not has_other_way or bool(config.dashboard))

    def make_tracker(self) -> Tracker:
        # SQLAlchemy is for those who use the tracker.
        from .tracker.embedded import Tracker

        return Tracker(
            self.database_url(),
            max_events_per_issue=self.config.max_events_per_issue,
            retention_days=self.config.retention_days,
            alerts=self.config.alerts,
            alert_rules=self.config.alert_rules,
            dashboard_url=self.dashboard_url(),
        )

    def dashboard_url(self) -> str:
        """Where people find the dashboard; empty if nobody said."""
        given, settings = self.config.dashboard_url, self.app.config
        if given or not settings["SERVER_NAME"]:
            return given or ""
        home = f"{settings['PREFERRED_URL_SCHEME']}://{settings['SERVER_NAME']}"
        root = (settings["APPLICATION_ROOT"] or "").rstrip("/")
        return f"{home}{root}{self.config.url_prefix}"

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
        folder = outbox_folder(config, self.instance, self.database_url())
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
        kind = _OnEveryHost if self.app.url_map.host_matching else Blueprint
        blueprint = kind(
            _NAME,
            __package__ or "flask_errtrack",
            url_prefix=config.url_prefix,
            template_folder="templates",
            static_folder="static",
        )
        blueprint.after_request(protect)
        if config.feedback:
            feedback.add_to(blueprint)
        access = Access(self.signing_keys, config.dashboard_access)
        health = Health(
            client,
            None if tracker is None else tracker.store.check,
            access.allows,
            describe_store=None if tracker is None else tracker.watch.describe,
        )
        health.add_to(blueprint)
        if tracker is not None and config.dashboard is not False:
            from .tracker.dashboard.views import add_pages
            from .tracker.ingest.quota import Quota
            from .tracker.ingest.views import add_ingest
            from .tracker.rest.views import add_api

            add_pages(
                blueprint, tracker.store, access, health.delivery, tracker.watchman
            )
            quota = Quota(config.quota_per_minute, config.quota_total_per_minute)
            add_ingest(blueprint, tracker.store, quota, tracker.tallies)
            add_api(blueprint, tracker.store, self.signing_keys)
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

    def complete(
        self, client: Client, blueprint: Blueprint | None, tracker: Tracker | None
    ) -> None:
        """Do what had to wait until the app is complete: at its first request."""
        csrf = self.app.extensions.get("csrf")
        if csrf is not None and blueprint is not None:
            # The dialog's form is signed, and the dashboard checks where it came from.
            csrf.exempt(blueprint)
        if not client.is_sending:
            return
        transport = client.transport
        if isinstance(transport, BackgroundTransport) and transport.has_leftovers():
            transport.wake()
        if tracker is not None:
            tracker.watchman.wake()

    def signing_keys(self) -> list[str | bytes]:
        """The app's own keys, the newest last; else one from a file of ours."""
        key = self.app.secret_key
        if key:
            fallbacks = self.app.config.get("SECRET_KEY_FALLBACKS") or []
            return [*fallbacks, key]
        if self._file_key is None:
            self._file_key = key_from_file(self.instance / KEY_NAME)
        return [self._file_key]

    def person(self) -> tuple[str, str]:
        return person_of() if self.config.send_default_pii else ("", "")
