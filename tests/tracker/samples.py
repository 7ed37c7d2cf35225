"""Events as clients send them, and a dashboard over them, for the tests of pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import jinja2
from flask import Blueprint, Flask
from flask.testing import FlaskClient

from flask_errtrack.protocol.envelope import Item
from flask_errtrack.tracker.dashboard.views import add_pages
from flask_errtrack.tracker.store import Store
from flask_errtrack.web.access import Access

NOW = 1_795_225_200.0

_SOURCE = [
    "@shop.post('/orders/<int:order_id>/pay')",
    "def pay(order_id: int) -> Response:",
    '    """Charge the card of the customer."""',
    "    order = orders[order_id]",
    "    rates = current_rates()",
    "    amount = order.total * rates[order.currency]",
    "    card = order.customer.card",
    "    if not card.is_valid():",
    "        abort(402)",
    "    return redirect(receipt_url(charge(card, amount)))",
    "",
]


@contextmanager
def stores(database_url: str) -> Iterator[Callable[..., Store]]:
    """Yield a function that makes stores over one database; close them at the end.

    It takes the events to record, as if they came at ``now``.
    """
    made: list[Store] = []

    def make(*events: dict[str, Any], now: float = NOW) -> Store:
        store = Store(database_url, now=lambda: now)
        made.append(store)
        for event in events:
            store.record(Item("event", json.dumps(event).encode()))
        return store

    yield make
    for store in made:
        store.close()


def report_of(number: int, comments: str = "I only wanted to pay.") -> Item:
    """Return feedback about a sample event."""
    report = {
        "event_id": event_id(number),
        "name": "Ada Lovelace",
        "email": "ada@example.org",
        "comments": comments,
    }
    return Item("user_report", json.dumps(report).encode())


class PageClient(FlaskClient):
    """A client that says, as browsers do, that its forms are on pages of ours."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.environ_base["HTTP_ORIGIN"] = "http://localhost"


def app_with(add_routes: Callable[[Blueprint], None]) -> Flask:
    """Return an app with a tracker's blueprint; whatever a template lacks raises."""
    app = Flask("shop")
    app.testing = True
    app.test_client_class = PageClient
    app.jinja_env.undefined = jinja2.StrictUndefined
    blueprint = Blueprint(
        "errtrack",
        "flask_errtrack",
        url_prefix="/errtrack",
        template_folder="templates",
        static_folder="static",
    )
    add_routes(blueprint)
    app.register_blueprint(blueprint)
    return app


def dashboard(
    store: Store, dashboard_access: Callable[..., bool] | None = lambda: True
) -> Flask:
    """Return an app that serves the dashboard."""
    access = Access(lambda: ["secret"], dashboard_access)
    return app_with(lambda blueprint: add_pages(blueprint, store, access))


def event_id(number: int) -> str:
    """Return the id of the sample event with a number."""
    return f"{number:032x}"


