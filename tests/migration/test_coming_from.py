"""The pages for who comes from raven, sentry-sdk or sentry-asgi keep their word."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
import sentry_sdk.crons
import sentry_sdk.integrations.logging
from asgi.calls import get
from browser import served
from clients.test_clients import PROGRAMS, WAIT_SECONDS, old_client
from flask import Flask
from pages_of_docs import block_of, page, rows_of
from tracker.ingest.site import Site
from tracker.stores import Clock, stored

from flask_errtrack import Client, ErrTrack, Scope
from flask_errtrack.asgi import ErrTrackMiddleware
from flask_errtrack.event import Event
from flask_errtrack.migration.from_raven import RAVEN, SENTRY
from flask_errtrack.migration.from_sentry_sdk import LINES, SENTRY_SDK
from flask_errtrack.migration.rules import lines_as_rst, rules_as_rst
from flask_errtrack.settings.config import Config
from flask_errtrack.testing import assert_captured, capture_events
from flask_errtrack.tracker.store import Store

ROOT = Path(__file__).parents[2]
# "``name(…)`` of ``module``" in a table.
_OF = re.compile(r"``(\w+)\([^`]*`` of ``([\w.]+)``")


def _code(cell: str) -> list[str]:
    return re.findall(r"``(.*?)``", cell)


@dataclass(frozen=True)
class Outcome:
    """What an app answered, and the events it told a tracker."""

    answers: list[str]
    events: list[dict[str, Any]]


def outcome_of(name: str, caption: str, folder: Path, old: str | None) -> Outcome:
    """Run an app of a page against a real tracker."""
    path = [str(old_client(old))] if old else []
    folder.mkdir()
    (folder / "page.py").write_text(block_of(name, caption))
    store = Store(f"sqlite:///{folder}/errtrack.db")
    site = Site(store, Clock())
    with served(site.app) as address:
        dsn = f"{address.replace('://', f'://{site.key}@')}/errtrack/1"
        program = [str(PROGRAMS / "shop_requests.py"), "page.py", dsn]
        done = subprocess.run(
            # What raven imports has names that newer Pythons warn about.
            [sys.executable, "-W", "ignore", *program],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": ":".join([*path, str(ROOT)]),
            },
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
        )
    assert done.returncode == 0, done.stderr
    # What is sent at once may arrive in another order.
    events = sorted(stored(store), key=lambda event: event["timestamp"])
    store.close()
    return Outcome(done.stdout.splitlines(), events)


def told(event: Mapping[str, Any]) -> dict[str, Any]:
    """What an event tells of what the app has said, in the tracker's words."""
    values = event.get("exception", {}).get("values", [])
    tags, user = event.get("tags", {}), event.get("user") or {}
    extra, logentry = event.get("extra", {}), event.get("logentry") or {}
    return {
        "errors": [(value["type"], value["value"]) for value in values],
        # raven repeats the error in words.
        "message": None if values else logentry.get("formatted", logentry["message"]),
        "level": event["level"],
        "release": event["release"],
        "environment": event["environment"],
        "transaction": event["transaction"],
        "tags": {name: tags.get(name) for name in ("team", "shelf", "step")},
        # raven sends the repr of texts, and numbers as texts.
        "extra": {name: _plain(extra.get(name)) for name in ("basket", "row")},
        "user": {name: user.get(name) for name in ("id", "email")},
        "url": event["request"]["url"],
        "query_string": event["request"].get("query_string") or None,
        "function": [
            frame["function"]
            for value in values
            for frame in value["stacktrace"]["frames"]
            if frame["in_app"]
        ],
    }


def _plain(value: Any) -> str:
    return str(value).replace("'", "").replace('"', "")


@pytest.mark.parametrize(
    ("name", "old"), [("from_raven", "raven"), ("from_sentry_sdk", None)]
)
def test_an_app_tells_the_same_before_and_after(
    tmp_path: Path, name: str, old: str | None
) -> None:
    before = outcome_of(name, "Before", tmp_path / "before", old)
    after = outcome_of(name, "After", tmp_path / "after", None)
    assert [told(event) for event in after.events] == [
        told(event) for event in before.events
    ]
    assert len(after.events) == 4
    for one in (before, after):
        event_id = one.events[0]["event_id"]
        assert one.answers[:2] == [f"500 Mention {event_id}", "500"]


