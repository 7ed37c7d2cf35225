"""A receiver that others wrote accepts every envelope, and reads there what was meant.

The receiver is Sentry's Spotlight: its ``tail`` prints what it makes of an error, and
its stream holds all that it has read.
"""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeApp
from flask import Flask, request
from spotlight import Spotlight, spotlight

from flask_errtrack import Client, ErrTrack
from flask_errtrack.event import timestamp_now
from flask_errtrack.protocol.envelope import Envelope
from flask_errtrack.reading.exceptions import new_event
from flask_errtrack.settings.dsn import Dsn
from flask_errtrack.transports.http import HttpTransport

EVENT_ID = "ab" * 16


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spotlight]:
    """A running Spotlight, which has to survive all tests."""
    with spotlight(tmp_path_factory.mktemp("home")) as running:
        yield running
        assert running.is_running


@pytest.fixture
def shop(make_app: MakeApp, errtrack: ErrTrack, receiver: Spotlight) -> Flask:
    """An app that sends to Spotlight; buying fails there."""
    app = make_app(
        errtrack=errtrack,
        dsn=receiver.dsn,
        environment="test",
        release="shop@1.2",
        in_app_exclude=["flask", "werkzeug"],
        include_paths=["test_receivers"],
    )

    @app.post("/buy/<int:number>")
    def buy(number: int) -> str:
        errtrack.set_user({"id": 17, "email": "ada@example.org", "plan": "gold"})
        errtrack.set_tag("shelf", "A/7 — größer")
        errtrack.set_extra("basket", {"eggs": [1, 2], "nothing": None})
        errtrack.set_context("payment", {"method": "invoice"})
        errtrack.set_fingerprint(["{{ default }}", "buy"])
        errtrack.set_level("fatal")
        errtrack.add_breadcrumb(category="cart", message="first", data={"n": 1})
        errtrack.add_breadcrumb(category="cart", message="second", level="warning")
        assert request.get_json() == {"colour": "red"}
        try:
            return price_of(number)
        except KeyError as error:
            raise RuntimeError("no price\nfor it") from error

    return app


def price_of(number: int) -> str:
    return {1: "one"}[number]


@pytest.fixture
def bought(
    shop: Flask, errtrack: ErrTrack, receiver: Spotlight
) -> Iterator[dict[str, Any]]:
    """The event of a failed purchase, as Spotlight has read it."""
    response = shop.test_client().post("/buy/7?size=large", json={"colour": "red"})
    assert response.status_code == 500 and errtrack.flush(60)
    yield receiver.received("event", event_id=response.headers["X-ErrTrack-ID"])


def test_a_chain_of_exceptions_arrives_oldest_first(bought: dict[str, Any]) -> None:
    first, last = bought["exception"]["values"]
    assert (first["type"], first["value"]) == ("KeyError", "7")
    assert (last["type"], last["value"]) == ("RuntimeError", "no price\nfor it")
    assert {name: first["mechanism"][name] for name in ("source", "parent_id")} == {
        "source": "__cause__",
        "parent_id": 0,
    }
    assert last["mechanism"]["handled"] is False
    assert last["mechanism"]["exception_id"] == 0


def test_frames_arrive_with_source_and_variables_the_failing_one_last(
    bought: dict[str, Any],
) -> None:
    first, last = (one["stacktrace"]["frames"] for one in bought["exception"]["values"])
    caller, failing = first[-2:]
    assert caller["function"].endswith("buy") and failing["function"] == "price_of"
    assert caller["context_line"].strip() == "return price_of(number)"
    assert failing["context_line"] == '    return {1: "one"}[number]'
    assert failing["pre_context"][-1] == "def price_of(number: int) -> str:"
    assert failing["vars"] == {"number": 7}
    assert failing["in_app"] is True
    assert failing["filename"] == "test_receivers.py"
    assert [frame["in_app"] for frame in last] == [False] * (len(last) - 1) + [True]


