"""The pages of projects: a DSN for each app, and what to paste."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_errtrack.protocol.envelope import Item
from flask_errtrack.tracker import projects
from flask_errtrack.tracker.dashboard.project_pages import (
    project_list_page,
    snippets_of,
)
from flask_errtrack.tracker.store import Store

from ..samples import NOW, dashboard, order_event

HERE = "http://localhost/errtrack"


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    """A store with the project of the app alone."""
    made = Store(sqlite_url, now=lambda: NOW)
    yield made
    made.close()


@pytest.fixture
def client(store: Store) -> FlaskClient:
    """A browser of somebody who may change things."""
    return dashboard(store).test_client()


def test_a_project_is_renamed_on_its_page(store: Store, client: FlaskClient) -> None:
    answer = client.post("/errtrack/projects/1", data={"name": " shop <b> "})
    assert (answer.status_code, answer.location) == (303, "/errtrack/projects/1")
    text = client.get(answer.location).text
    assert "<h1>shop &lt;b&gt;</h1>" in text
    assert 'value="shop &lt;b&gt;"' in text


@pytest.mark.parametrize(
    ("number", "name", "status", "told"),
    [
        (1, "", 400, "Not renamed: the project has no name"),
        (1, "blog", 400, "there is a project &#39;blog&#39; already, number 2"),
        (3, "shop", 404, "There is no project 3 here"),
    ],
)
def test_a_name_that_cannot_be_is_refused(
    store: Store, client: FlaskClient, number: int, name: str, status: int, told: str
) -> None:
    projects.add(store, "blog")
    answer = client.post(f"/errtrack/projects/{number}", data={"name": name})
    assert (answer.status_code, told in answer.text) == (status, True)
    assert [one.name for one in projects.every(store)] == ["app", "blog"]


def test_the_list_shows_name_dsn_and_counts_of_each(database_url: str) -> None:
    store = Store(database_url, now=lambda: NOW)
    shop = projects.add(store, "shop")
    for number in (1, 2):
        item = Item("event", json.dumps(order_event(number)).encode())
        store.record(item, shop.id)
    page = project_list_page(store, HERE, NOW + 60)
    store.close()
    home, shown = page.rows
    assert (home.unresolved, home.events, home.last_seen) == (0, 0, None)
    assert (shown.name, shown.unresolved, shown.events) == ("shop", 1, 2)
    assert shown.dsn == projects.dsn_of(shop, HERE)
    assert shown.last_seen is not None
    assert shown.last_seen.ago == "1 min ago"


def test_a_project_is_added_on_the_page(store: Store, client: FlaskClient) -> None:
    answer = client.post("/errtrack/projects", data={"name": "shop <b>"})
    made = projects.every(store)[-1]
    assert (answer.status_code, made.name) == (303, "shop <b>")
    assert answer.location == f"/errtrack/projects/{made.id}"
    text = client.get(answer.location).text
    assert "<h1>shop &lt;b&gt;</h1>" in text
    assert f"http://{made.public_key}@localhost/errtrack/{made.id}" in text
    assert "shop &lt;b&gt;" in client.get("/errtrack/projects").text


@pytest.mark.parametrize("name", ["", "app", "<i>\x07", "x" * 300])
def test_a_wrong_name_is_explained_beside_the_field(
    store: Store, client: FlaskClient, name: str
) -> None:
    answer = client.post("/errtrack/projects", data={"name": name})
    assert answer.status_code == 400
    assert 'role="alert">Not added: ' in answer.text
    assert "<i>" not in answer.text
    assert len(projects.every(store)) == 1


def test_what_cannot_be_stored_as_text_is_refused(client: FlaskClient) -> None:
    answer = client.post(
        "/errtrack/projects",
        data=b"name=%ff%00%ed%a0%80",
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.status_code == 400


def test_who_may_only_look_sees_no_form_and_adds_nothing(store: Store) -> None:
    def rule(user: object, action: str) -> bool:
        return action == "view"

    client = dashboard(store, rule).test_client()
    page = client.get("/errtrack/projects")
    assert (page.status_code, "<form" in page.text) == (200, False)
    assert client.get("/errtrack/projects/1").status_code == 200
    answer = client.post("/errtrack/projects", data={"name": "shop"})
    assert answer.status_code == 403
    assert len(projects.every(store)) == 1


@pytest.mark.parametrize("path", ["projects", "projects/1"])
def test_strangers_see_no_dsn(store: Store, path: str) -> None:
    (home,) = projects.every(store)
    client = dashboard(store, lambda: False).test_client()
    answer = client.get(f"/errtrack/{path}")
    assert (answer.status_code, home.public_key in answer.text) == (403, False)
    assert client.post("/errtrack/projects").status_code == 403


def test_a_form_of_another_site_adds_nothing(store: Store, client: FlaskClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    answer = client.post("/errtrack/projects", data={"name": "shop"}, headers=headers)
    assert (answer.status_code, len(projects.every(store))) == (403, 1)


@pytest.mark.parametrize("number", ["9", "0", str(2**63 - 1), str(2**63), "x", "-1"])
def test_a_project_that_is_not_there_is_a_404(client: FlaskClient, number: str) -> None:
    assert client.get(f"/errtrack/projects/{number}").status_code == 404


@pytest.mark.parametrize("host", ["[", "a b", "'\"<>", "x:99999999", "a/b"])
def test_a_host_that_is_none_gives_no_dsn(client: FlaskClient, host: str) -> None:
    # The client of older versions of Werkzeug wants a host itself.
    asked = EnvironBuilder("/errtrack/projects/1", headers=[("Host", host)])
    text, status, _ = run_wsgi_app(client.application, asked.get_environ())
    assert status.startswith("400 ") and b"names no host" in b"".join(text)


def test_every_kind_of_app_is_told_the_dsn(store: Store) -> None:
    (home,) = projects.every(store)
    snippets = {one.anchor: one.code for one in snippets_of(home, HERE)}
    curl = snippets.pop("curl")
    assert f"{HERE}/api/1/envelope/?sentry_key={home.public_key}" in curl
    assert set(snippets) == {"flask", "python", "browser", "node"}
    for code in snippets.values():
        assert f'"{projects.dsn_of(home, HERE)}"' in code


def test_an_empty_list_of_issues_leads_to_the_projects(client: FlaskClient) -> None:
    assert 'href="/errtrack/projects"' in client.get("/errtrack/").text
