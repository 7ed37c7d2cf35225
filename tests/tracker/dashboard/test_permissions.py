"""Who may do what: every route of the tracker, in an app and on its own.

The table below is the promise; a route that it does not name fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

import html5lib
import pytest
from flask import Flask, request
from werkzeug.test import TestResponse

from flask_errtrack import ErrTrack
from flask_errtrack.composition import dismantle
from flask_errtrack.host.app import KEYS_KEY, TRACKER_KEY
from flask_errtrack.protocol.envelope import Item
from flask_errtrack.tracker import create_app, merging, projects
from flask_errtrack.tracker.database.schema import metadata
from flask_errtrack.tracker.rest.tokens import Token
from flask_errtrack.tracker.store import Store

from .. import samples
from ..samples import event_id
from ..stores import rows

KEY = "0123456789abcdef" * 4
ADA = "f78e63a7eea6878f20348cf71b86fffa6d3455e7"


class May(NamedTuple):
    """The status of the answer to each kind of person."""

    anonymous: int
    viewer: int
    editor: int


ANYBODY = May(200, 200, 200)
#: People: the page that says how to come in; those who may only look: a refusal.
LOOK = May(403, 200, 200)
CHANGE = May(403, 403, 303)
#: Scripts, with no token, with one that reads, with one that writes.
READ = May(401, 200, 200)
WRITE = May(401, 403, 200)
#: SDKs, without the key of a DSN.
KEYLESS = May(403, 403, 403)


@dataclass(frozen=True)
class Route:
    """What a route lets whom do, and a request that shows it."""

    may: May
    path: str
    form: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None


# Deletions come last.
ROUTES: dict[str, Route] = {
    # Pages
    "GET /": Route(LOOK, "/"),
    "GET /issues/<issue_id>": Route(LOOK, "/issues/6"),
    "GET /events/<event_id>": Route(LOOK, f"/events/{event_id(1)}"),
    "GET /events/<event_id>.json": Route(LOOK, f"/events/{event_id(6)}.json"),
    "GET /events/<event_id>.md": Route(LOOK, f"/events/{event_id(6)}.md"),
    "GET /users/<project_id>/<user_hash>": Route(LOOK, f"/users/1/{ADA}"),
    "GET /releases": Route(LOOK, "/releases"),
    "GET /releases/<project_id>": Route(LOOK, "/releases/1?version=shop%402.4.1"),
    "GET /feedback": Route(LOOK, "/feedback"),
    "GET /monitors": Route(LOOK, "/monitors"),
    "GET /monitors/<monitor_id>": Route(LOOK, "/monitors/1"),
    "GET /alerts": Route(LOOK, "/alerts"),
    "GET /projects": Route(LOOK, "/projects"),
    "GET /projects/<project_id>": Route(LOOK, "/projects/1"),
    "GET /status": Route(LOOK, "/status"),
    # Without the right link, it says how to come in; who is in already, goes in.
    "GET /login": Route(May(403, 303, 303), "/login"),
    # What a page's forms do
    "POST /issues/change": Route(
        CHANGE, "/issues/change", {"issue": "1", "action": "resolve"}
    ),
    "POST /issues/<issue_id>/note": Route(CHANGE, "/issues/1/note", {"text": "Hm."}),
    "POST /issues/unmerge": Route(CHANGE, "/issues/unmerge", {"group": "5"}),
    "POST /feedback/<feedback_id>/read": Route(CHANGE, "/feedback/1/read"),
    "POST /projects": Route(CHANGE, "/projects", {"name": "another"}),
    "POST /monitors/<monitor_id>": Route(CHANGE, "/monitors/1", {"action": "mute"}),
    "POST /alerts/retry": Route(CHANGE, "/alerts/retry"),
    "POST /projects/<project_id>": Route(CHANGE, "/projects/1", {"name": "renamed"}),
    # It answers with the page itself.
    "POST /alerts/test": Route(May(403, 403, 200), "/alerts/test"),
    # The API, for scripts
    "GET /api/0/projects": Route(READ, "/api/0/projects"),
    "GET /api/0/issues": Route(READ, "/api/0/issues"),
    "GET /api/0/issues/<issue_id>": Route(READ, "/api/0/issues/1"),
    "GET /api/0/issues/<issue_id>/events": Route(READ, "/api/0/issues/1/events"),
    "GET /api/0/events/<event_id>": Route(READ, f"/api/0/events/{event_id(1)}"),
    "POST /api/0/issues/<issue_id>/resolve": Route(WRITE, "/api/0/issues/3/resolve"),
    "POST /api/0/issues/<issue_id>/mute": Route(WRITE, "/api/0/issues/3/mute"),
    "POST /api/0/issues/<issue_id>/reopen": Route(WRITE, "/api/0/issues/3/reopen"),
    "POST /api/0/issues/<issue_id>/note": Route(
        WRITE, "/api/0/issues/3/note", json={"text": "Hm."}
    ),
    "POST /api/0/issues/<issue_id>/merge": Route(
        WRITE, "/api/0/issues/3/merge", json={"issues": [4]}
    ),
    "POST /api/0/issues/<issue_id>/unmerge": Route(
        WRITE, "/api/0/issues/3/unmerge", json={"group": 4}
    ),
    "DELETE /api/0/issues/<issue_id>": Route(May(401, 403, 204), "/api/0/issues/3"),
    # What the API does not have, nobody learns more about.
    **{
        f"{method} /api/0/<rest>": Route(May(404, 404, 404), "/api/0/nothing")
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    },
    # For everybody: who sends shows the key of the DSN, who writes feedback the
    # signed field of a dialog, and neither has either here.
    "POST /api/<project>/envelope/": Route(KEYLESS, "/api/1/envelope/?sentry_key=0"),
    "POST /api/<project>/store/": Route(KEYLESS, "/api/1/store/?sentry_key=0"),
    "POST /feedback": Route(May(403, 403, 403), "/feedback", {"token": "forged"}),
    "GET /health": Route(ANYBODY, "/health"),
    "GET /static/<filename>": Route(ANYBODY, "/static/errtrack.css"),
}

#: The routes that change something for who has only a browser's cookies to show.
FORMS = {
    name: route
    for name, route in ROUTES.items()
    if name.startswith("POST ") and route.may[:2] == (403, 403) and route.may[2] < 400
}


class Person(NamedTuple):
    """Who asks: with the app's own login, and with a token for scripts."""

    name: str
    token: Token | None


