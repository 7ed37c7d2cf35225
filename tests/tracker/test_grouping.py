"""Grouping, version 1: what splits events, what does not, and what it is called."""

from __future__ import annotations

import time
from typing import Any

import pytest

from flask_errtrack.event import Event
from flask_errtrack.tracker.events.grouping import (
    Grouping,
    culprit_of,
    grouping_of,
    title_of,
    without_variables,
)
from flask_errtrack.tracker.events.normalize import normalize_event

from .samples import NOW, chained_event, group_event, recursive_event

LIBRARY = {"module": "json.decoder", "function": "decode", "in_app": False}


def app(
    function: str = "price", line: str | None = "rates[currency]", **more: Any
) -> dict[str, Any]:
    """Return a frame of the app."""
    frame = {"module": "shop.orders", "function": function, "in_app": True}
    return frame | {"context_line": line, "lineno": 7} | more


def library(function: str = "decode", **more: Any) -> dict[str, Any]:
    """Return a frame of a library."""
    line = {"context_line": "raise error from None"}
    return LIBRARY | line | {"function": function} | more


def raised(
    *frames: dict[str, Any], kind: str = "KeyError", value: str = "'EUR'", **more: Any
) -> dict[str, Any]:
    """Return one exception of a chain."""
    return {"type": kind, "value": value, "stacktrace": {"frames": frames}} | more


def linked(number: int, parent: int | None, source: str = "") -> dict[str, Any]:
    """Return the mechanism that gives an exception its place in the chain."""
    mechanism: dict[str, Any] = {"type": "chained", "exception_id": number}
    if parent is not None:
        mechanism |= {"parent_id": parent, "source": source}
    return {"mechanism": mechanism}


def event(*values: dict[str, Any], **fields: Any) -> Event:
    """Return a normalised event with these exceptions, the outermost last."""
    plain = [{**value} for value in values]
    for value in plain:
        if "stacktrace" in value:
            value["stacktrace"] = {"frames": list(value["stacktrace"]["frames"])}
    raw = {"platform": "python", "exception": {"values": plain}, **fields}
    return normalize_event(raw, NOW)


def group(*values: dict[str, Any], **fields: Any) -> Grouping:
    """Return the keys of an event with these exceptions."""
    return grouping_of(event(*values, **fields))


BASE = raised(library("dispatch"), app("view", "price(order)"), app())


@pytest.mark.parametrize(
    "other",
    [
        event(raised(library("dispatch"), app("view", "price(order)"), app(lineno=99))),
        event(raised(app("view", "price(order)"), app(), value="'CHF'")),
        event(raised(app("another_view", "price(cart)"), app())),
        event(raised(library("wsgi_app"), app("view"), app())),
        event(raised(app(abs_path="/srv/b/shop/orders.py", colno=3))),
        event(raised(app(line="rates[ currency ]  # EUR only"))),
        event(BASE, transaction="shop.pay", request={"url": "https://a.example/b"}),
        event(BASE, release="2", environment="staging", level="fatal"),
        event(BASE, user={"id": "2"}, tags={"a": "b"}, server_name="web-2"),
        event(raised(*[app("price", f"step({n})") for n in range(9)], app())),
        event(BASE, fingerprint=["{{ default }}"]),
        event(BASE, fingerprint=["{{default}}"]),
        event(BASE, fingerprint=[]),
    ],
    ids=lambda _: "",
)
def test_what_differs_between_events_of_one_bug_does_not_split(other: Event) -> None:
    assert grouping_of(other).hash == group(BASE).hash


@pytest.mark.parametrize(
    "other",
    [
        event(raised(app(), kind="ValueError")),
        event(raised(app(), module="shop.errors")),
        event(raised(app("total"))),
        event(raised(app(module="shop.carts"))),
        event(raised(app(line="rates[country]"))),
        event(BASE, fingerprint=["payment"]),
        event(BASE, fingerprint=["{{ default }}", "payment"]),
    ],
    ids=lambda _: "",
)
def test_what_tells_bugs_apart_splits(other: Event) -> None:
    assert grouping_of(other).hash != group(BASE).hash


