"""Requests to other servers as breadcrumbs: with requests and with httpx."""

from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import requests
from conftest import MakeApp, MakeTransport
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.auth import HTTPDigestAuth

from flask_errtrack import Client, ConfigError, ErrTrack
from flask_errtrack.contrib.crumbs import without_user
from flask_errtrack.contrib.httpx import watch_client
from flask_errtrack.contrib.requests import watch_session
from flask_errtrack.transports import MemoryTransport

from .crumbs import crumbs_of
from .shop import ShopServer

Watcher = ErrTrack | Client
Stop = Callable[[], None]
Crumbs = list[Any]


@dataclass(frozen=True)
class Ask:
    """A request to send."""

    path: str
    method: str = "GET"
    is_locked: bool = False


class WithRequests:
    """A session of requests."""

    def __init__(self) -> None:
        self.session = requests.Session()
        self.session.trust_env = False

    def watch(self, errtrack: Watcher) -> Stop:
        return watch_session(self.session, errtrack)

    def send(
        self, base: str, asks: Sequence[Ask], then: Callable[[], Crumbs]
    ) -> Crumbs:
        for ask in asks:
            auth = HTTPDigestAuth("ada", "engine") if ask.is_locked else None
            with suppress(requests.RequestException):
                self.session.request(ask.method, base + ask.path, auth=auth)
        return then()

    def close(self) -> None:
        self.session.close()


class WithHttpx:
    """A client of httpx."""

    def __init__(self) -> None:
        self.client = httpx.Client(trust_env=False, follow_redirects=True)

    def watch(self, errtrack: Watcher) -> Stop:
        return watch_client(self.client, errtrack)

    def send(
        self, base: str, asks: Sequence[Ask], then: Callable[[], Crumbs]
    ) -> Crumbs:
        for ask in asks:
            auth = httpx.DigestAuth("ada", "engine") if ask.is_locked else None
            with suppress(httpx.HTTPError):
                self.client.request(ask.method, base + ask.path, auth=auth)
        return then()

    def close(self) -> None:
        self.client.close()


class WithAsyncHttpx:
    """An async client of httpx."""

    def __init__(self) -> None:
        # Each run has a loop of its own, which connections do not outlive.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.client = httpx.AsyncClient(
            trust_env=False, follow_redirects=True, limits=limits
        )

    def watch(self, errtrack: Watcher) -> Stop:
        return watch_client(self.client, errtrack)

    def send(
        self, base: str, asks: Sequence[Ask], then: Callable[[], Crumbs]
    ) -> Crumbs:
        async def run() -> Crumbs:
            for ask in asks:
                auth = httpx.DigestAuth("ada", "engine") if ask.is_locked else None
                with suppress(httpx.HTTPError):
                    await self.client.request(ask.method, base + ask.path, auth=auth)
            return then()

        return asyncio.run(run())

    def close(self) -> None:
        asyncio.run(self.client.aclose())


Asker = WithRequests | WithHttpx | WithAsyncHttpx


@pytest.fixture(params=[WithRequests, WithHttpx, WithAsyncHttpx])
def asker(request: pytest.FixtureRequest) -> Iterator[Asker]:
    """Each of the libraries."""
    made = request.param()
    yield made
    made.close()


@pytest.fixture
def tracker(sent: MemoryTransport) -> Iterator[Client]:
    """A client without Flask."""
    made = Client(transport=sent)
    yield made
    made.close()


@pytest.fixture
def after(
    asker: Asker, tracker: Client, sent: MemoryTransport, shop: ShopServer
) -> Callable[..., Crumbs]:
    """Send requests to the shop; return the breadcrumbs."""

    def send(*asks: Ask, base: str = f"http://{shop.address}") -> Crumbs:
        return asker.send(base, asks, lambda: crumbs_of(tracker, sent))

    return send