PEOPLE = (
    Person("anonymous", None),
    Person("viewer", Token("script", False, 2.0**33)),
    Person("editor", Token("script", True, 2.0**33)),
)


@dataclass(frozen=True)
class Site:
    """A tracker full of hostile things, as people and scripts meet it."""

    app: Flask
    prefix: str

    @property
    def store(self) -> Store:
        store: Store = self.app.extensions[TRACKER_KEY].store
        return store

    def ask(
        self,
        method: str,
        path: str,
        person: str,
        token: Token | None = None,
        **how: Any,
    ) -> TestResponse:
        """Make a request; without headers it comes from a page of ours."""
        headers = {"Origin": "http://localhost"} | how.pop("headers", {})
        if token is not None:
            signed = token.signed(self.app.extensions[KEYS_KEY]())
            headers["Authorization"] = f"Bearer {signed}"
        return self.app.test_client().open(
            f"{self.prefix}{path}",
            method=method,
            headers={"X-Person": person, **headers},
            buffered=True,
            **how,
        )

    def try_route(self, name: str, person: Person) -> TestResponse:
        """Make the request that shows what a route lets a person do."""
        route, method = ROUTES[name], name.partition(" ")[0]
        content = {"json": route.json} if route.json else {"data": route.form}
        return self.ask(method, route.path, *person, **content)

    def content(self) -> dict[str, list[Any]]:
        """All rows of all tables, but for the counts of what was refused."""
        tables = [one for one in metadata.sorted_tables if "tally" not in one.name]
        return {table.name: list(rows(self.store, table)) for table in tables}


