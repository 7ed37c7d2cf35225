"""The JSON API as a script meets it: tokens, lists, one of each, and changes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeApp
from flask import Blueprint, Flask
from werkzeug.test import TestResponse

from flask_errtrack.tracker import actions
from flask_errtrack.tracker.dashboard.views import add_pages
from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.rest.tokens import Token
from flask_errtrack.tracker.rest.views import add_api
from flask_errtrack.tracker.store import Store
from flask_errtrack.web.access import COOKIE_NAME, Access, login_token
from flask_errtrack.web.signing import make_token

from .samples import HOSTILE_TEXT, NOW, app_with, hostile_event
from .stores import Clock, broken, item, row, rows, stored

KEYS = ["an older key of thirty-two letters!", "the key of the tests, long enough"]
DAY_SECONDS = 86400
ROOT = "/errtrack/api/0"

READS = [
    f"{ROOT}/projects",
    f"{ROOT}/issues",
    f"{ROOT}/issues/1",
    f"{ROOT}/issues/1/events",
    f"{ROOT}/events/{'0' * 32}",
]


def app_of(store: Store) -> Flask:
    """Return an app whose pages are open to everybody, and its API as it is."""

    def add_routes(blueprint: Blueprint) -> None:
        add_pages(blueprint, store, Access(lambda: KEYS, lambda: True))
        add_api(blueprint, store, lambda: KEYS)

    return app_with(add_routes)


def token(may_change: bool = False, days: float = 1, keys: list[str] = KEYS) -> str:
    return Token("ci", may_change, NOW + days * DAY_SECONDS).signed(list(keys))


class Script:
    """A program that uses the API.

    :param token: what it shows; empty: nothing.
    """

    def __init__(self, store: Store, token: str) -> None:
        self._client = app_of(store).test_client()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str) -> TestResponse:
        return self._client.get(path, headers=self._headers)

    def found(self, path: str, status: int = 200) -> Any:
        """Return the JSON of an answer that has this status."""
        answer = self.get(path)
        assert answer.status_code == status, answer.text
        assert answer.mimetype == "application/json"
        return answer.get_json()

    def send(self, method: str, path: str, said: Any = None) -> TestResponse:
        data = said if isinstance(said, bytes) else json.dumps(said or {})
        return self._client.open(path, method=method, headers=self._headers, data=data)


@pytest.fixture
def reader(store: Store) -> Script:
    return Script(store, token())


@pytest.fixture
def writer(store: Store) -> Script:
    return Script(store, token(may_change=True))


def happen(store: Store, function: str = "price", **fields: Any) -> int:
    """Let an event come; return its issue."""
    values = [broken(function=function)]
    found = store.record(item(exception={"values": values}, **fields))
    assert found is not None and found.issue_id is not None
    return found.issue_id


@pytest.mark.parametrize("path", READS)
def test_without_a_token_there_is_nothing(store: Store, path: str) -> None:
    answer = Script(store, "").get(path)
    assert answer.status_code == 401
    assert "Authorization: Bearer" in answer.get_json()["error"]
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("nonsense", "was not made here"),
        (token()[:-2], "was not made here"),
        (token(keys=["another key that nobody here knows"]), "was not made here"),
        (make_token(KEYS, "access", "dashboard"), "was not made here"),
        (login_token(KEYS), "was not made here"),
        (token(days=0), "has expired"),
        (token(days=-3), "has expired"),
    ],
    ids=["words", "cut", "other_key", "cookie", "login", "ends_now", "ended"],
)
def test_a_token_that_is_none_is_refused(store: Store, bad: str, said: str) -> None:
    error = Script(store, bad).found(f"{ROOT}/issues", 401)["error"]
    assert said in error and "errtrack token" in error


def test_a_token_signed_with_an_older_key_still_holds(store: Store) -> None:
    assert Script(store, token(keys=KEYS[:1])).found(f"{ROOT}/issues") == []


def test_a_token_ends_when_it_said(store: Store, clock: Clock) -> None:
    script = Script(store, token(days=1))
    clock.seconds += DAY_SECONDS - 1
    assert script.get(f"{ROOT}/issues").status_code == 200
    clock.seconds += 1
    assert script.get(f"{ROOT}/issues").status_code == 401


@pytest.mark.parametrize("path", READS)
def test_what_a_browser_sends_by_itself_opens_nothing(store: Store, path: str) -> None:
    browser = app_of(store).test_client()
    browser.set_cookie(COOKIE_NAME, make_token(KEYS, "access", "dashboard"))
    assert browser.get("/errtrack/").status_code == 200
    assert browser.get(path).status_code == 401
    assert browser.get(path, auth=("ada", token())).status_code == 401


def test_projects_come_without_their_keys(store: Store, reader: Script) -> None:
    project = row(store, schema.project)
    assert reader.found(f"{ROOT}/projects") == [{"id": 1, "name": project.name}]


def test_an_issue_says_what_the_page_says(store: Store, reader: Script) -> None:
    number = happen(store, user={"id": "7"}, release="2.1", environment="production")
    (found,) = reader.found(f"{ROOT}/issues")
    assert found == {
        "id": number,
        "project_id": 1,
        "title": "KeyError: 'EUR'",
        "culprit": found["culprit"],
        "level": "error",
        "status": "unresolved",
        "is_regressed": False,
        "events": 1,
        "users": 1,
        "first_seen": found["last_seen"],
        "last_seen": found["last_seen"],
        "environment": "production",
        "release": "2.1",
        "first_release": "2.1",
        "url": f"http://localhost/errtrack/issues/{number}",
    }
    one = reader.found(f"{ROOT}/issues/{number}")
    assert [happened["kind"] for happened in one.pop("history")] == ["created"]
    assert [place["events"] for place in one.pop("groups")] == [1]
    assert one == found


def test_a_list_takes_a_search_a_project_and_an_order(
    store: Store, clock: Clock, reader: Script
) -> None:
    first = happen(store, "first", tags={"shop": "north"})
    happen(store, "first", tags={"shop": "north"})
    clock.seconds += 60
    second = happen(store, "second", tags={"shop": "south"})

    def ids(arguments: str) -> list[int]:
        return [one["id"] for one in reader.found(f"{ROOT}/issues?{arguments}")]

    assert ids("") == [second, first]
    assert ids("sort=events") == [first, second]
    assert ids("query=shop:north") == [first]
    assert ids("query=!shop:north+is:unresolved") == [second]
    assert ids("project=1&query=is:resolved") == ids("project=2") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("query=is:new", "is:new is not known"),
        ("sort=title", "expected one of last_seen"),
        ("limit=0", "expected 1 to 100"),
        ("limit=101", "expected 1 to 100"),
        ("limit=-1", "expected a whole number from 1 on"),
        ("limit=٣", "expected a whole number from 1 on"),
        ("page=" + "9" * 30, "expected a whole number from 1 on"),
        ("page=1001", "expected 1 to 1000"),
        ("project=x", "expected a whole number from 1 on"),
        ("status=resolved", "'status' is not known here; expected query, project"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_named(
    reader: Script, arguments: str, said: str
) -> None:
    assert said in reader.found(f"{ROOT}/issues?{arguments}", 400)["error"]


def walk(script: Script, path: str) -> Iterator[Any]:
    """Follow the links to the end."""
    while path:
        answer = script.get(path)
        yield from answer.get_json()
        links = answer.headers.get("Link", "").split(", ")
        following = [link for link in links if link.endswith('rel="next"')]
        path = following[0].partition(">")[0][1:] if following else ""


def test_lists_are_walked_by_their_links(store: Store, reader: Script) -> None:
    made = [happen(store, f"function_{number}") for number in range(7)]
    for limit in (1, 3, 7, 100):
        path = f"{ROOT}/issues?query=is:unresolved&limit={limit}"
        assert [one["id"] for one in walk(reader, path)] == made[::-1]
    answer = reader.get(f"{ROOT}/issues?limit=3&page=2")
    assert 'page=1>; rel="prev"' in answer.headers["Link"]


def test_the_events_of_an_issue_come_newest_first(
    store: Store, clock: Clock, reader: Script
) -> None:
    for _ in range(5):
        number = happen(store)
        clock.seconds += 60
    happen(store, "other")
    wanted = [one["event_id"] for one in stored(store)[:5]][::-1]
    for limit in (2, 5, 100):
        path = f"{ROOT}/issues/{number}/events?limit={limit}"
        assert [one["event_id"] for one in walk(reader, path)] == wanted


def test_an_event_comes_with_all_that_is_in_it(store: Store, reader: Script) -> None:
    number = happen(store, extra={"basket": ["tea"]})
    (listed,) = reader.found(f"{ROOT}/issues/{number}/events")
    one = reader.found(f"{ROOT}/events/{listed['event_id'].upper()}")
    assert [one.pop("event")] == stored(store)
    assert one == listed
    assert one["url"] == f"http://localhost/errtrack/events/{one['event_id']}"
    assert (one["issue_id"], one["project_id"]) == (number, 1)


@pytest.mark.parametrize(
    "path",
    [
        "issues/99",
        f"issues/{2**63 - 1}",
        f"issues/{2**63}",
        "issues/99/events",
        f"events/{'f' * 32}",
        "events/short",
        "nothing",
        "issues/1/nothing",
        "envelope/",
    ],
)
def test_what_is_not_there_is_said_in_json(reader: Script, path: str) -> None:
    assert reader.found(f"{ROOT}/{path}", 404)["error"].startswith(("there is", "no "))


def test_hostile_events_are_plain_ascii_json(store: Store, reader: Script) -> None:
    store.record(item(**hostile_event()))
    (issue,) = reader.found(f"{ROOT}/issues")
    assert "<script>" in HOSTILE_TEXT and "<script>" in issue["title"]
    event_id = reader.found(f"{ROOT}/issues/{issue['id']}/events")[0]["event_id"]
    answer = reader.get(f"{ROOT}/events/{event_id}")
    assert answer.data.isascii()
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_database_that_fails_is_said_in_json(store: Store, reader: Script) -> None:
    happen(store)
    store.write(lambda connection: schema.activity.drop(connection))
    error = reader.found(f"{ROOT}/issues/1", 503)["error"]
    assert "the tracker's database" in error


def test_the_command_makes_tokens_that_the_app_believes(make_app: MakeApp) -> None:
    app = make_app()
    runner = app.test_cli_runner()
    assert runner.invoke(args=["errtrack", "test"]).exit_code == 0
    made = runner.invoke(args=["errtrack", "token", "--days", "7"])
    assert "It may only read, until " in made.stderr
    headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
    browser = app.test_client()
    answer = browser.get(f"{ROOT}/issues", headers=headers)
    assert [one["events"] for one in answer.get_json()] == [1]
    assert browser.get("/errtrack/").status_code == 403
    assert browser.get(f"{ROOT}/issues").status_code == 401


@pytest.mark.parametrize("days", ["0", "-1", "3651", "ever"])
def test_the_command_makes_no_token_without_an_end(
    make_app: MakeApp, days: str
) -> None:
    result = (
        make_app().test_cli_runner().invoke(args=["errtrack", "token", "--days", days])
    )
    assert (result.exit_code, result.stdout) == (2, "")


CHANGES = {"resolve": "resolved", "mute": "muted", "reopen": "unresolved"}


@pytest.mark.parametrize("name", CHANGES)
def test_a_token_that_may_write_changes_issues(
    store: Store, reader: Script, writer: Script, name: str
) -> None:
    number = happen(store)
    other = happen(store, "other")
    answer = writer.send("POST", f"{ROOT}/issues/{number}/{name}")
    assert (answer.status_code, answer.get_json()["status"]) == (200, CHANGES[name])
    assert reader.found(f"{ROOT}/issues/{number}")["status"] == CHANGES[name]
    assert reader.found(f"{ROOT}/issues/{other}")["status"] == "unresolved"


@pytest.mark.parametrize("name", CHANGES)
def test_a_token_that_may_only_read_changes_nothing(
    store: Store, reader: Script, name: str
) -> None:
    number = happen(store)
    assert (actions.mute if name == "resolve" else actions.resolve)(store, [number])
    before = row(store, schema.issue)
    answer = reader.send("POST", f"{ROOT}/issues/1/{name}")
    assert answer.status_code == 403
    assert "errtrack token --write" in answer.get_json()["error"]
    assert row(store, schema.issue) == before


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("POST", "merge", {"issues": [2]}),
        ("POST", "note", {"text": "mine"}),
        ("DELETE", "", None),
    ],
)
def test_nor_does_it_merge_note_or_delete(
    store: Store, reader: Script, method: str, path: str, said: Any
) -> None:
    happen(store), happen(store, "other")
    before = rows(store, schema.issue), rows(store, schema.activity)
    address = f"{ROOT}/issues/1/{path}".rstrip("/")
    assert reader.send(method, address, said).status_code == 403
    assert (rows(store, schema.issue), rows(store, schema.activity)) == before


def test_the_history_names_the_token(
    store: Store, reader: Script, writer: Script
) -> None:
    number = happen(store)
    writer.send("POST", f"{ROOT}/issues/{number}/note", {"text": "The cache."})
    happened = reader.found(f"{ROOT}/issues/{number}")["history"][0]
    told = happened["kind"], happened["actor"], happened["detail"]
    assert told == ("noted", "ci", "The cache.")


def test_resolved_in_the_next_release_what_runs_now_does_not_reopen(
    store: Store, writer: Script
) -> None:
    number = happen(store, release="1.0")
    said = {"in": "next_release"}
    answer = writer.send("POST", f"{ROOT}/issues/{number}/resolve", said)
    assert answer.get_json()["status"] == "resolved"
    for release, status in (("1.0", "resolved"), ("1.1", "unresolved")):
        happen(store, release=release)
        assert row(store, schema.issue).status == status


def test_muted_until_so_many_more_events(store: Store, writer: Script) -> None:
    number = happen(store)
    said = {"events": 2, "seconds": 86400}
    assert writer.send("POST", f"{ROOT}/issues/{number}/mute", said).status_code == 200
    for status in ("muted", "unresolved"):
        happen(store)
        assert row(store, schema.issue).status == status


def test_merged_issues_are_one(store: Store, reader: Script, writer: Script) -> None:
    kept, other = happen(store), happen(store, "other")
    answer = writer.send("POST", f"{ROOT}/issues/{kept}/merge", {"issues": [other]})
    assert (answer.get_json()["id"], answer.get_json()["events"]) == (kept, 2)
    said = reader.found(f"{ROOT}/issues/{other}", 404)["error"]
    assert said == f"issue {other} is part of issue {kept} now"


def test_merged_issues_are_taken_apart_by_their_groups(
    store: Store, reader: Script, writer: Script
) -> None:
    kept, other = happen(store), happen(store, "other")
    path = f"{ROOT}/issues/{kept}"
    writer.send("POST", f"{path}/merge", {"issues": [other]})
    first, second = reader.found(path)["groups"]
    assert (first["events"], "price" in first["words"]) == (1, True)
    answer = writer.send("POST", f"{path}/unmerge", {"group": second["id"]})
    assert answer.get_json()["id"] not in (kept, other)
    assert reader.found(path)["groups"] == [first]
    again = writer.send("POST", f"{path}/unmerge", {"group": second["id"]})
    assert "is not of issue" in again.get_json()["error"]


def test_a_deleted_issue_is_gone(store: Store, reader: Script, writer: Script) -> None:
    number = happen(store)
    answer = writer.send("DELETE", f"{ROOT}/issues/{number}")
    assert (answer.status_code, answer.data) == (204, b"")
    assert reader.found(f"{ROOT}/issues") == []
    assert writer.send("DELETE", f"{ROOT}/issues/{number}").status_code == 404


@pytest.mark.parametrize(
    ("path", "said", "error"),
    [
        ("resolve", {"in": "2.0"}, "expected next_release"),
        ("resolve", {"in": "next_release"}, "no event of its project has told"),
        ("mute", {"seconds": -1}, "expected 1 to"),
        ("mute", {"seconds": True}, "expected a whole number from 1 on"),
        ("mute", {"seconds": 10**400}, "expected 1 to"),
        ("mute", {"events": 10**10}, "expected 1 to"),
        ("mute", {"for": "ever"}, "expected seconds, events, users"),
        ("merge", {}, "expected a list"),
        ("merge", {"issues": []}, "expected a list"),
        ("merge", {"issues": [1]}, "at least two"),
        ("merge", {"issues": [99]}, "99"),
        ("merge", {"issues": ["2"]}, "expected a whole number from 1 on"),
        ("merge", {"issues": list(range(1, 1500))}, "too many"),
        ("unmerge", {}, "group has None; expected a whole number from 1 on"),
        ("unmerge", {"group": 4711}, "no group 4711"),
        ("unmerge", {"group": 1}, "all that issue 1 has"),
        ("note", {}, "expected what the note says"),
        ("note", {"text": " "}, "needs a text"),
        ("note", {"text": "x" * 5000}, "at most"),
    ],
)
def test_what_cannot_be_done_is_said(
    store: Store, writer: Script, path: str, said: Any, error: str
) -> None:
    happen(store)
    before = row(store, schema.issue), rows(store, schema.activity)
    answer = writer.send("POST", f"{ROOT}/issues/1/{path}", said)
    assert answer.status_code == 400, answer.text
    assert error in answer.get_json()["error"]
    assert (row(store, schema.issue), rows(store, schema.activity)) == before


def test_who_has_no_token_changes_nothing(store: Store) -> None:
    happen(store)
    browser = app_of(store).test_client()
    browser.set_cookie(COOKIE_NAME, make_token(KEYS, "access", "dashboard"))
    assert browser.post(f"{ROOT}/issues/1/resolve").status_code == 401
    assert row(store, schema.issue).status == "unresolved"


@pytest.mark.parametrize(
    ("said", "status", "error"),
    [
        (b"{", 400, "not JSON"),
        (b"[" * 30_000, 400, "not JSON"),
        (b"\xff", 400, "not JSON"),
        (b"[]", 400, "is a list; expected an object"),
        (b"null", 400, "is a NoneType"),
        (b'{"ever": true}', 400, "'ever' is not known here"),
        (b" " * 65_537, 413, "larger than 65536 bytes"),
    ],
)
def test_a_body_that_cannot_be_meant_changes_nothing(
    store: Store, writer: Script, said: bytes, status: int, error: str
) -> None:
    number = happen(store)
    answer = writer.send("POST", f"{ROOT}/issues/{number}/resolve", said)
    assert answer.status_code == status
    assert error in answer.get_json()["error"]
    assert row(store, schema.issue).status == "unresolved"


def test_what_is_not_there_cannot_be_changed(store: Store, writer: Script) -> None:
    for number in (99, 2**63):
        answer = writer.send("POST", f"{ROOT}/issues/{number}/resolve")
        assert answer.status_code == 404


def test_every_address_is_documented_and_no_other(store: Store) -> None:
    rules = [
        rule
        for rule in app_of(store).url_map.iter_rules()
        if rule.endpoint.startswith("errtrack.api_") and "<path" not in rule.rule
    ]
    there = {
        f"{method} {_CONVERTER.sub('<', rule.rule.removeprefix(f'{ROOT}/'))}"
        for rule in rules
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    text = (DOCS / "api_json.rst").read_text()
    told = set(re.findall(r"\* - ``((?:GET|POST|DELETE) .+)``", text))
    assert {one.replace("<id>", "<issue_id>") for one in told} == there


_CONVERTER = re.compile("<[^>:]+:")
DOCS = Path(__file__).parent.parent.parent / "docs"