def test_a_request_is_a_breadcrumb(
    asker: Asker, tracker: Client, after: Callable[..., Crumbs], shop: ShopServer
) -> None:
    asker.watch(tracker)
    (crumb,) = after(Ask("/status/200", "POST"))
    assert crumb["type"] == crumb["category"] == "http"
    assert crumb["level"] == "info"
    data = crumb["data"]
    assert 0 < data.pop("duration_ms") < 60_000
    assert data == {
        "method": "POST",
        "url": f"http://{shop.address}/status/200",
        "status_code": 200,
        "reason": "OK",
    }


def test_the_level_tells_how_it_went(
    asker: Asker, tracker: Client, after: Callable[..., Crumbs]
) -> None:
    asker.watch(tracker)
    found = after(Ask("/status/404"), Ask("/status/503"), Ask("/gone"))
    assert [crumb["level"] for crumb in found] == ["warning", "error", "error"]
    assert [crumb["data"].get("status_code") for crumb in found] == [404, 503, None]
    assert found[2]["data"]["reason"] in ("ConnectionError", "RemoteProtocolError")


def test_each_step_of_the_way_is_a_breadcrumb(
    asker: Asker, tracker: Client, after: Callable[..., Crumbs], shop: ShopServer
) -> None:
    asker.watch(tracker)
    found = after(Ask("/moved"), Ask("/locked", is_locked=True))
    steps = [(one["data"]["url"], one["data"]["status_code"]) for one in found]
    base = f"http://{shop.address}"
    assert steps == [
        (f"{base}/moved", 302),
        (f"{base}/status/200", 200),
        (f"{base}/locked", 401),
        (f"{base}/locked", 200),
    ]
    assert all(one["data"]["duration_ms"] > 0 for one in found)


def test_urls_hold_neither_user_nor_secrets(
    asker: Asker, tracker: Client, after: Callable[..., Crumbs], shop: ShopServer
) -> None:
    asker.watch(tracker)
    base = f"http://ada-key:engine-key@{shop.address}"
    (crumb,) = after(Ask("/search?q=tea&api_key=very-secret-thing"), base=base)
    assert crumb["data"]["url"] == (
        f"http://{shop.address}/search?q=tea&api_key=[redacted]"
    )


def test_no_header_is_added(
    asker: Asker, tracker: Client, after: Callable[..., Crumbs], shop: ShopServer
) -> None:
    after(Ask("/status/200"))
    plain = shop.headers_seen
    again = type(asker)()
    again.watch(tracker)
    again.send(f"http://{shop.address}", [Ask("/status/200")], list)
    again.close()
    assert shop.headers_seen == plain


def test_watched_twice_tells_once_and_stopped_no_more(
    asker: Asker, make_transport: MakeTransport, shop: ShopServer
) -> None:
    told: list[Any] = []
    tracker = Client(
        transport=make_transport(),
        before_breadcrumb=lambda crumb, hint: told.append(crumb),
    )
    asker.watch(tracker)
    stop = asker.watch(tracker)
    asker.send(f"http://{shop.address}", [Ask("/status/200")], list)
    assert len(told) == 1
    stop()
    stop()
    asker.send(f"http://{shop.address}", [Ask("/status/200")], list)
    assert len(told) == 1
    tracker.close()


def test_where_there_is_no_client_nothing_happens(
    asker: Asker, shop: ShopServer, tracker: Client, after: Callable[..., Crumbs]
) -> None:
    asker.watch(ErrTrack())
    assert after(Ask("/status/200")) == []


def test_the_hint_has_the_objects_of_the_library(
    asker: Asker, make_transport: MakeTransport, shop: ShopServer
) -> None:
    hints: list[Any] = []
    tracker = Client(
        transport=make_transport(),
        before_breadcrumb=lambda crumb, hint: hints.append(hint),
    )
    asker.watch(tracker)
    asker.send(f"http://{shop.address}", [Ask("/status/201"), Ask("/gone")], list)
    tracker.close()
    answered, failed = hints
    assert answered["response"].status_code == 201
    assert answered["request"].method == "GET"
    assert isinstance(failed["error"], Exception)
    assert failed["request"].method == "GET"


