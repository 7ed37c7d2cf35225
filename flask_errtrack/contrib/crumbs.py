"""How what a library does becomes a breadcrumb of whoever is at work.

Runs inside other people's calls: it never raises, and where there is no client it
does nothing. Knows no library.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import SeveralApps, guard, is_own_work
from ..event import Breadcrumb, Level, timestamp_now
from ..reading.serialize import cut, safe_text

if TYPE_CHECKING:
    from ..client.client import Client
    from ..extension import ErrTrack

#: What is kept of a URL.
MAX_URL_LENGTH = 2000
#: Ends the watching; a second call does nothing.
Stop = Callable[[], None]


def client_at_work(errtrack: ErrTrack | Client) -> Client | None:
    """Return the client whose breadcrumbs these are; None where there is none.

    What runs because Flask-ErrTrack itself looks at something is nobody's.
    """
    if is_own_work():
        return None
    with guard("looking for whoever is at work"), suppress(SeveralApps):
        return errtrack.client
    return None


def milliseconds(seconds: float) -> float:
    """Return a duration as breadcrumbs have it."""
    return round(seconds * 1e3, 2)


def leave_http(
    errtrack: ErrTrack | Client,
    method: str | None,
    url: str | None,
    seconds: float,
    status_code: int | None,
    reason: str | None,
    hint: dict[str, Any],
) -> None:
    """Leave the breadcrumb of a request to another server.

    :param status_code: None if there was no answer; then ``reason`` is the name of
        the error.
    :param hint: the native objects, for ``before_breadcrumb``.
    """
    client = client_at_work(errtrack)
    if client is None:
        return

    def crumb() -> Breadcrumb:
        data: dict[str, Any] = {"method": method, "url": without_user(url or "")}
        if status_code is not None:
            data["status_code"] = status_code
        if reason:
            data["reason"] = safe_text(reason, 200)
        data["duration_ms"] = milliseconds(seconds)
        return {
            "timestamp": timestamp_now(),
            "type": "http",
            "category": "http",
            "level": _level_of(status_code),
            "data": data,
        }

    client.keep_breadcrumb(crumb, hint)


def without_user(url: str) -> str:
    """Return a URL without the name and password that it may hold, cut."""
    if "@" in url:
        with suppress(ValueError):
            parts = urlsplit(url)
            url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return cut(url, MAX_URL_LENGTH)


def _level_of(status_code: int | None) -> Level:
    if status_code is None or status_code >= 500:
        return "error"
    return "warning" if status_code >= 400 else "info"
