"""Envelopes: what travels between a client and a tracker.

The framing is that of the Sentry protocol ("Envelopes", "Serialization
Format"): a line of JSON headers, then for each item a line of JSON headers and
its payload. Lines end with LF alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from ..errors import EnvelopeError
from ..event import CheckIn, Event, UserReport
from .drops import Drop

# The protocol's data category of each item type that may be limited.
_CATEGORIES = {
    "event": "error",
    "feedback": "feedback",
    "check_in": "monitor",
    "client_report": "internal",
}
# What the protocol calls those reasons for which it has a name of its own.
_REASONS = {
    "expired": "cache_overflow",
    "ignored": "event_processor",
    "set_aside": "send_error",
}
_MAX_DIGITS = 1000
# Nothing that is sent holds itself: to look for that would take a tenth of the time.
_ENCODER = json.JSONEncoder(
    separators=(",", ":"), allow_nan=False, check_circular=False
)


@dataclass(frozen=True)
class Item:
    """One payload of an envelope: ``type`` is ``event``, ``user_report`` …"""

    type: str
    payload: bytes
    headers: Mapping[str, Any] = field(default_factory=dict)

    def json(self) -> Any:
        """Return the payload as JSON.

        :raises EnvelopeError: if it is none.
        """
        try:
            return read_json(self.payload)
        except ValueError as error:
            raise EnvelopeError(
                f"the payload of an item of type {self.type!r} is not JSON: {error}"
            ) from error


@dataclass(frozen=True)
class Envelope:
    """Headers and items. ``headers["event_id"]`` names the event it is about."""

    items: tuple[Item, ...]
    headers: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_event(
        cls, event: Event, payload: bytes | None = None, kind: str = "event"
    ) -> Envelope:
        """Wrap one event.

        :param payload: the event as JSON, where that is known already.
        :param kind: the type of its item: ``event``, or ``feedback`` for what a person
            said (``contexts.feedback``).
        """
        headers = {"event_id": event["event_id"], "sdk": event.get("sdk")}
        return cls((Item(kind, payload or encode_json(event)),), headers)

    @classmethod
    def from_user_report(cls, report: UserReport) -> Envelope:
        """Wrap what a person said about an event."""
        item = Item("user_report", encode_json(report))
        return cls((item,), {"event_id": report["event_id"]})

    @classmethod
    def from_check_in(cls, check_in: CheckIn) -> Envelope:
        """Wrap a sign of life of a scheduled job."""
        return cls((Item("check_in", encode_json(check_in)),))

    @classmethod
    def from_drops(cls, drops: Mapping[Drop, int], timestamp: str) -> Envelope:
        """Wrap a client report of what was dropped ("Client Reports")."""
        discarded = [
            {
                "reason": _REASONS.get(reason, reason),
                "category": category,
                "quantity": quantity,
            }
            for (reason, category), quantity in drops.items()
        ]
        report = {"timestamp": timestamp, "discarded_events": discarded}
        return cls((Item("client_report", encode_json(report)),))

    @property
    def event_id(self) -> str | None:
        """The event that the envelope is about, if it is about one."""
        event_id = self.headers.get("event_id")
        return event_id if isinstance(event_id, str) else None

    @property
    def category(self) -> str:
        """What it counts as in rate limits and client reports ("Rate Limiting")."""
        for item in self.items:
            if item.type in _CATEGORIES:
                return _CATEGORIES[item.type]
        return "default"

    @property
    def events(self) -> list[Event]:
        """The events among the items, as they are on the wire.

        :raises EnvelopeError: the payload of one is not JSON.
        """
        return [cast("Event", i.json()) for i in self.items if i.type == "event"]

    def encode(self, **more_headers: Any) -> bytes:
        """Return the envelope as bytes; ``more_headers`` join its headers."""
        lines = [encode_json({**self.headers, **more_headers})]
        for item in self.items:
            headers = {**item.headers, "type": item.type, "length": len(item.payload)}
            lines += [encode_json(headers), item.payload]
        return b"\n".join(lines) + b"\n"

    @classmethod
    def parse(cls, data: bytes) -> Envelope:
        """Read an envelope from bytes.

        :raises EnvelopeError: says at which byte the framing breaks, and how.
        """
        headers, position = _parse_headers(data, 0, "envelope")
        items = []
        while position < len(data):
            if data[position : position + 1] == b"\n":
                position += 1
                continue
            item, position = _parse_item(data, position)
            items.append(item)
        return cls(tuple(items), headers)


def read_json(data: bytes) -> Any:
    """Return what JSON says. Bytes that are not UTF-8 become question marks.

    :raises ValueError: it is none, or nested too deep to be read.
    """
    text = data.decode("utf-8-sig", "replace")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(f"nested too deep ({error})") from None
    except ValueError:
        # Python refuses to read whole numbers of many thousand digits.
        return json.loads(text, parse_int=_whole)


def encode_json(value: Any) -> bytes:
    """Return compact UTF-8 JSON on one line."""
    return _ENCODER.encode(value).encode()


def _whole(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_DIGITS else digits


def _parse_headers(data: bytes, start: int, what: str) -> tuple[dict[str, Any], int]:
    end = data.find(b"\n", start)
    end = len(data) if end < 0 else end
    try:
        headers = json.loads(data[start:end])
    except (ValueError, RecursionError) as error:
        raise EnvelopeError(
            f"the {what} header at byte {start} is not JSON: {error}"
        ) from error
    if not isinstance(headers, dict):
        raise EnvelopeError(
            f"the {what} header at byte {start} is a {type(headers).__name__}; "
            "expected a JSON object"
        )
    return headers, end + 1


def _parse_item(data: bytes, start: int) -> tuple[Item, int]:
    headers, position = _parse_headers(data, start, "item")
    # Behind the last line there may be no line end.
    position = min(position, len(data))
    kind, length = headers.get("type"), headers.get("length")
    if not isinstance(kind, str):
        raise EnvelopeError(f"the item header at byte {start} has no type: {headers!r}")
    if length is None:
        end = data.find(b"\n", position)
        end = len(data) if end < 0 else end
    elif type(length) is int and 0 <= length <= len(data) - position:
        end = position + length
        if data[end : end + 1] not in (b"", b"\n"):
            raise EnvelopeError(
                f"the item at byte {start} says length {length}, but no line ends there"
            )
    else:
        raise EnvelopeError(
            f"the item at byte {start} says length {length!r}, "
            f"but {len(data) - position} bytes follow"
        )
    return Item(kind, data[position:end], headers), end + 1
