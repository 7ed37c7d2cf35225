"""The dashboard in a real browser: on a phone, by keyboard, without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import chromium, served, visitor
from playwright.sync_api import Browser, expect

from .. import samples
from ..samples import dashboard, stores

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    events = (
        samples.order_event(1),
        samples.order_event(2),
        samples.chained_event(3),
        samples.hostile_event(4),
    )
    with stores(f"sqlite:///{tmp_path}/errtrack.db") as make:
        with served(dashboard(make(*events))) as url:
            yield f"{url}/errtrack"


def test_issues_are_walked_opened_and_resolved_by_keyboard(
    browser: Browser, url: str
) -> None:
    with visitor(browser) as page:
        page.goto(f"{url}/?sort=first_seen")
        links = page.locator(".issue h2 a")
        page.keyboard.press("j")
        expect(links.nth(0)).to_be_focused()
        page.keyboard.press("j")
        expect(links.nth(1)).to_be_focused()
        page.keyboard.press("k")
        page.keyboard.press("e")
        expect(links).to_have_count(2)
        expect(page).to_have_url(f"{url}/?sort=first_seen")
        # The script of the new page has to run before it hears a key.
        page.wait_for_load_state("load")
        page.keyboard.press("j")
        expect(links.nth(0)).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_url(f"{url}/issues/*")
        page.keyboard.press("e")
        expect(page.locator(".badge", has_text="resolved")).to_be_visible()


def test_the_events_of_an_issue_are_walked_by_keyboard(
    browser: Browser, url: str
) -> None:
    with visitor(browser) as page:
        page.goto(f"{url}/issues/1")
        page.keyboard.press("k")
        page.wait_for_url(f"{url}/events/{samples.event_id(1)}")
        page.keyboard.press("j")
        page.wait_for_url(f"{url}/events/{samples.event_id(2)}")


def test_without_scripts_everything_opens_and_every_action_works(
    browser: Browser, url: str
) -> None:
    with visitor(browser, has_javascript=False) as page:
        page.goto(f"{url}/issues/1")
        expect(page.locator("mark")).to_be_visible()
        library = page.get_by_text("4 frames of flask")
        call = page.get_by_text("Flask.dispatch_request")
        expect(call).to_be_hidden()
        library.click()
        expect(call).to_be_visible()
        expect(page.get_by_role("button", name="Copy")).to_have_count(0)
        page.get_by_role("button", name="Mute").click()
        expect(page.get_by_role("button", name="Reopen")).to_be_visible()


def test_what_is_copied_is_what_is_shown(browser: Browser, url: str) -> None:
    with visitor(browser) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(f"{url}/events/{samples.event_id(1)}")
        page.get_by_role("button", name="Copy the event id").click()
        expect(page.get_by_text("Copied")).to_be_visible()
        read = "navigator.clipboard.readText()"
        assert page.evaluate(read) == samples.event_id(1)
        page.get_by_role("button", name="Copy as Markdown").click()
        expect(page.get_by_text("Copied")).to_have_count(2)
        assert page.evaluate(read).startswith("# `KeyError: 'CHF'`")


@pytest.mark.parametrize("path", ["/", "/issues/1", "/issues/2", "/issues/3", "/login"])
@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_the_screen(
    browser: Browser, url: str, path: str, width: int
) -> None:
    with visitor(browser) as page:
        page.set_viewport_size({"width": width, "height": 740})
        page.goto(f"{url}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_first_tab_leads_past_the_navigation_and_can_be_seen(
    browser: Browser, url: str
) -> None:
    with visitor(browser) as page:
        page.goto(url)
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the content")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
