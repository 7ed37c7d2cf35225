"""Check-ins: a job says that it starts, and how it has ended."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from conftest import MakeApp
from flask import Flask

from flask_errtrack import Client, ErrTrack, Refused
from flask_errtrack.protocol.check_ins import MAX_SLUG_LENGTH
from flask_errtrack.protocol.envelope import Envelope
from flask_errtrack.transports import MemoryTransport

CARD_LIKE_ID = "4111111111111111" + "ab" * 8
CRONTAB = {"type": "crontab", "value": "0 4 * * *"}


def check_ins(sent: MemoryTransport) -> list[dict[str, Any]]:
    items = [item for envelope in sent.envelopes for item in envelope.items]
    assert {item.type for item in items} <= {"check_in"}
    return [item.json() for item in items]


def test_a_job_that_starts_and_ends_is_two_check_ins_with_one_id(
    make_app: MakeApp, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    make_app(errtrack=errtrack, transport=sent, environment="test", release="1.2")
    started = errtrack.capture_check_in("nightly-import", "in_progress")
    ended = errtrack.capture_check_in(
        "nightly-import", "ok", check_in_id=started, duration_seconds=2
    )
    assert started == ended
    common = {
        "check_in_id": started,
        "monitor_slug": "nightly-import",
        "environment": "test",
        "release": "1.2",
    }
    assert check_ins(sent) == [
        {**common, "status": "in_progress"},
        {**common, "status": "ok", "duration": 2.0},
    ]
    assert {envelope.category for envelope in sent.envelopes} == {"monitor"}
    assert {envelope.event_id for envelope in sent.envelopes} == {None}


def test_a_client_without_flask_checks_in_too(sent: MemoryTransport) -> None:
    client = Client(transport=sent)
    first, second = (client.capture_check_in("job", "error") for _ in range(2))
    assert first and second and first != second
    assert [one["status"] for one in check_ins(sent)] == ["error", "error"]


@pytest.mark.parametrize(
    ("given", "slug"),
    [
        ("nightly_import-2", "nightly_import-2"),
        ("Nightly import (EU)!", "nightly-import-eu"),
        ("é" * 3 + "job", "job"),
        ("j" * 80, "j" * MAX_SLUG_LENGTH),
        (17, "17"),
    ],
)
def test_a_slug_is_written_as_the_protocol_wants_it(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport, given: Any, slug: str
) -> None:
    assert errtrack.capture_check_in(given, "ok")
    assert check_ins(sent)[0]["monitor_slug"] == slug


@pytest.mark.parametrize(
    "schedule", [CRONTAB, {"type": "interval", "value": 2, "unit": "hour"}]
)
def test_a_check_in_can_say_how_the_job_is_to_be_watched(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport, schedule: dict[str, Any]
) -> None:
    config = {"schedule": schedule, "checkin_margin": 5, "timezone": "Europe/Berlin"}
    errtrack.capture_check_in("job", "in_progress", monitor_config=config)
    assert check_ins(sent)[0]["monitor_config"] == config


def test_no_secret_and_nothing_that_json_readers_refuse_leaves_in_a_check_in(
    make_app: MakeApp, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    config = {"MAIL_PASSWORD": "correct-horse"}
    make_app(config, errtrack, transport=sent, environment="a\ud800", release="b\ud800")
    crontab = {"type": "crontab", "value": "0 4 \ud800 \0 *"}
    watch = {"schedule": crontab, "owner": "user:correct-horse"}
    made = errtrack.capture_check_in(
        "job", "ok", check_in_id=CARD_LIKE_ID, monitor_config=watch
    )
    (check_in,) = check_ins(sent)
    assert made == check_in["check_in_id"] == CARD_LIKE_ID
    assert (check_in["environment"], check_in["release"]) == ("a\ufffd", "b\ufffd")
    crontab["value"] = "0 4 \ufffd \ufffd *"
    assert check_in["monitor_config"]["schedule"] == crontab
    assert "correct-horse" not in str(check_in)


@pytest.mark.swallows_errors
@pytest.mark.parametrize(
    ("slug", "status", "said"),
    [
        ("job", "done", "status is 'done'; expected one of in_progress, ok, error"),
        ("job", ["ok"], "expected one of in_progress, ok, error"),
        ("", "ok", "monitor_slug is ''; expected a name of letters"),
        ("!?", "ok", "monitor_slug is '!?'"),
    ],
)
def test_what_cannot_be_a_check_in_is_logged_and_stops_no_job(
    app: Flask,
    errtrack: ErrTrack,
    sent: MemoryTransport,
    caplog: pytest.LogCaptureFixture,
    slug: str,
    status: Any,
    said: str,
) -> None:
    with caplog.at_level(logging.ERROR, "flask_errtrack"):
        assert errtrack.capture_check_in(slug, status) is None
    assert said in caplog.text
    assert sent.envelopes == []


@pytest.mark.swallows_errors
@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"duration_seconds": -1}, "duration", "duration_seconds is -1"),
        ({"duration_seconds": float("nan")}, "duration", "expected 0 or more"),
        ({"duration_seconds": "soon"}, "duration", "could not convert"),
        ({"monitor_config": 3}, "monitor_config", "the schedule of monitor_config is"),
        (
            {"monitor_config": {"schedule": {"type": "crontab", "value": 4}}},
            "monitor_config",
            "'value': 4",
        ),
        (
            {
                "monitor_config": {
                    "schedule": {"type": "interval", "value": 4, "unit": "fortnight"}
                }
            },
            "monitor_config",
            "with a unit of minute, hour",
        ),
        (
            {
                "monitor_config": {
                    "schedule": {"type": "interval", "value": 0, "unit": "day"}
                }
            },
            "monitor_config",
            "'value': 0",
        ),
    ],
)
def test_a_wrong_detail_is_left_out_and_logged_and_the_job_is_alive(
    app: Flask,
    errtrack: ErrTrack,
    sent: MemoryTransport,
    caplog: pytest.LogCaptureFixture,
    wrong: dict[str, Any],
    field: str,
    said: str,
) -> None:
    with caplog.at_level(logging.ERROR, "flask_errtrack"):
        assert errtrack.capture_check_in("job", "ok", **wrong)
    assert said in caplog.text
    (check_in,) = check_ins(sent)
    assert check_in["status"] == "ok"
    assert field not in check_in


@pytest.mark.swallows_errors
def test_an_id_that_is_none_is_replaced(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    dashed = "00112233-4455-6677-8899-AABBCCDDEEFF"
    known = errtrack.capture_check_in("job", "ok", check_in_id=dashed)
    assert known == "00112233445566778899aabbccddeeff"
    made = errtrack.capture_check_in("job", "ok", check_in_id="the second")
    assert [known, made] == [one["check_in_id"] for one in check_ins(sent)]
    assert made is not None and len(made) == 32


class Full:
    """A transport that takes nothing."""

    def send(self, envelope: Envelope) -> None:
        raise Refused("full")


def test_what_was_not_taken_has_no_id_and_is_counted(make_app: MakeApp) -> None:
    errtrack = ErrTrack()
    app = make_app(errtrack=errtrack, transport=Full())
    assert errtrack.capture_check_in("job", "ok") is None
    assert app.extensions["errtrack"].dropped == {"send_error": 1}


def test_where_nothing_is_captured_a_job_runs_as_ever(make_app: MakeApp) -> None:
    errtrack = ErrTrack()
    assert errtrack.capture_check_in("job", "no such status") is None  # type: ignore[arg-type]
    make_app(errtrack=errtrack, enabled=False)
    assert errtrack.capture_check_in("job", "ok") is None


def test_the_embedded_tracker_passes_over_a_check_in_and_keeps_the_rest(
    make_app: MakeApp, errtrack: ErrTrack
) -> None:
    app = make_app(errtrack=errtrack, dashboard_access=lambda: True)
    assert errtrack.capture_check_in("job", "ok")
    event_id = errtrack.capture_message("after it")
    assert errtrack.flush(60)
    page = app.test_client().get(f"/errtrack/events/{event_id}.json")
    assert page.get_json()["event_id"] == event_id
    assert app.extensions["errtrack"].dropped == {}
