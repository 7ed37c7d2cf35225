"""The tracker on its own, for many apps: an empty Flask app with ErrTrack at its root.

Owns who may come in, its signing key, and where its own errors go. The only file of
the tracker that knows what is put around it.
"""

from __future__ import annotations

import hmac
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from flask import Flask, Request, Response
from flask_login import LoginManager, UserMixin, current_user
from werkzeug.middleware.proxy_fix import ProxyFix

from ..composition import compose
from ..errors import ConfigError
from ..protocol.envelope import Envelope
from ..settings.config import Config
from ..settings.options import Check, number
from ..version import VERSION
from ..web.access import Access
from ..web.headers import protect
from ..web.signing import MIN_KEY_LENGTH, key_from_file
from . import projects
from .dashboard.answers import message
from .database.engine import Database
from .store import Store
from .transport import StoreTransport

DEFAULT_DATABASE_URL = "sqlite:///errtrack.db"
#: Where the tracker's own errors are kept.
OWN_PROJECT = "ErrTrack"
MIN_PASSWORD_LENGTH = 12
#: So many wrong passwords may come from one address in a minute.
MAX_GUESSES = 20

_PACKAGE = __name__.partition(".")[0]
_PROXIES = number(0, 10, whole=True)
_SQLITE = "sqlite:///"
# How an app sends; and what would be no tracker.
_OF_APPS = {
    option.name for option in fields(Config) if option.metadata["group"] == "Where to"
} | {"dashboard"}
_CHALLENGE = 'Basic realm="ErrTrack", charset="UTF-8"'


def create_app(
    database_url: str | None = None,
    *,
    secret_key: str | None = None,
    password: str | None = None,
    trusted_proxies: int = 0,
    url_prefix: str = "",
    **options: Any,
) -> Flask:
    """Return the tracker as an app of its own: a WSGI factory.

    :param database_url: ``sqlite:///path`` or ``postgresql://…``; None: that of the
        environment variable ``ERRTRACK_DATABASE_URL``, or ``errtrack.db`` here.
    :param secret_key: signs log-ins; the same for all hosts. None: that of
        ``ERRTRACK_SECRET_KEY``, or one in a file beside a SQLite database.
    :param password: lets people in, under a name of their choice. None: that of
        ``ERRTRACK_PASSWORD``; without one, only ``errtrack login-link`` lets in.
    :param trusted_proxies: how many proxies in front of it set ``X-Forwarded-…``.
    :param url_prefix: the path below which it answers, such as "/errors".
    :param options: those of :class:`~flask_errtrack.Config` that concern a tracker, for
        example ``dashboard_access`` and ``retention_days``.
    :raises ConfigError: an option is wrong, or a PostgreSQL database has no key.
    """
    database_url = absolute(
        database_url or _set("DATABASE_URL") or DEFAULT_DATABASE_URL
    )
    password = password or _set("PASSWORD")
    trusted_proxies = _checked("trusted_proxies", trusted_proxies, _PROXIES)
    # Some pages say other things here than in an app.
    app = Flask(_PACKAGE, static_folder=None, template_folder="templates/standalone")
    # Debug mode would open the dashboard to whoever is on this machine.
    app.debug = False
    app.secret_key = signing_key(secret_key or _set("SECRET_KEY"), database_url)
    # The secrets of an app's settings are redacted in what is told of its errors.
    app.config.update(TRACKER_DATABASE_URL=database_url, TRACKER_PASSWORD=password)
    if password is not None:
        _checked("password", password, _secret(MIN_PASSWORD_LENGTH))
        options.setdefault("dashboard_access", lambda: current_user.is_authenticated)
        _ask_for(app, password, options["dashboard_access"])
    _give_tracker(app, database_url, url_prefix, options)
    # Here also what leads to no route is ours to answer.
    app.after_request(protect)
    app.register_error_handler(404, _nothing_here)
    if trusted_proxies:
        _trust(app, trusted_proxies)
    return app


def _set(name: str) -> str | None:
    return os.environ.get(f"ERRTRACK_{name}") or None


def _trust(app: Flask, proxies: int) -> None:
    app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
        app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies, x_prefix=proxies
    )


