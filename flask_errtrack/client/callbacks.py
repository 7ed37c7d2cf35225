"""Calls the hooks of the app's developer. One that raises costs no event.

What a failing ``before_send`` or ``before_breadcrumb`` should have looked at does
not leave without it: it goes stripped, and says so. What a hook captures itself is
nothing: it would be called for that again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from ..errors import guard, silence
from ..event import Event, exceptions_of, frames_of
from ..notes import note
from ..privacy.rule import REDACTED
from ..protocol.wire import copied

Hook = Callable[[Any, Mapping[str, Any]], Any]

_STRIPPED_FIELDS = (
    "event_id",
    "timestamp",
    "platform",
    "level",
    "environment",
    "release",
    "server_name",
    "sdk",
    "transaction",
    "logger",
    "exception",
    "errors",
)


def sampling_rate(
    rate: float | Callable[[Mapping[str, Any]], float], hint: Mapping[str, Any]
) -> tuple[float, Exception | None]:
    """Return the share of events to keep, and what went wrong: then it is all."""
    if not callable(rate):
        return rate, None
    with guard("calling sample_rate") as attempt, silence():
        found = float(rate(hint))
        if not 0.0 <= found <= 1.0:
            raise ValueError(f"sample_rate returned {found}; expected 0.0 to 1.0")
        return found, None
    return 1.0, attempt.error


def before_send(hook: Hook | None, event: Event, hint: Mapping[str, Any]) -> Any:
    """Return what the hook makes of an event: an event, or None to drop it."""
    if hook is None:
        return event
    made: Any = None
    with guard("calling before_send") as attempt, silence():
        # A copy: what the hook writes must not get into the scope.
        made = hook(copied(event), hint)
        if made is not None and not isinstance(made, dict):
            raise TypeError(
                f"before_send returned a {type(made).__name__}; expected the event "
                "or None"
            )
    if attempt.error is None:
        return made
    return _stripped(event, attempt.error)


def before_breadcrumb(hook: Hook | None, crumb: Any, hint: Mapping[str, Any]) -> Any:
    """Return what the hook makes of a breadcrumb: a breadcrumb, or None."""
    if hook is None:
        return crumb
    with guard("calling before_breadcrumb"), silence():
        made = hook(crumb, hint)
        if made is not None and not isinstance(made, dict):
            raise TypeError(
                f"before_breadcrumb returned a {type(made).__name__}; expected the "
                "breadcrumb or None"
            )
        return made
    kept = ("timestamp", "category", "level", "type")
    return {key: crumb[key] for key in kept if key in crumb} | {"message": REDACTED}


def _stripped(event: Event, error: Exception) -> Event:
    """Types, places and times: nothing that could hold a person's data."""
    kept = {name: event[name] for name in _STRIPPED_FIELDS if name in event}  # type: ignore[literal-required]
    made = cast("Event", kept)
    for value in exceptions_of(made):
        value["value"] = REDACTED
    for frame in frames_of(made):
        frame.pop("vars", None)
    if "exception" not in made:
        made["logentry"] = {"message": REDACTED}
    note(made, "hook_failed", "before_send", type(error).__name__)
    return made