def test_sentry_sdk_can_stay_for_traces_alone(tmp_path: Path) -> None:
    program = f"""
import flask, sentry_sdk, sentry_sdk.transport
kept = []
class Kept(sentry_sdk.transport.Transport):
    def capture_envelope(self, envelope):
        kept.extend(item.type for item in envelope.items)
init = sentry_sdk.init
sentry_sdk.init = lambda **options: init(
    dsn="https://key@sentry.example/1", transport=Kept, **options)
{block_of("from_sentry_sdk", "Traces alone")}
app = flask.Flask("shop")
app.add_url_rule("/", view_func=lambda: 1 / 0, endpoint="broken")
assert app.test_client().get("/").status_code == 500
print({{"event", "transaction"}} & set(kept))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
    )
    assert done.stdout == "{'transaction'}\n", done.stdout + done.stderr


@pytest.mark.swallows_errors
def test_arguments_that_only_raven_knew_cost_no_event(
    app: Flask, errtrack: ErrTrack, events: Callable[[], list[Event]]
) -> None:
    error = ValueError("free")
    errtrack.captureException(exc_info=(ValueError, error, None), data={"a": 1})
    of_raven: dict[str, Any] = {"level": logging.WARNING, "data": {"a": 1}}
    errtrack.captureMessage("old", **of_raven, stack=True)
    exception, message = events()
    assert exception["exception"]["values"][0]["type"] == "ValueError"
    noted = {note["name"] for note in exception["errors"]}
    assert noted == {"argument data"}
    try:
        raise error
    except ValueError:
        assert errtrack.captureException(exc_info=True) == exception["event_id"]
    assert message["level"] == "warning" and message["logentry"]["message"] == "old"


@pytest.fixture
def asgi_app() -> Iterator[tuple[Any, Client]]:
    """The app of the page for who comes from sentry-asgi, and its client."""
    found: dict[str, Any] = {"__name__": "shop"}
    exec(block_of("from_sentry_asgi", "After"), found)
    yield found["app"], found["client"]
    found["client"].close()


def test_an_asgi_app_tells_of_its_errors(asgi_app: tuple[Any, Client]) -> None:
    app, client = asgi_app
    with capture_events(client) as events:
        call = asyncio.run(get(app, "/price/book"))
    event = assert_captured(events, KeyError, transaction="shop.price")
    assert isinstance(call.error, KeyError)
    assert call.event_id == event["event_id"]


def test_an_asgi_app_can_take_the_middleware_in(asgi_app: tuple[Any, Client]) -> None:
    app, client = asgi_app
    app.app.add_middleware(ErrTrackMiddleware, errtrack=client)
    with capture_events(client) as events:
        asyncio.run(get(app.app, "/price/book"))
    assert_captured(events, KeyError)


@pytest.mark.parametrize(
    ("name", "mark", "declared"),
    [
        ("from_raven", "raven", rules_as_rst(RAVEN)),
        ("from_raven", "raven-arguments", rules_as_rst(SENTRY)),
        ("from_sentry_sdk", "sentry-sdk", rules_as_rst(SENTRY_SDK)),
        ("from_sentry_sdk", "integrations", lines_as_rst(LINES)),
    ],
    ids=["raven", "raven-arguments", "sentry-sdk", "integrations"],
)
def test_a_page_has_the_rules_as_they_are_declared(
    name: str, mark: str, declared: str
) -> None:
    text, start, end = page(name), f".. {mark}-start\n\n", f"\n.. {mark}-end"
    table = text[text.index(start) + len(start) : text.index(end)]
    assert table == declared, (
        "write it anew, with the functions …_as_rst of flask_errtrack.migration.rules"
    )


def test_the_lines_for_integrations_are_there() -> None:
    for line in LINES.values():
        for name, module in re.findall(r"``(\w+)`` of ``([\w.]+)``", line):
            assert callable(getattr(importlib.import_module(module), name)), line


NOW = {
    cell
    for name in ("from_raven", "from_sentry_sdk")
    for row in rows_of(name, "Calls")
    for cell in _code(row[1])
}
OLD = {
    name: [
        cell
        for row in rows_of(name, "Calls")
        for cell in _code(_OF.sub(r"``\2.\1``", row[0]))
    ]
    for name in ("from_raven", "from_sentry_sdk")
}


def test_the_new_names_are_there() -> None:
    kinds = {"errtrack": ErrTrack, "client": Client, "scope": Scope}
    named = [
        (owner, name)
        for code in NOW
        for owner, name in re.findall(r"\b(errtrack|client|scope)\.(?=(\w+))", code)
    ]
    assert len(named) >= 30
    assert [one for one in named if not hasattr(kinds[one[0]], one[1])] == []


def test_the_new_options_are_there() -> None:
    found = [re.fullmatch(r"(\w+)=.*", code) for code in NOW]
    options = {one[1] for one in found if one} - {"user", "level", "extra"}
    assert options == {"logging_exclusions", "tags"}
    assert options <= Config.__dataclass_fields__.keys()


def test_the_old_names_of_sentry_sdk_were_there() -> None:
    for code in OLD["from_sentry_sdk"]:
        for path in re.findall(r"\bsentry_sdk\.([\w.]+)", code):
            found: Any = sentry_sdk
            for name in path.split("."):
                found = getattr(found, name)
        for name in re.findall(r"\bscope\.(\w+)", code):
            assert hasattr(sentry_sdk.Scope, name), code


def test_the_old_names_of_raven_were_there(tmp_path: Path) -> None:
    """In a program of its own: they patch what they can reach."""
    pattern = r"\b(?:sentry|raven)(?:\.\w+)+"
    names = {one for code in OLD["from_raven"] for one in re.findall(pattern, code)}
    assert len(names) > 15
    program = f"""
import flask, raven.breadcrumbs, raven.contrib.flask, raven.handlers.logging
import raven.contrib.celery, raven.middleware
app = flask.Flask("shop")
sentry = raven.contrib.flask.Sentry(app, dsn="http://a:b@127.0.0.1:9/1")
with app.app_context():
    for name in {sorted(names)!r}:
        eval(name)
"""
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={"PYTHONPATH": str(old_client("raven"))},
        cwd=tmp_path,
        check=True,
        timeout=WAIT_SECONDS,
    )


@pytest.mark.parametrize("first", ["old", "new"])
@pytest.mark.parametrize("name", ["raven", "sentry-sdk"])
def test_old_and_new_do_not_see_each_other(
    tmp_path: Path, name: str, first: str
) -> None:
    path = [old_client("raven")] if name == "raven" else []
    done = subprocess.run(
        [sys.executable, "-W", "ignore", PROGRAMS / "side_by_side.py", name, first],
        env={"PYTHONPATH": ":".join(map(str, [*path, ROOT]))},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
    )
    assert done.stdout == "2 2\n", done.stdout + done.stderr