def _give_tracker(
    app: Flask, database_url: str, url_prefix: str, options: dict[str, Any]
) -> None:
    if wrong := _OF_APPS & options.keys():
        raise ConfigError(
            f"option {min(wrong)} is for apps that send; a tracker of its own has "
            "the database_url, and the options that concern a tracker"
        )
    own_errors = _OwnErrors()
    given = {"release": f"flask-errtrack@{VERSION}", **options}
    given |= {"database_url": database_url, "transport": own_errors, "dashboard": True}
    if url_prefix:
        given["url_prefix"] = url_prefix
    # Nothing of the environment: ERRTRACK_DSN is for the apps, and may lead here.
    config = Config.load(given, app_config={}, environ={})
    tracker = compose(app, config if url_prefix else replace(config, url_prefix=""))
    assert tracker is not None
    own_errors.store = tracker.store


def absolute(database_url: str) -> str:
    """Return the URL of a database with a file name that holds in every folder."""
    path = database_url.removeprefix(_SQLITE)
    if path == database_url or not path or path.startswith(":"):
        return database_url
    return _SQLITE + (Path.cwd() / path).as_posix()


def signing_key(given: str | None, database_url: str) -> str:
    """Return the key that signs log-ins.

    :param given: by whom set the tracker up; None: from a file beside SQLite's.
    :raises ConfigError: it is too short, or missing where hosts must share one; or
        the URL cannot be used.
    """
    database = Database(database_url)
    if given is None:
        if not database.is_sqlite:
            raise ConfigError(
                "there is no secret key: set ERRTRACK_SECRET_KEY to one long random "
                "text, the same for all processes and hosts of this tracker"
            )
        path = Path(database.url.database or "")
        return key_from_file(path.with_suffix(".key"))
    key: str = _checked("secret_key", given, _secret(MIN_KEY_LENGTH))
    return key


def _checked(name: str, value: Any, check: Check) -> Any:
    try:
        return check(value)
    except ValueError as error:
        # Without the value: it may be a secret.
        raise ConfigError(f"option {name} cannot be used; expected {error}") from None


def _secret(min_length: int) -> Check:
    """A text that is too long to be guessed."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or len(value) < min_length:
            raise ValueError(
                f"a text of {min_length} characters or more, by chance: "
                "python3 -c 'import secrets; print(secrets.token_hex())'"
            )
        return value

    return check


def _nothing_here(error: Exception) -> Response:
    """Answer who asks for a page that is none, as the other pages look."""
    return message(404, "No such page", "The address is wrong, or out of date.")


class _OwnErrors:
    """A transport that stores the tracker's own errors in a project of their own.

    It stores without a request, so that an error of receiving cannot feed itself.
    """

    store: Store

    def send(self, envelope: Envelope) -> None:
        """Store what an envelope holds."""
        project = projects.named(self.store, OWN_PROJECT)
        StoreTransport(self.store, project.id).send(envelope)


class _Person(UserMixin):  # type: ignore[misc]
    """Who knows the password, under the name that they gave."""

    def __init__(self, name: str) -> None:
        self.id = self.name = name


class Guesses:
    """Counts wrong passwords, each process its own, so that nobody can try many.

    :param clock: in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._wrong: Counter[str] = Counter()

    def are_too_many(self, address: str) -> bool:
        """Tell whether no more passwords from an address are looked at for now."""
        if self._clock() - self._since > 60:
            self._since, self._wrong = self._clock(), Counter()
        return self._wrong[address] >= MAX_GUESSES

    def add(self, address: str) -> None:
        """Count a wrong one."""
        self._wrong[address] += 1


def _ask_for(app: Flask, password: str, rule: Any) -> None:
    """Let a browser ask for the password where a page is closed."""
    login = LoginManager(app)
    access = Access(lambda: [app.secret_key or ""], rule)
    guesses = Guesses()

    def load(request: Request) -> _Person | None:
        given = request.authorization
        address = request.remote_addr or ""
        if given is None or given.type != "basic" or guesses.are_too_many(address):
            return None
        is_right = hmac.compare_digest(
            (given.password or "").encode(), password.encode()
        )
        if not is_right:
            guesses.add(address)
            return None
        return _Person((given.username or "").strip()[:100])

    login.request_loader(load)

    @app.after_request
    def challenge(response: Response) -> Response:
        is_page = response.mimetype == "text/html"
        if response.status_code == 403 and is_page and not access.allows():
            response.status_code = 401
            response.headers["WWW-Authenticate"] = _CHALLENGE
        return response