def test_what_was_set_arrives(bought: dict[str, Any]) -> None:
    assert bought["user"] == {
        "id": "17",
        "email": "ada@example.org",
        "data": {"plan": "gold"},
    }
    assert bought["tags"] == {"shelf": "A/7 — größer"}
    assert bought["extra"] == {"basket": {"eggs": [1, 2], "nothing": None}}
    assert bought["contexts"]["payment"]["method"] == "invoice"
    assert {"runtime", "os"} <= bought["contexts"].keys()
    assert bought["fingerprint"] == ["{{ default }}", "buy"]
    assert (bought["level"], bought["platform"]) == ("fatal", "python")
    assert (bought["environment"], bought["release"]) == ("test", "shop@1.2")
    assert bought["transaction"] == "buy"
    crumbs = bought["breadcrumbs"]["values"]
    assert [one["message"] for one in crumbs] == ["first", "second"]
    assert crumbs[0]["data"] == {"n": 1} and crumbs[1]["level"] == "warning"


def test_the_request_arrives(bought: dict[str, Any]) -> None:
    sent = bought["request"]
    assert (sent["method"], sent["url"]) == ("POST", "http://localhost/buy/7")
    assert sent["query_string"] == "size=large"
    assert sent["data"] == {"colour": "red"}
    assert ["Content-Type", "application/json"] in sent["headers"]


def test_what_the_receiver_prints_is_what_was_meant(
    bought: dict[str, Any], receiver: Spotlight
) -> None:
    line = receiver.printed(bought["event_id"])
    expected = {
        "type": "error",
        "level": "fatal",
        # It shows the root cause.
        "exception_type": "KeyError",
        "exception_value": "7",
        "platform": "python",
        "environment": "test",
        "release": "shop@1.2",
        "transaction": "buy",
        "user_id": "17",
        "user_email": "ada@example.org",
        "request_url": "http://localhost/buy/7",
        "request_method": "POST",
        "shelf": "A/7 — größer",
        "sdk": "flask-errtrack",
    }
    assert {**line, **expected} == line
    assert line["filename"] == "test_receivers.py"
    assert line["timestamp"][:10] == timestamp_now()[:10]


@pytest.fixture
def client(receiver: Spotlight) -> Iterator[Client]:
    """A client without Flask that sends to Spotlight."""
    made = Client(dsn=receiver.dsn)
    yield made
    made.close()
    assert made.dropped == {}


def test_a_group_of_exceptions_arrives_as_a_tree(
    client: Client, receiver: Spotlight
) -> None:
    group = ExceptionGroup("two at once", [ValueError("a"), OSError(2, "gone")])
    event_id = client.capture_exception(group)
    values = receiver.received("event", event_id=event_id)["exception"]["values"]
    assert [one["type"] for one in values] == [
        "FileNotFoundError",
        "ValueError",
        "ExceptionGroup",
    ]
    *members, outer = (one["mechanism"] for one in values)
    assert outer["is_exception_group"] is True
    assert {one["parent_id"] for one in members} == {outer["exception_id"]} == {0}
    assert [one["source"] for one in members] == ["exceptions[1]", "exceptions[0]"]
    assert receiver.printed(event_id)["exception_type"] == "FileNotFoundError"


def test_a_message_arrives_with_its_template_and_arguments(
    client: Client, receiver: Spotlight
) -> None:
    event_id = client.capture_message(
        'order %s: "größer" than\n%s 👩‍🚀', "warning", params=["A7", 3]
    )
    event = receiver.received("event", event_id=event_id)
    assert event["logentry"]["message"] == 'order %s: "größer" than\n%s 👩‍🚀'
    assert event["logentry"]["params"] == ["A7", 3]
    assert event["level"] == "warning"


