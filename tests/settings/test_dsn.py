"""The DSN: its parts, its URLs, and that it never shows a key."""

from __future__ import annotations

import pytest

from flask_errtrack.errors import BadDsn
from flask_errtrack.settings.dsn import Dsn


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://k@h.example/1", "https://h.example/api/1/envelope/"),
        ("http://k:s@h.example:8000/1", "http://h.example:8000/api/1/envelope/"),
        ("https://k@h.example/a/b/42", "https://h.example/a/b/api/42/envelope/"),
        (
            "https://k@h.example/errtrack/1/",
            "https://h.example/errtrack/api/1/envelope/",
        ),
        ("https://k@[::1]:9000/1", "https://[::1]:9000/api/1/envelope/"),
        ("  https://k@h.example/1\n", "https://h.example/api/1/envelope/"),
        ("https://k@H.Example/shop", "https://h.example/api/shop/envelope/"),
    ],
)
def test_an_envelope_goes_to_the_url_of_its_project(text: str, url: str) -> None:
    assert Dsn.parse(text).envelope_url == url


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "does not begin with http"),
        ("k@h/1", "does not begin with http"),
        ("abc123:s@h/1", "does not begin with http"),
        ("udp://k@h/1", "has the scheme 'udp' instead of http or https"),
        ("https://h/1", "has no public key before the @"),
        ("https://:s@h/1", "has no public key before the @"),
        ("https://k@/1", "names no host"),
        ("https://k@h", "has no project id after the last /"),
        ("https://k@h/", "has no project id after the last /"),
        ("https://k@h/1?a=b", "has something after its project id"),
        ("https://k@h/1#a", "has something after its project id"),
        ("https://k@h:99999/1", "is not a URL"),
        ("https://k@[h/1", "is not a URL"),
    ],
)
def test_a_wrong_dsn_is_refused_with_the_part_that_is_wrong(
    text: str, problem: str
) -> None:
    with pytest.raises(BadDsn) as caught:
        Dsn.parse(text)
    assert str(caught.value).startswith(f"the DSN {problem}")
    assert "abc123" not in str(caught.value)


def test_the_auth_header_has_the_keys_and_who_sends() -> None:
    assert Dsn.parse("https://k@h/1").auth_header("me/1.0") == (
        "Sentry sentry_version=7, sentry_client=me/1.0, sentry_key=k"
    )
    assert (
        Dsn.parse("https://k:s@h/1")
        .auth_header("me/1.0")
        .endswith(", sentry_key=k, sentry_secret=s")
    )


def test_texts_of_a_dsn_show_no_key() -> None:
    dsn = Dsn.parse("https://publickey:verysecret@h:81/a/1")
    assert str(dsn) == "https://***@h:81/a/1"
    for text in (repr(dsn), str(dsn), f"{dsn}"):
        assert "publickey" not in text and "verysecret" not in text


def test_the_public_dsn_has_no_secret_and_parses_to_the_same_place() -> None:
    dsn = Dsn.parse("https://k:verysecret@h:81/a/1")
    assert dsn.public == "https://k@h:81/a/1"
    assert Dsn.parse(dsn.public).envelope_url == dsn.envelope_url