def rule(user: Any, action: str) -> bool:
    """The app's own rule: it knows people by a header."""
    person = request.headers.get("X-Person")
    return person == "editor" or (person == "viewer" and action == "view")


def embedded(database_url: str, folder: Path, **options: Any) -> Flask:
    """Return an app with the tracker in it."""
    app = Flask("shop", instance_path=str(folder), static_folder=None)
    app.secret_key = KEY
    ErrTrack(app, database_url=database_url, outbox=False, **options)
    return app


def fill(store: Store) -> None:
    """Put in one of everything, hostile where it can be."""
    events = (
        samples.order_event,
        samples.chained_event,
        samples.group_event,
        samples.recursive_event,
        samples.message_event,
        samples.hostile_event,
    )
    for number, make in enumerate(events, 1):
        store.record(Item("event", json.dumps(make(number)).encode()))
    store.record(samples.report_of(1, samples.HOSTILE_TEXT))
    run = {"monitor_slug": "<b>'\"&", "status": "ok", "environment": "<i>'\"&"}
    store.record(Item("check_in", json.dumps(run).encode()))
    projects.add(store, "<script>'\"&")
    merging.merge(store, [2, 5])


@pytest.fixture(params=["embedded", "standalone"])
def site(
    request: pytest.FixtureRequest, tmp_path: Path, sqlite_url: str
) -> Iterator[Site]:
    options: dict[str, Any] = {
        "dashboard_access": rule,
        "alerts": [lambda alert: None],
        "alert_rules": [],
    }
    with ExitStack() as stack:
        if request.param == "embedded":
            app = embedded(sqlite_url, tmp_path, **options)
        else:
            app = create_app(sqlite_url, secret_key=KEY, **options)
        stack.callback(lambda: dismantle(app))
        site = Site(app, "/errtrack" if request.param == "embedded" else "")
        tracker = app.extensions[TRACKER_KEY]
        # What its watchman writes in the background is nothing that a person did.
        tracker.store.on_recorded = lambda: None
        fill(tracker.store)
        tracker.watchman.round()
        yield site


