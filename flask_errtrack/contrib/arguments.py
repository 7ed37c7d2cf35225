"""How the arguments of a queue's job are shown: by name. Knows no queue."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ..errors import guard

_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


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
