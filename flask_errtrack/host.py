"""What surrounds a client: nothing, or a Flask app.

The client asks its host for facts; :class:`Host` answers for a script,
:class:`FlaskHost` for an app.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

import click
from flask import Flask, Request, current_app, g, has_app_context, has_request_context
from flask import request as current_request

from .config import Config
from .event import Event
from .notes import attempt
from .request import describe_request, describe_user, secrets_of_request
from .secret_names import secrets_of_settings

#: Inside the client's app, outside of every app, or in another app.
Place = Literal["inside", "outside", "elsewhere"]

# Where init_app leaves what it has built, in app.extensions.
CLIENT_KEY = "errtrack"
KEYS_KEY = "errtrack_signing_keys"
TRACKER_KEY = "errtrack_tracker"
WATCHER_KEY = "errtrack_log_watcher"


class Host:
    """The surroundings of a client without Flask."""

    app: Flask | None = None
    packages: Sequence[str] = ()

    @property
    def root_path(self) -> str:
        """The folder in which the program runs."""
        return os.getcwd()

    def is_silent(self) -> bool:
        """Tell whether nothing may be written or sent at the moment."""
        return False

    def place(self) -> Place:
        """Tell where the running code is, as seen from the client's program."""
        return "inside"

    def is_in_request(self) -> bool:
        """Tell whether a request is being handled, so that an end will come."""
        return False

    def environment(self) -> str:
        """Return the environment where no option names it."""
        return "production"

    def describe(self, event: Event, request: Any, config: Config) -> set[str]:
        """Add what is known of the running work; return secrets to look for."""
        return set()

    def show_event_id(self, event_id: str | None) -> None:
        """Let the app see the id of the event that tells most about its work."""


class FlaskHost(Host):
    """A Flask app as its client sees it."""

    def __init__(self, app: Flask) -> None:
        self.app: Flask = app
        name = app.import_name.partition(".")[0]
        self.packages = () if name == "__main__" else (name,)

    @property
    def root_path(self) -> str:
        """The folder of the app's code."""
        return self.app.root_path

    def is_silent(self) -> bool:
        """Tests write nothing and send nothing, unless they ask for it."""
        return self.app.testing

    def place(self) -> Place:
        """Tell whether a context of this app, of another or of none is active."""
        if not has_app_context():
            return "outside"
        return "inside" if current_app == self.app else "elsewhere"

    def is_in_request(self) -> bool:
        """Tell whether a request of this app is being handled."""
        return has_request_context() and self.place() == "inside"

    def environment(self) -> str:
        """Debug mode is for development."""
        return "development" if self.app.debug else "production"

    def describe(self, event: Event, request: Any, config: Config) -> set[str]:
        """Add request, user and command; return the app's and request's secrets."""
        secrets = secrets_of_settings(self.app.config)
        if request is None and self.is_in_request():
            request = current_request._get_current_object()  # type: ignore[attr-defined]
        if request is not None:
            attempt(
                event, "secrets", lambda: secrets.update(secrets_of_request(request))
            )
            describe_request(event, request, config)
            describe_user(event, request, config)
        elif "transaction" not in event:
            command = click.get_current_context(silent=True)
            if command is not None:
                event["transaction"] = command.command_path
                event["transaction_info"] = {"source": "task"}
        return secrets

    def show_event_id(self, event_id: str | None) -> None:
        """Put the id where templates find it: ``g.event_id``."""
        if self.is_in_request():
            g.event_id = event_id


def _add_secrets(secrets: set[str], request: Request) -> None:
    secrets |= secrets_of_request(request)
