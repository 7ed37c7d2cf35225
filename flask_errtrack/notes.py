"""Notes in an event: what could not be collected, what was cut, which hook failed.

They stand in the event's ``errors``, as the protocol has it for problems met
while an event was made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .errors import guard
from .event import Event, ProcessingError


def note(event: Event, kind: str, name: str, value: Any) -> None:
    """Write a note into an event.

    :param kind: ``failed``, ``hook_failed``, ``left_out`` or ``too_large``.
    :param name: the part of the event, or the hook.
    """
    made = ProcessingError(type=kind, name=name, value=value)
    known: Any = event.get("errors")
    # A hook may have put anything there.
    event["errors"] = [*known, made] if isinstance(known, list) else [made]


def attempt(event: Event, name: str, add: Callable[[], Any]) -> None:
    """Run one step; if it fails the event gets a note and lacks that part."""
    with guard(f"collecting {name}") as attempted:
        add()
    if attempted.error is not None:
        note(event, "failed", name, type(attempted.error).__name__)
