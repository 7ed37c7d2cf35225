"""Check-ins: how a scheduled job tells a server that it is alive.

The fields are those of the protocol ("Check-Ins"). Knows nothing of how they are sent.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

from ..errors import guard
from ..event import CheckIn, CheckInStatus, Event
from ..reading.exceptions import new_event
from ..reading.serialize import DATA_LIMITS, Serializer, safe_text
from .wire import as_wire

MAX_SLUG_LENGTH = 50

_OF_SENDER = ("environment", "release")
_STATUSES = get_args(CheckInStatus)
_UNITS = ("minute", "hour", "day", "week", "month", "year")


def check_in_of(
    make_safe: Callable[[Event], Event],
    monitor_slug: Any,
    status: Any,
    check_in_id: Any = None,
    duration_seconds: Any = None,
    monitor_config: Any = None,
) -> CheckIn:
    """Return a check-in. What is optional and wrong is left out, and logged.

    :param make_safe: completes and scrubs an event.
    :raises ValueError: no check-in can have this slug or status.
    """
    made: dict[str, Any] = {
        "check_in_id": uuid.uuid4().hex,
        "monitor_slug": slug_of(monitor_slug),
        "status": _status(status),
    }
    optional: tuple[tuple[str, Any, Callable[[Any], Any]], ...] = (
        ("check_in_id", check_in_id, _check_in_id),
        ("duration", duration_seconds, _duration),
        ("monitor_config", monitor_config, _config),
    )
    for name, value, read in optional:
        if value is not None:
            with guard(f"reading the {name} of a check-in"):
                made[name] = read(value)
    return cast("CheckIn", {**made, **_texts_of_app(made, make_safe)})


def _texts_of_app(
    made: Mapping[str, Any], make_safe: Callable[[Event], Event]
) -> dict[str, Any]:
    """What may hold a secret, or what cannot be sent, made safe as in an event."""
    event = new_event()
    event["extra"] = {key: made[key] for key in ("monitor_config",) if key in made}
    event = as_wire(make_safe(event))
    sender = {key: value for key, value in event.items() if key in _OF_SENDER}
    return {**sender, **event.get("extra", {})}


def slug_of(value: Any) -> str:
    """Return the name as Sentry would write it: another would be another monitor.

    :raises ValueError: nothing is left of it.
    """
    plain = re.sub("[^a-z0-9_-]+", "-", safe_text(value).lower())
    slug = plain[:MAX_SLUG_LENGTH].strip("-")
    if not slug:
        raise ValueError(
            f"monitor_slug is {value!r}; expected a name of letters, digits, - and _"
        )
    return slug


def _status(value: Any) -> CheckInStatus:
    if value not in _STATUSES:
        raise ValueError(f"status is {value!r}; expected one of {', '.join(_STATUSES)}")
    return cast("CheckInStatus", value)


def _check_in_id(value: Any) -> str:
    return uuid.UUID(str(value)).hex


def _duration(value: Any) -> float:
    seconds = float(value)
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"duration_seconds is {value!r}; expected 0 or more")
    return seconds


def _config(value: Any) -> Any:
    """A server that cannot read the schedule would refuse the whole check-in."""
    schedule = value.get("schedule") if isinstance(value, Mapping) else None
    match schedule:
        case {"type": "crontab", "value": str()}:
            pass
        case {"type": "interval", "value": int(number), "unit": unit} if (
            number > 0 and unit in _UNITS
        ):
            pass
        case _:
            raise ValueError(
                f"the schedule of monitor_config is {schedule!r}; expected "
                '{"type": "crontab", "value": "0 4 * * *"} or '
                '{"type": "interval", "value": 2, "unit": "hour"}, with a unit of '
                f"{', '.join(_UNITS)}"
            )
    return Serializer(DATA_LIMITS)(value)
