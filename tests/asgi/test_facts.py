"""What an event tells of an ASGI request: what its server and framework know."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from conftest import MakeApp
from flask import Flask
from places import fail

from flask_errtrack import ErrTrack
from flask_errtrack.asgi import ErrTrackMiddleware, Receive, Send
from flask_errtrack.event import Event
from flask_errtrack.transports import MemoryTransport

from .calls import Call, http_scope
from .conftest import MakeClient

HEADERS = [
    (b"host", b"shop.example"),
    (b"user-agent", b"a browser"),
    (b"x-twice", b"one"),
    (b"x-twice", b"two"),
    (b"cookie", b"session=the-secret-session; theme=dark"),
    (b"authorization", b"Bearer the-secret-token"),
    (b"x-forwarded-for", b"198.51.100.7"),
]


def event_of(
    make_client: MakeClient,
    sent: MemoryTransport,
    options: dict[str, Any] | None = None,
    look: Callable[[Any], Any] = str,
    **scope: Any,
) -> Event:
    """The event of a request whose app looks at its scope, and then fails."""

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        look(scope)
        fail()

    client = make_client(**(options or {}))
    call = Call(http_scope(**{"headers": HEADERS, **scope}))
    asyncio.run(call(ErrTrackMiddleware(app, client)))
    return sent.events[-1]


def test_the_facts_are_those_of_the_server(
    make_client: MakeClient, sent: MemoryTransport
) -> None:
    event = event_of(
        make_client, sent, path="/shelf/ä", query_string=b"q=a%20b", method="POST"
    )
    assert event["request"]["method"] == "POST"
    assert event["request"]["url"] == "http://shop.example/shelf/ä"
    assert event["request"]["query_string"] == "q=a%20b"
    assert event["transaction"] == "/shelf/ä"
    assert event["transaction_info"] == {"source": "url"}
    assert event["contexts"]["asgi"] == {"type": "asgi"}


def test_headers_go_without_what_says_who_is_asking(
    make_client: MakeClient, sent: MemoryTransport
) -> None:
    event = event_of(make_client, sent)
    assert event["request"]["headers"] == [
        ["Host", "shop.example"],
        ["User-Agent", "a browser"],
        ["X-Twice", "one"],
        ["X-Twice", "two"],
    ]
    assert not {"cookies", "env"} & event["request"].keys()
    assert "user" not in event


def test_with_pii_the_address_the_cookies_and_the_headers_are_told(
    make_client: MakeClient, sent: MemoryTransport
) -> None:
    event = event_of(make_client, sent, {"send_default_pii": True})
    assert event["request"]["env"] == {"REMOTE_ADDR": "203.0.113.9"}
    assert event["request"]["cookies"].keys() == {"session", "theme"}
    assert event["user"] == {"ip_address": "203.0.113.9"}
    assert ["X-Forwarded-For", "198.51.100.7"] in event["request"]["headers"]
    assert "the-secret" not in str(event)


def test_the_credentials_of_a_request_are_redacted_wherever_they_turn_up(
    make_client: MakeClient, sent: MemoryTransport
) -> None:
    def look(scope: Any) -> None:
        raise LookupError("the-secret-token, the-secret-session of 203.0.113.9")

    error = event_of(make_client, sent, look=look)["exception"]["values"][-1]
    assert error["value"] == "[redacted], [redacted] of [redacted]"
    assert error["stacktrace"]["frames"][-1]["function"].endswith("look")


def test_the_prefix_of_a_proxy_is_told_once_whether_the_path_repeats_it_or_not(
    make_client: MakeClient, sent: MemoryTransport
) -> None:
    def mount(scope: Any) -> None:
        # As Starlette's router does.
        scope["root_path"] = "/shop/shelf"

    for path in ("/shop/shelf/7", "/shelf/7"):
        event = event_of(make_client, sent, look=mount, path=path, root_path="/shop")
        assert event["request"]["url"] == "http://shop.example/shop/shelf/7"


def endpoint(item: int) -> None:
    """What a framework calls for a request."""


def route(scope: Any) -> None:
    scope["endpoint"] = endpoint
    scope["path_params"] = {"shelf": "a/b", "item": 7}


def test_the_endpoint_is_the_transaction_and_its_arguments_are_told(
    make_client: MakeClient, sent: MemoryTransport
) -> None:
    event = event_of(make_client, sent, look=route, path="/shelf/a/b/7/7.json")
    assert event["transaction"] == f"{__name__}.endpoint"
    assert event["transaction_info"] == {"source": "component"}
    assert event["contexts"]["asgi"] == {
        "type": "asgi",
        "endpoint": f"{__name__}.endpoint",
        "rule": "/shelf/{shelf}/7/{item}.json",
        "view_args": {"shelf": "a/b", "item": 7},
    }


def test_the_template_of_the_url_is_the_transaction_if_so_wished(
    make_client: MakeClient, sent: MemoryTransport
) -> None:
    options = {"transaction_style": "url"}
    event = event_of(make_client, sent, options, route, path="/shelf/a/b/7")
    assert event["transaction"] == "/shelf/{shelf}/{item}"
    assert event["transaction_info"] == {"source": "route"}


def test_an_app_that_is_mounted_is_no_endpoint(
    make_client: MakeClient, sent: MemoryTransport
) -> None:
    def look(scope: Any) -> None:
        scope["endpoint"] = object()

    assert event_of(make_client, sent, look=look, path="/in")["transaction"] == "/in"


class User:
    is_authenticated = True
    identity = 17
    email = "ann@shop.example"
    plan = "gold"


def log_in(user: Any) -> Callable[[Any], None]:
    def look(scope: Any) -> None:
        scope["user"] = user

    return look


def test_the_user_of_a_framework_is_told_by_id_and_what_is_asked_for(
    make_client: MakeClient, sent: MemoryTransport
) -> None:
    event = event_of(make_client, sent, look=log_in(User()))
    assert event["user"] == {
        "id": "17",
        "data": {"is_authenticated": True, "is_anonymous": False},
    }
    options = {"user_attrs": ["email", "plan"]}
    event = event_of(make_client, sent, options, log_in(User()))
    assert event["user"]["email"] == "ann@shop.example"
    assert event["user"]["data"]["plan"] == "gold"


def test_somebody_who_is_not_logged_in_has_no_id(
    make_client: MakeClient, sent: MemoryTransport
) -> None:
    class Nobody(User):
        is_authenticated = False

    event = event_of(make_client, sent, look=log_in(Nobody()))
    assert event["user"] == {
        "data": {"is_authenticated": False, "is_anonymous": True},
    }


def test_a_user_without_an_identity_costs_nothing_else(
    make_client: MakeClient, sent: MemoryTransport
) -> None:
    class Plain:
        is_authenticated = True

        @property
        def identity(self) -> str:
            raise NotImplementedError

    event = event_of(make_client, sent, look=log_in(Plain()))
    assert event["user"]["data"]["is_authenticated"] is True
    assert "id" not in event["user"] and "errors" not in event


def test_a_callback_is_asked_with_the_request(
    make_client: MakeClient, sent: MemoryTransport
) -> None:
    def ask(request: Any) -> dict[str, Any]:
        assert request.path == "/" and request.cookies["theme"] == "dark"
        return {"id": request.scope["state"]["user_id"]}

    options = {"user_callback": ask}
    event = event_of(make_client, sent, options, state={"user_id": 17})
    assert event["user"] == {"id": "17"}


def test_a_user_that_was_set_always_wins(
    make_client: MakeClient, sent: MemoryTransport
) -> None:
    client = make_client()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["user"] = User()
        client.set_user({"id": "of the app"})
        fail()

    asyncio.run(Call(http_scope())(ErrTrackMiddleware(app, client)))
    assert sent.events[0]["user"] == {"id": "of the app"}


def test_an_error_raised_from_one_of_the_same_kind_is_the_one_that_is_told(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    errtrack = ErrTrack()
    make_app(errtrack=errtrack, transport=sent)

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        try:
            raise LookupError("first")
        except LookupError:
            raise LookupError("second") from None

    asyncio.run(Call(http_scope())(ErrTrackMiddleware(app, errtrack)))
    assert sent.events[0]["exception"]["values"][-1]["value"] == "second"


def test_the_secrets_of_a_flask_app_are_redacted_in_its_asgi_requests_too(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    errtrack = ErrTrack()
    made: Flask = make_app(
        {"PAYMENT_TOKEN": "a-token-of-payments"}, errtrack, transport=sent
    )

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        raise LookupError(made.config["PAYMENT_TOKEN"])

    call = Call(http_scope("/pay", headers=HEADERS))
    asyncio.run(call(ErrTrackMiddleware(app, errtrack)))
    (event,) = sent.events
    assert event["transaction"] == "/pay"
    assert "a-token-of-payments" not in str(event)