def test_an_edited_line_has_the_same_coarse_hash() -> None:
    edited = group(raised(app(line="rates.get(currency)")))

    assert edited.hash != group(BASE).hash
    assert edited.coarse_hash == group(BASE).coarse_hash != edited.hash


def test_the_version_is_part_of_the_keys() -> None:
    assert group(BASE).version == 1
    assert group(BASE).hash == "bbb340415b52d9f08129ee8d074911e3afdbd0e1"
    assert group(BASE).coarse_hash == "c9204def64134ad0f0b7c9d57aa58ccb4351ff37"


def test_builtins_and_their_module_are_one_type() -> None:
    assert group({**BASE, "module": "builtins"}).hash == group(BASE).hash


@pytest.mark.parametrize(
    "helper",
    [
        [app("require_user", "raise Forbidden(user)")],
        [app("require_user", "  raise")],
        [app("require_user", "json.loads(text)"), library()],
        [app("require_user", "json.loads(text)"), library(), library("scan")],
    ],
)
def test_a_deliberate_or_delegated_failure_is_about_its_caller(
    helper: list[dict[str, Any]],
) -> None:
    one = group(raised(app("pay", "a()"), *helper))
    two = group(raised(app("ship", "b()"), *helper))
    third = group(raised(app("index", "c()"), app("pay", "a(2)"), *helper))

    assert one.hash != two.hash
    assert one.hash == third.hash


def test_a_line_that_broke_by_itself_is_not_about_its_caller() -> None:
    helper = app("require_user", "raised = user.rights['raise']")

    one = group(raised(app("pay", "a()"), helper))
    two = group(raised(app("ship", "b()"), helper))

    assert one.hash == two.hash


def test_frames_of_libraries_do_not_count_below_the_app() -> None:
    one = group(raised(app(), library("decode", module="json.decoder")))
    two = group(raised(app(), library("parse", module="json5.reader")))

    assert one.hash == two.hash


def test_without_the_app_the_frames_of_libraries_count() -> None:
    one = group(raised(library("decode"), library("scan", context_line="x[0]")))
    two = group(raised(library("decode"), library("skip", context_line="x[0]")))

    assert one.hash != two.hash


def test_a_comprehension_is_the_same_place_with_a_frame_of_its_own_or_not() -> None:
    line = "[rates[name] for name in names]"
    own_frame = [app("Cart.total", line), app("Cart.total.<locals>.<listcomp>", line)]
    short_name = [app("Cart.total", line), app("<listcomp>", line)]

    inline = group(raised(app("Cart.total", line)))

    assert group(raised(*own_frame)).hash == inline.hash
    assert group(raised(*short_name)).hash == inline.hash


def test_functions_inside_functions_are_told_by_their_names() -> None:
    one = group(raised(app("decorator.<locals>.wrapper")))
    two = group(raised(app("decorator.wrapper")))
    other = group(raised(app("<lambda>")))

    assert one.hash == two.hash != other.hash


def test_the_cause_counts() -> None:
    cause = raised(app("fetch", "connect()"), kind="TimeoutError", **linked(1, 0))
    other = raised(app("fetch", "connect()"), kind="OSError", **linked(1, 0))
    wrapper = BASE | linked(0, None)

    assert group(cause, wrapper).hash != group(other, wrapper).hash
    assert group(cause, wrapper).hash != group(wrapper).hash


def test_what_stands_between_cause_and_outermost_does_not_count() -> None:
    root = raised(app("fetch", "connect()"), kind="TimeoutError")
    middle = raised(app("load", "raise Unavailable"), kind="Unavailable")
    cut = group(root | linked(1, 0), BASE | linked(0, None))

    whole = group(root | linked(2, 1), middle | linked(1, 0), BASE | linked(0, None))

    assert whole.hash == cut.hash


def test_clients_that_link_nothing_send_a_plain_chain() -> None:
    root = raised(app("fetch", "connect()"), kind="TimeoutError")

    plain = group(root, BASE)

    assert plain.hash == group(root | linked(1, 0), BASE | linked(0, None)).hash


