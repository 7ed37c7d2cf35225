"""The app that each contestant watches: views that go well, and one that fails.

Knows nothing of who watches it. The path of each failing request ends in a number
that no other has: by it a sink tells what arrived.
"""

from __future__ import annotations

import logging
import random
import time
from pathlib import Path
from typing import Any

from flask import Flask
from flask_login import LoginManager, UserMixin
from werkzeug.test import EnvironBuilder

FRAMES = 30
#: How long the repr of one of the variables takes, where it is slow.
SLOW_REPR_SECONDS = 0.001
LOG_RECORDS = 10

_RANDOM = random.Random(0)
_CATALOG = {f"book-{number}": _RANDOM.randrange(10_000) for number in range(1000)}
_LONG_TEXT = " ".join(f"{_RANDOM.randrange(10**6)}" for _ in range(700))


class Ignored(Exception):
    """What each contestant is told to ignore."""


class Broken(Exception):
    """What is raised again and again: the same error."""


_KINDS: list[type[Exception]] = [
    type(f"Broken{number}", (Exception,), {}) for number in range(200)
]


class Report:
    """A value with a repr of its own."""

    def __init__(self) -> None:
        self.rows = 3

    def __repr__(self) -> str:
        return f"<Report of {self.rows} rows>"


class SlowReport(Report):
    """A value whose repr takes its time, as one that asks a database."""

    def __repr__(self) -> str:
        end = time.perf_counter() + SLOW_REPR_SECONDS
        while time.perf_counter() < end:
            pass
        return super().__repr__()


class User(UserMixin):  # type: ignore[misc]
    """Somebody who is logged in."""

    def __init__(self, user_id: str) -> None:
        self.id = user_id


class Users:
    """Loads users, and counts how often."""

    def __init__(self) -> None:
        self.loaded = 0

    def load(self, user_id: str) -> User:
        """Return a user, as from a database."""
        self.loaded += 1
        return User(user_id)


def make_app(folder: Path) -> tuple[Flask, Users]:
    """Return the app, and the users whom its Flask-Login loads."""
    app = Flask(__name__, instance_path=str(folder))
    app.secret_key = "a secret key for the benchmark"
    users = Users()
    LoginManager(app).user_loader(users.load)
    # Where there is one, Flask adds none that formats a traceback for each error.
    logger = logging.getLogger(app.name)
    logger.addHandler(logging.NullHandler())
    logger.setLevel(logging.INFO)

    def log(level: int) -> str:
        for number in range(LOG_RECORDS):
            logger.log(level, "book %d of %s was sold", number, "the shop")
        return "fine"

    app.add_url_rule("/healthy", view_func=lambda: "fine", endpoint="healthy")
    app.add_url_rule("/logs/<int:level>", view_func=log)
    app.add_url_rule("/broken/<kind>/<int:frames>/<int:number>", view_func=broken)
    app.register_error_handler(500, lambda error: ("broken", 500))
    return app, users


def logged_in_cookie(app: Flask) -> str:
    """Return the cookie of somebody who is logged in."""
    session = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    return f"session={session.dumps({'_user_id': '42', '_fresh': True})}"


def environ(path: str, cookie: str = "") -> dict[str, Any]:
    """Return what a WSGI server makes of a GET request."""
    headers = [("User-Agent", "benchmark"), ("Accept", "text/html")]
    if cookie:
        headers.append(("Cookie", cookie))
    return EnvironBuilder(path, headers=headers).get_environ()


def respond(app: Flask, environ: dict[str, Any]) -> float:
    """Answer a request as a WSGI server would; return the seconds it took."""
    started = time.perf_counter()
    answer = app(environ, _start)
    for _ in answer:
        pass
    close = getattr(answer, "close", None)
    if close is not None:
        close()
    return time.perf_counter() - started


def broken(kind: str, frames: int, number: int) -> str:
    """Fail, so many frames deep, with 12 variables in each.

    :param kind: ``different``: as different as 200 errors are; ``same``: always the
        same; ``ignored``; ``slow``: different, with a variable whose repr is slow;
        ``light`` and ``light_same``: different and the same, with small variables.
    """
    if kind.startswith("light"):
        return _light(frames, kind, number)
    report = SlowReport() if kind == "slow" else Report()
    return _order(frames, kind, number, report)


def _order(frames: int, kind: str, number: int, report: Report) -> str:
    catalog, text = _CATALOG, f"{frames}: {_LONG_TEXT}"
    name, price, ratio, flag = "a book", 1999, 0.25, True
    tags, sizes = ["new", "used"], {"small": 1, "large": 2}
    if frames > 1:
        return _price(frames - 1, kind, number, report)
    raise _error(kind, number, catalog, text, name, price, ratio, flag, tags, sizes)


def _price(frames: int, kind: str, number: int, report: Report) -> str:
    catalog, text = _CATALOG, f"{frames}: {_LONG_TEXT}"
    currency, amount, tax, rounded = "EUR", 12.5, 0.07, False
    parts, shipping = (1, 2, 3), {"weight": 1.5, "country": "NL"}
    if frames > 1:
        return _stock(frames - 1, kind, number, report)
    raise _error(
        kind, number, catalog, text, currency, amount, tax, rounded, parts, shipping
    )


def _stock(frames: int, kind: str, number: int, report: Report) -> str:
    catalog, text = _CATALOG, f"{frames}: {_LONG_TEXT}"
    shelf, count, limit, nothing = "B12", 3, 10**6, None
    places, seen = ["north", "south"], {"a", "b"}
    if frames > 1:
        return _order(frames - 1, kind, number, report)
    raise _error(
        kind, number, catalog, text, shelf, count, limit, nothing, places, seen
    )


def _light(frames: int, kind: str, number: int) -> str:
    name, price, count, ratio = "a book", 1999, 3, 0.25
    tags, sizes = ["new", "used"], {"small": 1, "large": 2}
    if frames > 1:
        return _light(frames - 1, kind, number)
    kind = "same" if kind == "light_same" else "different"
    raise _error(kind, number, name, price, count, ratio, tags, sizes)


def _error(kind: str, number: int, *variables: object) -> Exception:
    message = f"order {number} with {len(variables)} variables cannot be priced"
    if kind == "same":
        return Broken("the order cannot be priced")
    if kind == "ignored":
        return Ignored(message)
    return _KINDS[number % len(_KINDS)](message)


def _start(status: str, headers: Any, exc_info: Any = None) -> Any:
    return lambda data: None
