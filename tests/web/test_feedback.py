"""The feedback form as the server sees it; a real browser uses it elsewhere."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from feedback_site import EVENT_ID, KEY, Site
from flask import Flask
from flask_wtf.csrf import CSRFProtect
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from werkzeug.test import TestResponse

from flask_errtrack.transports import MemoryTransport
from flask_errtrack.web.feedback import (
    MAX_AGE_SECONDS,
    MAX_COMMENTS_CHARS,
    MAX_FORM_BYTES,
    MAX_PERSON_CHARS,
    Answers,
)
from flask_errtrack.web.signing import make_token

JSON = {"Accept": "application/json"}


def post(
    site: Site, form: dict[str, str], headers: dict[str, str] | None = None
) -> TestResponse:
    form = {"token": make_token([KEY], "feedback", EVENT_ID), **form}
    return site.app.test_client().post("/errtrack/feedback", data=form, headers=headers)


def get_boom(site: Site, headers: dict[str, str] | None = None) -> TestResponse:
    return site.app.test_client().get("/boom", headers=headers)


def test_the_dialog_is_a_form_whose_token_names_the_event() -> None:
    site = Site()
    token = re.search(r'name="token" value="([^"]+)"', site.dialog())
    assert token
    response = post(site, {"token": token[1], "comments": "I pressed Save."})
    assert response.status_code == 200
    assert site.reports == [{"event_id": EVENT_ID, "comments": "I pressed Save."}]


def test_the_dialog_knows_the_person_and_escapes_the_name() -> None:
    dialog = Site(person=lambda: ('<b>"Ada"', "ada@example.org")).dialog()
    assert 'value="&lt;b&gt;&#34;Ada&#34;"' in dialog
    assert 'value="ada@example.org"' in dialog


def test_the_dialog_has_nothing_inline_that_a_strict_policy_would_stop() -> None:
    dialog = Site().dialog()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", dialog)
    assert re.findall(r"<script([^>]*)>(.*?)</script>", dialog) == [
        (' src="/errtrack/static/feedback.js" defer', "")
    ]


@pytest.mark.parametrize("site", [Site(event_id=None), Site(has_blueprint=False)])
def test_without_an_event_or_a_place_to_send_to_there_is_no_dialog(site: Site) -> None:
    assert site.dialog() == ""


@pytest.mark.swallows_errors
def test_a_failing_hook_costs_the_dialog_and_not_the_page() -> None:
    def failing_hook() -> tuple[str, str]:
        raise LookupError("the users' database is away")

    assert Site(person=failing_hook).dialog() == ""


@pytest.mark.parametrize(
    ("form", "report"),
    [
        ({"comments": " a\r\nb\rc "}, {"comments": "a\nb\nc"}),
        ({"comments": "a\0\x1b[31m\tb\x7f\x85"}, {"comments": "a[31m\tb"}),
        ({"comments": "é 👩‍🚀"}, {"comments": "é 👩‍🚀"}),
        (
            {"comments": "a", "name": " Ada \r\n Byron\0 ", "email": " a@b.org "},
            {"comments": "a", "name": "Ada Byron", "email": "a@b.org"},
        ),
        (
            {"comments": "a", "name": "n" * 201, "email": "@" * 201},
            {
                "comments": "a",
                "name": "n" * MAX_PERSON_CHARS,
                "email": "@" * MAX_PERSON_CHARS,
            },
        ),
    ],
)
def test_what_was_written_arrives_clean(
    form: dict[str, str], report: dict[str, str]
) -> None:
    answers = Answers.from_form(form)
    assert answers.problem() is None
    assert answers.report(EVENT_ID) == {"event_id": EVENT_ID, **report}


@pytest.mark.parametrize(
    ("form", "field", "message"),
    [
        ({}, "comments", "say a few words about what happened"),
        ({"comments": " \r\n\0 "}, "comments", "say a few words about what happened"),
        (
            {"comments": "x" * 5000},
            "comments",
            "has 5,000 characters, and at most 4,096",
        ),
        ({"comments": "a", "email": "ada"}, "email", "has an @ in it"),
    ],
)
def test_what_has_to_be_mended_is_said_at_its_field(
    form: dict[str, str], field: str, message: str
) -> None:
    site = Site()
    answer = post(site, form, JSON)
    page = post(site, form)
    assert answer.status_code == page.status_code == 400
    assert answer.get_json()["field"] == field
    assert message in answer.get_json()["error"]
    assert re.search(
        rf'id="errtrack-feedback-{field}-problem">[^<]*{message}', page.text
    )
    assert page.text.count('aria-invalid="true"') == 1
    assert site.reports == []


@pytest.mark.parametrize("length", [MAX_FORM_BYTES + 1, 3_000_000])
def test_a_form_that_is_far_too_large_is_refused_kindly_and_not_read(
    length: int,
) -> None:
    site = Site()
    form = {"comments": "y" * length}
    answer, page = post(site, form, JSON), post(site, form)
    assert answer.status_code == page.status_code == 413
    assert "at most 4,096 characters" in page.text
    assert answer.get_json()["error"] in page.text
    assert "yyy" not in page.text
    assert site.reports == []


def test_a_form_of_unknown_length_is_not_read() -> None:
    response = (
        Site()
        .app.test_client()
        .post(
            "/errtrack/feedback",
            headers={"Transfer-Encoding": "chunked"},
            environ_overrides={"CONTENT_LENGTH": ""},
        )
    )
    assert response.status_code == 413


def test_the_longest_report_is_not_too_large() -> None:
    site = Site()
    assert (
        post(site, {"comments": "\U0001f600" * MAX_COMMENTS_CHARS}).status_code == 200
    )


def test_a_line_break_counts_as_one_character_as_in_the_browser() -> None:
    site = Site()
    assert (
        post(site, {"comments": "a\r\n" * (MAX_COMMENTS_CHARS // 2)}).status_code == 200
    )


@pytest.mark.parametrize(
    ("site", "form", "status"),
    [
        (Site(), {"email": "ada"}, 400),
        (Site(), {"comments": "<i>" + "y" * 5000}, 400),
        (Site(refuses=True), {}, 503),
    ],
)
def test_a_form_that_was_not_accepted_comes_back_with_its_text(
    site: Site, form: dict[str, str], status: int
) -> None:
    form = {"comments": "<i>\nmy words", "name": "Ada", **form}
    response = post(site, form)
    assert response.status_code == status
    assert html.escape(form["comments"]) + "</textarea>" in response.text
    assert 'name="token"' in response.text
    assert 'value="Ada"' in response.text


@pytest.mark.parametrize(
    "token",
    ["", "\0", EVENT_ID, make_token([KEY], "login", EVENT_ID)],
    ids=["none", "control", "unsigned", "for_login"],
)
def test_a_token_from_elsewhere_is_refused_and_its_text_not_shown(token: str) -> None:
    site = Site()
    response = post(site, {"token": token, "comments": "call this number"})
    assert response.status_code == 403
    assert "call this number" not in response.text
    assert site.reports == []


def test_a_form_older_than_a_day_is_refused_kindly_and_its_text_is_given_back() -> None:
    site = Site()
    form = {"token": token_of_age(MAX_AGE_SECONDS + 60), "comments": "my words"}
    response = post(site, form)
    assert response.status_code == 410
    assert "more than a day" in response.text
    assert "my words" in response.text
    assert "<textarea" not in response.text
    form["token"] = token_of_age(MAX_AGE_SECONDS - 60)
    assert post(site, form).status_code == 200


def test_a_second_report_is_accepted_so_that_its_author_can_say_more() -> None:
    site = Site()
    assert [post(site, {"comments": text}).status_code for text in "ab"] == [200, 200]
    assert [report["comments"] for report in site.reports] == ["a", "b"]


def test_script_gets_json_and_a_browser_a_page() -> None:
    site = Site()
    assert post(site, {"comments": "a"}, JSON).get_json() == {"event_id": EVENT_ID}
    page = post(site, {"comments": "a"}, {"Accept": "text/html,*/*;q=0.8"})
    assert page.mimetype == "text/html"
    assert "<h1>Thank you</h1>" in page.text


@pytest.mark.parametrize("headers", [{}, JSON])
@pytest.mark.parametrize("form", [{"comments": "a"}, {}, {"token": "forged"}])
def test_no_answer_is_cached_or_may_load_from_elsewhere(
    headers: dict[str, str], form: dict[str, str]
) -> None:
    response = post(Site(), form, headers)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; img-src 'self'; base-uri 'none'"
    )


def test_the_ready_made_page_gives_the_number_to_quote_and_the_dialog() -> None:
    response = get_boom(Site())
    assert response.status_code == 500
    assert f"<code>{EVENT_ID}</code>" in response.text
    assert '<dialog class="errtrack-feedback-dialog" open' in response.text


def test_the_ready_made_page_promises_nothing_without_an_event() -> None:
    response = get_boom(Site(event_id=None))
    assert response.status_code == 500
    assert "recorded" not in response.text
    assert "<dialog" not in response.text


def test_a_program_gets_the_error_as_json() -> None:
    response = get_boom(Site(), headers=JSON)
    assert response.status_code == 500
    assert response.get_json() == {
        "error": "Internal Server Error",
        "event_id": EVENT_ID,
    }


def test_the_ready_made_page_does_not_need_what_the_app_puts_into_its_templates() -> (
    None
):
    site = Site()
    site.app.context_processor(lambda: {"unread": 1 / 0})
    assert EVENT_ID in get_boom(site).text


@pytest.mark.swallows_errors
def test_where_no_page_can_be_made_the_answer_is_plain_text() -> None:
    response = get_boom(Site(has_blueprint=False))
    assert response.status_code == 500
    assert response.mimetype == "text/plain"
    assert response.text.startswith("Something went wrong on our side.")


def test_the_csrf_protection_of_the_app_does_not_stop_the_form(
    make_app: Callable[..., Flask], sent: MemoryTransport
) -> None:
    app = make_app(transport=sent, error_page=True)
    CSRFProtect(app)
    app.add_url_rule("/boom", "boom", lambda: str(1 / 0))
    client = app.test_client()
    token = re.search(r'name="token" value="([^"]+)"', client.get("/boom").text)
    assert token
    form = {"token": token[1], "comments": "I pressed Save."}
    assert client.post("/errtrack/feedback", data=form).status_code == 200
    (item,) = sent.envelopes[-1].items
    assert item.json() == {
        "event_id": sent.events[0]["event_id"],
        "comments": "I pressed Save.",
    }


def token_of_age(age_seconds: int) -> str:
    class PastSigner(TimestampSigner):
        def get_timestamp(self) -> int:
            return super().get_timestamp() - age_seconds

    serializer = URLSafeTimedSerializer(
        [KEY], salt="flask-errtrack.feedback", signer=PastSigner
    )
    return str(serializer.dumps(EVENT_ID))
