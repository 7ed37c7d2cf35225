"""The order in which a person reads a chain, or a tree, of exceptions.

``mechanism.parent_id`` makes the tree; a client that sends none means a plain
chain. What comes in may have loops and gaps: each exception is shown once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Deeper groups are not moved further to the right.
MAX_DEPTH = 6
_MEMBER = re.compile(r"exceptions\[(\d{1,9})\]")


@dataclass(frozen=True)
class Link:
    """An exception, how it belongs to one above it, and in how many groups."""

    exception: Mapping[str, Any]
    words: str
    depth: int


def chain_of(event: Mapping[str, Any]) -> list[Link]:
    """Return the exceptions of an event: each one before what led to it."""
    # An event has the oldest first; a person wants the outermost.
    values = (event.get("exception") or {}).get("values") or []
    exceptions = [found for found in reversed(values) if found]
    children = _children(exceptions)
    links: list[Link] = []
    unseen = dict.fromkeys(range(len(exceptions)))
    while unseen:
        # Usually once: the root leads to all but what is in a loop.
        waiting = [(next(iter(unseen)), 0)]
        while waiting:
            place, depth = waiting.pop()
            if place not in unseen:
                continue
            del unseen[place]
            exception = exceptions[place]
            depth = min(depth + _is_member(exception), MAX_DEPTH)
            links.append(Link(exception, _words(exception) if links else "", depth))
            waiting += [(child, depth) for child in reversed(children[place])]
    return links


def mechanism_of(exception: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how an exception was caught; empty if that is not known."""
    return exception.get("mechanism") or {}


def _children(exceptions: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    ids = {
        mechanism_of(exception).get("exception_id"): place
        for place, exception in enumerate(exceptions)
    }
    ids.pop(None, None)
    children: list[list[int]] = [[] for _ in exceptions]
    for place, exception in enumerate(exceptions[1:], start=1):
        parent = ids.get(mechanism_of(exception).get("parent_id"), place - 1)
        children[parent].append(place)
    return children


def _source(exception: Mapping[str, Any]) -> str:
    return mechanism_of(exception).get("source") or ""


def _is_member(exception: Mapping[str, Any]) -> bool:
    return bool(_MEMBER.fullmatch(_source(exception)))


def _words(exception: Mapping[str, Any]) -> str:
    source = _source(exception)
    if member := _MEMBER.fullmatch(source):
        return f"member {int(member[1]) + 1} of the group"
    if source == "__cause__":
        return "caused by"
    if source == "__context__":
        return "raised while handling"
    return "caused by, or raised while handling"
