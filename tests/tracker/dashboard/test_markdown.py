"""An event as Markdown, for tickets and terminals."""

from __future__ import annotations

import re
from typing import Any

import pytest

from flask_errtrack.tracker.dashboard.event.markdown import (
    code,
    event_as_markdown,
    fenced,
)

from .. import samples

ISSUE = {
    "id": 12,
    "title": "KeyError: 'CHF'",
    "culprit": "shop.orders in pay",
    "level": "error",
    "status": "unresolved",
    "events": 1204,
    "users": 1,
    "first_seen": "2026-11-20T01:40:00Z",
    "last_seen": "2026-11-21T01:40:00Z",
}


def unquoted(markdown: str) -> str:
    """Return what stands outside of fences and code spans, as CommonMark reads it."""
    lines: list[str] = []
    fence = ""
    for line in markdown.splitlines():
        run = re.match("`*", line)
        ticks = run[0] if run else ""
        if fence:
            if line == fence or (len(ticks) >= len(fence) and not line.strip("`")):
                fence = ""
        elif len(ticks) >= 3 and "`" not in line[len(ticks) :]:
            fence = ticks
        else:
            lines.append(re.sub(r"(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)", "", line))
    assert not fence
    return "\n".join(lines)


def test_it_says_what_where_when_and_how_often() -> None:
    text = event_as_markdown(samples.order_event(), ISSUE)
    assert text.startswith(
        "# `KeyError: 'CHF'`\n\n"
        "- Where: `shop/orders.py:42 in pay`\n"
        "- Route: `POST /orders/<int:order_id>/pay`\n"
        "- When: 2026-11-21 01:40:00 UTC\n"
        "- Issue: 12 (`unresolved`), 1,204 events, 1 person, "
        "since `2026-11-20T01:40:00Z`\n"
        "- Release: `shop@2.4.1`\n"
        "- Environment: `production`\n"
    )
    assert "    amount = order.total * rates[order.currency]\n" in text
    assert "    (4 frames of flask)" in text
    assert "- `email`: `ada@example.org`" in text
    assert "120 ms before warning http GET https://rates.example/v1 503" in text


def test_a_chain_is_named_link_by_link() -> None:
    text = event_as_markdown(samples.chained_event(), None)
    assert [line for line in text.splitlines() if line.startswith("## ")][:3] == [
        "## `CheckoutError`",
        "## Caused by: `RatesUnavailable`",
        "## Raised while handling: `TimeoutError`",
    ]


def test_a_message_needs_no_stack() -> None:
    text = event_as_markdown(samples.message_event(), None)
    assert text.startswith("# `stock of tea is -3`\n")


def test_nothing_of_an_event_is_markup_and_nothing_reaches_the_terminal() -> None:
    text = event_as_markdown(samples.hostile_event(), None)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", text)
    outside = unquoted(text)
    for markup in ("<", "](", "evil", "alert", "!["):
        assert markup not in outside
    headings = [line for line in outside.splitlines() if line.startswith("#")]
    assert {line.rstrip() for line in headings} == {
        "#",
        "##",
        "## Request",
        "## User",
        "## Tags",
        "## Breadcrumbs, newest last",
        "## Extra",
        "## Notes",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "`plain`"),
        ("", "` `"),
        ("a ` b", "``a ` b``"),
        ("`x`", "`` `x` ``"),
        ("a\n# b", "`a # b`"),
    ],
)
def test_a_code_span_outlasts_the_backticks_in_it(text: str, expected: str) -> None:
    assert code(text) == expected


def test_a_fence_is_longer_than_any_run_of_backticks() -> None:
    assert fenced("a\n````\nb") == "`````\na\n````\nb\n`````"


@pytest.mark.parametrize("event", [{}, {"exception": {"values": []}}])
def test_an_empty_event_is_still_a_document(event: dict[str, Any]) -> None:
    assert event_as_markdown(event, None).startswith("# `Event`\n")


def test_the_size_is_bounded() -> None:
    frames = [samples.frame(f"call_{n}") for n in range(200)]
    values = [samples.exception("E", "x" * 100_000, frames) for _ in range(30)]
    event = samples.order_event(exception={"values": values})
    text = event_as_markdown(event, None)
    assert len(text) < 100_000
    assert "96k more characters" in text and "20 more exceptions" in text


def test_it_says_which_command_failed_and_with_what() -> None:
    event = samples.order_event()
    event = {key: value for key, value in event.items() if key != "request"}
    event["transaction"] = "shop restock"
    event["contexts"] = {
        "command": {"name": "shop restock", "params": {"shelf": 17}},
        "runtime": {"name": "CPython"},
        "x\n# y": {"is": "hostile"},
    }
    text = event_as_markdown(event, None)
    assert "- Transaction: `shop restock`\n" in text
    assert "## `command`\n\n- `name`: `shop restock`\n- `params`:" in text
    assert "CPython" not in text
    assert "# y" not in unquoted(text)
