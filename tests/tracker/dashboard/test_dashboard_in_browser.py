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

#: The hash of the user of the sample events.
ADA = "f78e63a7eea6878f20348cf71b86fffa6d3455e7"


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


def test_ticked_issues_are_muted_by_a_menu_and_a_reload_says_nothing(
    browser: Browser, url: str
) -> None:
    with visitor(browser) as page:
        page.goto(f"{url}/")
        bulk = page.locator("#bulk")
        expect(bulk).to_be_hidden()
        page.keyboard.press("j")
        page.keyboard.press("x")
        page.locator("input.pick").nth(1).click()
        expect(bulk).to_contain_text("2 ticked:")
        bulk.locator("summary", has_text="Mute").click()
        bulk.get_by_role("button", name="For 1 week").click()
        expect(page.get_by_role("status")).to_contain_text("Muted.")
        expect(page.locator(".issue")).to_have_count(1)
        page.reload()
        expect(page.get_by_role("status")).to_have_count(0)


def test_all_issues_of_a_page_are_ticked_at_once(browser: Browser, url: str) -> None:
    with visitor(browser) as page:
        page.goto(f"{url}/")
        page.locator("input.pick").first.click()
        page.get_by_role("button", name="Tick all here").click()
        expect(page.locator("#bulk")).to_contain_text("3 ticked:")
        page.locator("#bulk").get_by_role("button", name="Resolve").click()
        expect(page.locator(".issue")).to_have_count(0)


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_moves_when_the_first_issue_is_ticked(
    browser: Browser, url: str, width: int
) -> None:
    with visitor(browser) as page:
        page.set_viewport_size({"width": width, "height": 740})
        page.goto(url)
        row = page.locator(".issue").first
        before = row.bounding_box()
        page.locator("input.pick").first.click()
        expect(page.locator("#bulk")).to_be_in_viewport(ratio=1)
        assert row.bounding_box() == before


def test_paper_shows_what_is_read_and_nothing_to_press(
    browser: Browser, url: str
) -> None:
    with visitor(browser) as page:
        page.emulate_media(media="print")
        for path, read in (("/", ".issue h2"), ("/issues/1", ".source")):
            page.goto(f"{url}{path}")
            expect(page.locator(read).first).to_be_visible()
            expect(page.get_by_role("button")).to_have_count(0)
            expect(page.get_by_role("checkbox")).to_have_count(0)


def test_an_issue_is_deleted_after_a_tick(browser: Browser, url: str) -> None:
    with visitor(browser) as page:
        page.goto(f"{url}/issues/1")
        page.locator("summary", has_text="Delete").click()
        page.get_by_text("Delete it with all its events").click()
        page.get_by_role("button", name="Delete for good").click()
        expect(page.get_by_role("status")).to_contain_text("Deleted")
        expect(page.locator(".issue")).to_have_count(2)


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
        page.locator("summary", has_text="Mute").click()
        page.get_by_role("button", name="For ever").click()
        expect(page.get_by_role("button", name="Reopen")).to_be_visible()


def test_issues_are_found_without_scripts(browser: Browser, url: str) -> None:
    with visitor(browser, has_javascript=False) as page:
        page.goto(url)
        field = page.get_by_role("searchbox")
        expect(field).to_have_value("is:unresolved")
        field.fill("CheckoutError region:eu-west")
        field.press("Enter")
        expect(page.locator(".issue")).to_have_count(1)
        page.get_by_role("complementary").get_by_role("link", name="web-3").click()
        expect(field).to_have_value("CheckoutError region:eu-west server_name:web-3")
        page.get_by_text("Order", exact=True).click()
        page.get_by_role("link", name="Newest").click()
        expect(page.locator(".issue h2")).to_have_text(
            ["CheckoutError: order 7 cannot be paid"]
        )
        field.fill("is:gone")
        page.get_by_role("button", name="Search").click()
        expect(page.get_by_role("alert")).to_contain_text("is:gone is not known")
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_text("All terms have to hold.")).to_be_visible()
        field.fill("is:unresolved")
        field.press("Enter")
        expect(page.locator(".issue")).to_have_count(3)
        expect(page).to_have_url(f"{url}/?sort=first_seen&q=is%3Aunresolved")


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


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?q=is:nonsense",
        "/issues/1",
        "/issues/2",
        "/issues/3",
        "/login",
        "/releases",
        "/releases/1?version=shop%402.4.1",
        f"/users/1/{ADA}",
    ],
)
@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_the_screen(
    browser: Browser, url: str, path: str, width: int
) -> None:
    with visitor(browser) as page:
        page.set_viewport_size({"width": width, "height": 740})
        page.goto(f"{url}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_a_phone_every_page_is_in_reach_and_every_menu_in_sight(
    browser: Browser, url: str
) -> None:
    with visitor(browser) as page:
        page.set_viewport_size({"width": 360, "height": 740})
        page.goto(url)
        for link in (
            page.get_by_role("navigation", name="Pages").get_by_role("link").all()
        ):
            expect(link).to_be_in_viewport(ratio=1)
        page.locator("input.pick").first.click()
        for menu in page.locator(".toolbar details.menu, #bulk details.menu").all():
            menu.locator("summary").click()
            expect(menu.locator("li").first).to_be_in_viewport(ratio=1)
            page.keyboard.press("Escape")
            expect(menu.locator("li").first).to_be_hidden()
        page.goto(f"{url}/issues/1")
        page.get_by_role("button", name="Resolve").click()
        page.locator(".actions summary", has_text="Delete").click()
        expect(page.get_by_role("button", name="Delete for good")).to_be_in_viewport()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


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
