"""Who is told: a real mail server, a real web server, functions; and what fails."""

from __future__ import annotations

import threading

import pytest
from waiting import wait_until

from flask_errtrack.tracker.alerts.messages import Alert
from flask_errtrack.tracker.alerts.targets import (
    AppriseTarget,
    Teller,
    targets_of,
    without_secrets,
)
from flask_errtrack.tracker.database.schema import alert
from flask_errtrack.tracker.store import Store

from ..stores import item, row
from .receivers import HOME, calling, mail_server, watchman_of, web_server

SECRET = "s3cr3t-t0ken"


def post_url(port: int, query: str = "") -> str:
    return f"json://robot:{SECRET}@127.0.0.1:{port}/hooks/{SECRET}{query}"


def test_a_mail_server_gets_a_mail(store: Store) -> None:
    store.record(item())
    with mail_server() as (port, mails):
        url = f"mailto://127.0.0.1:{port}?from=shop@example.org&to=team@example.org"
        watchman_of(store, AppriseTarget("1: mailto", url)).round()
    (mail,) = mails
    assert "New issue: KeyError: 'EUR'" in str(mail["subject"])
    assert "team@example.org" in str(mail["to"])
    body = mail.get_body(("plain",))
    assert body is not None
    assert f"{HOME}/issues/1" in body.get_content()
    assert "1 event, 0 users, since 20" in body.get_content()


def test_a_web_server_gets_a_post(store: Store) -> None:
    store.record(item())
    with web_server() as server:
        watchman_of(store, *targets_of([post_url(server.port)])).round()
        (post,) = server.posts
    assert post["title"] == "New issue: KeyError: 'EUR'"
    assert f"{HOME}/issues/1" in post["message"]
    assert row(store, alert).status == "sent"


def test_a_function_gets_the_alert(store: Store) -> None:
    store.record(item())
    heard: list[Alert] = []
    watchman_of(store, calling(heard.append)).round()
    (told,) = heard
    assert (told.issues[0].rule, told.issues[0].events) == ("new issue", 1)


def test_what_a_service_refuses_is_kept_without_its_secret(store: Store) -> None:
    store.record(item())
    with web_server() as server:
        server.status = 500
        watchman_of(store, *targets_of([post_url(server.port)])).round()
    found = row(store, alert)
    assert (found.status, found.attempts) == ("pending", 1)
    assert found.problem.startswith("1: json: ")
    assert "500" in found.problem and SECRET not in found.problem


def test_a_service_that_is_not_there_is_a_problem_and_the_others_are_told(
    store: Store,
) -> None:
    store.record(item())
    heard: list[Alert] = []
    with web_server() as server:
        closed = server.port
    targets = targets_of([post_url(closed), heard.append])
    watchman_of(store, *targets).round()
    assert len(heard) == 1
    found = row(store, alert)
    assert (found.status, found.told) == ("pending", targets[1].name)
    assert found.problem and SECRET not in found.problem


@pytest.mark.swallows_errors
def test_a_function_that_raises_is_a_problem_that_tells_no_secret() -> None:
    def post(alert: Alert) -> None:
        raise ConnectionError(f"https://chat.example/{SECRET} does not answer")

    (answer,) = Teller(targets_of([post])).tell()
    assert answer.problem == "it raised ConnectionError; the log tells more"


def test_who_never_comes_back_keeps_nobody_waiting_and_is_not_called_again() -> None:
    never, calls, heard = threading.Event(), list[Alert](), list[Alert]()

    def hang(alert: Alert) -> None:
        calls.append(alert)
        never.wait()

    teller = Teller(targets_of([hang, heard.append]))
    problems = [
        [one.problem for one in teller.tell(seconds=0.1)],
        [one.problem for one in teller.tell(seconds=0.1)],
    ]
    never.set()
    assert problems == [
        ["it did not come back within 0.1 s", ""],
        ["it has not come back since an earlier alert", ""],
    ]
    assert (len(calls), len(heard)) == (1, 2)


def test_a_redirect_is_no_receipt() -> None:
    with web_server() as server:
        server.status = 302
        (answer,) = Teller(targets_of([post_url(server.port)])).tell()
    assert "302" in answer.problem


def test_a_url_that_apprise_does_not_know_is_a_problem() -> None:
    (answer,) = Teller(targets_of([f"pigeon://{SECRET}/loft"])).tell()
    assert answer.problem.startswith("apprise cannot read this URL")
    assert SECRET not in answer.problem + answer.name


def test_recording_never_waits_for_who_does_not_answer(store: Store) -> None:
    with web_server() as server:
        server.may_answer.clear()
        target = AppriseTarget("1: json", post_url(server.port, "?rto=30"))
        watchman = watchman_of(store, target)
        store.on_recorded = watchman.wake
        store.record(item())
        wait_until(lambda: len(server.posts) == 1)
        for _ in range(5):
            store.record(item())
        assert row(store, alert).status == "pending"
        server.may_answer.set()
        wait_until(lambda: row(store, alert).status == "sent")
        watchman.close()
        assert len(server.posts) == 1


def test_who_takes_too_long_has_not_been_told(store: Store) -> None:
    store.record(item())
    with web_server() as server:
        server.may_answer.clear()
        target = AppriseTarget("1: json", post_url(server.port, "?rto=0.2"))
        watchman_of(store, target).round()
    assert row(store, alert).problem.startswith("1: json: ")


def test_the_thread_ends_when_it_is_closed_and_begins_again(store: Store) -> None:
    heard: list[Alert] = []
    watchman = watchman_of(store, calling(heard.append))
    store.on_recorded = watchman.wake

    others = set(threading.enumerate())

    def threads() -> list[str]:
        return [one.name for one in set(threading.enumerate()) - others]

    store.record(item())
    wait_until(lambda: len(heard) == 1)
    watchman.close()
    assert threads() == []
    store.record(item(fingerprint=["other"]))
    assert threads() == ["flask-errtrack-alerts"]
    # What it was woken for is done before it ends.
    watchman.close()
    assert (len(heard), threads()) == (2, [])


def test_targets_are_known_by_number_and_kind_and_never_by_url() -> None:
    url = f"slack://{SECRET}/{SECRET}"
    targets = targets_of([url, print])
    assert [target.name for target in targets] == ["1: slack", "2: print"]
    assert SECRET not in repr(targets)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pa%2Fss@hooks.example/T0/B1?key=k3y",
        "mailto://user:pa%2Fss@hooks.example?to=T0&key=k3y",
    ],
)
def test_no_part_of_a_url_is_left_in_a_message(url: str) -> None:
    said = f"cannot reach {url}: user, pa%2Fss, hooks.example and k3y are wrong"
    left = without_secrets(said, url)
    for part in ("user", "pa%2F", "hooks", "k3y"):
        assert part not in left
