"""What surrounds a client: nothing, or a Flask app.

The client asks its host for facts; :class:`Host` answers for a script,
:class:`FlaskHost` for an app.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from functools import partial
from itertools import dropwhile
from types import CodeType, FrameType
from typing import Any, Literal, NamedTuple

import click
from flask import Flask, g
from werkzeug.exceptions import HTTPException, InternalServerError

from ..event import Event
from ..notes import attempt
from ..privacy.secret_names import secrets_of_settings
from ..reading.exceptions import is_error
from ..scopes.scope_home import request_context, running_app, session_of
from ..settings.config import Config
from .commands import (
    command_of,
    describe_command,
    is_end_of_command,
    secrets_of_command,
)
from .request import describe_request, describe_user, secrets_of_request

#: Inside the client's app, outside of every app, or in another app.
Place = Literal["inside", "outside", "elsewhere"]

# The app's own code has named the transaction.
_CUSTOM = {"source": "custom"}
# Where init_app leaves what it has built, in app.extensions.
CLIENT_KEY = "errtrack"
KEYS_KEY = "errtrack_signing_keys"
TRACKER_KEY = "errtrack_tracker"
# What ends what was switched on for an app.
WATCHES_KEY = "errtrack_watches"


class Origin(NamedTuple):
    """What an event comes from: a request, or a command, or nothing that is known."""

    request: Any = None
    command: click.Context | None = None


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
        """Tell whether a context of an app that has a client is active.

        What happens in there is for that client, and the rest for this one.
        """
        app = running_app()
        is_of_app = app is not None and CLIENT_KEY in app.extensions
        return "elsewhere" if is_of_app else "outside"

    def meant_by(self, error: BaseException, mechanism: str) -> BaseException:
        """Return the exception for which another one stands."""
        return error

    def environment(self) -> str:
        """Return the environment where no option names it."""
        return "production"

    def origin_of(self, request: Any, error: BaseException | None) -> Origin:
        """Return what an event comes from.

        :param request: the one that is known; None: the running one, if there is one.
        """
        return Origin(request=request)

    def secrets(self, event: Event, origin: Origin, config: Config) -> set[str]:
        """Return secrets to look for; the event gets a note if some are not known."""
        secrets: set[str] = set()
        request, command = origin.request, origin.command
        if request is not None:
            find = partial(secrets_of_request, request, config.send_default_pii)
            attempt(event, "request.secrets", lambda: secrets.update(find()))
        if command is not None:
            look = partial(secrets_of_command, command)
            attempt(event, "command.secrets", lambda: secrets.update(look()))
        return secrets

    def lasting_secrets(self, event: Event) -> set[str]:
        """Return secrets of each event, which gets a note if some are not known."""
        return set()

    def describe(self, event: Event, origin: Origin, config: Config) -> None:
        """Add what an event comes from: request and user, or command."""
        request, command = origin.request, origin.command
        if request is not None:
            describe_request(event, request, config)
            describe_user(event, request, config)
        # Workers and servers are commands, too; the work that they are for is not.
        is_other = event.get("transaction_info", _CUSTOM) != _CUSTOM
        if command is not None and not is_other:
            attempt(event, "command", partial(describe_command, event, command))

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
        app = running_app()
        if app is None:
            return "outside"
        return "inside" if app is self.app else "elsewhere"

    def _is_in_request(self) -> bool:
        context = request_context()
        return context is not None and context.app is self.app

    def meant_by(self, error: BaseException, mechanism: str) -> BaseException:
        """What a handler for 500 gets wraps the exception for which it stands.

        Flask runs ``after_request`` functions, error handlers and the saving of the
        session again for the error page. One that fails, fails twice; the second
        time reaches the log or the server, and is not another error.
        """
        if isinstance(error, InternalServerError):
            return error.original_exception or error
        first = error.__context__
        if first is None or mechanism not in ("logging", "wsgi", "asgi"):
            return error
        path = _path_of(first)
        is_same = type(first) is type(error) and path and path == _path_of(error)
        return first if is_same or self._lacks_session() else error

    def _lacks_session(self) -> bool:
        """A session that did not open cannot be saved with the error page."""
        return self._is_in_request() and session_of(request_context()) is None

    def environment(self) -> str:
        """Debug mode is for development."""
        return "development" if self.app.debug else "production"

    def origin_of(self, request: Any, error: BaseException | None) -> Origin:
        """Return the request, or else the command, that an event comes from."""
        if request is None and self._is_in_request():
            request = request_context().request
        return Origin(request, command_of(error) if request is None else None)

    def lasting_secrets(self, event: Event) -> set[str]:
        """Return the secrets of the app's settings."""
        secrets: set[str] = set()
        settings = dict(self.app.config)
        attempt(event, "secrets", lambda: secrets.update(secrets_of_settings(settings)))
        return secrets

    def show_event_id(self, event_id: str | None) -> None:
        """Put the id where templates find it: ``g.event_id``."""
        if self._is_in_request():
            g.event_id = event_id


def _path_of(error: BaseException) -> list[tuple[CodeType, int]]:
    """Where an exception was raised, without Flask, our wraps, and what is around.

    Empty if it was caught before it came to Flask.
    """
    inside = dropwhile(
        lambda step: _package_of(step[0]) != "flask",
        traceback.walk_tb(error.__traceback__),
    )
    own = ("flask", __name__.partition(".")[0])
    return [
        (frame.f_code, line) for frame, line in inside if _package_of(frame) not in own
    ]


def _package_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def is_fault(error: BaseException) -> bool:
    """Whether an exception is a fault, not an answer or a way to end."""
    if isinstance(error, HTTPException):
        # abort(Response("…", 503)) has no code.
        status = error.code or getattr(error.response, "status_code", None)
        return status is not None and status >= 500
    return is_error(error) and not is_end_of_command(error)
