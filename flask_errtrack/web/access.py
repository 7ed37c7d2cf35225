"""Who may see the dashboard, and who may change things there.

Closed, unless one of three doors opens it: a loopback client in debug mode, the app's
``dashboard_access``, and a cookie that a login link has set. Only the second tells
seeing from changing. Knows nothing of the store or of pages.
"""

from __future__ import annotations

import inspect
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from flask import Request, Response, current_app, request

from ..errors import guard
from ..settings.options import takes_action
from .signing import BadToken, make_token, read_token

#: What a person wants to do: look, or change something.
Action = Literal["view", "change"]
#: ``rule()`` decides about both alike, ``rule(user, action)`` about each.
Rule = Callable[..., Any]

COOKIE_NAME = "errtrack_access"
COOKIE_MAX_AGE_SECONDS = 12 * 3600
LOGIN_MAX_AGE_SECONDS = 600
_LOGIN, _COOKIE = "login", "access"
# A request with one of these has come through a proxy or a tunnel.
_FORWARDING_HEADERS = frozenset(
    ("forwarded", "via", "x-real-ip", "cf-connecting-ip", "true-client-ip")
)
_FORWARDING_PREFIX = "x-forwarded-"


def login_token(keys: Sequence[str | bytes]) -> str:
    """Return a token for ``/login?token=…`` that is good for ten minutes."""
    return make_token(keys, _LOGIN, "dashboard")


@dataclass(frozen=True)
class Access:
    """Decides about the running request.

    :param keys: the app's signing keys, asked for anew each time.
    :param dashboard_access: the app's own rule; one that raises closes.
    """

    keys: Callable[[], Sequence[str | bytes]]
    dashboard_access: Rule | None = None

    def allows(self, action: Action = "view") -> bool:
        """Tell whether the running request may do something on the dashboard."""
        return (
            self._holds_cookie()
            or (current_app.debug and is_local(request))
            or self._is_let_in(action)
        )

    def actor(self) -> str:
        """Return who is behind the running request, as far as the app's login knows."""
        user = _user()
        if user is None or not getattr(user, "is_authenticated", False):
            return ""
        for name in ("name", "username", "email"):
            known = getattr(user, name, None)
            if isinstance(known, str) and known:
                return known
        return f"user {user.get_id()}"

    def log_in(self, response: Response, token: str, path: str) -> None:
        """Set the cookie that opens ``path`` and all below for twelve hours.

        :raises BadToken: if the token of the login link is forged or too old.
        """
        keys = self.keys()
        read_token(keys, _LOGIN, token, LOGIN_MAX_AGE_SECONDS)
        response.set_cookie(
            COOKIE_NAME,
            make_token(keys, _COOKIE, "dashboard"),
            max_age=COOKIE_MAX_AGE_SECONDS,
            path=path,
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",
        )

    def _holds_cookie(self) -> bool:
        token = request.cookies.get(COOKIE_NAME)
        if not token:
            return False
        try:
            read_token(self.keys(), _COOKIE, token, COOKIE_MAX_AGE_SECONDS)
        except BadToken:
            return False
        return True

    def _is_let_in(self, action: Action) -> bool:
        rule = self.dashboard_access
        if rule is None:
            return False
        with guard("asking dashboard_access"):
            ask = current_app.ensure_sync(rule)
            answer = ask(_user(), action) if takes_action(rule) else ask()
            if callable(answer) or inspect.isawaitable(answer):
                # It counts as true, and would let everybody in.
                raise TypeError(
                    f"dashboard_access returned {answer!r:.100}, which still has to "
                    "be called; expected True or False"
                )
            return bool(answer)
        return False


def _user() -> Any:
    """The Flask-Login user of the running request; None without Flask-Login."""
    if not hasattr(current_app, "login_manager"):
        return None
    # Whoever has a login manager has imported it.
    from flask_login import current_user

    return current_user._get_current_object()


def is_local(request: Request) -> bool:
    """Tell whether a request comes from this very machine, and means it.

    A tunnel connects from here, too, but forwards; and a foreign page whose
    name has been pointed at this machine asks for a foreign host.
    """
    names = [name.lower() for name in request.headers.keys()]
    if any(
        name in _FORWARDING_HEADERS or name.startswith(_FORWARDING_PREFIX)
        for name in names
    ):
        return False
    return _is_loopback(request.remote_addr or "") and _is_local_host(request.host)


def is_same_origin(request: Request) -> bool:
    """Tell whether a form was sent from a page of ours.

    Every browser says so with a POST in one of three headers, the newest first;
    what says nothing may be one that was made to keep silent. Scripts have the API.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    source = request.headers.get("Origin") or request.headers.get("Referer", "")
    try:
        return bool(source) and urlsplit(source).netloc == request.host
    except ValueError:
        return False


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def _is_local_host(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name in ("localhost", "127.0.0.1", "::1") or name.endswith(".localhost")
