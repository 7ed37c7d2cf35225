"""The page of alerts: who is told, when, and what became of the last ones."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

from flask_errtrack.tracker.alerts.targets import targets_of
from flask_errtrack.tracker.alerts.watchman import Watchman
from flask_errtrack.tracker.dashboard.views import add_pages
from flask_errtrack.tracker.store import Store
from flask_errtrack.web.access import Access

from ..alerts.receivers import Listener, watchman_of
from ..samples import app_with, dashboard
from ..stores import item

SECRET = "s3cr3t-t0ken"
PATH = "/errtrack/alerts"


def browser(watchman: Watchman, rule: Any = lambda: True) -> FlaskClient:
    access = Access(lambda: ["secret"], rule)
    app = app_with(
        lambda blueprint: add_pages(
            blueprint, watchman.store, access, watchman=watchman
        )
    )
    return app.test_client()


def test_without_targets_the_page_says_how_to_name_some(store: Store) -> None:
    answer = dashboard(store).test_client().get(PATH)
    assert answer.status_code == 200
    assert "Flask-ErrTrack[alerts]" in answer.text
    assert "<form" not in answer.text.partition("<main")[2]


def test_the_page_shows_targets_rules_and_what_became_of_alerts(store: Store) -> None:
    listener = Listener("1: <room>")
    listener.refusal = "it is <closed>"
    watchman = watchman_of(store, listener, rules=["new", {"spike": 3}])
    store.record(item())
    watchman.round()
    text = browser(watchman).get(PATH).text
    assert "1: &lt;room&gt;" in text and "new issue, 3 times the usual" in text
    assert "it is &lt;closed&gt;" in text and "waits, tried 1 time<" in text
    assert "KeyError: &#39;EUR&#39;" in text and 'href="/errtrack/issues/1"' in text


def test_no_page_has_the_url_of_a_target(store: Store) -> None:
    urls = [f"pigeon://{SECRET}/loft"]
    watchman = watchman_of(store, *targets_of(urls))
    store.record(item())
    watchman.round()
    client = browser(watchman)
    for answer in (client.get(PATH), client.post(f"{PATH}/test")):
        assert answer.status_code == 200
        assert "1: pigeon" in answer.text and SECRET not in answer.text


def test_the_button_tells_each_target_and_says_how_it_went(store: Store) -> None:
    good, bad = Listener("1: good"), Listener("2: bad")
    bad.refusal = "the room is closed"
    client = browser(watchman_of(store, good, bad))
    answer = client.post(f"{PATH}/test")
    assert good.subjects == ["ErrTrack: a test"]
    assert "1: good: told" in answer.text
    assert "not told: the room is closed" in answer.text


def test_what_could_not_be_sent_is_tried_again_when_somebody_says_so(
    store: Store,
) -> None:
    listener = Listener()
    listener.refusal = "the room is closed"
    watchman = watchman_of(store, listener)
    client = browser(watchman)
    assert "Try again now" not in client.get(PATH).text
    store.record(item())
    watchman.round()
    assert "Try again now" in client.get(PATH).text
    listener.refusal = ""
    watchman.round()
    assert listener.alerts == []
    client.post(f"{PATH}/retry")
    watchman.round()
    assert len(listener.alerts) == 1
    assert "Try again now" not in client.get(PATH).text
    # What is sent is not sent again.
    client.post(f"{PATH}/retry")
    watchman.round()
    assert listener.tries == 2


def test_only_who_may_change_things_can_test(store: Store) -> None:
    listener = Listener()
    client = browser(
        watchman_of(store, listener), lambda user, action: action == "view"
    )
    assert "/alerts/test" not in client.get(PATH).text
    assert client.post(f"{PATH}/test").status_code == 403
    editor = browser(watchman_of(store, listener))
    elsewhere = {"Origin": "https://evil.example"}
    assert editor.post(f"{PATH}/test", headers=elsewhere).status_code == 403
    assert listener.tries == 0
