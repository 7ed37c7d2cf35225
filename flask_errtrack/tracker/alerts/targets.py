"""Who is told: services by apprise URL, and Python callables.

The URLs hold secrets: a target is known by its number and its kind, and what went
wrong is told without any part of the URL. Knows nothing of the database.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from ...errors import ErrTrackError, guard
from ...words import one_line
from .messages import TEST_ALERT, Alert

MAX_PROBLEM_LENGTH = 300
INSTALL = 'pip install "Flask-ErrTrack[alerts]"'


class NotTold(ErrTrackError):
    """A target did not take an alert; the message holds no secret."""


class Target(Protocol):
    """Somebody to tell; ``name`` tells it from the others and may be shown."""

    @property
    def name(self) -> str: ...

    def tell(self, alert: Alert) -> None:
        """Deliver an alert.

        :raises NotTold: it was not taken.
        """


@dataclass(frozen=True)
class CallableTarget:
    """A function of the app: it is called with the alert."""

    name: str
    function: Callable[[Alert], object]

    def tell(self, alert: Alert) -> None:
        # Whatever the app's function raises is its answer.
        with guard(f"telling {self.name} of an alert") as told:
            self.function(alert)
        if told.error is not None:
            # Its words may hold the address that it was sent to.
            raise NotTold(f"it raised {type(told.error).__name__}; the log tells more")


@dataclass(frozen=True)
class AppriseTarget:
    """A service that apprise knows, by its URL."""

    name: str
    url: str

    def tell(self, alert: Alert) -> None:
        try:
            # It takes a while: not at set-up, and not for who has no alerts.
            import apprise
        except ModuleNotFoundError as error:
            raise NotTold(f"apprise is not installed: run {INSTALL}") from error
        service = apprise.Apprise()
        log: io.StringIO
        with apprise.LogCapture(level=logging.WARNING) as log:  # type: ignore[no-untyped-call]
            if not service.add(self.url):
                raise NotTold(
                    "apprise cannot read this URL: see its documentation for what a "
                    f"{self.url.partition(':')[0]} URL looks like"
                )
            is_told = service.notify(
                title=alert.subject,
                body=alert.text,
                body_format=apprise.NotifyFormat.TEXT,
            )
            said = log.getvalue()
        if not is_told:
            told = one_line(without_secrets(said, self.url), MAX_PROBLEM_LENGTH)
            raise NotTold(told or "the service did not take it")

    def __repr__(self) -> str:
        return f"AppriseTarget({self.name!r})"


def targets_of(alerts: Iterable[str | Callable[[Alert], object]]) -> list[Target]:
    """Return the targets of the option ``alerts``."""
    made: list[Target] = []
    for number, one in enumerate(alerts, 1):
        if isinstance(one, str):
            made.append(AppriseTarget(f"{number}: {one.partition(':')[0]}", one))
        else:
            kind = getattr(one, "__qualname__", type(one).__qualname__)
            made.append(CallableTarget(f"{number}: {kind}", one))
    return made


@dataclass(frozen=True)
class Told:
    """How it went with one target; ``problem`` is empty if it took the alert."""

    name: str
    problem: str = ""


def tell(targets: Iterable[Target], alert: Alert = TEST_ALERT) -> list[Told]:
    """Deliver an alert to each target, whatever becomes of it at the others."""
    answers = []
    for target in targets:
        try:
            target.tell(alert)
        except NotTold as error:
            answers.append(Told(target.name, str(error)))
        else:
            answers.append(Told(target.name))
    return answers


def without_secrets(text: str, url: str) -> str:
    """Return a text without anything that stands in a URL behind its scheme."""
    rest = url.partition("://")[2]
    parts = set(re.split(r"[/?&=:@]+", rest)) | set(
        re.split(r"[/?&=:@]+", unquote(rest))
    )
    for part in sorted(parts, key=len, reverse=True):
        if len(part) > 2:
            text = text.replace(part, "***")
    return text
