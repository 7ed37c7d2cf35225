"""Projects: who sends to a tracker, and with which DSN."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_errtrack.errors import ConfigError
from flask_errtrack.settings.dsn import Dsn
from flask_errtrack.tracker import projects
from flask_errtrack.tracker.projects import Project
from flask_errtrack.tracker.store import Store

KEY = "0123456789abcdef" * 2
SHOP = Project(7, "shop", KEY)


def test_the_app_that_the_tracker_lives_in_is_the_first_project(store: Store) -> None:
    (home,) = projects.every(store)
    assert (home.id, home.name) == (projects.HOME_ID, "app")
    assert projects.find(store, projects.HOME_ID) == home


def test_a_new_project_has_a_key_of_its_own(store: Store) -> None:
    made = projects.add(store, "  shop ")
    assert made.name == "shop"
    assert len(made.public_key) == 32
    assert int(made.public_key, 16) > 0
    assert projects.find(store, made.id) == made
    home, listed = projects.every(store)
    assert listed == made
    assert home.public_key != made.public_key


@pytest.mark.parametrize("number", [-1, 0, 2, 2**31, 2**63 - 1, 2**63, 10**30])
def test_a_number_that_nobody_has_finds_nothing(store: Store, number: int) -> None:
    assert projects.find(store, number) is None


def test_a_name_is_given_once(store: Store) -> None:
    made = projects.add(store, "shop")
    with pytest.raises(ConfigError, match=f"'shop' already, number {made.id}"):
        projects.add(store, "shop ")
    assert projects.named(store, "shop") == made


def test_a_project_gets_another_name_and_keeps_its_key(store: Store) -> None:
    before = projects.add(store, "shop")
    renamed = projects.rename(store, before.id, " blog ")
    assert renamed == Project(before.id, "blog", before.public_key)
    assert projects.rename(store, before.id, "blog") == renamed
    assert projects.find(store, before.id) == renamed


def test_a_name_that_is_taken_is_not_given_again(store: Store) -> None:
    made = projects.add(store, "shop")
    with pytest.raises(ConfigError, match="'app' already, number 1"):
        projects.rename(store, made.id, "app")
    assert projects.find(store, made.id) == made


def test_a_project_gets_another_key_and_keeps_its_name(store: Store) -> None:
    before = projects.add(store, "shop")
    changed = projects.rekey(store, before.id)
    assert (changed.id, changed.name) == (before.id, "shop")
    assert len(changed.public_key) == 32
    assert changed.public_key != before.public_key
    assert projects.find(store, before.id) == changed


@pytest.mark.parametrize("number", [-1, 0, 2, 2**63])
def test_what_is_not_there_is_not_changed(store: Store, number: int) -> None:
    with pytest.raises(ConfigError, match=f"there is no project {number}"):
        projects.rename(store, number, "shop")
    with pytest.raises(ConfigError, match=f"there is no project {number}"):
        projects.rekey(store, number)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "has no name"),
        (" \t\n", "has no name"),
        ("x" * 201, "201 characters; expected 200"),
        ("shop\nblog", "line breaks"),
        ("\x1b[2Jshop", "control characters"),
        ("shop\ud800", "control characters"),
        ("shop\0", "control characters"),
    ],
)
def test_a_name_that_cannot_be_shown_is_refused(
    store: Store, name: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        projects.add(store, name)
    assert len(projects.every(store)) == 1


def test_many_who_name_a_project_at_once_make_one(store: Store) -> None:
    projects.every(store)
    together = threading.Barrier(4)

    def name() -> Project:
        together.wait(20)
        return projects.named(store, "shop")

    with ThreadPoolExecutor(4) as pool:
        found = [future.result() for future in [pool.submit(name) for _ in range(4)]]
    assert len(set(found)) == 1
    assert len(projects.every(store)) == 2


@pytest.mark.parametrize(
    ("base_url", "dsn"),
    [
        ("https://errors.example.com", f"https://{KEY}@errors.example.com/7"),
        ("http://127.0.0.1:9000/", f"http://{KEY}@127.0.0.1:9000/7"),
        ("https://a.example/errtrack/", f"https://{KEY}@a.example/errtrack/7"),
        ("http://[::1]:9000/x?y#z", f"http://{KEY}@[::1]:9000/x/7"),
        ("http://user:word@a.example", f"http://{KEY}@a.example/7"),
    ],
)
def test_a_dsn_leads_from_the_base_url_to_the_project(base_url: str, dsn: str) -> None:
    assert projects.dsn_of(SHOP, base_url) == dsn
    read = Dsn.parse(dsn)
    assert (read.public_key, read.project_id) == (KEY, "7")


@pytest.mark.parametrize(
    "base_url", ["", "errors.example.com", "ftp://a.example", "http://", "http://[x/"]
)
def test_a_base_url_without_a_host_makes_no_dsn(base_url: str) -> None:
    with pytest.raises(ConfigError, match="expected where the tracker's pages are"):
        projects.dsn_of(SHOP, base_url)
