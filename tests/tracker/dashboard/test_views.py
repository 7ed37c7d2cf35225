"""The dashboard as a browser meets it: routes, headers, forms, and what they show."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from flask_errtrack.errors import StoreError
from flask_errtrack.tracker.store import Store
from flask_errtrack.web.access import login_token

from .. import samples
from ..samples import dashboard, event_id, stores

SAMPLES = {
    1: samples.order_event,
    2: samples.chained_event,
    3: samples.group_event,
    4: samples.recursive_event,
    5: samples.message_event,
    6: samples.hostile_event,
}


@pytest.fixture(scope="module")
def filled_file(made_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the samples, to be copied."""
    path = Path(shutil.copy(made_file, tmp_path_factory.mktemp("filled")))
    with stores(f"sqlite:///{path}") as make:
        make(*(make_event(n) for n, make_event in SAMPLES.items()))
    return path


@pytest.fixture
def store(filled_file: Path, tmp_path: Path) -> Iterator[Store]:
    with stores(f"sqlite:///{shutil.copy(filled_file, tmp_path)}") as make:
        yield make()


@pytest.fixture
def client(store: Store) -> FlaskClient:
    return dashboard(store).test_client()


class Outline(HTMLParser):
    """Collects what the promises about markup are about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(
        self, tag: str, attributes: list[tuple[str, str | None]]
    ) -> None:
        self.tags.append((tag, dict(attributes)))

    def named(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


ALL_PAGES = [
    "/",
    "/?q=&sort=users&page=2&period=14d",
    "/?q=environment:nowhere",
    "/releases",
    f"/releases?page={10**30}&project={10**30}",
    "/releases/1?version=shop%402.4.1",
    "/users/1/f78e63a7eea6878f20348cf71b86fffa6d3455e7",
    "/?page=-3&project=x&sort=",
    *(f"/issues/{number}" for number in SAMPLES),
    *(f"/events/{event_id(number)}" for number in SAMPLES),
    "/status",
    "/feedback",
    "/feedback?page=7",
    f"/feedback?page={10**30}",
    f"/?page={10**30}&project={10**30}&period=%00&q=%00",
]


@pytest.mark.parametrize("path", ALL_PAGES)
def test_every_page_is_whole(client: FlaskClient, path: str) -> None:
    response = client.get(f"/errtrack{path}")
    assert response.status_code == 200
    found = Outline(response.text)
    assert len(found.named("main")) == len(found.named("h1")) == 1
    assert [link["href"] for link in found.named("a")][0] == "#main"
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch("h[1-6]", tag)]
    steps = zip(levels, levels[1:], strict=False)
    assert levels[0] == 1 and all(after <= before + 1 for before, after in steps)
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("path", ALL_PAGES)
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(
    client: FlaskClient, path: str
) -> None:
    response = client.get(f"/errtrack{path}")
    found = Outline(response.text)
    for _, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert "style" not in attributes
    assert [script["src"] for script in found.named("script")] == [
        "/errtrack/static/errtrack.js"
    ]
    for link in found.named("link"):
        assert (link["href"] or "").startswith("/errtrack/static/")


def test_what_an_event_says_is_text_and_never_markup(client: FlaskClient) -> None:
    for path in ("/", "/issues/6", f"/events/{event_id(6)}"):
        text = client.get(f"/errtrack{path}").text
        assert "<script>alert" not in text and "&lt;script&gt;alert(1)" in text
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
        for link in Outline(text).named("a"):
            assert (link["href"] or "").startswith(("/errtrack/", "#"))


def test_a_link_out_of_an_event_tells_the_site_nothing(client: FlaskClient) -> None:
    found = Outline(client.get("/errtrack/issues/1").text).named("a")
    (link,) = [link for link in found if (link["href"] or "").startswith("http")]
    assert link["rel"] == "noopener noreferrer"


def test_huge_values_are_cut_and_the_json_has_them_whole(client: FlaskClient) -> None:
    text = client.get("/errtrack/issues/6").text
    assert len(text) < 60_000
    assert f'<a class="more" href="/errtrack/events/{event_id(6)}.json">' in text


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", ["KeyError</b>: &#39;CHF&#39;", "shop.orders in pay", "shop.pay"]),
        (
            "/issues/1",
            [
                "shop/orders.py:42",
                "POST /orders/&lt;int:order_id&gt;/pay",
                "most recent call first",
                "<mark>rates[order.currency]</mark>",
                "shop.models.Order(",
                "4 frames of flask",
                "2.3 s before",
                "GET https://rates.example/v1 503",
                "Repeat it with curl",
                "user_callback: could not be collected: OSError",
                "Why these events are together",
            ],
        ),
        ("/issues/2", ["caused by", "raised while handling"]),
        ("/issues/3", ["member 2 of the group", "depth-2"]),
        ("/issues/4", ["the 2 calls above, 39 more times"]),
        ("/issues/5", ["stock of tea is -3", "stock of %s is %d", "shop.stock"]),
    ],
)
def test_a_page_shows_what_a_developer_looks_for(
    client: FlaskClient, path: str, expected: list[str]
) -> None:
    text = client.get(f"/errtrack{path}").text
    assert [words for words in expected if words not in text] == []


def test_feedback_stands_on_its_list_and_with_its_event(
    store: Store, client: FlaskClient
) -> None:
    assert "Nobody has written yet" in client.get("/errtrack/feedback").text
    store.record(samples.report_of(1, "<b>francs</b>"))
    for path in ("/feedback", "/issues/1"):
        assert "&lt;b&gt;francs" in client.get(f"/errtrack{path}").text


def test_feedback_without_an_event_is_shown_as_that(
    store: Store, client: FlaskClient
) -> None:
    store.record(samples.report_of(1))
    assert "without an event" not in client.get("/errtrack/feedback").text
    store.record(samples.report_of(77, "It is slow."))
    assert "without an event" in client.get("/errtrack/feedback").text


def test_an_empty_tracker_teaches_the_first_steps(sqlite_url: str) -> None:
    with stores(sqlite_url) as make:
        text = dashboard(make()).test_client().get("/errtrack/").text
    assert "flask errtrack test" in text and "1 / 0" in text


def test_an_event_can_be_had_as_json_and_as_markdown(client: FlaskClient) -> None:
    response = client.get(f"/errtrack/events/{event_id(1)}.json")
    assert response.mimetype == "application/json"
    assert json.loads(response.data)["user"]["email"] == "ada@example.org"
    response = client.get(f"/errtrack/events/{event_id(1)}.md")
    assert response.content_type == "text/plain; charset=utf-8"
    assert response.text.startswith("# `KeyError: 'CHF'`")


def test_a_hostile_event_is_still_json(client: FlaskClient) -> None:
    response = client.get(f"/errtrack/events/{event_id(6)}.json")
    assert len(json.loads(response.data.decode())["user"]["id"]) > 50


@pytest.mark.parametrize(
    "path",
    [
        "/issues/999",
        f"/issues/{2**63 - 1}",
        f"/events/{'%00' * 32}",
        f"/events/{'f' * 32}",
        f"/events/{'f' * 32}.json",
        f"/events/{'f' * 32}.md",
    ],
)
def test_what_is_not_there_is_said_to_be_missing(
    client: FlaskClient, path: str
) -> None:
    response = client.get(f"/errtrack{path}")
    assert response.status_code == 404 and "No such" in response.text


def test_a_number_beyond_the_database_is_no_issue(client: FlaskClient) -> None:
    assert client.get(f"/errtrack/issues/{2**63}").status_code == 404


def change(client: FlaskClient, action: str, **headers: str) -> int:
    response = client.post(
        "/errtrack/issues/change",
        data={"issue": "1", "action": action},
        headers=headers,
    )
    return response.status_code


def test_an_issue_is_resolved_muted_and_reopened(client: FlaskClient) -> None:
    for action, status, button in (
        ("resolve", "resolved", "Reopen"),
        ("mute", "muted", "Reopen"),
        ("reopen", "unresolved", "Resolve"),
    ):
        assert change(client, action) == 303
        text = client.get("/errtrack/issues/1").text
        assert f">{status}</span>" in text and f">{button}</button>" in text


def test_an_action_that_is_none_changes_nothing(client: FlaskClient) -> None:
    assert change(client, "explode") == 400
    assert ">unresolved</span>" in client.get("/errtrack/issues/1").text
    missing = client.post(
        "/errtrack/issues/change", data={"issue": "99", "action": "mute"}
    )
    assert missing.status_code == 404


def test_a_form_of_another_site_changes_nothing(client: FlaskClient) -> None:
    assert change(client, "resolve", Origin="https://evil.example") == 403
    assert ">unresolved</span>" in client.get("/errtrack/issues/1").text


@pytest.mark.parametrize(
    ("referrer", "expected"),
    [
        ("http://localhost/errtrack/?q=is:muted&done=read", "/errtrack/?q=is:muted&"),
        ("http://localhost/errtrack/issues/1", "/errtrack/issues/1?"),
        ("http://localhost/admin", "/errtrack/issues/1?"),
        ("https://evil.example/errtrack/", "/errtrack/issues/1?"),
        ("http://[", "/errtrack/issues/1?"),
        ("", "/errtrack/issues/1?"),
    ],
)
def test_after_a_change_one_is_back_where_one_was(
    client: FlaskClient, referrer: str, expected: str
) -> None:
    response = client.post(
        "/errtrack/issues/change",
        data={"issue": "1", "action": "mute"},
        headers={"Referer": referrer},
    )
    assert response.headers["Location"] == f"{expected}done=muted"
    assert "Muted." in client.get(response.headers["Location"]).text


def test_everybody_else_learns_how_to_get_in_and_nothing_more(store: Store) -> None:
    client = dashboard(store, dashboard_access=None).test_client()
    answers = [
        client.get("/errtrack/"),
        client.get("/errtrack/feedback"),
        client.get("/errtrack/?q=is:nonsense"),
        client.get("/errtrack/releases"),
        client.get("/errtrack/releases/1?version=1"),
        client.get(f"/errtrack/users/1/{'0' * 40}"),
        client.get("/errtrack/issues/1"),
        client.get("/errtrack/issues/999"),
        client.get(f"/errtrack/events/{event_id(1)}"),
        client.get(f"/errtrack/events/{'f' * 32}.json"),
        client.post("/errtrack/issues/change", data={"issue": "1"}),
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.text for answer in answers}) == 1
    text = answers[0].text
    assert "flask errtrack login-link" in text and "dashboard_access" in text
    assert "KeyError" not in text
    opened = dashboard(store).test_client().get("/errtrack/issues/1").text
    assert ">unresolved</span>" in opened


def test_a_link_of_another_tracker_says_so(store: Store) -> None:
    client = dashboard(store, dashboard_access=None).test_client()
    answer = client.get(f"/errtrack/login?token={login_token(['another'])}")
    assert answer.status_code == 403
    assert "was made for another tracker" in answer.text


def test_a_login_link_lets_in(store: Store) -> None:
    client = dashboard(store, dashboard_access=None).test_client()
    response = client.get(f"/errtrack/login?token={login_token(['secret'])}")
    assert (response.status_code, response.location) == (303, "/errtrack/")
    assert client.get("/errtrack/issues/1").status_code == 200


class BrokenStore(Store):
    """A store whose database cannot be used."""

    def reading(self) -> object:  # type: ignore[override]
        raise StoreError("the disk is full: free some space on /srv")


def test_a_database_that_does_not_work_says_how_to_mend_it(tmp_path: Path) -> None:
    client = dashboard(BrokenStore(f"sqlite:///{tmp_path}/x.db")).test_client()
    for path in (
        "/",
        "/issues/1",
        f"/events/{event_id(1)}.json",
        "/feedback",
        "/releases",
        f"/users/1/{'0' * 40}",
    ):
        response = client.get(f"/errtrack{path}")
        assert response.status_code == 503
        assert "the disk is full: free some space on /srv" in response.text


def test_the_pages_stay_small(tmp_path: Path) -> None:
    def event(number: int) -> dict[str, object]:
        made = samples.order_event(number, transaction=f"shop.view_{number}")
        made["exception"]["values"][0]["type"] = f"Error{number}"
        return made

    with stores(f"sqlite:///{tmp_path}/errtrack.db") as make:
        store = make(*(event(number) for number in range(1, 31)))
        client = dashboard(store).test_client()
        assert len(client.get("/errtrack/").data) < 60_000
        assert len(client.get("/errtrack/issues/1").data) < 60_000


@pytest.mark.parametrize("name", ["errtrack", "phone", "print"])
def test_the_stylesheets_are_short_and_load_nothing(
    client: FlaskClient, name: str
) -> None:
    with client.get(f"/errtrack/static/{name}.css") as response:
        text = response.get_data(as_text=True)
    assert len(text.splitlines()) < 400
    assert "url(" not in text and "@import" not in text


ROOT = r":root \{(.*?)\}"


def luminance(color: str) -> float:
    digits = color.lstrip("#")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_enough_contrast_in_both_themes(
    client: FlaskClient, theme: str
) -> None:
    with client.get("/errtrack/static/errtrack.css") as response:
        light, dark, *_ = re.findall(ROOT, response.get_data(as_text=True), re.DOTALL)
    colors = dict(
        re.findall(r"--([\w-]+): (#\w+);", light if theme == "light" else dark)
    )
    levels = ("fatal", "error", "warning", "info", "debug", "good")
    texts = ("text", "quiet", "accent", *levels)
    pairs = [(text, back) for text in texts for back in ("page", "card", "sunk")]
    pairs += [("on-accent", "accent"), ("text", "mark"), ("text", "failing")]
    weak = [pair for pair in pairs if contrast(colors[pair[0]], colors[pair[1]]) < 4.5]
    assert weak == []