def test_a_cause_inside_libraries_counts_by_its_type_alone() -> None:
    one = raised(library("connect"), kind="TimeoutError", **linked(1, 0))
    two = raised(library("create_connection"), kind="TimeoutError", **linked(1, 0))

    assert group(one, BASE | linked(0, None)).hash == group(two, BASE).hash


def test_of_a_group_only_the_group_itself_counts() -> None:
    whole = raised(app("nightly", "raise group"), kind="ExceptionGroup")
    members = [
        raised(app("fetch"), kind=kind, **linked(number, 0, f"exceptions[{number}]"))
        for number, kind in enumerate(["OSError", "KeyError"], start=1)
    ]
    inner = raised(app("inner"), **linked(3, 2, "__cause__"))

    alone = group(whole | linked(0, None))

    assert group(inner, *members[::-1], whole | linked(0, None)).hash == alone.hash
    assert group(members[0], whole | linked(0, None)).hash == alone.hash


def test_the_cause_of_a_group_counts() -> None:
    whole = raised(app("nightly"), kind="ExceptionGroup", **linked(0, None))
    member = raised(app("fetch"), kind="OSError", **linked(2, 0, "exceptions[0]"))
    cause = raised(app("plan"), **linked(1, 0, "__cause__"))

    assert group(member, cause, whole).hash == group(cause, whole).hash
    assert group(member, cause, whole).hash != group(member, whole).hash


@pytest.mark.parametrize(
    ("one", "two", "is_same"),
    [
        ("order 17 is gone", "order 4711 is gone", True),
        ("order 17 is gone", "order 17 is here", False),
    ],
)
def test_without_source_the_message_takes_its_place(
    one: str, two: str, is_same: bool
) -> None:
    first = group(raised(app(line=None), value=one))
    second = group(raised(app(line=None), value=two))

    assert (first.hash == second.hash) is is_same
    assert first.coarse_hash == first.hash


def test_without_a_stack_the_message_takes_its_place() -> None:
    one = group({"type": "Failure", "value": "order 17 is gone"})
    two = group({"type": "Failure", "value": "order 18 is gone"})
    other = group({"type": "Failure", "value": "no such order"})

    assert one.hash == two.hash != other.hash


def test_without_a_module_the_file_takes_its_place_but_not_its_folder() -> None:
    def script(path: str) -> Grouping:
        frame = app("pay", "throw error", module=None, filename=path)
        return group(raised(frame), platform="javascript")

    one = script("https://a.example/static/app.3f9a8c1d.js?v=2")

    assert one.hash == script("https://b.example/app.77aa01be.js").hash
    assert one.hash != script("https://a.example/static/cart.3f9a8c1d.js").hash


@pytest.mark.parametrize(
    ("platform", "line", "same"),
    [
        ("python", "pay(order)", "pay( order )  # now"),
        ("python", "tag('#1')", "tag('#1') # first"),
        ("javascript", "pay(order);", "pay(order); // now"),
        ("javascript", "get('http://a')", "get('http://a') /* a */"),
    ],
)
def test_comments_and_white_space_do_not_split(
    platform: str, line: str, same: str
) -> None:
    one = group(raised(app(line=line)), platform=platform)
    two = group(raised(app(line=same)), platform=platform)

    assert one.hash == two.hash


def test_text_in_quotes_is_no_comment() -> None:
    one = group(raised(app(line="tag('#1')")))

    assert one.hash != group(raised(app(line="tag('#2')"))).hash


def test_a_fingerprint_wins_and_can_take_the_default_in() -> None:
    other = raised(app("total"), kind="ValueError")
    mixed = ["{{ default }}", "payment"]

    alone = group(BASE, fingerprint=["payment"])
    assert alone.hash == group(other, fingerprint=["payment"]).hash
    assert alone.hash != group(BASE, fingerprint=["shipping"]).hash
    assert alone.coarse_hash == alone.hash
    with_default = group(BASE, fingerprint=mixed)
    assert with_default.hash != group(other, fingerprint=mixed).hash
    edited = group(raised(app(line="edited()")), fingerprint=mixed)
    assert with_default.coarse_hash == edited.coarse_hash != edited.hash


