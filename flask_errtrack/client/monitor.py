"""Scheduled jobs that tell how they fare: how one is watched, and what is one run.

Knows nothing of how a check-in is sent, nor of Flask.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from ..errors import ConfigError, guard
from ..event import CheckInStatus
from ..host.commands import ends_well
from ..protocol.check_ins import MAX_SLUG_LENGTH, slug_of
from ..protocol.schedules import Schedule
from ..runtime.contexts import contextmanager
from ..scopes.scope import Scope

#: Sentry refuses a schedule with more.
MAX_MINUTES = 40_320
MAX_THRESHOLD = 100

# The names of the protocol, and how much they may be.
_NUMBERS = {
    "checkin_margin_minutes": ("checkin_margin", MAX_MINUTES),
    "max_runtime_minutes": ("max_runtime", MAX_MINUTES),
    "failure_issue_threshold": ("failure_issue_threshold", MAX_THRESHOLD),
    "recovery_threshold": ("recovery_threshold", MAX_THRESHOLD),
}
_UNITS = {
    "week": timedelta(weeks=1),
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
}


def checked_slug(slug: Any) -> str:
    """Return the name of a monitor as it is sent.

    :raises ConfigError: it cannot be one.
    """
    if not isinstance(slug, str):
        raise ConfigError(
            f"the slug of a monitor is {slug!r}; expected a name, such as "
            '@errtrack.monitor("nightly-report")'
        )
    if len(slug) > MAX_SLUG_LENGTH:
        raise ConfigError(
            f"the slug of a monitor is {slug!r}; expected {MAX_SLUG_LENGTH} "
            "characters at most"
        )
    try:
        return slug_of(slug)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def monitor_config(
    schedule: Any, timezone: Any = None, **numbers: Any
) -> dict[str, Any] | None:
    """Return how a job is to be monitored, as the protocol has it ("Check-Ins").

    :param schedule: a crontab line or a ``timedelta``; None: it is not monitored.
    :raises ConfigError: something has a value that cannot be meant.
    """
    given = {name: number for name, number in numbers.items() if number is not None}
    if schedule is None:
        named = [*given, *([] if timezone is None else ["timezone"])]
        if named:
            raise ConfigError(
                f"a monitor has {', '.join(named)} and no schedule; expected one, "
                'such as schedule="0 3 * * *"'
            )
        return None
    made: dict[str, Any] = {"schedule": _schedule(schedule)}
    if timezone is not None:
        made["timezone"] = _timezone(timezone, made["schedule"])
    for name, number in given.items():
        field, most = _NUMBERS[name]
        if type(number) is not int or not 0 < number <= most:
            raise ConfigError(
                f"{name} is {number!r}; expected a whole number from 1 to {most}"
            )
        made[field] = number
    return made


def _schedule(given: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if isinstance(given, str):
        made = {"type": "crontab", "value": given}
    elif isinstance(given, timedelta):
        for unit, length in _UNITS.items():
            if not given % length:
                value = given // length
                made = {"type": "interval", "value": value, "unit": unit}
                break
    known = Schedule.of(made)
    if known is None:
        raise ConfigError(
            f"the schedule of a monitor is {given!r}; expected a crontab line such as "
            '"0 3 * * *" or "@daily", or a timedelta of whole minutes'
        )
    return {**made, "value": known.text} if known.is_crontab else made


def _timezone(given: Any, schedule: dict[str, Any]) -> Any:
    known = Schedule.of(schedule, given)
    if known is None or known.timezone != given:
        raise ConfigError(
            f"the timezone of a monitor is {given!r}; expected the name of one that is "
            'known here, such as "Europe/Berlin"; the package tzdata knows all of them'
        )
    return given


class MonitorClient(Protocol):
    """What is needed of a client."""

    @property
    def scope(self) -> Scope:
        """See :attr:`.Client.scope`."""

    def job(self, name: str) -> AbstractContextManager[Scope]:
        """See :meth:`.ScopeApi.job`."""

    def capture_check_in(
        self,
        slug: str,
        status: CheckInStatus,
        /,
        *,
        check_in_id: str | None = None,
        duration_seconds: float | None = None,
        monitor_config: Mapping[str, Any] | None = None,
    ) -> str | None:
        """See :meth:`.ScopeApi.capture_check_in`."""


class HasClient(Protocol):
    """An extension, or a client itself."""

    @property
    def client(self) -> MonitorClient | None:
        """The client that is meant at the moment."""


@contextmanager
def monitored(
    errtrack: HasClient, slug: str, config: dict[str, Any] | None
) -> Iterator[Scope]:
    """Do what is inside as one run of a job; without a client it is just done.

    :param config: how the job is to be monitored.
    """
    client = None
    # The job has to run, even where nobody can tell which app is meant.
    with guard("finding the app of a monitor"):
        client = errtrack.client
    if client is None:
        yield Scope()
        return
    check_in_id = uuid.uuid4().hex
    tell = partial(
        client.capture_check_in, slug, check_in_id=check_in_id, monitor_config=config
    )
    facts = {"slug": slug, "check_in_id": check_in_id}
    # What a request, a command or a job does, that one reports.
    is_inside = client.scope.work.ends
    work = nullcontext(client.scope) if is_inside else client.job(slug)
    with _told(tell), work as scope, scope.having_context("monitor", facts):
        yield scope


@contextmanager
def _told(tell: Callable[..., Any]) -> Iterator[None]:
    """Tell that a run begins, how it ends, and how long it took."""
    pid, began_seconds = os.getpid(), time.monotonic()
    status: CheckInStatus = "error"
    tell("in_progress")
    try:
        yield
        status = "ok"
    except BaseException as error:
        with guard("looking at how a run ends"):
            status = "ok" if ends_well(error) else "error"
        raise
    finally:
        # The run of a forked child is that of its parent, which tells of it.
        if os.getpid() == pid:
            tell(status, duration_seconds=time.monotonic() - began_seconds)
