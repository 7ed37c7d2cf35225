"""What people do with issues on the pages: forms, where they lead, who may."""

from __future__ import annotations

import re
from collections.abc import Iterator

import flask_login
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_errtrack.tracker import actions, merging
from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.store import Store

from .. import samples
from ..samples import dashboard, event_id, stores
from ..stores import row, rows

HOME = "/errtrack/"
VIEWER = "look"


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    """A store with two issues of the same place, a third, and feedback."""
    other = samples.order_event(2)
    frames = other["exception"]["values"][0]["stacktrace"]["frames"]
    frames[-1]["context_line"] = "    total = rates[code]"
    with stores(sqlite_url) as make:
        made = make(samples.order_event(1), other, samples.message_event(5))
        made.record(samples.report_of(1))
        yield made


@pytest.fixture
def client(store: Store) -> FlaskClient:
    return dashboard(store).test_client()


@pytest.fixture
def viewer(store: Store) -> FlaskClient:
    app = dashboard(store, lambda user, action: action == "view")
    return app.test_client()


def change(
    client: FlaskClient, action: str, *issues: int, page: str = HOME, **more: str
) -> TestResponse:
    return client.post(
        f"{HOME}issues/change",
        data={"action": action, "issue": list(map(str, issues)), **more},
        headers={"Referer": f"http://localhost{page}"},
    )


def states(store: Store) -> list[str]:
    return [one.status for one in rows(store, schema.issue)]


def test_ticked_issues_are_changed_at_once(client: FlaskClient, store: Store) -> None:
    page = f"{HOME}?q=level:error"
    text = client.get(page).text
    assert len(re.findall(r'type="checkbox" form="bulk" name="issue"', text)) == 2
    answer = change(client, "resolve", 1, 2, page=page)
    assert answer.headers["Location"] == f"{page}&done=resolved"
    assert states(store) == ["resolved", "resolved", "unresolved"]
    assert 'role="status">Resolved.' in client.get(f"{HOME}?q=&done=resolved").text


@pytest.mark.parametrize(
    ("action", "status"),
    [("mute", "muted"), ("mute-1-day", "muted"), ("mute-100-people", "muted")]
    + [("resolve-next", "resolved"), ("reopen", "unresolved")],
)
def test_every_button_of_an_issue_does_what_it_says(
    client: FlaskClient, store: Store, action: str, status: str
) -> None:
    page = f"{HOME}events/{event_id(1)}"
    if action != "reopen":
        assert f'name="action" value="{action}"' in client.get(page).text
    answer = change(client, action, 1, page=page)
    assert answer.headers["Location"].startswith(f"{page}?done=")
    assert states(store)[0] == status
    followed = client.get(answer.headers["Location"])
    assert 'role="status"' in followed.text


def test_what_the_project_cannot_do_is_said(client: FlaskClient, store: Store) -> None:
    store.write(lambda connection: connection.execute(schema.release.delete()))
    answer = change(client, "resolve-next", 1)
    assert answer.status_code == 400 and "option release" in answer.text
    assert states(store)[0] == "unresolved"


@pytest.mark.parametrize("page", [HOME, f"{HOME}issues/1", f"{HOME}?q=is:muted"])
def test_an_issue_is_deleted_only_by_who_is_sure(
    client: FlaskClient, store: Store, page: str
) -> None:
    assert change(client, "delete", 1, page=page).status_code == 400
    assert len(states(store)) == 3
    answer = change(client, "delete", 1, page=page, sure="yes")
    assert len(states(store)) == 2
    assert client.get(answer.headers["Location"]).status_code == 200
    assert client.get(f"{HOME}issues/1").status_code == 404


def test_issues_of_one_place_are_merged_by_a_click_and_taken_apart(
    client: FlaskClient, store: Store
) -> None:
    page = f"{HOME}issues/2"
    assert "Merge into this issue" in client.get(page).text
    answer = change(client, "merge", 2, 1, page=page, into="2")
    text = client.get(answer.headers["Location"]).text
    assert "merged #1 KeyError" in text and "Merge into this issue" not in text
    groups = re.findall(r'name="group" value="(\d+)"', text)
    assert groups == ["1", "2"]
    apart = client.post(f"{HOME}issues/unmerge", data={"group": groups[0]})
    text = client.get(apart.headers["Location"]).text
    assert "took it out of #2 KeyError" in text
    assert not re.findall(r'name="group"', text)
    assert [one.event_count for one in rows(store, schema.issue)] == [1, 1, 1]


def test_the_number_of_a_merged_issue_leads_to_where_it_went(
    client: FlaskClient, store: Store
) -> None:
    merging.merge(store, [2, 3], into=3)
    merging.merge(store, [1, 3], into=1)
    for number in (2, 3):
        answer = client.get(f"{HOME}issues/{number}")
        assert answer.location == f"{HOME}issues/1"
    actions.delete_issues(store, [1])
    assert client.get(f"{HOME}issues/3").status_code == 404


