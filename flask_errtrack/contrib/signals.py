"""Breadcrumbs of what Flask and Flask-Login tell by their signals.

Listens to one app. What a signal hands over is not kept, unless it is said how: it
may be anything, and about anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import flask
import flask_login
from blinker import Signal
from flask import Flask

from ..errors import ConfigError
from ..host.app import WATCHES_KEY
from ..host.request import user_id_of
from ..integration import check
from ..reading.serialize import safe_text
from .crumbs import Stop, client_at_work

if TYPE_CHECKING:
    from ..client.client import Client
    from ..extension import ErrTrack

#: Gets what a signal hands over, by name; returns fields of a breadcrumb, or None.
Describe = Callable[..., Mapping[str, Any] | None]

_LOGIN_SIGNALS = (
    flask_login.user_logged_in,
    flask_login.user_logged_out,
    flask_login.user_loaded_from_cookie,
    flask_login.user_login_confirmed,
    flask_login.user_needs_refresh,
    flask_login.user_unauthorized,
    flask_login.session_protected,
)


def watch_templates(app: Flask, errtrack: ErrTrack | Client) -> Stop:
    """Leave a breadcrumb when a template begins to be rendered: its name."""
    return watch_signal(flask.before_render_template, app, errtrack, _describe_template)


def watch_flashes(app: Flask, errtrack: ErrTrack | Client) -> Stop:
    """Leave a breadcrumb for each flashed message: the message and its category."""
    return watch_signal(flask.message_flashed, app, errtrack, _describe_flash)


def watch_logins(app: Flask, errtrack: ErrTrack | Client) -> Stop:
    """Leave a breadcrumb when somebody logs in or out, or may not go on: the id."""
    stops = [
        watch_signal(signal, app, errtrack, _describe_login(signal))
        for signal in _LOGIN_SIGNALS
    ]

    def stop() -> None:
        for one in stops:
            one()

    return stop


def watch_signal(
    signal: Signal,
    app: Flask,
    errtrack: ErrTrack | Client,
    describe: Describe | None = None,
) -> Stop:
    """Leave a breadcrumb whenever an app sends a signal; return what ends that.

    ``errtrack.close()`` ends it, too.

    :param describe: gets what the signal hands over, by name, and returns fields of
        the breadcrumb, or None for none. Without it there is the signal's name.
    :raises ConfigError: this is no signal, no app, or no ErrTrack.
    """
    check(errtrack, "watch_signal")
    # For ``current_app``, which is not what signals come from.
    found = getattr(app, "_get_current_object", lambda: app)()
    if not isinstance(signal, Signal) or not isinstance(found, Flask):
        raise ConfigError(
            f"watch_signal got a {type(signal).__name__} as signal and a "
            f"{type(app).__name__} as app; expected a signal of blinker and a Flask app"
        )

    def leave(sender: Any, **handed_over: Any) -> None:
        client = client_at_work(errtrack)
        if client is None:
            return

        def crumb() -> Mapping[str, Any] | None:
            fields = {} if describe is None else describe(**handed_over)
            if fields is None:
                return None
            category, name = "signal", getattr(signal, "name", "signal")
            return {"category": category, "message": name, **fields}

        client.add_breadcrumb(crumb, hint={"signal": signal, **handed_over})

    # Held weakly; it lives because the app holds what ends it.
    signal.connect(leave, sender=found)

    def stop() -> None:
        # With a sender blinker would keep the receiver.
        signal.disconnect(leave)

    found.extensions.setdefault(WATCHES_KEY, []).append(stop)
    return stop


def _describe_template(template: Any, **more: Any) -> dict[str, Any]:
    return {"category": "template", "message": template.name or "a text as template"}


def _describe_flash(message: Any, category: Any, **more: Any) -> dict[str, Any]:
    data = {"category": category}
    return {"category": "flash", "message": safe_text(message), "data": data}


def _describe_login(signal: Signal) -> Describe:
    words = str(getattr(signal, "name", "")).replace("-", " ")

    def describe(user: Any = None, **more: Any) -> dict[str, Any]:
        data = {} if user is None else {"id": user_id_of(user)}
        return {"category": "auth", "message": words, "data": data}

    return describe
