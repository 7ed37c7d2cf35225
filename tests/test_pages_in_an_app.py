"""However an app is served and set up, its pages and the ingest endpoint work in it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.json.provider import JSONProvider
from flask_login import LoginManager
from places import fail
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from flask_errtrack import ConfigError, ErrTrack
from flask_errtrack.host.app import CLIENT_KEY, KEYS_KEY, TRACKER_KEY
from flask_errtrack.web.access import login_token

MakeShop = Callable[..., Flask]


@pytest.fixture
def make_shop(tmp_path: Path) -> Iterator[MakeShop]:
    """Make an app with a view that fails; what it is made with may be odd."""
    made: list[tuple[Flask, ErrTrack]] = []

    def make(set_up: Callable[[Flask], None], **options: Any) -> Flask:
        app = Flask("shop", instance_path=str(tmp_path / str(len(made))), **options)
        set_up(app)
        app.add_url_rule("/broken", "broken", fail, host=_host(app))
        made.append((app, ErrTrack(app)))
        return app

    yield make
    for app, errtrack in made:
        with app.app_context():
            errtrack.close()


def _host(app: Flask) -> str | None:
    return "shop.example.com" if app.url_map.host_matching else None


def _is_plain(app: Flask) -> None:
    pass


def _is_below_a_path(app: Flask) -> None:
    app.config["APPLICATION_ROOT"] = "/shop"
    root = DispatcherMiddleware(Flask("root"), {"/shop": app.wsgi_app})
    app.wsgi_app = root  # type: ignore[method-assign]


def _knows_its_name(app: Flask) -> None:
    app.config["SERVER_NAME"] = "shop.example.com"


def _adds_to_every_url(app: Flask) -> None:
    app.url_defaults(lambda _, values: values.setdefault("lang", "de"))


def _writes_json_its_way(app: Flask) -> None:
    class Odd(JSONProvider):
        def dumps(self, obj: Any, **options: Any) -> str:
            return "odd"

        def loads(self, s: str | bytes, **options: Any) -> Any:
            raise ValueError(s)

    app.json = Odd(app)


def _logs_people_in(app: Flask) -> None:
    app.secret_key = "the-secret-key-of-the-tests"
    LoginManager(app).user_loader(lambda _: None)


def _answers_whatever_is_asked(app: Flask) -> None:
    methods = ["GET", "POST", "OPTIONS"]
    app.add_url_rule("/<path:path>", view_func=lambda path: path, methods=methods)


@pytest.mark.parametrize(
    ("set_up", "options"),
    [
        (_is_plain, {}),
        (_is_below_a_path, {}),
        (_knows_its_name, {}),
        (_knows_its_name, {"subdomain_matching": True}),
        (_is_plain, {"host_matching": True, "static_folder": None}),
        (_adds_to_every_url, {}),
        (_writes_json_its_way, {}),
        (_logs_people_in, {}),
        (_answers_whatever_is_asked, {}),
    ],
)
def test_a_person_logs_in_and_an_app_sends(
    make_shop: MakeShop, set_up: Callable[[Flask], None], options: dict[str, Any]
) -> None:
    app = make_shop(set_up, **options)
    root = (app.config["APPLICATION_ROOT"] or "").rstrip("/")
    browser = Client(app)

    def get(path: str) -> str:
        answer = browser.get(path, base_url="http://shop.example.com", buffered=True)
        assert answer.status_code == 200, path
        return answer.text

    broken = browser.get(f"{root}/broken", base_url="http://shop.example.com")
    assert broken.status_code == 500
    assert app.extensions[CLIENT_KEY].flush(60)
    token = login_token(app.extensions[KEYS_KEY]())
    login = browser.get(
        f"{root}/errtrack/login?token={token}", base_url="http://shop.example.com"
    )
    home = get(login.headers["Location"])
    (issue,) = set(re.findall(r'href="([^"]*/issues/1)[?"]', home))
    assert "broken on purpose" in get(issue)
    for asset in re.findall(r'="([^"]*/static/[^"]*)"', home):
        get(asset)

    dsn = app.extensions[TRACKER_KEY].dsn(f"http://shop.example.com{root}/errtrack")
    event_id = "5" * 32
    lines = {"event_id": event_id, "dsn": dsn}, {"type": "event"}, {"message": "moin"}
    sent = Client(app).post(
        f"{root}/errtrack/api/1/envelope/",
        base_url="http://shop.example.com",
        data="\n".join(map(json.dumps, lines)),
    )
    assert sent.status_code == 200
    assert "moin" in get(f"{root}/errtrack/events/{event_id}")


def test_an_app_with_pages_of_the_same_name_is_told_so(make_shop: MakeShop) -> None:
    def set_up(app: Flask) -> None:
        app.register_blueprint(Blueprint("errtrack", __name__))

    with pytest.raises(ConfigError, match="has a blueprint 'errtrack' of its own"):
        make_shop(set_up)
