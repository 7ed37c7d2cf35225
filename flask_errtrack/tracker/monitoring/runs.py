"""What a check-in says, from whatever JSON came: the run of a job, and its schedule.

Pure. What is optional and wrong is left out; without a name or a status it is refused.
"""

from __future__ import annotations

import hashlib
import math
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ...errors import Refused
from ...event import Event
from ...protocol.schedules import Schedule
from ..events.checkers import clean

MAX_SLUG_LENGTH = 50
MAX_TEXT_LENGTH = 200
#: As Sentry has them, for who does not say.
DEFAULT_MARGIN_MINUTES = 1
DEFAULT_MAX_RUNTIME_MINUTES = 30
MAX_MINUTES = 366 * 24 * 60
MAX_THRESHOLD = 100
MAX_DURATION_SECONDS = MAX_MINUTES * 60.0

# What a job may write into as it likes.
_TEXTS = ("monitor_slug", "environment", "release")
_STATUSES = ("in_progress", "ok", "error")
_PLAIN_ID = re.compile("[0-9a-f]{32}")
_LATEST = "0" * 32


@dataclass(frozen=True)
class Expectation:
    """When a job is to run, how late it may begin, and how long it may take.

    :param failure_threshold: so many bad runs in a row are an issue.
    :param recovery_threshold: so many good ones in a row are its end.
    """

    schedule: Schedule
    margin_seconds: float
    max_runtime_seconds: float
    failure_threshold: int = 1
    recovery_threshold: int = 1

    def columns(self) -> dict[str, Any]:
        """Return it as a monitor's row has it."""
        return {
            "schedule": self.schedule.text,
            "timezone": self.schedule.timezone,
            "margin_seconds": self.margin_seconds,
            "max_runtime_seconds": self.max_runtime_seconds,
            "failure_threshold": self.failure_threshold,
            "recovery_threshold": self.recovery_threshold,
        }


@dataclass(frozen=True)
class Run:
    """One run of a job, as far as it is told; ``is_latest``: of the one that runs."""

    slug: str
    check_in_id: str
    status: str
    environment: str
    release: str = ""
    duration_seconds: float | None = None
    expectation: Expectation | None = None
    is_latest: bool = False

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Run:
        """Return the run that a check-in is about.

        :raises Refused: nobody can tell which job it is, or how it is.
        """
        status = raw.get("status")
        if status not in _STATUSES:
            raise Refused(
                f"a check-in has the status {status!r:.60}; expected one of "
                f"{', '.join(_STATUSES)}"
            )
        given_id = _check_in_id(raw.get("check_in_id"))
        is_latest = given_id == _LATEST
        return cls(
            slug=_slug(raw.get("monitor_slug")),
            check_in_id=uuid.uuid4().hex if is_latest else given_id,
            status=status,
            environment=_text(raw.get("environment")),
            release=_text(raw.get("release")),
            duration_seconds=_seconds(raw.get("duration")),
            expectation=_expectation(raw.get("monitor_config")),
            is_latest=is_latest,
        )


def without_secrets(
    raw: Mapping[str, Any], make_safe: Callable[[Event], Event]
) -> dict[str, Any]:
    """Return a check-in whose texts are made safe as those of an event are."""
    texts = {
        name: raw[name][:MAX_TEXT_LENGTH]
        for name in _TEXTS
        if isinstance(raw.get(name), str)
    }
    return {**raw, **make_safe(cast("Event", texts))}


def _slug(raw: Any) -> str:
    """The name as clients of ours write it: another one would be another monitor."""
    text = raw[: 4 * MAX_SLUG_LENGTH].lower() if isinstance(raw, str) else ""
    slug = re.sub("[^a-z0-9_-]+", "-", text)[:MAX_SLUG_LENGTH].strip("-")
    if not slug:
        raise Refused(
            f"a check-in has the monitor_slug {raw!r:.60}; expected a name of letters, "
            "digits, - and _"
        )
    return slug


def _check_in_id(raw: Any) -> str:
    if not isinstance(raw, str) or not raw:
        return uuid.uuid4().hex
    plain = raw.strip().replace("-", "").lower()
    if _PLAIN_ID.fullmatch(plain):
        return plain
    # Told again, it is the same run.
    return hashlib.sha256(raw.encode(errors="replace")).hexdigest()[:32]


def _text(raw: Any) -> str:
    return clean(raw[:MAX_TEXT_LENGTH], MAX_TEXT_LENGTH) if isinstance(raw, str) else ""


def _seconds(raw: Any) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    if not 0 <= raw <= MAX_DURATION_SECONDS or math.isnan(raw):
        return None
    return float(raw)


def _expectation(raw: Any) -> Expectation | None:
    if not isinstance(raw, Mapping):
        return None
    schedule = Schedule.of(raw.get("schedule"), raw.get("timezone"))
    if schedule is None:
        return None
    return Expectation(
        schedule,
        60 * _minutes(raw.get("checkin_margin"), DEFAULT_MARGIN_MINUTES),
        60 * _minutes(raw.get("max_runtime"), DEFAULT_MAX_RUNTIME_MINUTES),
        _threshold(raw.get("failure_issue_threshold")),
        _threshold(raw.get("recovery_threshold")),
    )


def _threshold(raw: Any) -> int:
    return raw if type(raw) is int and 0 < raw <= MAX_THRESHOLD else 1


def _minutes(raw: Any, default: float) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return default
    return float(raw) if 0 < raw <= MAX_MINUTES else default
