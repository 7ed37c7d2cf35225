"""The example app: the whole journey of an error, as its readers walk it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from browser import chromium, served, visitor
from flask import Flask, Response
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy import select

from example_app import create_app
from example_app.extensions import db, errtrack
from example_app.models import DEMO_USERS, Todo, User
from flask_errtrack.testing import capture_events


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """The app in debug mode, with everything that it writes in ``tmp_path``."""
    app = create_app(
        {
            "DEBUG": True,
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/todos.db",
            "ERRTRACK_DATABASE_URL": f"sqlite:///{tmp_path}/errtrack.db",
            "ERRTRACK_OUTBOX": str(tmp_path / "outbox"),
        }
    )
    yield app
    with app.app_context():
        errtrack.close()
        db.engine.dispose()


def log_in(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(DEMO_USERS["ada"])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your todos")


def add_todo_without_date(page: Page) -> str:
    """Add a todo, which fails; return the event id that the page shows."""
    page.get_by_label("What", exact=True).fill("Water the plants")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="Something went wrong")).to_be_attached()
    return page.locator("code").inner_text()


def go_to_dashboard(app: Flask, page: Page, url: str, path: str = "") -> Locator:
    """Open the dashboard when all has been delivered; return its main part."""
    with app.app_context():
        assert errtrack.flush(60)
    page.goto(f"{url}/errtrack/{path}")
    return page.get_by_role("main")


@pytest.mark.browser
def test_an_error_is_met_told_seen_resolved_and_met_again(
    app: Flask, browser: Browser
) -> None:
    with served(app) as url, visitor(browser) as page:
        log_in(page, url)
        event_id = add_todo_without_date(page)
        assert re.fullmatch("[0-9a-f]{32}", event_id)

        question = page.get_by_role("dialog").get_by_label("What happened?")
        expect(question).to_be_focused()
        page.keyboard.type("I left the date open.")
        for key in ("Tab", "Tab", "Tab", "Enter"):
            page.keyboard.press(key)
        expect(page.get_by_role("status")).to_contain_text("Thank you.")

        main = go_to_dashboard(app, page, url)
        main.get_by_role("link", name="TypeError").click()
        expect(main).to_contain_text("return (self.due - date.today()).days")
        user = main.locator("section", has=page.get_by_role("heading", name="User"))
        expect(user).to_contain_text("id1")
        heading = page.get_by_role("heading", name="Breadcrumbs")
        before = main.locator("section", has=heading)
        expect(before).to_contain_text("FROM todo")
        expect(before).to_contain_text("todo.html")
        expect(main).to_contain_text("I left the date open.")
        main.get_by_role("button", name="Resolve").click()
        expect(main.get_by_text("resolved", exact=True)).to_be_visible()

        page.goto(url)
        assert add_todo_without_date(page) != event_id
        main = go_to_dashboard(app, page, url)
        expect(main.get_by_text("regressed", exact=True)).to_be_visible()


@pytest.mark.browser
def test_feedback_needs_no_script(app: Flask, browser: Browser) -> None:
    with served(app) as url, visitor(browser, has_javascript=False) as page:
        log_in(page, url)
        add_todo_without_date(page)
        page.get_by_label("What happened?").fill("I left the date open.")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
        main = go_to_dashboard(app, page, url, "feedback")
        expect(main).to_contain_text("I left the date open.")


@pytest.mark.browser
def test_the_page_and_its_dialog_obey_a_strict_policy(
    app: Flask, browser: Browser
) -> None:
    @app.after_request
    def add_policy(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = "default-src 'self'"
        return response

    with served(app) as url, visitor(browser) as page:
        log_in(page, url)
        add_todo_without_date(page)
        expect(page.get_by_label("What happened?")).to_be_focused()
        page.keyboard.type("I left the date open.")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("status")).to_contain_text("Thank you.")


def test_the_job_reports_a_todo_that_it_cannot_judge_and_goes_on(app: Flask) -> None:
    with app.app_context():
        ada = db.session.get_one(User, 1)
        ada.todos = [
            Todo(title="No date", is_done=True),
            Todo(title="Past", due=date(2020, 1, 1), is_done=True),
            Todo(title="To come", due=date(9999, 1, 1), is_done=True),
            Todo(title="Open", due=date(2020, 1, 1)),
        ]
        db.session.commit()
    with capture_events(app) as events:
        result = app.test_cli_runner().invoke(args=["clear-todos"])
    assert result.output == "Deleted 1 todos.\n"
    assert [event["tags"]["cron-job"] for event in events] == ["clear-todos"]
    assert [event["extra"]["todo"] for event in events] == ["No date"]
    with app.app_context():
        left = {todo.title for todo in db.session.get_one(User, 1).todos}
    assert left == {"No date", "To come", "Open"}


def test_a_wrong_password_and_the_todos_of_others_stay_outside(app: Flask) -> None:
    client = app.test_client()
    client.post("/login", data={"name": "ada", "password": "wrong"})
    assert client.get("/").status_code == 302
    client.post("/login", data={"name": "ada", "password": DEMO_USERS["ada"]})
    client.post("/todos", data={"title": "Mine", "due": "2030-01-02"})
    assert "Due on 2030-01-02" in client.get("/todos/1").text
    client.post("/login", data={"name": "grace", "password": DEMO_USERS["grace"]})
    assert client.get("/todos/1").status_code == 404
    assert client.post("/todos/1/done").status_code == 404


def test_passwords_are_kept_as_hashes_only(app: Flask) -> None:
    with app.app_context():
        for user in db.session.scalars(select(User)):
            assert DEMO_USERS[user.name] not in user.password_hash


def test_the_about_page_names_the_environment_of_the_events(app: Flask) -> None:
    with capture_events(app) as events, app.app_context():
        errtrack.capture_message("Hello")
    about = app.test_client().get("/about").text
    assert f"<code>{events[0]['environment']}</code>" in about