def rfc3339(seconds: float) -> str:
    """Return a time as clients write it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def frame(
    function: str = "pay",
    module: str = "shop.orders",
    lineno: int = 42,
    in_app: bool = True,
    **more: Any,
) -> dict[str, Any]:
    """Return a frame with source around its line and a few variables."""
    path = module.replace(".", "/") + ".py"
    root = "/srv/shop/" if in_app else "/srv/venv/lib/python3.13/site-packages/"
    return {
        "function": function,
        "module": module,
        "filename": path,
        "abs_path": root + path,
        "lineno": lineno,
        "in_app": in_app,
        "pre_context": _SOURCE[:5],
        "context_line": _SOURCE[5],
        "post_context": _SOURCE[6:],
        **more,
    }


def library_frames() -> list[dict[str, Any]]:
    """Return the frames that every Flask view has below it, the caller first."""
    calls = [
        ("Flask.__call__", "flask.app", 1536),
        ("Flask.wsgi_app", "flask.app", 1514),
        ("Flask.full_dispatch_request", "flask.app", 919),
        ("Flask.dispatch_request", "flask.app", 902),
    ]
    line = "            response = self.full_dispatch_request(ctx)"
    return [
        frame(function, module, lineno, in_app=False, context_line=line)
        for function, module, lineno in calls
    ]


def exception(
    kind: str = "KeyError",
    value: str = "'CHF'",
    frames: Sequence[dict[str, Any]] = (),
    ends: Sequence[list[int] | None] | None = None,
    **mechanism: Any,
) -> dict[str, Any]:
    """Return one exception of a chain; ``ends`` are the ends of its frames."""
    made: dict[str, Any] = {"type": kind, "value": value}
    if ends is not None:
        mechanism["data"] = {"frame_ends": list(ends)}
    if mechanism:
        made["mechanism"] = {"type": "chained", **mechanism}
    if frames:
        made["stacktrace"] = {"frames": list(frames)}
    return made


def key_error() -> dict[str, Any]:
    """Return the KeyError of the shop, with columns and local variables."""
    failing = frame(
        colno=28,
        vars={
            "order_id": 7,
            "order": {
                "<class>": "shop.models.Order",
                "id": 7,
                "currency": "'CHF'",
                "total": "99.90",
                "lines": ["<OrderLine 1>", "<OrderLine 2>"],
            },
            "rates": {"EUR": 1.0, "USD": 1.08, "GBP": 0.86},
        },
    )
    frames = [*library_frames(), failing]
    ends: list[list[int] | None] = [None] * 4 + [[42, 49]]
    return exception(frames=frames, ends=ends, exception_id=0)


def order_event(number: int = 1, at: float = NOW, **more: Any) -> dict[str, Any]:
    """Return an event with everything that our own client sends."""
    return {
        "event_id": event_id(number),
        "timestamp": rfc3339(at),
        "platform": "python",
        "level": "error",
        "transaction": "shop.pay",
        "transaction_info": {"source": "component"},
        "server_name": "web-3",
        "release": "shop@2.4.1",
        "environment": "production",
        "exception": {"values": [key_error()]},
        "request": {
            "method": "POST",
            "url": "https://shop.example/orders/7/pay",
            "query_string": "from=cart&coupon=",
            "headers": [
                ["Host", "shop.example"],
                ["Content-Type", "application/x-www-form-urlencoded"],
                ["Accept-Language", "de-CH"],
                ["User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0"],
                ["X-Api-Key", "[redacted]"],
            ],
            "data": {"terms": "yes", "note": "it's a gift", "cvc": "[redacted]"},
        },
        "user": {
            "id": "1291",
            "email": "ada@example.org",
            "data": {"is_authenticated": True, "plan": "gold"},
        },
        "tags": {"region": "eu-west", "tenant": "alps"},
        "breadcrumbs": {"values": breadcrumbs(at)},
        "extra": {"cart": {"items": 3, "weight_kg": 1.25}},
        "contexts": {
            "runtime": {"name": "CPython", "version": "3.13.1"},
            "os": {"name": "Linux", "version": "6.12"},
            "flask": {
                "type": "flask",
                "endpoint": "shop.pay",
                "rule": "/orders/<int:order_id>/pay",
                "blueprint": "shop",
                "view_args": {"order_id": 7},
            },
        },
        "errors": [{"type": "failed", "name": "user_callback", "value": "OSError"}],
        "sdk": {"name": "flask-errtrack", "version": "1.0"},
        **more,
    }


def breadcrumbs(at: float) -> list[dict[str, Any]]:
    """Return what happened before, the newest last."""
    return [
        {
            "timestamp": rfc3339(at - 75),
            "category": "auth",
            "level": "info",
            "message": "ada logged in",
        },
        {
            "timestamp": rfc3339(at - 2.31),
            "category": "sqlalchemy",
            "level": "info",
            "message": "SELECT * FROM orders WHERE id = ?",
            "data": {"rows": 1, "duration_ms": 1.9},
        },
        {
            "timestamp": rfc3339(at - 0.12),
            "type": "http",
            "category": "http",
            "level": "warning",
            "data": {
                "method": "GET",
                "url": "https://rates.example/v1",
                "status_code": 503,
            },
        },
    ]


def chained_event(number: int = 2, at: float = NOW) -> dict[str, Any]:
    """Return an error raised from another one, while a third was handled."""
    values = [
        exception(
            "TimeoutError",
            "timed out",
            [frame("read", "socket", 720, False), frame("fetch", "shop.rates", 19)],
            exception_id=2,
            parent_id=1,
            source="__context__",
        ),
        exception(
            "RatesUnavailable",
            "no rates since 09:14",
            [frame("current_rates", "shop.rates", 31)],
            exception_id=1,
            parent_id=0,
            source="__cause__",
        ),
        exception(
            "CheckoutError",
            "order 7 cannot be paid\nTried 3 times.",
            [*library_frames(), frame("pay", "shop.orders", 41)],
            exception_id=0,
        ),
    ]
    return order_event(number, at, exception={"values": values})


def group_event(number: int = 3, at: float = NOW) -> dict[str, Any]:
    """Return an exception group with a group inside, oldest first."""
    values = [
        exception(
            "ValueError",
            "bad price",
            [frame("parse", "shop.feed", 12)],
            exception_id=4,
            parent_id=2,
            source="exceptions[1]",
        ),
        exception(
            "KeyError",
            "'sku'",
            [frame("parse", "shop.feed", 11)],
            exception_id=3,
            parent_id=2,
            source="exceptions[0]",
        ),
        exception(
            "ExceptionGroup",
            "rows (2 sub-exceptions)",
            exception_id=2,
            parent_id=0,
            source="exceptions[1]",
            is_exception_group=True,
        ),
        exception(
            "ConnectionError",
            "feed 2 refused",
            [frame("fetch", "shop.feed", 8)],
            exception_id=1,
            parent_id=0,
            source="exceptions[0]",
        ),
        exception(
            "ExceptionGroup",
            "nightly import (2 sub-exceptions)",
            [frame("nightly", "shop.jobs", 30)],
            exception_id=0,
            is_exception_group=True,
        ),
    ]
    return order_event(number, at, exception={"values": values}, request=None)


def recursive_event(number: int = 4, at: float = NOW) -> dict[str, Any]:
    """Return a RecursionError of two functions that call each other."""
    cycle = [frame("walk", "shop.tree", 5), frame("visit", "shop.tree", 9)]
    frames = [*library_frames(), frame("index", "shop.views", 3), *cycle * 40]
    text = "maximum recursion depth exceeded"
    values = [exception("RecursionError", text, frames)]
    return order_event(number, at, exception={"values": values})


def message_event(number: int = 5, at: float = NOW) -> dict[str, Any]:
    """Return a log record, without any exception."""
    return {
        "event_id": event_id(number),
        "timestamp": rfc3339(at),
        "platform": "python",
        "level": "warning",
        "logger": "shop.stock",
        "logentry": {
            "message": "stock of %s is %d",
            "params": ["tea", -3],
            "formatted": "stock of tea is -3",
        },
    }


HOSTILE_TEXT = (
    "<script>alert(1)</script>\x1b[31m\x00```\n# [x](http://evil.example)\u202e\ud800"
)


def hostile_event(number: int = 6, at: float = NOW) -> dict[str, Any]:
    """Return an event in which every text tries to break out."""
    text = HOSTILE_TEXT
    line = "x" * 100_000
    bad = frame(
        text,
        text,
        filename=text,
        abs_path=text,
        context_line=f"{line}BOOM{line}",
        pre_context=[text, None],
        post_context=[text],
        colno=100_001,
        vars={text: text, "big": "y" * 1_000_000, "deep": _deep(40)},
    )
    values = [exception(text, text, [bad], [[42, 100_005]], source=text)]
    return order_event(
        number,
        at,
        exception={"values": values},
        transaction=text,
        release=text,
        environment=text,
        user={"id": text, "data": {text: text}},
        tags={text: text},
        extra={text: {text: [text, None, 1.5]}},
        contexts={text: {text: text}},
        request={
            "method": text,
            "url": "javascript:alert(1)",
            "query_string": text,
            "headers": [[text, text], ["X", None]],
            "cookies": {text: text},
            "data": text,
        },
        breadcrumbs={
            "values": [
                {"timestamp": "soon", "level": text, "message": text, "data": {text: 1}}
            ]
        },
        errors=[{"type": text, "name": text, "value": {text: text}}],
        sdk={"name": text, "version": text},
    )


def _deep(levels: int) -> Any:
    made: Any = "bottom"
    for _ in range(levels):
        made = {"down": made}
    return made
