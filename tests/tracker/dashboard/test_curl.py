"""The curl command that sends a request again."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from flask_errtrack.tracker.dashboard.event.curl import Curl, curl_of

from .. import samples

URL = "https://shop.example/pay"


def curl(**request: Any) -> Curl:
    found = curl_of({"url": URL, **request})
    assert found is not None
    return found


def arguments(found: Curl) -> list[str]:
    """Return what a shell makes of the command."""
    return shlex.split(found.command.replace("\\\n", ""))


def test_it_sends_what_the_client_had_sent() -> None:
    found = curl_of(samples.order_event()["request"])
    assert found is not None
    assert arguments(found) == [
        "curl",
        "-X",
        "POST",
        "https://shop.example/orders/7/pay?from=cart&coupon=",
        "-H",
        "Content-Type: application/x-www-form-urlencoded",
        "-H",
        "Accept-Language: de-CH",
        "-H",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0",
        "--data-raw",
        "terms=yes&note=it%27s+a+gift&cvc=%5Bredacted%5D",
    ]
    assert found.notes == (
        "Left out: X-Api-Key.",
        "Values that were redacted are still missing.",
    )


@pytest.mark.parametrize(
    "text", ["'; rm -rf ~ #", "$(reboot)", "`reboot`", '"x"', "a\\", "@/etc/passwd"]
)
def test_a_shell_runs_nothing_of_what_came(text: str) -> None:
    found = curl(query_string=text, headers=[["X-Note", text]], data=text)
    assert arguments(found) == [
        "curl",
        f"{URL}?{text}",
        "-H",
        f"X-Note: {text}",
        "--data-raw",
        text,
    ]


def test_what_steers_a_terminal_is_left_out() -> None:
    found = curl(headers=[["X-Note", "\x1b[201~"], ["X\n", "y"]], data="a\x1bb")
    assert arguments(found) == ["curl", URL]
    assert found.notes == ("Left out: X-Note, the body.",)


@pytest.mark.parametrize(
    "url", ["", "javascript:alert(1)", "-K/etc/curlrc", "https://a.example/\x1b"]
)
def test_there_is_none_without_a_web_address(url: str) -> None:
    assert curl_of({"url": url}) is None


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", ["--data-raw", '{"a": "b=c"}']),
        ("application/x-www-form-urlencoded", ["--data-raw", "a=b%3Dc"]),
        ("multipart/form-data; boundary=x", ["--form-string", "a=b=c"]),
    ],
)
def test_a_parsed_body_goes_as_its_content_type_says(
    content_type: str, expected: list[str]
) -> None:
    headers = [["Content-Type", content_type]]
    found = curl(data={"a": "b=c"}, headers=headers)
    assert arguments(found)[-2:] == expected


def test_brackets_in_a_url_are_no_patterns() -> None:
    assert arguments(curl(query_string="id[]=1"))[1] == "--globoff"


def test_head_asks_for_the_head() -> None:
    assert arguments(curl(method="HEAD")) == ["curl", "--head", URL]
