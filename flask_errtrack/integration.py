"""What integrations ask of the ``errtrack`` that they are given.

That it is one, when they are set up; and whose client it means, when something
happens. Knows nothing of what happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .client.api import ScopeApi
from .errors import ConfigError, guard

if TYPE_CHECKING:
    from .client.client import Client
    from .extension import ErrTrack


def check(errtrack: object, function: str) -> None:
    """Stop a set-up that hands over something else than an ErrTrack or a Client.

    :raises ConfigError: it does.
    """
    if not isinstance(errtrack, ScopeApi):
        raise ConfigError(
            f"{function} got a {type(errtrack).__name__} as errtrack; expected an "
            "ErrTrack or a Client"
        )


def client_of(errtrack: ErrTrack | Client) -> Client | None:
    """Return the client that captures at the moment, or None."""
    with guard("finding the client that is meant"):
        client = errtrack.client
        return client if client is not None and client.is_enabled else None
    return None
