"""The pytest plugin: there by itself, and not in the way of other test runs."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest
from pages_of_docs import code_of

ROOT = Path(__file__).parent.parent

CONFTEST = """
import sys

ours = {"flask", "flask_errtrack", "werkzeug"} & sys.modules.keys()

import pytest


@pytest.fixture
def app():
    from flask import Flask
    from flask_errtrack import ErrTrack

    app = Flask("shop")
    app.config.update(TESTING=True, PROPAGATE_EXCEPTIONS=False)
    app.add_url_rule("/broken", "broken", lambda: str(1 / 0))
    ErrTrack(app, dsn="http://key@127.0.0.1:9/1")
    return app
"""
TESTS = """
import conftest
from flask_errtrack.testing import assert_captured


def test_nothing_was_imported_before_the_fixture_was_used():
    assert conftest.ours == set()


def test_events_are_there_as_they_happen(app, errtrack_events):
    assert errtrack_events == []
    assert app.test_client().get("/broken").status_code == 500
    assert_captured(errtrack_events, ZeroDivisionError, transaction="broken")


def test_each_test_begins_with_none(app, errtrack_events):
    assert errtrack_events == []


def test_that_fails(app, errtrack_events):
    app.test_client().get("/broken")
    assert_captured(errtrack_events, KeyError)


class TestAnotherApp:
    import pytest

    @pytest.fixture
    def app(self):
        from flask_errtrack import Client

        return Client(dsn="http://key@127.0.0.1:9/1", outbox=False)

    def test_a_client_will_do(self, app, errtrack_events):
        app.capture_message("hello")
        assert_captured(errtrack_events, message="hello")
"""


def installed(folder: Path) -> Path:
    """A folder in which pip seems to have installed what setup.cfg declares."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    plugins = config["options.entry_points"]["pytest11"]
    info = folder / "site" / "flask_errtrack-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: Flask-ErrTrack\nVersion: 0\n")
    (info / "entry_points.txt").write_text(f"[pytest11]{plugins}\n")
    return folder / "site"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    return installed(tmp_path)


def pytest_in(folder: Path, site: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def test_the_fixture_registers_itself(tmp_path: Path, site: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_shop.py").write_text(TESTS)
    output = pytest_in(tmp_path, site)
    assert "1 failed, 4 passed" in output, output
    failure = output[output.index("_ test_that_fails _") :]
    assert "1. ZeroDivisionError: division by zero" in failure
    # The failing line is the test's own, not one of the helper's.
    assert "flask_errtrack/testing.py" not in failure
    assert re.search(r"^test_shop.py:\d+: AssertionError", failure, re.MULTILINE)


def test_without_an_app_pytest_says_what_is_missing(tmp_path: Path, site: Path) -> None:
    (tmp_path / "test_none.py").write_text("def test_none(errtrack_events): pass\n")
    output = pytest_in(tmp_path, site)
    assert "fixture 'app' not found" in output, output
    assert "errtrack_events" in pytest_in(tmp_path, site, "--fixtures")


SHOP = """
from flask import Flask
from flask_errtrack import ErrTrack


def create_app(config):
    app = Flask("shop")
    app.config.from_mapping(config)
    errtrack = ErrTrack(app, dashboard=False)
    app.add_url_rule("/", "index", lambda: "fine")

    @app.get("/todos/<todo_id>")
    def todo(todo_id):
        errtrack.set_tag("list", "private")
        raise TypeError("no date")

    return app
"""


def test_the_code_of_the_page_works(tmp_path: Path, site: Path) -> None:
    with_pytest, without, content = code_of("testing")
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "test_page.py").write_text(
        f"{with_pytest}\n{without.partition('with ')[0]}\n"
        "def test_without_the_fixture(app):\n"
        + indent(f"with {without.partition('with ')[2]}\n{content}", "    ")
    )
    output = pytest_in(tmp_path, site)
    assert "3 passed" in output, output
