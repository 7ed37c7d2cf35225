"""Envelopes as clients in the wild write them: read as far as they can be.

More lenient than :meth:`Envelope.parse`: line ends may be CRLF, lengths may be
missing, and what stands before a fault is kept. Knows nothing of what is in an item.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...protocol.envelope import Envelope, Item, read_json
from .problems import Problem, TooLarge

MAX_HEADER_BYTES = 8 * 1024
MAX_ITEMS = 100


@dataclass(frozen=True)
class Reading:
    """What could be read, and what then was wrong, if something was."""

    envelope: Envelope
    problem: Problem | None = None


def read_envelope(data: bytes) -> Reading:
    """Read an envelope.

    :raises Problem: not even its first line is right.
    """
    headers, position = _headers(data, 0, "envelope")
    items: list[Item] = []
    problem = None
    try:
        while (position := _skip_blank(data, position)) < len(data):
            if len(items) == MAX_ITEMS:
                raise TooLarge(f"the envelope has more than {MAX_ITEMS} items")
            item, position = _item(data, position)
            items.append(item)
    except Problem as error:
        problem = error
    return Reading(Envelope(tuple(items), headers), problem)


def read_object(data: bytes, what: str) -> dict[str, Any]:
    """Read a JSON object. Bytes that are not UTF-8 become question marks.

    :param what: its name in a message: "the payload of the event".
    :raises Problem: it is not JSON, or no object.
    """
    try:
        found = read_json(data)
    except ValueError as error:
        raise Problem(f"{what} is not JSON: {error}") from None
    if not isinstance(found, dict):
        kind = type(found).__name__
        raise Problem(f"{what} is a {kind}; expected a JSON object")
    return found


def _skip_blank(data: bytes, position: int) -> int:
    while data[position : position + 1] in (b"\n", b"\r"):
        position += 1
    return position


def _line_end(data: bytes, start: int) -> int:
    end = data.find(b"\n", start)
    return len(data) if end < 0 else end


def _headers(data: bytes, start: int, what: str) -> tuple[dict[str, Any], int]:
    end = _line_end(data, start)
    if end - start > MAX_HEADER_BYTES:
        raise TooLarge(
            f"the {what} header at byte {start} is longer than {MAX_HEADER_BYTES} bytes"
        )
    place = f"the {what} header at byte {start}"
    return read_object(data[start:end], place), min(end + 1, len(data))


def _item(data: bytes, start: int) -> tuple[Item, int]:
    headers, position = _headers(data, start, "item")
    kind, length = headers.get("type"), headers.get("length")
    if not isinstance(kind, str):
        raise Problem(f"the item header at byte {start} has no type that is a text")
    left = len(data) - position
    if length is None:
        end = _line_end(data, position)
        return Item(kind, data[position:end].removesuffix(b"\r"), headers), end + 1
    if type(length) is not int or not 0 <= length <= left:
        raise Problem(
            f"the item at byte {start} says length {length!r:.60}; expected "
            f"a number of bytes, of which {left} follow"
        )
    end = position + length
    if data[end : end + 2] != b"\r\n" and data[end : end + 1] not in (b"", b"\n"):
        raise Problem(
            f"the item at byte {start} says length {length}, but no line ends there"
        )
    return Item(kind, data[position:end], headers), end