def test_a_large_event_arrives(client: Client, receiver: Spotlight) -> None:
    for number in range(100):
        client.add_breadcrumb(message=f"{number} größer\n" * 300)
    event_id = client.capture_message("large")
    event = receiver.received("event", event_id=event_id)
    assert len(event["breadcrumbs"]["values"]) == 100
    assert len(json.dumps(event)) > 500_000


@pytest.mark.parametrize("item", ["user_report", "feedback"])
def test_what_a_person_wrote_arrives(receiver: Spotlight, item: str) -> None:
    client = Client(dsn=receiver.dsn, feedback_item=item)
    words = f"I pressed Save.\nAs a {item}: größer."
    client.capture_user_report(
        {"event_id": EVENT_ID, "name": "Ada", "email": "a@b.org", "comments": words}
    )
    client.close()
    if item == "user_report":
        report = receiver.received(item, comments=words)
        assert (report["event_id"], report["email"]) == (EVENT_ID, "a@b.org")
        return
    event = receiver.received(item, level="info")
    assert event["event_id"] != EVENT_ID
    feedback = event["contexts"]["feedback"]
    assert feedback["message"] == words
    assert feedback["associated_event_id"] == EVENT_ID


def test_check_ins_arrive(client: Client, receiver: Spotlight) -> None:
    config = {"schedule": {"type": "crontab", "value": "0 4 * * *"}}
    started = client.capture_check_in("job", "in_progress", monitor_config=config)
    client.capture_check_in("job", "ok", check_in_id=started, duration_seconds=1.5)
    first = receiver.received("check_in", check_in_id=started, status="in_progress")
    last = receiver.received("check_in", check_in_id=started, status="ok")
    assert first["monitor_config"] == config
    assert math.isclose(last["duration"], 1.5)


def test_the_runs_of_a_job_arrive_and_name_the_event_of_their_failure(
    client: Client, receiver: Spotlight
) -> None:
    monitor = client.monitor("nightly", schedule="@daily", timezone="Europe/Berlin")
    with monitor:
        pass
    with suppress(KeyError), monitor:
        price_of(7)
    good = receiver.received("check_in", monitor_slug="nightly", status="ok")
    begun = receiver.received("check_in", check_in_id=good["check_in_id"])
    assert (begun["status"], begun["monitor_config"]["timezone"]) == (
        "in_progress",
        "Europe/Berlin",
    )
    bad = receiver.received("check_in", monitor_slug="nightly", status="error")
    event = receiver.received("event", transaction="nightly")
    assert event["contexts"]["monitor"]["check_in_id"] == bad["check_in_id"]


KILLED = """
import os, signal, sys
from flask_errtrack import Client

client = Client(dsn=sys.argv[1], outbox=sys.argv[2])
with client.monitor("killed", schedule="@daily", max_runtime_minutes=20):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_of_a_job_that_is_killed_a_later_process_tells_that_it_began(
    receiver: Spotlight, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, receiver.dsn, str(tmp_path)],
        env={"PYTHONPATH": str(Path(__file__).parent.parent)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    client = Client(dsn=receiver.dsn, outbox=str(tmp_path))
    client.capture_message("the next process")
    begun = receiver.received("check_in", monitor_slug="killed")
    client.close()
    assert (begun["status"], begun["monitor_config"]["max_runtime"]) == (
        "in_progress",
        20,
    )


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_every_compression_is_read(receiver: Spotlight, encoding: str) -> None:
    if encoding == "br":
        pytest.importorskip("brotli")
    transport = HttpTransport(Dsn.parse(receiver.dsn), "a/1", encoding=encoding)
    event = new_event()
    transport.send(Envelope.from_event(event))
    assert receiver.received("event", event_id=event["event_id"])
    now = f"{timestamp_now()} {encoding}"
    transport.send(Envelope.from_drops({("queue_overflow", "error"): 3}, now))
    transport.close()
    report = receiver.received("client_report", timestamp=now)
    assert report["discarded_events"] == [
        {"reason": "queue_overflow", "category": "error", "quantity": 3}
    ]
