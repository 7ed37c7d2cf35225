"""What the integrations of task queues share.

Owns whose client is meant, and how a job's arguments are shown. Knows no queue.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ..client import Client
from ..errors import guard
from ..extension import ErrTrack

_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


def client_of(errtrack: ErrTrack | Client) -> Client | None:
    """Return the client that captures at the moment, or None."""
    with guard("looking for the client of a job"):
        client = errtrack.client
        return client if client is not None and client.is_enabled else None
    return None


def arguments_by_name(
    function: Callable[..., Any] | None,
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return a call's arguments by the names of the function's parameters.

    So a password is seen to be one also where it was given by its position. What has
    no name in the signature gets its position: ``argument 3``.
    """
    made: dict[str, Any] = {}
    # Signatures may be made by anybody.
    with guard("naming the arguments of a job"):
        names = _positional_names(function)
        for at, value in enumerate(args or ()):
            made[names[at] if at < len(names) else f"argument {at + 1}"] = value
        made |= kwargs or {}
    return made


def _positional_names(function: Callable[..., Any] | None) -> list[str]:
    # Not every callable has a signature.
    with suppress(TypeError, ValueError):
        if function is not None:
            parameters = inspect.signature(function).parameters.values()
            return [one.name for one in parameters if one.kind in _POSITIONAL]
    return []