def test_numbers_in_a_fingerprint_are_meant() -> None:
    one, two = (group(BASE, fingerprint=["status", code]) for code in ("503", "429"))

    assert one.hash != two.hash


@pytest.mark.parametrize(
    ("one", "two", "is_same"),
    [
        # The template counts, not the arguments.
        (
            {"message": "paid %s", "params": [1], "formatted": "paid 1"},
            {"message": "paid %s", "params": ["x"], "formatted": "paid x"},
            True,
        ),
        # A template's own numbers are meant.
        (
            {"message": "HTTP 503 from %s", "params": ["a"]},
            {"message": "HTTP 429 from %s", "params": ["a"]},
            False,
        ),
        ({"message": "order 17 is gone"}, {"message": "order 9 is gone"}, True),
        ({"formatted": "order 17 is gone"}, {"message": "order 9 is gone"}, True),
        ({"message": "gone\nid 17"}, {"message": "\ngone\nid x"}, True),
        ({"message": "order is gone"}, {"message": "order is here"}, False),
    ],
)
def test_messages_go_by_their_template(
    one: dict[str, Any], two: dict[str, Any], is_same: bool
) -> None:
    first, second = (
        grouping_of(normalize_event({"logger": "shop", "logentry": entry}, NOW))
        for entry in (one, two)
    )

    assert (first.hash == second.hash) is is_same


def test_equal_messages_of_two_loggers_are_two_issues() -> None:
    one, two = (
        grouping_of(normalize_event({"logger": name, "message": "gone"}, NOW))
        for name in ("shop", "mail")
    )

    assert one.hash != two.hash


@pytest.mark.parametrize(
    ("message", "marked"),
    [
        ("plain words stay", "plain words stay"),
        ("order 17, 3.5 kg, -4 and 1,000", "order * * kg, * and *"),
        ("user ada.l+x@mail.example.org left", "user * left"),
        ("GET https://a.example/b?c=d failed", "GET * failed"),
        ("id 8f14e45f-ceea-467a-9d2b-a1c5f0d3b2aa gone", "id * gone"),
        ("<Order at 0x7f3a2b1c>", "<Order at *>"),
        ("since 2024-05-01T10:00:00.123Z", "since *"),
        ("since 2024-05-01 10:00:00", "since *"),
        ("since 2024-05-01T10:00:00.5+02:00", "since *"),
        ("since Wed May  1 10:00:00 2024", "since *"),
        ("since Wed, 01 May 2024 10:00:00 GMT", "since *"),
        ("sat on it, wed in May", "sat on it, wed in May"),
        ("host 192.168.0.12:5432 is away", "host * is away"),
        ("host fe80::1ff:fe23:890a or ::1 is away", "host * or * is away"),
        ("std::sort and shop:: and : or ::", "std::sort and shop:: and : or *"),
        ("no user_17, cart_9 or v2_beta", "no user_* cart_* or v2_beta"),
        ("no file /srv/shop/a.txt here", "no file * here"),
        (r"no file C:\shop\a.txt here", "no file * here"),
        ("digest d41d8cd98f00b204 differs", "digest * differs"),
        ("no key 'EUR' in \"rates\"", "no key * in *"),
        ("can't open 'x', isn't there", "can't open *, isn't there"),
        ("ipv4 and user17 and deadbeef stay", "ipv4 and user17 and deadbeef stay"),
        ("yes and/or no", "yes and/or no"),
        ("\n\n first line 1\nsecond", "first line *"),
        ("", ""),
    ],
)
def test_what_varies_in_a_message_becomes_one_mark(message: str, marked: str) -> None:
    assert without_variables(message) == marked


