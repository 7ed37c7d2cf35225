"""The feedback dialog in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser import chromium, served, visitor
from feedback_site import EVENT_ID, Site
from flask import Response, redirect, request
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

QUESTION = "What happened?"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def site() -> Site:
    """A site whose pages may load nothing from elsewhere, and have nothing inline."""
    site = Site()

    @site.app.after_request
    def add_policy(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = "default-src 'self'"
        return response

    return site


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with visitor(browser) as page:
        yield page


def test_it_opens_by_itself_and_says_what_it_is(site: Site, page: Page) -> None:
    with served(site.app) as url:
        page.goto(f"{url}/boom")
        dialog = page.get_by_role("dialog", name="Help us fix this")
        question = dialog.get_by_role("textbox", name=QUESTION)
        expect(question).to_be_focused()
        expect(question).to_have_accessible_description(
            "What did you do, and what did you expect? A few words are enough."
        )
        assert dialog.evaluate("dialog => dialog.matches(':modal')")


def test_escape_closes_it_and_the_text_is_there_when_it_opens_again(
    site: Site, page: Page
) -> None:
    with served(site.app) as url:
        page.goto(f"{url}/boom")
        page.keyboard.type("I pressed")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(page.get_by_role("button", name="Tell us what happened")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_label(QUESTION)).to_be_focused()
        expect(page.get_by_label(QUESTION)).to_have_value("I pressed")


def test_the_keyboard_is_enough_to_send_it(site: Site, page: Page) -> None:
    with served(site.app) as url:
        page.goto(f"{url}/boom")
        page.keyboard.type("I pressed Save.\nTwice.")
        page.keyboard.press("Tab")
        page.keyboard.type("Ada")
        page.keyboard.press("Tab")
        page.keyboard.type("ada@example.org")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Thank you.")
        expect(page.get_by_role("button", name="Close")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_hidden()
    assert site.reports == [
        {
            "event_id": EVENT_ID,
            "comments": "I pressed Save.\nTwice.",
            "name": "Ada",
            "email": "ada@example.org",
        }
    ]


def test_more_can_be_said_afterwards(site: Site, page: Page) -> None:
    with served(site.app) as url:
        page.goto(f"{url}/boom")
        for words in ("First", " and second."):
            page.keyboard.type(words)
            page.get_by_role("button", name="Send").click()
            page.get_by_role("button", name="Close").click()
            page.get_by_role("button", name="Tell us what happened").click()
    texts = [report["comments"] for report in site.reports]
    assert texts == ["First", "First and second."]


def test_what_has_to_be_mended_is_said_at_the_field(site: Site, page: Page) -> None:
    with served(site.app) as url:
        page.goto(f"{url}/boom")
        page.keyboard.type("   ")
        page.get_by_role("button", name="Send").click()
        question = page.get_by_label(QUESTION)
        expect(question).to_be_focused()
        expect(question).to_have_attribute("aria-invalid", "true")
        expect(question).to_have_accessible_description(
            "Please say a few words about what happened. "
            "What did you do, and what did you expect? A few words are enough."
        )
        page.keyboard.type("I pressed Save.")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("status")).to_contain_text("Thank you.")


def test_it_thanks_for_nothing_that_was_not_kept(site: Site, page: Page) -> None:
    site.refuses = True
    with served(site.app) as url:
        page.goto(f"{url}/boom")
        page.keyboard.type("I pressed Save.")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("status")).to_contain_text("it was not sent")
        expect(page.get_by_label(QUESTION)).to_have_value("I pressed Save.")
        site.refuses = False
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("status")).to_contain_text("Thank you.")
    assert len(site.reports) == 1


def test_a_server_that_is_gone_is_told_and_the_text_kept(
    site: Site, page: Page
) -> None:
    with served(site.app) as url:
        page.goto(f"{url}/boom")
    page.keyboard.type("I pressed Save.")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status")).to_contain_text("did not arrive")
    expect(page.get_by_label(QUESTION)).to_have_value("I pressed Save.")


def test_a_login_page_that_answers_instead_is_not_taken_for_success(
    site: Site, page: Page
) -> None:
    site.app.add_url_rule("/login", "login", lambda: "Please log in")
    site.app.before_request(
        lambda: redirect("/login") if request.method == "POST" else None
    )
    with served(site.app) as url:
        page.goto(f"{url}/boom")
        page.keyboard.type("I pressed Save.")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("status")).to_contain_text("did not arrive")


def test_without_script_it_is_a_form_in_the_page(site: Site, browser: Browser) -> None:
    with served(site.app) as url, visitor(browser, has_javascript=False) as page:
        page.goto(f"{url}/boom")
        expect(page.get_by_role("button", name="Not now")).to_be_hidden()
        page.get_by_label(QUESTION).fill("   ")
        page.get_by_label("Name").fill("Ada")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Not sent yet")
        expect(page.get_by_role("button", name="Not now")).to_be_hidden()
        expect(page.get_by_label("Name")).to_have_value("Ada")
        page.get_by_label(QUESTION).fill("I pressed Save.")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    assert [report["comments"] for report in site.reports] == ["I pressed Save."]


def test_the_rules_of_the_page_and_of_the_dialog_do_not_touch_each_other(
    site: Site, page: Page
) -> None:
    rules = """
        * { box-sizing: content-box; letter-spacing: 5px; float: left }
        dialog, form, label, p, textarea, button, input, input[type="email"] {
            display: flex; width: 10%; padding: 30px; color: red; font: 30px serif;
            background: yellow; border: 5px dotted blue; text-transform: uppercase;
        }
    """
    measure_dialog = """() => [...document.querySelectorAll("dialog, dialog *")].map(
        node => [node.getBoundingClientRect().toJSON(), getComputedStyle(node).color])
    """
    measure_page = """() => [...document.querySelectorAll("main > p, a")].map(
        node => [node.getBoundingClientRect().toJSON(), getComputedStyle(node).color])
    """

    @site.app.get("/host.css")
    def host_css() -> Response:
        return Response(rules, mimetype="text/css")

    with served(site.app) as url:
        page.goto(f"{url}/boom")
        dialog_before = page.evaluate(measure_dialog)
        page.evaluate("document.querySelector('link[href$=\"feedback.css\"]').remove()")
        page_without = page.evaluate(measure_page)
        page.goto(f"{url}/boom")
        assert page.evaluate(measure_page) == page_without
        page.add_style_tag(url=f"{url}/host.css")
        assert page.evaluate(measure_page) != page_without
        assert page.evaluate(measure_dialog) == dialog_before
