"""Who may see the dashboard."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Response, request
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from flask_errtrack.errors import ConfigError
from flask_errtrack.settings.config import Config
from flask_errtrack.web.access import (
    COOKIE_MAX_AGE_SECONDS,
    COOKIE_NAME,
    LOGIN_MAX_AGE_SECONDS,
    Access,
    Action,
    is_same_origin,
    login_token,
)
from flask_errtrack.web.signing import BadToken

KEYS = ["secret"]


def is_open(
    access: Access | None = None,
    debug: bool = False,
    address: str = "203.0.113.7",
    action: Action = "view",
    **environment: Any,
) -> bool:
    app = Flask("shop")
    app.debug = debug
    with app.test_request_context(
        "/errtrack/", environ_overrides={"REMOTE_ADDR": address}, **environment
    ):
        return (access or Access(lambda: KEYS)).allows(action)


def token_made_before(seconds: float, purpose: str) -> str:
    class Earlier(TimestampSigner):
        def get_timestamp(self) -> int:
            return int(time.time() - seconds)

    salt = f"flask-errtrack.{purpose}"
    made = URLSafeTimedSerializer(KEYS, salt=salt, signer=Earlier).dumps("dashboard")
    return str(made)


def test_it_is_closed_by_default() -> None:
    assert not is_open()
    assert not is_open(debug=True)
    assert not is_open(address="127.0.0.1")


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"]
)
@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "shop.localhost"],
)
def test_a_developer_at_this_machine_in_debug_mode_may_come_in(
    address: str, host: str
) -> None:
    assert is_open(debug=True, address=address, headers={"Host": host})


@pytest.mark.parametrize(
    "headers",
    [
        # A page of evil.example whose name now points at this machine.
        {"Host": "evil.example:5000"},
        {"Host": "localhost.evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        # A tunnel or a proxy.
        {"Host": "localhost", "X-Forwarded-For": "203.0.113.7"},
        {"Host": "localhost", "Forwarded": "for=203.0.113.7"},
        {"Host": "localhost", "X-Forwarded-Host": "shop.example"},
        {"Host": "localhost", "X-Real-IP": "203.0.113.7"},
        {"Host": "localhost", "x-forwarded-proto": "https"},
        {"Host": "localhost", "X-Forwarded-Client-Cert": "By=shop"},
        {"Host": "localhost", "CF-Connecting-IP": "203.0.113.7"},
        {"Host": "localhost", "True-Client-IP": "203.0.113.7"},
    ],
)
def test_debug_mode_opens_to_nobody_else(headers: dict[str, str]) -> None:
    assert not is_open(debug=True, address="127.0.0.1", headers=headers)


@pytest.mark.parametrize("address", ["", "unix:", "10.0.0.1", "::ffff:10.0.0.1"])
def test_an_address_that_is_not_of_this_machine_stays_out(address: str) -> None:
    assert not is_open(debug=True, address=address, headers={"Host": "localhost"})


@pytest.mark.parametrize(("answer", "expected"), [(True, True), (False, False)])
def test_the_app_may_decide(answer: bool, expected: bool) -> None:
    assert is_open(Access(lambda: KEYS, lambda: answer)) is expected


def test_a_rule_may_tell_looking_from_changing() -> None:
    access = Access(lambda: KEYS, lambda user, action: action == "view")

    assert is_open(access)
    assert not is_open(access, action="change")


@pytest.mark.parametrize("rule", [lambda user: True, lambda a, b, c: True, 7])
def test_a_rule_that_cannot_be_asked_is_no_rule(rule: Any) -> None:
    with pytest.raises(ConfigError, match="a callable"):
        Config.load({"dashboard_access": rule}, {}, {})


@pytest.mark.swallows_errors
def test_a_rule_that_raises_closes() -> None:
    def broken() -> bool:
        raise LookupError("no user loader")

    assert not is_open(Access(lambda: KEYS, broken))


def test_an_async_rule_is_waited_for() -> None:
    async def of_the_house() -> bool:
        return False

    async def looks(user: Any, action: Action) -> bool:
        return action == "view"

    assert not is_open(Access(lambda: KEYS, of_the_house))
    assert is_open(Access(lambda: KEYS, looks))
    assert not is_open(Access(lambda: KEYS, looks), action="change")


@pytest.mark.swallows_errors
def test_a_rule_that_returns_what_nobody_called_closes() -> None:
    class User:
        def is_admin(self) -> bool:
            return False

    async def is_admin() -> bool:
        return False

    assert not is_open(Access(lambda: KEYS, lambda: User().is_admin))
    later = is_admin()
    assert not is_open(Access(lambda: KEYS, lambda: later))
    later.close()


def log_in(token: str, base_url: str = "http://localhost") -> Response:
    app = Flask("shop")
    with app.test_request_context("/errtrack/login", base_url=base_url):
        response = Response()
        Access(lambda: KEYS).log_in(response, token, "/errtrack/")
        return response


def cookie_of(response: Response) -> str:
    return response.headers["Set-Cookie"].partition("=")[2].partition(";")[0]


def test_a_login_link_opens_for_twelve_hours() -> None:
    response = log_in(login_token(KEYS))
    header = response.headers["Set-Cookie"]
    for part in ("HttpOnly", "Path=/errtrack/", "SameSite=Lax", "Max-Age=43200"):
        assert part in header
    assert "Secure" not in header
    assert is_open(headers={"Cookie": f"{COOKIE_NAME}={cookie_of(response)}"})


def test_over_https_the_cookie_never_travels_without_it() -> None:
    response = log_in(login_token(KEYS), "https://shop.example")
    assert "Secure" in response.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("make_token", "is_expired"),
    [
        (lambda: "", False),
        (lambda: "nonsense", False),
        (lambda: login_token(["another key"]), False),
        (lambda: token_made_before(LOGIN_MAX_AGE_SECONDS + 5, "login"), True),
    ],
    ids=["empty", "nonsense", "another key", "old"],
)
def test_a_link_that_is_forged_or_old_opens_nothing(
    make_token: Callable[[], str], is_expired: bool
) -> None:
    with pytest.raises(BadToken) as caught:
        log_in(make_token())
    assert caught.value.is_expired is is_expired


@pytest.mark.parametrize(
    ("make_cookie", "expected"),
    [
        (lambda: token_made_before(COOKIE_MAX_AGE_SECONDS - 60, "access"), True),
        (lambda: token_made_before(COOKIE_MAX_AGE_SECONDS + 5, "access"), False),
        (lambda: login_token(KEYS), False),
        (lambda: "nonsense", False),
    ],
    ids=["not too old", "too old", "of a link", "nonsense"],
)
def test_a_cookie_that_is_forged_or_old_opens_nothing(
    make_cookie: Callable[[], str], expected: bool
) -> None:
    headers = {"Cookie": f"{COOKIE_NAME}={make_cookie()}"}
    assert is_open(headers=headers) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"Referer": "https://shop.example/errtrack/"}, True),
        ({"Referer": "https://evil.example/https://shop.example/"}, False),
        ({"Referer": "https://[evil"}, False),
        ({"Origin": "null", "Referer": "https://shop.example/"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "https://shop.example"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "https://shop.example:8443"}, False),
        ({"Origin": "null"}, False),
        # What says both must mean both.
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://shop.example"}, False),
    ],
)
def test_only_forms_of_our_own_pages_count(
    headers: dict[str, str], expected: bool
) -> None:
    app = Flask("shop")
    with app.test_request_context(
        "/", base_url="https://shop.example", headers=headers
    ):
        assert is_same_origin(request) is expected
