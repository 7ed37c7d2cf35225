"""Numbers, times and foreign text in words."""

from __future__ import annotations

from typing import Any

import pytest

from flask_errtrack import words


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (1204, "1,204"),
        (9999, "9,999"),
        (12_449, "12.4k"),
        (999_999, "999.9k"),
        (1_000_000, "1M"),
        (2_560_000_000, "2.5bn"),
    ],
)
def test_numbers_are_short_and_never_rounded_up(value: int, expected: str) -> None:
    assert words.number(value) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "just now"),
        (9, "just now"),
        (42, "42 s ago"),
        (200, "3 min ago"),
        (7200, "2 h ago"),
        (86_400, "1 day ago"),
        (50 * 86_400, "50 days ago"),
        (70 * 86_400, "2 months ago"),
        (900 * 86_400, "2 years ago"),
    ],
)
def test_times_are_said_in_their_largest_unit(seconds: float, expected: str) -> None:
    assert words.ago(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.12, "120 ms"), (2.31, "2.3 s"), (75, "1 min")]
)
def test_short_durations_have_a_digit_more(seconds: float, expected: str) -> None:
    assert words.duration(seconds) == expected


def test_a_moment_is_for_machines_and_for_people() -> None:
    assert words.moment(1_795_225_200, 1_795_225_400) == words.Moment(
        "2026-11-21T01:40:00Z", "2026-11-21 01:40:00 UTC", "3 min ago"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x00\x7f", "␛[31mred␀␡"),
        ("a\r\nb\tc\rd", "a\nb\tc␍d"),
        ("\u202eexe.jpg", "⟨U+202E⟩exe.jpg"),
        ("\x9b31m \u200b \ud800", "⟨U+009B⟩31m ⟨U+200B⟩ ⟨U+D800⟩"),
        ("Grüße 👩\u200d🚀 日本", "Grüße 👩\u200d🚀 日本"),
    ],
)
def test_what_steers_a_terminal_or_hides_is_made_visible(
    text: str, expected: str
) -> None:
    assert words.visible(text) == expected


def test_a_title_is_one_short_line() -> None:
    assert words.one_line("a\n\n b\tc ") == "a b c"
    assert words.one_line("x" * 1_000_000, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("text", "text"),
        ({"a": [1, None, "ü"]}, '{"a": [1, null, "ü"]}'),
        (True, "true"),
        ({"k": "v" * 90}, '{\n  "k": "' + "v" * 90 + '"\n}'),
    ],
)
def test_a_value_is_text_or_json(found: Any, expected: str) -> None:
    assert words.value(found).text == expected


def test_a_long_value_is_cut_and_says_by_how_much() -> None:
    found = words.value("x" * 1_000_000, 2000)
    assert (len(found.text), found.left_out) == (2000, 998_000)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, "None"),
        (True, "True"),
        ("'CHF'", "'CHF'"),
        ([1, "'a'"], "[1, 'a']"),
        ({"a": 1, "'b'": 2}, "{'a': 1, 'b': 2}"),
        ({"<class>": "shop.Order", "id": 7}, "shop.Order(id=7)"),
        ({"a": "'" + "x" * 90 + "'"}, "{\n    'a': '" + "x" * 90 + "',\n}"),
        (list(range(60)), "[\n"),
    ],
)
def test_a_variable_reads_as_python_writes_it(found: Any, expected: str) -> None:
    text = words.python_value(found).text
    assert text.startswith(expected) if expected == "[\n" else text == expected


def test_a_variable_is_bounded_in_items_and_in_depth() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    assert words.python_value(deep).text == "[" * 8 + "…" + "]" * 8
    assert "… 10 more" in words.python_value(list(range(60))).text


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "http:///path",
        "http://[bad",
        "https://shop.example/\x1b",
    ],
)
def test_only_web_addresses_become_links(url: str) -> None:
    assert words.web_address(url) is None
    assert words.web_address("https://shop.example/a?b") == "https://shop.example/a?b"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (64 * 1024 * 1024, "64 MiB"),
        (5 * 1024**4, "5120.0 GiB"),
    ],
)
def test_sizes_are_short_enough_to_say(value: int, expected: str) -> None:
    assert words.size(value) == expected
