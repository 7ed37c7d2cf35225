"""Times that a sender tells, made such as can be true.

Owns how far they may be from the time of this host. Knows no other field.
"""

from __future__ import annotations

from typing import Any

from .checkers import Notes, seconds_of, timestamp_of

#: An event's own time may be this far from when it came.
MAX_PAST_SECONDS = 30 * 86400
MAX_FUTURE_SECONDS = 60
#: A sender's clock may differ so much, as Sentry has it.
MIN_DRIFT_SECONDS = 55 * 60


def correct_clock(
    event: dict[str, Any], sent_at: object, received_at: float, notes: Notes
) -> None:
    """Correct the times of a clock that is wrong by more than a slow way explains."""
    sent_seconds = seconds_of(sent_at)
    if sent_seconds is None or abs(received_at - sent_seconds) < MIN_DRIFT_SECONDS:
        return
    if "timestamp" in event:
        notes.add("clock_drift", ((), "timestamp"), event["timestamp"])
    for told in (event, *event.get("breadcrumbs", {}).get("values", ())):
        seconds = seconds_of(told.get("timestamp"))
        if seconds is not None:
            right = min(seconds + received_at - sent_seconds, received_at)
            told["timestamp"] = timestamp_of(max(right, 0.0))


def nearest(timestamp: str | None, received_at: float, notes: Notes) -> str:
    """The event's time, or the nearest one that can be true."""
    if timestamp is None:
        return timestamp_of(received_at)
    seconds = seconds_of(timestamp) or 0.0
    earliest = received_at - MAX_PAST_SECONDS
    latest = received_at + MAX_FUTURE_SECONDS
    if seconds < earliest:
        notes.add("past_timestamp", ((), "timestamp"), timestamp)
        return timestamp_of(earliest)
    if seconds > latest:
        notes.add("future_timestamp", ((), "timestamp"), timestamp)
        return timestamp_of(latest)
    return timestamp