@pytest.mark.parametrize(
    "piece",
    ["a", "1", "'", '"', "/", "/a", "a.", "a@", "0x", "1:", "a-", ".", "-", "\\"],
)
def test_hostile_messages_cost_no_time(piece: str) -> None:
    message = piece * 100_000
    started = time.thread_time()

    without_variables(message)

    assert time.thread_time() - started < 0.1


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (group(BASE), "KeyError in shop.orders.price, at the line rates[currency]"),
        (
            grouping_of(normalize_event(chained_event(), NOW)),
            "CheckoutError in shop.orders.pay, at the line amount = order.total * "
            "rates[order.currency], caused by TimeoutError in shop.rates.fetch, "
            "at the line amount = order.total * rates[order.currency]",
        ),
        (
            grouping_of(normalize_event(group_event(), NOW)),
            "ExceptionGroup in shop.jobs.nightly, at the line amount = order.total * "
            "rates[order.currency]",
        ),
        (
            group(raised(app("pay", "a()"), app("check", "raise Stop"), module="shop")),
            "shop.KeyError in shop.orders.check, called by shop.orders.pay, "
            "at the line raise Stop",
        ),
        (
            group({"type": "Failure", "value": "order 17"}),
            "Failure with the message 'order *'",
        ),
        (
            group(raised(app(line=None))),
            "KeyError in shop.orders.price, with the message '*'",
        ),
        (
            group(BASE, fingerprint=["pay", "{{ default }}"]),
            "the fingerprint that the app gave: pay, KeyError in shop.orders.price, "
            "at the line rates[currency]",
        ),
        (
            grouping_of(normalize_event({"message": "17 left", "logger": "a"}, NOW)),
            "the message '* left' of the logger a",
        ),
    ],
    ids=lambda _: "",
)
def test_words_say_why_events_are_together(found: Grouping, words: str) -> None:
    assert found.words == words


def test_a_deep_recursion_is_about_the_place_that_is_entered_again() -> None:
    found = grouping_of(normalize_event(recursive_event(), NOW))

    assert found.words.startswith("RecursionError in shop.tree.walk")


def test_where_a_recursion_filled_the_stack_does_not_split() -> None:
    turn = [app("walk", "visit(child)"), app("visit", "walk(node)")]
    start = [app("view", "walk(tree)")]
    ends = [[], turn[:1], [app("name_of", "node.name")]]
    found = [
        group(raised(*start, *turn * times, *end, kind="RecursionError"))
        for times, end in zip((2, 3, 4), ends, strict=True)
    ]
    assert len({one.hash for one in found}) == 1
    assert found[0].words == (
        "RecursionError in shop.orders.walk, at the line visit(child)"
    )
    # Another error deep in a recursion is about the place that it came from.
    one, two = (group(raised(*turn * 2, *end)) for end in ends[:2])
    assert one.hash != two.hash


@pytest.mark.parametrize(
    ("made", "title", "culprit"),
    [
        (event(BASE), "KeyError: 'EUR'", "shop.orders in price"),
        (event(raised(app(), value="")), "KeyError", "shop.orders in price"),
        (event(raised(app(), value="\n a \nb")), "KeyError: a", "shop.orders in price"),
        (event(raised(app(), value="x" * 999)), f"KeyError: {'x' * 239}…", None),
        (
            event(raised(library()), transaction="shop.pay"),
            "KeyError: 'EUR'",
            "shop.pay",
        ),
        (event(raised(app("root")), raised(library(), kind="Outer")), None, ""),
        (
            event(raised(app("a.<locals>.b"), library())),
            None,
            "shop.orders in a.b",
        ),
        (normalize_event({"message": "Hi\nyou"}, NOW), "Hi", ""),
        (
            normalize_event(
                {
                    "logentry": {
                        "message": "hi %s",
                        "params": ["a"],
                        "formatted": "hi a",
                    }
                },
                NOW,
            ),
            "hi a",
            "",
        ),
        (normalize_event({}, NOW), "(no message)", ""),
    ],
    ids=lambda _: "",
)
def test_title_and_culprit_say_what_and_where(
    made: Event, title: str | None, culprit: str | None
) -> None:
    assert title in (None, title_of(made))
    assert culprit in (None, culprit_of(made))
