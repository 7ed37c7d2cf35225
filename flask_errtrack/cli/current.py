"""What a command works with: the client and the tracker of the current app."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from flask import current_app

from ..client.client import Client
from ..diagnosis.doctor import destination_of
from ..errors import ActionError, ConfigError, SearchError, StoreError
from ..host.app import CLIENT_KEY, TRACKER_KEY

if TYPE_CHECKING:
    from ..tracker.embedded import Tracker
    from ..tracker.store import Store

#: Where `errtrack serve` listens unless it is told otherwise.
DEFAULT_PORT = 9000
_FLASK_RUN = "http://localhost:5000"


def client_of_app() -> Client:
    """Return the app's client."""
    client: Client = current_app.extensions[CLIENT_KEY]
    return client


def refuse_if_off(client: Client) -> None:
    """Say that an app that is switched off has nothing to look at.

    :raises ClickException: it is.
    """
    if not client.config.enabled:
        raise click.ClickException(
            "the option enabled is False: this app captures and keeps nothing"
        )


@contextmanager
def store_of_app() -> Iterator[Store]:
    """Yield the store of the app's tracker; what cannot be done ends the command."""
    refuse_if_off(client_of_app())
    tracker: Tracker | None = current_app.extensions.get(TRACKER_KEY)
    if tracker is None:
        raise click.ClickException(
            "this app has no tracker of its own: its events go to "
            f"{destination_of(client_of_app())}"
        )
    with explained():
        yield tracker.store


@contextmanager
def explained() -> Iterator[None]:
    """Let what cannot be done end the command, with the sentence that says why."""
    try:
        yield
    except SearchError as error:
        raise click.UsageError(str(error)) from error
    except (ActionError, ConfigError, StoreError) as error:
        raise click.ClickException(str(error)) from error


def base_url_of(text: str) -> str:
    """Return what ``--base-url`` says, without a slash at its end.

    :raises UsageError: if that is no http(s) URL of a host.
    """
    from ..tracker.projects import checked_base_url

    try:
        return checked_base_url(text)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


def is_without_app() -> bool:
    """Tell whether the running command is one of the console script ``errtrack``."""
    return click.get_current_context().find_root().command.name == "errtrack"


def default_base_url() -> str:
    """Return where `flask run`, or `errtrack serve`, serves what this is about."""
    return f"http://127.0.0.1:{DEFAULT_PORT}" if is_without_app() else _FLASK_RUN


def spelled(command: str) -> str:
    """Return how another command is called from here: ``flask errtrack …``."""
    return f"errtrack {command}" if is_without_app() else f"flask errtrack {command}"
