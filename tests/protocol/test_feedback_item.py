"""What a person wrote goes out as the item that the receiver prefers, and is kept."""

from __future__ import annotations

import re
from typing import Any

import pytest
from conftest import MakeApp
from flask import Flask
from sqlalchemy import select

from flask_errtrack import ConfigError, ErrTrack
from flask_errtrack.event import UserReport
from flask_errtrack.protocol.envelope import Envelope, Item, encode_json
from flask_errtrack.protocol.user_reports import MAX_COMMENTS_CHARS
from flask_errtrack.tracker.database.schema import feedback
from flask_errtrack.transports import MemoryTransport

EVENT_ID = "4111111111111111" + "ab" * 8
REPORT = UserReport(
    event_id=EVENT_ID,
    name="Ada",
    email="ada@example.org",
    comments="I pressed Save.\nThen it broke.",
)


def sent_item(app: Flask, sent: MemoryTransport, report: UserReport) -> tuple[str, Any]:
    app.extensions["errtrack"].capture_user_report(report)
    (envelope,) = sent.envelopes
    (item,) = envelope.items
    # Sentry limits reports of the old form with nothing else.
    is_new = envelope.items[0].type == "feedback"
    assert envelope.category == ("feedback" if is_new else "default")
    assert item.json()["event_id"] == envelope.event_id
    return item.type, item.json()


def stored_reports(app: Flask) -> list[dict[str, Any]]:
    names = ("event_id", "name", "email", "comments")
    with app.extensions["errtrack_tracker"].store.reading() as connection:
        rows = connection.execute(select(*(feedback.c[name] for name in names)))
        return [dict(row._mapping) for row in rows]


def test_it_is_a_user_report_which_every_server_knows(
    app: Flask, sent: MemoryTransport
) -> None:
    assert sent_item(app, sent, REPORT) == ("user_report", REPORT)


def test_it_may_be_an_event_of_its_own_which_newer_servers_prefer(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    app = make_app(
        transport=sent, feedback_item="feedback", environment="test", release="1.2"
    )
    kind, event = sent_item(app, sent, REPORT)
    assert kind == "feedback"
    assert event["contexts"]["feedback"] == {
        "associated_event_id": EVENT_ID,
        "name": "Ada",
        "contact_email": "ada@example.org",
        "message": REPORT["comments"],
        "source": "flask-errtrack",
    }
    assert event["event_id"] != EVENT_ID and re.fullmatch(
        "[0-9a-f]{32}", event["event_id"]
    )
    facts = {"level": "info", "platform": "python", "environment": "test"}
    assert {**event, **facts, "release": "1.2"} == event
    assert "request" not in event and "exception" not in event


@pytest.mark.parametrize("item", ["user_report", "feedback"])
def test_the_form_sends_it_as_configured(
    make_app: MakeApp, sent: MemoryTransport, item: str
) -> None:
    app = make_app(transport=sent, error_page=True, feedback_item=item)
    app.add_url_rule("/boom", "boom", lambda: str(1 / 0))
    browser = app.test_client()
    token = re.search(r'name="token" value="([^"]+)"', browser.get("/boom").text)
    assert token
    form = {"token": token[1], "comments": "I pressed Save."}
    assert browser.post("/errtrack/feedback", data=form).status_code == 200
    assert [one.type for one in sent.envelopes[-1].items] == [item]
    assert sent.events[0]["event_id"] in sent.envelopes[-1].items[0].payload.decode()


@pytest.mark.parametrize("item", ["user_report", "feedback"])
def test_a_secret_that_a_person_quotes_does_not_leave(
    make_app: MakeApp, sent: MemoryTransport, item: str
) -> None:
    config = {"MAIL_PASSWORD": "correct-horse", "DEBUG_NAME": "Ada"}
    app = make_app(config, transport=sent, feedback_item=item)
    words = "It says MAIL_PASSWORD correct-horse. My card is 4111 1111 1111 1111."
    _, payload = sent_item(app, sent, {**REPORT, "comments": words})
    text = str(payload)
    assert "It says" in text and "ada@example.org" in text and EVENT_ID in text
    assert "correct-horse" not in text and "1111 1111" not in text


@pytest.mark.parametrize("item", ["user_report", "feedback"])
def test_no_server_refuses_it_for_its_length(
    make_app: MakeApp, sent: MemoryTransport, item: str
) -> None:
    app = make_app(transport=sent, feedback_item=item)
    long = "pin=1234 " * (MAX_COMMENTS_CHARS // 9)
    _, payload = sent_item(app, sent, {**REPORT, "comments": long + "é" * 9})
    words = payload.get("comments") or payload["contexts"]["feedback"]["message"]
    assert len(words) == MAX_COMMENTS_CHARS and "1234" not in words


def test_another_item_is_no_option(make_app: MakeApp) -> None:
    with pytest.raises(ConfigError, match="one of 'user_report', 'feedback'"):
        make_app(feedback_item="letter")


@pytest.mark.parametrize("item", ["user_report", "feedback"])
def test_the_embedded_tracker_keeps_it_whichever_it_is(
    make_app: MakeApp, errtrack: ErrTrack, item: str
) -> None:
    app = make_app(errtrack=errtrack, feedback_item=item)
    client = app.extensions["errtrack"]
    for comments in ("First.", "Second."):
        client.capture_user_report({**REPORT, "comments": comments})
    assert client.flush(60)
    assert stored_reports(app) == [{**REPORT, "comments": "Second."}]


@pytest.mark.parametrize(
    ("contexts", "event_id", "comments"),
    [
        ({"feedback": {"message": "Fine."}}, "cd" * 16, "Fine."),
        ({"feedback": {"message": 7, "associated_event_id": ""}}, "cd" * 16, ""),
        ({"feedback": ["Fine."]}, "cd" * 16, ""),
        (None, "cd" * 16, ""),
        ({"feedback": {"associated_event_id": "AB" * 16}}, "ab" * 16, ""),
    ],
)
def test_feedback_of_any_shape_is_kept(
    make_app: MakeApp, contexts: Any, event_id: str, comments: str
) -> None:
    app = make_app()
    payload = encode_json({"event_id": "cd" * 16, "contexts": contexts})
    envelope = Envelope((Item("feedback", payload),))
    app.extensions["errtrack_tracker"].transport.send(envelope)
    (kept,) = stored_reports(app)
    assert (kept["event_id"], kept["comments"]) == (event_id, comments)