def test_a_view_that_asks_another_server(
    make_app: MakeApp, sent: MemoryTransport, shop: ShopServer
) -> None:
    errtrack = ErrTrack()
    app = make_app(errtrack=errtrack, transport=sent)
    with requests.Session() as session:
        watch_session(session, errtrack)

        @app.get("/prices")
        def prices() -> Any:
            session.get(f"http://{shop.address}/status/502").raise_for_status()

        assert app.test_client().get("/prices").status_code == 500
    (event,) = sent.events
    (crumb,) = event["breadcrumbs"]["values"]
    assert crumb["data"]["status_code"] == 502
    assert event["exception"]["values"][-1]["type"] == "HTTPError"


def test_a_copy_of_a_session_is_not_watched(tracker: Client) -> None:
    with requests.Session() as session:
        watch_session(session, tracker)
        for made in (copy.deepcopy(session), pickle.loads(pickle.dumps(session))):
            assert type(made.get_adapter("http://x")) is HTTPAdapter
            made.close()


def test_an_adapter_that_is_mounted_later_is_watched_when_asked_for_again(
    tracker: Client,
) -> None:
    with requests.Session() as session:
        first = watch_session(session, tracker)
        before = dict(session.adapters)
        session.mount("https://api.example", HTTPAdapter())
        watch_session(session, tracker)
        assert {name: session.adapters[name] for name in before} == before
        kinds = {type(adapter) for adapter in session.adapters.values()}
        assert kinds == {type(before["https://"])}
        first()
        kinds = {type(adapter) for adapter in session.adapters.values()}
        assert kinds == {HTTPAdapter}


def test_what_an_adapter_has_can_still_be_reached(tracker: Client) -> None:
    with requests.Session() as session:
        watch_session(session, tracker)
        adapter: Any = session.get_adapter("http://x")
        assert adapter.max_retries.total == 0


def test_another_wrap_around_ours_stays(
    tracker: Client, sent: MemoryTransport, shop: ShopServer
) -> None:
    with httpx.Client(trust_env=False) as client:
        stop = watch_client(client, tracker)
        ours, seen = client.send, []

        def theirs(*arguments: Any, **options: Any) -> httpx.Response:
            seen.append(arguments)
            return ours(*arguments, **options)

        vars(client)["send"] = theirs
        stop()
        client.get(f"http://{shop.address}/status/200")
    assert len(seen) == 1
    assert crumbs_of(tracker, sent) == []


@pytest.mark.parametrize("watch", [watch_session, watch_client])
def test_a_wrong_argument_is_named(watch: Callable[..., Any], tracker: Client) -> None:
    with pytest.raises(ConfigError, match="got a str as"):
        watch("session", tracker)


@pytest.mark.parametrize(
    ("url", "without"),
    [
        ("http://a:b@h:1/p?x=u@h", "http://h:1/p?x=u@h"),
        ("http://h/@me", "http://h/@me"),
        ("http://a@b@h", "http://h"),
        ("http://[x@y", "http://[x@y"),
        ("", ""),
    ],
)
def test_the_user_of_a_url_is_left_out(url: str, without: str) -> None:
    assert without_user(url) == without


@pytest.mark.parametrize(
    "answer",
    [SimpleNamespace(), SimpleNamespace(status_code="x", reason=None), object()],
    ids=["empty", "wrong", "bare"],
)
@pytest.mark.swallows_errors
def test_an_adapter_of_the_app_may_answer_with_anything(
    tracker: Client, answer: object
) -> None:
    class Answers(BaseAdapter):
        def send(self, *arguments: Any, **options: Any) -> Any:
            return answer

        def close(self) -> None:
            """Nothing to close."""

    with requests.Session() as session:
        session.mount("x://", Answers())
        watch_session(session, tracker)
        request = session.prepare_request(requests.Request("GET", "x://y"))
        assert session.get_adapter("x://y").send(request) is answer


def test_what_is_missing_is_named() -> None:
    code = (
        "import sys; sys.modules['httpx'] = None; import flask_errtrack.contrib.httpx"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip().endswith("needs httpx; pip install httpx")
