"""What an event tells of its request, and that asking for it changes nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import MakeApp
from flask import Flask, Request, request, session
from places import Broken, fail
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_errtrack.transports import MemoryTransport

FORM = "application/x-www-form-urlencoded"


def fail_after(look: Callable[[], Any]) -> Callable[..., str]:
    """A view that looks at the request, and then fails."""

    def view(**view_args: Any) -> str:
        look()
        return str(fail())

    return view


def facts_of(sent: MemoryTransport) -> Any:
    return sent.events[0]["contexts"]["flask"]


def test_the_facts_are_those_that_flask_sees(app: Flask, sent: MemoryTransport) -> None:
    app.add_url_rule("/shelf/<int:number>", "shelf", fail_after(str))
    app.test_client().get("/shelf/17?sort=new&q=a%20b", headers={"X-Thing": "one"})
    event = sent.events[0]
    assert event["request"]["method"] == "GET"
    assert event["request"]["url"] == "http://localhost/shelf/17"
    assert event["request"]["query_string"] == "sort=new&q=a%20b"
    assert ["X-Thing", "one"] in event["request"]["headers"]
    assert event["transaction"] == "shelf"
    assert event["transaction_info"] == {"source": "component"}
    assert facts_of(sent) == {
        "type": "flask",
        "endpoint": "shelf",
        "rule": "/shelf/<int:number>",
        "view_args": {"number": 17},
    }


def test_a_blueprint_is_named(app: Flask, sent: MemoryTransport) -> None:
    from flask import Blueprint

    blueprint = Blueprint("stock", __name__)
    blueprint.add_url_rule("/broken", "shelf", fail)
    app.register_blueprint(blueprint)
    app.test_client().get("/broken")
    assert sent.events[0]["transaction"] == "stock.shelf"
    assert facts_of(sent)["blueprint"] == "stock"


def test_the_transaction_can_be_the_rule(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    app = make_app(transport=sent, transaction_style="url")
    app.add_url_rule("/shelf/<number>", "shelf", fail_after(str))
    app.test_client().get("/shelf/17")
    assert sent.events[0]["transaction"] == "/shelf/<number>"
    assert sent.events[0]["transaction_info"] == {"source": "route"}


def test_an_unread_body_stays_unread(app: Flask, sent: MemoryTransport) -> None:
    read: list[bytes] = []

    def upload() -> str:
        app.extensions["errtrack"].capture_message("too early")
        read.append(request.stream.read())
        return "thanks"

    app.add_url_rule("/upload", "upload", upload, methods=["POST"])
    app.test_client().post("/upload", data=b"x" * 5000, content_type="text/plain")
    assert read == [b"x" * 5000]
    assert "data" not in sent.events[0]["request"]
    assert facts_of(sent)["request_body"] == "not read by the app"


def test_a_stream_that_the_app_has_read_is_gone(
    app: Flask, sent: MemoryTransport
) -> None:
    look = fail_after(lambda: request.stream.read())
    app.add_url_rule("/upload", "upload", look, methods=["POST"])
    app.test_client().post("/upload", data=b"abc")
    assert facts_of(sent)["request_body"] == "read by the app as a stream"


@pytest.mark.parametrize(
    ("body", "content_type", "look", "expected"),
    [
        (b"a=1&b=2&b=3", FORM, lambda: request.form, {"a": "1", "b": ["2", "3"]}),
        (b"a=1", FORM, lambda: request.values, {"a": "1"}),
        (b'{"a": [1]}', "application/json", lambda: request.json, {"a": [1]}),
        (b'{"a"', "application/json", lambda: request.data, '{"a"'),
        (b"[" * 9999, "application/json", lambda: request.data, "[" * 8192 + "…"),
        (b"\xff\xfe", "text/plain", lambda: request.get_data(), "\ufffd\ufffd"),
        ("naïve".encode(), "text/plain", lambda: request.get_data(), "naïve"),
        (b'{"hook": 1}', "application/json", lambda: request.get_data(), {"hook": 1}),
    ],
)
def test_what_the_app_has_read_is_reported(
    app: Flask,
    sent: MemoryTransport,
    body: bytes,
    content_type: str,
    look: Callable[[], Any],
    expected: Any,
) -> None:
    app.add_url_rule("/hook", "hook", fail_after(look), methods=["POST"])
    app.test_client().post("/hook", data=body, content_type=content_type)
    found = sent.events[0]["request"]["data"]
    assert found == (expected if not str(expected).endswith("…") else "[" * 9999)


def test_uploaded_files_are_named_and_not_read(
    app: Flask, sent: MemoryTransport
) -> None:
    app.add_url_rule(
        "/upload", "upload", fail_after(lambda: request.files), methods=["POST"]
    )
    files = [(io.BytesIO(b"a" * 90_000), "a.png"), (io.BytesIO(b"b"), "b.txt")]
    app.test_client().post("/upload", data={"title": "Photos", "file": files})
    assert sent.events[0]["request"]["data"] == {
        "title": "Photos",
        "file": ["<file 'a.png', image/png>", "<file 'b.txt', text/plain>"],
    }


@pytest.mark.parametrize(
    ("limit", "size", "is_kept"),
    [
        ("never", 1, False),
        ("small", 1000, True),
        ("small", 1001, False),
        ("medium", 10_000, True),
        ("medium", 10_001, False),
        ("always", 100_000, True),
        (0, 1, False),
        (20, 20, True),
        (20, 21, False),
    ],
)
def test_the_size_of_a_body_is_limited(
    make_app: MakeApp, sent: MemoryTransport, limit: Any, size: int, is_kept: bool
) -> None:
    app = make_app(transport=sent, max_request_body_size=limit)
    look = fail_after(lambda: request.get_data())
    app.add_url_rule("/hook", "hook", look, methods=["POST"])
    app.test_client().post("/hook", data=b"x" * size, content_type="text/plain")
    assert ("data" in sent.events[0]["request"]) is is_kept
    says = facts_of(sent).get("request_body")
    assert (says is None) is (is_kept or limit in ("never", 0))
    assert says is None or says.startswith(f"left out: {size} bytes, more than")


def test_a_chunked_body_that_is_not_read(app: Flask, sent: MemoryTransport) -> None:
    app.add_url_rule("/hook", "hook", fail, methods=["POST"])
    app.test_client().post(
        "/hook",
        input_stream=io.BytesIO(b"abc"),
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert facts_of(sent)["request_body"] == "not read by the app"


def test_what_is_not_ascii_arrives(app: Flask, sent: MemoryTransport) -> None:
    app.add_url_rule("/café/<name>", "cafe", fail)
    app.test_client().get("/café/naïve?q=żółw", headers={"X-Name": "Ünal"})
    found = sent.events[0]["request"]
    assert found["url"] == "http://localhost/café/naïve"
    assert found["query_string"] == "q=żółw"
    assert facts_of(sent)["view_args"] == {"name": "naïve"}
    assert "X-Name" in dict(found["headers"])


def test_a_query_that_is_not_utf_8_arrives(app: Flask, sent: MemoryTransport) -> None:
    app.add_url_rule("/broken", "broken", fail)
    app.test_client().get("/broken", query_string=b"q=\xff".decode("latin-1"))
    assert sent.events[0]["request"]["query_string"].startswith("q=")


SECRETIVE = {
    "Authorization": "Bearer abcdefghijklmnop",
    "Proxy-Authorization": "Basic cHJveHk6c2VjcmV0",
    "X-Forwarded-For": "203.0.113.9, 203.0.113.10",
    "X-Real-IP": "203.0.113.9",
    "CF-Connecting-IP": "203.0.113.9",
    "X-Api-Key": "key-of-the-caller",
}


def visit_with_secrets(app: Flask) -> None:
    browser = app.test_client()
    browser.set_cookie("tracker", "abcdefgh12345678")
    browser.set_cookie("lang", "en")
    browser.get(
        "/broken",
        headers=SECRETIVE,
        environ_overrides={"REMOTE_ADDR": "203.0.113.7"},
    )


def test_by_default_nobody_can_be_recognized(app: Flask, sent: MemoryTransport) -> None:
    def look() -> None:
        headers = request.headers
        address = request.remote_addr
        assert f"{headers} {address}"

    app.add_url_rule("/broken", "broken", fail_after(look))
    visit_with_secrets(app)
    event = sent.events[0]
    wire = json.dumps(event)
    for secret in ("203.0.113", "abcdefgh", "cHJveHk6", "key-of-the-caller"):
        assert secret not in wire
    assert "cookies" not in event["request"]
    assert "env" not in event["request"]
    assert "user" not in event
    names = {name for name, _ in event["request"]["headers"]}
    assert not names & {"Cookie", "Authorization", "X-Forwarded-For", "X-Real-Ip"}


def test_the_address_of_the_own_machine_stays_in_the_url(
    app: Flask, sent: MemoryTransport
) -> None:
    app.add_url_rule("/broken", "broken", fail)
    app.test_client().get("/broken", base_url="http://127.0.0.1:5000/")
    assert sent.events[0]["request"]["url"] == "http://127.0.0.1:5000/broken"


def test_with_pii_there_are_address_and_cookies(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    app = make_app(transport=sent, send_default_pii=True)
    app.add_url_rule("/broken", "broken", fail)
    visit_with_secrets(app)
    event = sent.events[0]
    assert event["user"] == {"ip_address": "203.0.113.7"}
    assert event["request"]["env"] == {"REMOTE_ADDR": "203.0.113.7"}
    assert set(event["request"]["cookies"]) == {"tracker", "lang"}
    headers = dict(event["request"]["headers"])
    assert headers["X-Real-Ip"] == "203.0.113.9"
    # Credentials stay secret.
    assert "abcdefghijklmnop" not in json.dumps(event)


def test_behind_a_proxy_the_facts_are_those_of_proxy_fix(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    app = make_app(transport=sent, send_default_pii=True)
    app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
        app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1
    )
    app.add_url_rule("/broken", "broken", fail)
    proxied = {
        "X-Forwarded-For": "198.51.100.1, 203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "shop.example",
        "X-Forwarded-Prefix": "/eu",
    }
    app.test_client().get("/broken", headers=proxied)
    event = sent.events[0]
    assert event["request"]["url"] == "https://shop.example/eu/broken"
    assert event["user"]["ip_address"] == "203.0.113.9"


def test_without_proxy_fix_a_forwarded_address_is_not_believed(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    app = make_app(transport=sent, send_default_pii=True)
    app.add_url_rule("/broken", "broken", fail)
    app.test_client().get("/broken", headers={"X-Forwarded-For": "203.0.113.9"})
    assert sent.events[0]["user"]["ip_address"] == "127.0.0.1"


class HalfARequest(Request):
    """A request whose client has left while it was read."""

    @property
    def query_string(self) -> bytes:
        raise ConnectionResetError("the client has left")

    @query_string.setter
    def query_string(self, value: bytes) -> None:
        pass


@pytest.mark.swallows_errors
def test_a_part_that_fails_leaves_a_note(app: Flask, sent: MemoryTransport) -> None:
    app.request_class = HalfARequest
    app.url_map.redirect_defaults = False
    app.add_url_rule("/broken", "broken", fail)
    with app.test_request_context("/broken"):
        app.extensions["errtrack"].capture_exception(Broken("half"))
    event = sent.events[0]
    assert event["request"]["url"] == "http://localhost/broken"
    assert event["errors"] == [
        {
            "type": "failed",
            "name": "request.query_string",
            "value": "ConnectionResetError",
        }
    ]


def test_the_session_is_not_marked_as_used(app: Flask) -> None:
    app.add_url_rule("/broken", "broken", fail)
    app.add_url_rule("/login", "login", lambda: session.update(_user_id="7") or "in")
    browser = app.test_client()
    browser.get("/login")
    response = browser.get("/broken")
    assert response.status_code == 500
    assert "Vary" not in response.headers