def routes_of(site: Site) -> set[str]:
    """Every route of an app, as the table writes it."""
    found = set()
    for rule in site.app.url_map.iter_rules():
        path = re.sub(r"<(?:[^<>:]*:)?(\w+)>", r"<\1>", rule.rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            found.add(f"{method} {path.removeprefix(site.prefix)}")
    return found


def test_the_table_names_every_route(site: Site) -> None:
    assert routes_of(site) == ROUTES.keys()


def test_each_person_may_do_what_the_table_says_and_no_more(site: Site) -> None:
    before = site.content()
    for person in PEOPLE:
        found = {name: site.try_route(name, person).status_code for name in ROUTES}
        promised = {
            name: getattr(route.may, person.name) for name, route in ROUTES.items()
        }
        assert found == promised, person.name
        assert (site.content() == before) is (person.name != "editor")


def test_to_ask_for_the_head_or_the_options_of_a_route_tells_no_more(
    site: Site,
) -> None:
    for name, route in ROUTES.items():
        if name.startswith("GET "):
            head = site.ask("HEAD", route.path, "anonymous")
            assert (head.status_code, head.data) == (route.may.anonymous, b""), name
        options = site.ask("OPTIONS", route.path, "anonymous")
        assert (options.status_code in (200, 204), options.data) == (True, b""), name


#: How a form comes from elsewhere, or from nobody knows where.
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://localhost:8000"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "", "Referer": "https://evil.example/?http://localhost/"},
    {"Origin": "", "Referer": "http://[localhost/"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
]


def test_a_form_that_is_not_on_a_page_of_ours_changes_nothing(site: Site) -> None:
    before = site.content()
    for headers in FOREIGN:
        for name, route in FORMS.items():
            answer = site.ask(
                "POST", route.path, "editor", data=route.form, headers=headers
            )
            assert answer.status_code == 403, (name, headers)
    assert site.content() == before


def test_a_token_opens_no_page_and_a_person_no_api(site: Site) -> None:
    editor = PEOPLE[2]
    for name, route in ROUTES.items():
        method = name.partition(" ")[0]
        if route.may in (LOOK, CHANGE):
            answer = site.ask(method, route.path, "anonymous", editor.token)
            assert answer.status_code == 403, name
        elif route.may in (READ, WRITE):
            assert site.ask(method, route.path, "editor").status_code == 401, name


def test_who_may_only_look_is_shown_no_form_that_changes(site: Site) -> None:
    for name, route in ROUTES.items():
        if name.startswith("GET ") and route.may == LOOK:
            page = site.ask("GET", route.path, "viewer").text
            assert 'method="post"' not in page, name


#: Answers that no route of the table gives.
ODD = ["/issues/999", f"/events/{'f' * 32}", "/?q=is:odd", "/static/nothing.css"]
#: Where a person gets at what is none of ours, on a tracker of its own.
NOWHERE = ["/nothing", "/issues/x", "/favicon.ico"]


def answers_of(site: Site) -> Iterator[tuple[str, TestResponse]]:
    """What everybody gets from every route, and from some that are none."""
    for person in PEOPLE:
        for name in ROUTES:
            yield f"{name}, {person.name}", site.try_route(name, person)
    for path in ODD + ([] if site.prefix else NOWHERE):
        yield path, site.ask("GET", path, "editor")
    if not site.prefix:
        yield "DELETE /", site.ask("DELETE", "/", "editor")


def test_every_answer_has_the_strict_headers(site: Site) -> None:
    for name, answer in answers_of(site):
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff", name
        assert headers["Referrer-Policy"] == "same-origin", name
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy, name
        if "/static/" not in name:
            assert headers["Cache-Control"] == "no-store", name
        # The app's pages may be in a frame, and the answer to its dialog with them.
        if not name.startswith("POST /feedback,"):
            assert "frame-ancestors 'none'" in policy, name


def pages_of(site: Site) -> Iterator[tuple[str, Element]]:
    """Every page, parsed: for nobody, for who may look, for who may change."""
    for name, answer in answers_of(site):
        is_ours = 'content="light dark"' in answer.text or name.startswith("POST /feed")
        if answer.mimetype == "text/html" and is_ours:
            parser = html5lib.HTMLParser(namespaceHTMLElements=False)
            tree = parser.parse(answer.text)
            assert parser.errors == [], name
            yield name, tree


def test_every_page_is_valid_html_with_nothing_inline_or_foreign(site: Site) -> None:
    pages = 0
    for name, tree in pages_of(site):
        pages += 1
        for element in tree.iter():
            tag, attributes = str(element.tag), element.attrib
            assert not [one for one in attributes if one.startswith("on")], name
            assert "style" not in attributes and tag != "style", name
            assert tag != "script" or not element.text, name
            for source in ("src", "action", "srcset", "data", "formaction"):
                assert is_of_ours(attributes.get(source, "/")), (name, attributes)
            if tag == "link":
                assert attributes["href"].startswith(f"{site.prefix}/static/"), name
            if tag == "a" and not is_of_ours(attributes["href"]):
                assert attributes["href"].startswith(("http://", "https://")), name
                assert "noopener" in attributes["rel"], name
    assert pages > 2 * sum(route.may == LOOK for route in ROUTES.values())


def is_of_ours(address: str) -> bool:
    """Tell whether an address is on this very server."""
    return address.startswith("#") or (
        address[:1] == "/" and address[1:2] not in ("/", "\\")
    )