def test_a_note_stands_in_the_history_with_who_wrote_it(
    client: FlaskClient, store: Store
) -> None:
    note = "<b>It is</b>\nthe rates."
    answer = client.post(f"{HOME}issues/1/note", data={"text": note})
    text = client.get(answer.headers["Location"]).text
    assert "<b>Somebody</b> wrote" in text and "<b>ErrTrack</b> saw it" in text
    assert "&lt;b&gt;It is&lt;/b&gt;\nthe rates.</p>" in text


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("issues/change", {"action": "resolve"}, 400),
        ("issues/change", {"issue": "x", "action": "resolve"}, 400),
        ("issues/change", {"issue": str(10**30), "action": "resolve"}, 404),
        ("issues/change", {"issue": "1", "action": "\x00"}, 400),
        ("issues/change", {"issue": "1", "action": "merge"}, 400),
        ("issues/change", {"issue": ["1", "99"], "action": "merge"}, 400),
        ("issues/unmerge", {}, 400),
        ("issues/unmerge", {"group": "1"}, 400),
        ("issues/unmerge", {"group": str(10**30)}, 400),
        ("issues/1/note", {"text": " "}, 400),
        ("issues/1/note", {"text": "x" * 5000}, 400),
        ("issues/99/note", {"text": "x"}, 404),
        ("feedback/99/read", {}, 404),
    ],
)
def test_a_form_that_cannot_be_meant_is_told_so(
    client: FlaskClient, store: Store, path: str, data: dict[str, str], status: int
) -> None:
    before = rows(store, schema.issue)
    assert client.post(f"{HOME}{path}", data=data).status_code == status
    assert rows(store, schema.issue) == before


def test_feedback_is_marked_as_read_and_put_aside(
    client: FlaskClient, store: Store
) -> None:
    text = client.get(f"{HOME}feedback").text
    assert ">unread</span>" in text and "Mark as read" in text
    assert f'href="/errtrack/events/{event_id(1)}"' in text
    for said, is_read in (("yes", True), ("no", False)):
        answer = client.post(f"{HOME}feedback/1/read", data={"read": said})
        assert row(store, schema.feedback).is_read is is_read
        listed = {
            show: "I only wanted to pay." in client.get(f"{HOME}feedback{show}").text
            for show in ("", "?show=read", "?show=all")
        }
        assert listed == {"": not is_read, "?show=read": is_read, "?show=all": True}
        assert client.get(answer.headers["Location"]).status_code == 200


def test_feedback_outlives_its_event_and_leads_to_the_issue_then(
    client: FlaskClient, store: Store
) -> None:
    store.write(lambda connection: connection.execute(schema.event.delete()))
    text = client.get(f"{HOME}feedback").text
    assert re.findall(r'href="([^"]+)">KeyError', text) == [f"{HOME}issues/1"]
    assert "I only wanted to pay." in client.get(f"{HOME}issues/1").text


POSTS = [
    ("issues/change", {"issue": "1", "action": "resolve"}),
    ("issues/change", {"issue": "1", "action": "delete", "sure": "yes"}),
    ("issues/change", {"issue": ["1", "2"], "action": "merge"}),
    ("issues/1/note", {"text": "x"}),
    ("issues/unmerge", {"group": "1"}),
    ("feedback/1/read", {}),
]


@pytest.mark.parametrize(("path", "data"), POSTS)
def test_who_may_only_look_changes_nothing(
    viewer: FlaskClient, store: Store, path: str, data: dict[str, str]
) -> None:
    tables = (schema.issue, schema.activity, schema.feedback)
    before = [rows(store, table) for table in tables]
    assert viewer.post(f"{HOME}{path}", data=data).status_code == 403
    assert [rows(store, table) for table in tables] == before


@pytest.mark.parametrize("path", ["", "issues/1", "feedback", f"events/{event_id(1)}"])
def test_who_may_only_look_sees_no_form_that_changes(
    viewer: FlaskClient, client: FlaskClient, path: str
) -> None:
    assert 'method="post"' in client.get(f"{HOME}{path}").text
    text = viewer.get(f"{HOME}{path}").text
    assert 'method="post"' not in text and 'form="bulk"' not in text


class Ada:
    """A user of the app, as Flask-Login wants it."""

    name = "Ada <b>"
    is_authenticated = True

    def get_id(self) -> str:
        return "7"


def test_who_did_it_is_the_apps_user(store: Store) -> None:
    app = dashboard(store)
    app.secret_key = "secret"
    flask_login.LoginManager(app).request_loader(lambda request: Ada())
    client = app.test_client()
    change(client, "resolve", 1)
    assert "<b>Ada &lt;b&gt;</b> resolved it" in client.get(f"{HOME}issues/1").text


@pytest.mark.parametrize("code", ["nonsense", "<script>", "%00"])
def test_only_known_words_are_shown_as_done(client: FlaskClient, code: str) -> None:
    assert 'role="status"' not in client.get(f"{HOME}?done={code}").text
