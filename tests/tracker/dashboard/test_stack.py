"""From the exceptions of an event to what a person reads."""

from __future__ import annotations

from typing import Any

import pytest

from flask_errtrack.tracker.dashboard.event.chain import MAX_DEPTH, chain_of
from flask_errtrack.tracker.dashboard.event.source import (
    MAX_SOURCE_LENGTH,
    source_lines,
)
from flask_errtrack.tracker.dashboard.event.stack import (
    MAX_FRAMES,
    MAX_OPEN_FRAMES,
    ExceptionView,
    FrameView,
    LibraryRun,
    exceptions_of,
    fold_repeats,
    raising_frame,
)

from .. import samples


def stack_of(frames: list[dict[str, Any]]) -> ExceptionView:
    exception = samples.exception(frames=frames)
    return exceptions_of({"exception": {"values": [exception]}})[0]


def outline(found: ExceptionView) -> list[str]:
    return [
        item.function if isinstance(item, FrameView) else item.words
        for item in found.items
    ]


def links(event: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [
        (link.exception["type"], link.words, link.depth) for link in chain_of(event)
    ]


def test_a_chain_reads_from_the_outermost_to_the_root() -> None:
    assert links(samples.chained_event()) == [
        ("CheckoutError", "", 0),
        ("RatesUnavailable", "caused by", 0),
        ("TimeoutError", "raised while handling", 0),
    ]


def test_a_group_reads_as_a_tree_with_its_members_in_order() -> None:
    assert links(samples.group_event()) == [
        ("ExceptionGroup", "", 0),
        ("ConnectionError", "member 1 of the group", 1),
        ("ExceptionGroup", "member 2 of the group", 1),
        ("KeyError", "member 1 of the group", 2),
        ("ValueError", "member 2 of the group", 2),
    ]


def test_a_chain_without_links_says_that_it_does_not_know() -> None:
    values = [samples.exception("KeyError"), samples.exception("ShopError")]
    words = "caused by, or raised while handling"
    assert links({"exception": {"values": values}}) == [
        ("ShopError", "", 0),
        ("KeyError", words, 0),
    ]


def test_exceptions_that_lead_to_each_other_are_shown_once() -> None:
    values = [
        samples.exception("A", exception_id=1, parent_id=2, source="__cause__"),
        samples.exception("B", exception_id=2, parent_id=1, source="__cause__"),
        samples.exception("Root", exception_id=0, parent_id=0),
    ]
    found = links({"exception": {"values": values}})
    assert sorted(kind for kind, _, _ in found) == ["A", "B", "Root"]
    assert found[0][0] == "Root"


def test_deep_groups_stop_moving_to_the_right() -> None:
    values = [
        samples.exception(
            "Group", exception_id=n, parent_id=n - 1, source="exceptions[0]"
        )
        for n in range(40, 0, -1)
    ] + [samples.exception("Group", exception_id=0)]
    assert max(depth for *_, depth in links({"exception": {"values": values}})) == (
        MAX_DEPTH
    )


@pytest.mark.parametrize(
    "event", [{}, {"exception": None}, {"exception": {"values": [None]}}]
)
def test_an_event_without_exceptions_has_no_stack(event: dict[str, Any]) -> None:
    assert exceptions_of(event) == []
    assert raising_frame(event) is None


def test_the_last_call_stands_first_and_libraries_are_folded_in_runs() -> None:
    found = stack_of(
        [
            *samples.library_frames(),
            samples.frame("pay"),
            samples.frame("execute", "sqlalchemy.engine", in_app=False),
            samples.frame("do_execute", "psycopg", in_app=False),
        ]
    )
    assert outline(found) == [
        "2 frames of psycopg, sqlalchemy",
        "pay",
        "4 frames of flask",
    ]
    run, frame = found.items[:2]
    assert isinstance(run, LibraryRun) and not any(
        inner.kind == "frame" and inner.is_open for inner in run.items
    )
    assert isinstance(frame, FrameView) and frame.is_open


def test_without_a_frame_of_the_app_the_failing_call_is_open() -> None:
    found = stack_of(samples.library_frames())
    first = found.items[0]
    assert isinstance(first, FrameView) and first.is_open
    assert outline(found) == ["Flask.dispatch_request", "3 frames of flask"]


def test_only_the_first_frames_of_the_app_begin_open() -> None:
    found = stack_of([samples.frame(f"call_{n}", lineno=n + 9) for n in range(40)])
    opened = [item.is_open for item in found.items if isinstance(item, FrameView)]
    assert opened == [True] * MAX_OPEN_FRAMES + [False] * (40 - MAX_OPEN_FRAMES)


def test_the_variables_of_the_failing_frame_alone_begin_open() -> None:
    frames = [samples.frame(f"call_{n}", vars={"n": n}) for n in range(3)]
    found = [item for item in stack_of(frames).items if isinstance(item, FrameView)]
    assert [frame.has_open_variables for frame in found] == [True, False, False]


def test_recursion_is_shown_once_with_its_count() -> None:
    found = exceptions_of(samples.recursive_event())[0]
    assert outline(found) == [
        "visit",
        "walk",
        "the 2 calls above, 39 more times",
        "index",
        "4 frames of flask",
    ]


def test_recursion_with_calls_left_out_in_the_middle_is_still_shown_once() -> None:
    one, other = samples.frame("walk", lineno=5), samples.frame("visit", lineno=9)
    found = stack_of([samples.frame("index"), *[one, other] * 9, *[other, one] * 9])
    assert outline(found) == [
        "walk",
        "visit",
        "the 2 calls above, 8 more times",
        "the same, 9 more times",
        "index",
    ]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", []),
        ("ab", [(0, 1, 1), (1, 2, 1)]),
        ("aa", [(0, 1, 1), (1, 2, 1)]),
        ("xaaaay", [(0, 1, 1), (1, 2, 4), (5, 6, 1)]),
        ("abababc", [(0, 2, 3), (6, 7, 1)]),
        ("abcabcabcab", [(0, 3, 3), (9, 10, 1), (10, 11, 1)]),
    ],
)
def test_circles_of_one_to_three_calls_are_found(
    keys: str, expected: list[tuple[int, int, int]]
) -> None:
    assert fold_repeats(keys) == expected


