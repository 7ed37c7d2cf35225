"""Who may send, how a body may be packed, and how much of it is read."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest
from backports import zstd
from flask import request
from gunicorn.http.errors import (  # type: ignore[import-untyped]
    InvalidChunkSize,
    NoMoreData,
)
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_errtrack.tracker.ingest.body import MAX_BODY_BYTES

from ..stores import stored
from .site import EVENT_ID, Site, envelope, event_ids

MESSAGE = {"message": "no price"}


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "UTF-8": bytes,
    "gzip": gzip.compress,
    "X-GZip": gzip.compress,
    "deflate": zlib.compress,
    "deflate ": raw_deflate,
    "br": brotli.compress,
    "zstd": zstd.compress,
}
COMPRESSING = [name for name in PACKERS if PACKERS[name] is not bytes]


def body(event_id: str = EVENT_ID) -> bytes:
    return envelope([("event", MESSAGE)], event_id=event_id)


@pytest.mark.parametrize("slash", ["/", ""])
def test_an_envelope_is_stored_and_its_id_returned(site: Site, slash: str) -> None:
    response = site.post(body(), f"/api/1/envelope{slash}")
    assert (response.status_code, response.json) == (200, {"id": EVENT_ID})
    assert event_ids(site.store) == [EVENT_ID]


@pytest.mark.parametrize("slash", ["/", ""])
def test_an_event_alone_is_stored(site: Site, slash: str) -> None:
    event = json.dumps({"event_id": EVENT_ID, **MESSAGE}).encode()
    response = site.post(event, f"/api/1/store{slash}")
    assert (response.status_code, response.json) == (200, {"id": EVENT_ID})
    assert event_ids(site.store) == [EVENT_ID]


def test_an_event_in_base64_is_stored(site: Site) -> None:
    event = json.dumps({"event_id": EVENT_ID, **MESSAGE}).encode()
    packed = base64.b64encode(zlib.compress(event))
    assert site.post(packed, "/api/1/store/").status_code == 200
    assert event_ids(site.store) == [EVENT_ID]
    assert site.post(b"neither", "/api/1/store/").status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Sentry-Auth": "Sentry sentry_key={key},sentry_version=6"},
        {"X-Sentry-Auth": "sentry sentry_version=7,  sentry_key={key} , sentry_x=1"},
        {"Authorization": "Sentry sentry_key={key}, sentry_secret=x"},
    ],
)
def test_the_key_may_stand_in_a_header(site: Site, headers: dict[str, str]) -> None:
    filled = {name: value.format(key=site.key) for name, value in headers.items()}
    response = site.browser.post(
        "/errtrack/api/1/envelope/", data=body(), headers=filled
    )
    assert response.status_code == 200


def test_the_key_may_stand_in_the_query_string(site: Site) -> None:
    url = f"/errtrack/api/1/envelope/?sentry_key={site.key}&sentry_version=7"
    assert site.browser.post(url, data=body()).status_code == 200


def test_the_key_may_stand_in_the_envelopes_dsn(site: Site) -> None:
    dsn = f"http://{site.key}@localhost/errtrack/1"
    sent = envelope([("event", MESSAGE)], event_id=EVENT_ID, dsn=dsn)
    response = site.browser.post("/errtrack/api/1/envelope/", data=sent)
    assert response.status_code == 200
    assert event_ids(site.store) == [EVENT_ID]


@pytest.mark.parametrize(
    ("headers", "dsn"),
    [
        ({}, None),
        ({}, ["no text"]),
        ({}, "no-url"),
        ({"X-Sentry-Auth": "Sentry sentry_version=7"}, None),
        ({"Authorization": "Basic c2VudHJ5X2tleT0x"}, None),
    ],
)
def test_without_a_key_nothing_is_taken_and_the_answer_says_what_is_expected(
    site: Site, headers: dict[str, str], dsn: object
) -> None:
    sent = envelope([("event", MESSAGE)], dsn=dsn)
    url = "/errtrack/api/1/envelope/"
    response = site.browser.post(url, data=sent, headers=headers)
    assert response.status_code == 401
    assert "expected" in response.get_json()["detail"]
    assert "expected" in response.headers["X-Sentry-Error"]
    assert event_ids(site.store) == []


@pytest.mark.parametrize(
    ("project", "key"),
    [("1", "0" * 32), ("1", "ü"), ("1", "x" * 5000)]
    + [(odd, None) for odd in ("2", "0", "-1", "x", "²", "9" * 19, "9" * 5000)],
)
def test_a_wrong_key_opens_nothing(site: Site, project: str, key: str | None) -> None:
    url = f"/errtrack/api/{project}/envelope/"
    asked = {"sentry_key": key or site.key}
    response = site.browser.post(url, data=body(), query_string=asked)
    assert response.status_code == 403
    assert "expected" in response.get_json()["detail"]
    assert site.key not in response.text
    assert event_ids(site.store) == []


def test_a_wrong_key_is_counted_in_the_project_that_there_is(site: Site) -> None:
    for project in (1, 2):
        url = f"/errtrack/api/{project}/envelope/?sentry_key=wrong"
        site.browser.post(url, data=body())
    assert site.tallied() == {("refused", "key"): 1}


@pytest.mark.parametrize("encoding", PACKERS)
def test_every_usual_encoding_is_read(site: Site, encoding: str) -> None:
    packed = PACKERS[encoding](body())
    response = site.post(packed, Content_Encoding=encoding)
    assert response.status_code == 200, response.text
    assert [event["logentry"]["message"] for event in stored(site.store)] == [
        "no price"
    ]


@pytest.mark.parametrize(
    "encoding", ["lz4", "gzip, br", "☃".encode().decode("latin-1")]
)
def test_another_encoding_is_refused_as_such(site: Site, encoding: str) -> None:
    response = site.post(body(), Content_Encoding=encoding)
    assert response.status_code == 415
    assert "expected" in response.get_json()["detail"]
    assert site.tallied() == {("refused", "encoding"): 1}


@pytest.mark.parametrize("encoding", COMPRESSING)
def test_what_is_not_what_it_says_is_refused(site: Site, encoding: str) -> None:
    packed = PACKERS[encoding](body())
    for broken in (b"", b"{}", packed[:-4], b"\x1f\x8b" + packed[::-1]):
        assert site.post(broken, Content_Encoding=encoding).status_code == 400
    assert event_ids(site.store) == []


@pytest.mark.parametrize("encoding", COMPRESSING)
def test_a_bomb_is_not_unpacked(site: Site, encoding: str) -> None:
    bomb = PACKERS[encoding](b"{}\n" + bytes(2 * MAX_BODY_BYTES))
    assert len(bomb) < MAX_BODY_BYTES
    response = site.post(bomb, Content_Encoding=encoding)
    assert response.status_code == 413
    assert str(MAX_BODY_BYTES) in response.get_json()["detail"]
    assert site.tallied() == {("refused", "too_large"): 1}


def test_a_body_in_base64_is_no_bomb_either(site: Site) -> None:
    bomb = base64.b64encode(zlib.compress(bytes(2 * MAX_BODY_BYTES)))
    assert site.post(bomb, "/api/1/store/").status_code == 413


class Endless(io.RawIOBase):
    """A stream that goes on for ever, and knows how much was read of it."""

    taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.taken += len(buffer)
        return len(buffer)


def status_of(site: Site, stream: io.IOBase, **environ: Any) -> str:
    """Send a stream as a server hands it on, and return the status."""
    path = "/errtrack/api/1/envelope/"
    builder = EnvironBuilder(path=path, method="POST", headers=Headers(site.auth))
    given = {**builder.get_environ(), "wsgi.input": stream, **environ}
    builder.close()
    return run_wsgi_app(site.app, given)[1]


@pytest.mark.parametrize(
    "environ", [{"wsgi.input_terminated": True}, {"CONTENT_LENGTH": str(10**9)}]
)
def test_of_a_body_without_end_only_the_beginning_is_read(
    site: Site, environ: dict[str, Any]
) -> None:
    endless = Endless()
    assert status_of(site, endless, **environ).startswith("413")
    assert endless.taken <= MAX_BODY_BYTES + 2**17


def test_a_chunked_body_is_read_to_its_end(site: Site) -> None:
    chunked = {"wsgi.input_terminated": True}
    assert status_of(site, io.BytesIO(body()), **chunked).startswith("200")
    assert event_ids(site.store) == [EVENT_ID]


@pytest.mark.parametrize("is_told", [False, True])
def test_a_body_that_is_shorter_than_it_says_is_refused(
    site: Site, is_told: bool
) -> None:
    length = str(len(body()) + 9)
    # Gunicorn tells nobody that a body is not whole.
    environ = {"CONTENT_LENGTH": length, "wsgi.input_terminated": not is_told}
    assert status_of(site, io.BytesIO(body()), **environ).startswith("400")
    assert event_ids(site.store) == []


class Broken(Endless):
    """A stream in which a server finds what it cannot read."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def readinto(self, buffer: Any) -> int:
        raise self.error


