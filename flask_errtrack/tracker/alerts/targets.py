"""Who is told: services by apprise URL, and Python callables.

The URLs hold secrets: a target is known by its number and its kind, and what went
wrong is told without any part of the URL. Knows nothing of the database.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from ...errors import ErrTrackError, guard
from ...words import one_line
from .messages import TEST_ALERT, Alert

MAX_PROBLEM_LENGTH = 300
#: All targets together have this time to take an alert.
TELL_SECONDS = 60.0
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
        self.function(alert)


@dataclass(frozen=True)
class AppriseTarget:
    """A service that apprise knows, by its URL."""

    name: str
    url: str

    def tell(self, alert: Alert) -> None:
        try:
            # It takes a while: not for who has no alerts.
            import apprise
        except ModuleNotFoundError as error:
            raise NotTold(f"apprise is not installed: run {INSTALL}") from error
        asset = apprise.AppriseAsset(async_mode=False)
        # A redirect turns a POST into a GET, whose answer is no receipt.
        asset.http_redirects = False
        service = apprise.Apprise(asset=asset)
        with _Said() as said:
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
        if not is_told:
            text = without_secrets("\n".join(said.lines), self.url)
            told = one_line(text, MAX_PROBLEM_LENGTH)
            raise NotTold(told or "the service did not take it")

    def __repr__(self) -> str:
        return f"AppriseTarget({self.name!r})"


class _Said(logging.Handler):
    """What apprise complains of during one call: it tells the log only."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        # Its threads have the context of who calls; other calls go on meanwhile.
        if _listening.get() is self:
            self.lines.append(record.getMessage())

    def __enter__(self) -> _Said:
        self._token = _listening.set(self)
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)
        _listening.reset(self._token)


_listening: ContextVar[_Said | None] = ContextVar("errtrack_alert", default=None)


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


class Teller:
    """Tells the targets of one process, and waits for none of them for ever."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self.targets = tuple(targets)
        self._hanging: dict[str, threading.Thread] = {}

    def tell(
        self,
        alert: Alert = TEST_ALERT,
        *,
        besides: Collection[str] = (),
        seconds: float = TELL_SECONDS,
    ) -> list[Told]:
        """Deliver an alert to each target, whatever becomes of it at the others.

        :param besides: the names of who has it already.
        :param seconds: how long to wait for all of them together.
        """
        deadline = time.monotonic() + seconds
        calls = [_Call(one, alert) for one in self.targets if one.name not in besides]
        for call in calls:
            # Who never comes back is called once, and not by more and more threads.
            if (hanging := self._hanging.get(call.name)) and hanging.is_alive():
                call.problem = "it has not come back since an earlier alert"
            else:
                _start(call)
        return [self._answer(call, deadline, seconds) for call in calls]

    def _answer(self, call: _Call, deadline: float, seconds: float) -> Told:
        if call.ident is not None:
            call.join(max(0.0, deadline - time.monotonic()))
            if call.is_alive():
                self._hanging[call.name] = call
                return Told(call.name, f"it did not come back within {seconds:g} s")
        return Told(call.name, call.problem)


def _start(call: _Call) -> None:
    try:
        call.start()
    except RuntimeError:
        # At its end a process starts no thread.
        call.run()


class _Call(threading.Thread):
    """One target that takes one alert; ``problem`` tells how it went."""

    def __init__(self, target: Target, alert: Alert) -> None:
        super().__init__(name=target.name, daemon=True)
        self.problem = "it ended its thread"
        self._target_to_tell = target
        self._alert = alert
        self._context = copy_context()

    def run(self) -> None:
        self._context.run(self._tell)

    def _tell(self) -> None:
        # Whatever the app's function raises is its answer.
        with guard(f"telling {self.name} of an alert") as told:
            try:
                self._target_to_tell.tell(self._alert)
            except NotTold as error:
                self.problem = str(error)
            else:
                self.problem = ""
        if told.error is not None:
            # Its words may hold the address that it was sent to.
            self.problem = f"it raised {type(told.error).__name__}; the log tells more"


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