def test_of_a_deep_stack_the_inner_calls_are_kept() -> None:
    frames = [samples.frame(f"call_{n}") for n in range(MAX_FRAMES + 5)]
    found = stack_of(frames)
    assert outline(found)[0] == f"call_{MAX_FRAMES + 4}"
    assert len(found.items) == MAX_FRAMES
    assert found.note == "5 earlier calls left out"


def test_the_failing_columns_are_marked() -> None:
    exception = samples.key_error()
    found = exceptions_of({"exception": {"values": [exception]}})[0]
    frame = found.items[0]
    assert isinstance(frame, FrameView)
    failing = [line for line in frame.lines if line.is_failing]
    assert [(line.number, line.marked) for line in failing] == [
        (42, "rates[order.currency]")
    ]
    assert [line.number for line in frame.lines] == list(range(37, 48))


def test_code_over_several_lines_is_marked_to_its_end() -> None:
    frame = {
        "lineno": 2,
        "colno": 5,
        "context_line": "x = charge(",
        "post_context": ["    card,", "    amount) + fee", "done()"],
    }
    lines = source_lines(frame, [4, 12])
    assert [line.marked for line in lines] == [
        "charge(",
        "card,",
        "amount)",
        "",
    ]


@pytest.mark.parametrize(
    ("colno", "end"),
    [
        (None, [7, 9]),
        (3, None),
        (3, [6, 9]),
        (3, ["7", 9]),
        (3, [7]),
        (9, [7, 3]),
        (500, [7, 900]),
        # All of the line: the line itself is marked already.
        (1, [7, 11]),
    ],
)
def test_columns_that_mean_nothing_mark_nothing(colno: int | None, end: Any) -> None:
    frame = {"lineno": 7, "colno": colno, "context_line": "total = 1/0"[:10]}
    assert [line.marked for line in source_lines(frame, end)] == [""]


def test_of_a_huge_line_the_failing_part_is_shown() -> None:
    text = "x" * 100_000 + "BOOM" + "y" * 100_000
    frame = {"lineno": 1, "colno": 100_001, "context_line": text}
    (line,) = source_lines(frame, [1, 100_005])
    assert line.marked == "BOOM"
    assert len(line.before + line.marked + line.after) <= MAX_SOURCE_LENGTH + 2


def test_a_frame_without_source_has_no_lines() -> None:
    assert source_lines({"lineno": 3}, None) == ()
    assert source_lines({"context_line": "x"}, None) == ()


def test_frames_that_are_null_are_passed_over() -> None:
    exception = samples.exception(frames=[samples.frame("pay")])
    exception["stacktrace"]["frames"].append(None)
    found = exceptions_of({"exception": {"values": [exception]}})[0]
    assert outline(found) == ["pay"]


def test_the_stack_of_a_message_is_that_of_its_thread() -> None:
    frame = {"function": "pay", "filename": "shop.py", "lineno": 3, "in_app": True}
    thread = {"name": "stock-taker", "stacktrace": {"frames": [frame]}}
    event = {"threads": {"values": [thread]}}
    (shown,) = exceptions_of(event)
    assert shown.type == "Thread stock-taker"
    assert [item.kind for item in shown.items] == ["frame"]
    assert raising_frame(event) == frame