@pytest.mark.parametrize(
    "error", [InvalidChunkSize(b"zz"), NoMoreData(), OSError("gone"), ValueError("zz")]
)
def test_a_body_that_no_server_can_read_is_refused(
    site: Site, error: Exception
) -> None:
    chunked = {"wsgi.input_terminated": True}
    assert status_of(site, Broken(error), **chunked).startswith("400")
    assert site.tallied() == {("refused", "malformed"): 1}


def test_the_limit_of_the_app_holds_as_well(site: Site) -> None:
    site.app.config["MAX_CONTENT_LENGTH"] = 20
    assert site.post(body()).status_code == 413


def test_an_app_may_have_read_the_body_before(site: Site) -> None:
    @site.app.before_request
    def read_it() -> None:
        request.get_data()

    assert site.post(body()).status_code == 200
    assert event_ids(site.store) == [EVENT_ID]


@pytest.mark.parametrize("name", ["envelope", "store"])
def test_a_browser_may_send_from_any_page(site: Site, name: str) -> None:
    url = f"/errtrack/api/1/{name}/"
    wish = {
        "Origin": "https://shop.example.com",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-sentry-auth",
    }
    asked = site.browser.options(url, headers=wish)
    assert asked.status_code == 204
    allowed = asked.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"content-type", "x-sentry-auth", "sentry-trace", "baggage"} <= {*allowed}
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]
    assert asked.headers["Access-Control-Max-Age"] == "3600"
    for answer in (asked, site.post(body()), site.browser.post(url)):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        exposed = answer.headers["Access-Control-Expose-Headers"]
        assert "x-sentry-rate-limits" in exposed and "retry-after" in exposed


def test_no_other_page_may_be_read_across_sites(site: Site) -> None:
    assert "Access-Control-Allow-Origin" not in site.browser.get("/errtrack/").headers


def test_what_a_message_quotes_fits_into_a_header(site: Site) -> None:
    response = site.post(b'{}\n{"type":"event","length":"\\u2603\\n\\r\\u0000"}\n{}')
    assert response.status_code == 400
    error = response.headers["X-Sentry-Error"]
    assert error.isascii() and error.isprintable()
