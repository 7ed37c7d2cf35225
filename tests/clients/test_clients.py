"""What clients that others wrote send to a real server is read back on the pages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from browser import chromium, served, visitor
from flask import Flask, Response, send_file
from tracker.ingest.site import Site
from tracker.stores import Clock, rows

from flask_errtrack.tracker.database.schema import event
from flask_errtrack.tracker.ingest.quota import Quota
from flask_errtrack.tracker.store import Store

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
#: Where old clients are, each in a folder of its own: "pip install --target".
OLD_CLIENTS = HERE.parent.parent / "build/clients"
#: A busy machine takes long to start a program.
WAIT_SECONDS = 120
#: What every client tells beside its errors.
TOLD = ("A/7 größer", "ada@example.org", "shop@1.2", "put into the cart")


class Tracker:
    """A tracker that runs on a real server.

    :param url: where its pages are.
    """

    def __init__(self, site: Site, url: str) -> None:
        self.site = site
        self.url = url
        self.dsn = f"{url.replace('://', f'://{site.key}@')}/1"

    def pages(self) -> list[str]:
        """Return the page of every event, in the order they came in."""
        return [
            self.get(f"events/{row.event_id}") for row in rows(self.site.store, event)
        ]

    def get(self, path: str) -> str:
        response = requests.get(f"{self.url}/{path}", timeout=WAIT_SECONDS)
        assert response.status_code == 200, response.text
        return response.text


@pytest.fixture
def tracker(tmp_path: Path) -> Iterator[Tracker]:
    """A tracker without an event."""
    with tracker_in(tmp_path) as running:
        yield running


@contextmanager
def tracker_in(folder: Path, quota: Quota | None = None) -> Iterator[Tracker]:
    """Run a tracker with its database in a folder."""
    store = Store(f"sqlite:///{folder}/errtrack.db")
    site = Site(store, Clock(), quota)
    with served(site.app) as address:
        yield Tracker(site, f"{address}/errtrack")
    store.close()


def missing(reason: str) -> None:
    """Skip the test; in CI, fail it."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def run(*command: str | Path, path: Path | None = None) -> str:
    """Run a program to its good end, and return what it wrote."""
    environ = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "utf-8"}
    if path is not None:
        environ["PYTHONPATH"] = str(path)
    done = subprocess.run(
        [str(part) for part in command],
        env=environ,
        capture_output=True,
        encoding="utf-8",
        timeout=WAIT_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def old_client(name: str) -> Path:
    """Return the folder of an old client, which needs no other version beside it."""
    folder = OLD_CLIENTS / name
    if not folder.is_dir():
        missing(f"no {name}: pip install --target build/clients/{name} {name}")
    return folder


def assert_read_back(tracker: Tracker, error: str, where: str) -> None:
    """Find what a program told on the pages of its message and of its exception."""
    titles = tracker.get("")
    assert error in titles and "The prices are old" in titles
    message, exception = sorted(tracker.pages(), key=lambda page: error in page)
    assert "The prices are old" in message
    assert where in exception
    for page in (message, exception):
        for told in TOLD:
            assert told in page, told


def test_our_own_client(tracker: Tracker) -> None:
    run(sys.executable, PROGRAMS / "own.py", tracker.dsn, path=HERE.parent.parent)
    assert_read_back(tracker, "KeyError", "price_of")


def test_sentry_sdk(tracker: Tracker) -> None:
    run(sys.executable, PROGRAMS / "sentry_python.py", tracker.dsn, "2.")
    assert_read_back(tracker, "KeyError", "price_of")


def test_sentry_sdk_1(tracker: Tracker) -> None:
    path = old_client("sentry-sdk-1")
    program = PROGRAMS / "sentry_python.py"
    run(sys.executable, program, tracker.dsn, "1.", path=path)
    assert_read_back(tracker, "KeyError", "price_of")


def test_raven(tracker: Tracker) -> None:
    program = PROGRAMS / "raven_python.py"
    # What it imports has names that newer Pythons warn about.
    quiet = ("-W", "ignore")
    path = old_client("raven")
    run(sys.executable, *quiet, program, tracker.dsn, path=path)
    assert_read_back(tracker, "KeyError", "price_of")


def node_module(name: str) -> Path:
    """Return the folder of an installed module for Node.js."""
    folder = HERE / "node_modules" / name
    if shutil.which("node") is None or not folder.is_dir():
        missing(f"no {name}: install Node.js 20, and `npm ci` in tests/clients")
    return folder


def test_sentry_node(tracker: Tracker) -> None:
    node_module("@sentry/node")
    run("node", PROGRAMS / "node.mjs", tracker.dsn)
    assert_read_back(tracker, "TypeError", "priceOf")


@pytest.mark.parametrize("client", ["sentry-sdk", "@sentry/node"])
def test_a_client_that_is_over_its_quota_sends_no_more(
    tmp_path: Path, client: str
) -> None:
    with tracker_in(tmp_path, Quota(per_minute=3, clock=Clock())) as tracker:
        if client == "sentry-sdk":
            program = PROGRAMS / "sentry_python.py"
            run(sys.executable, program, tracker.dsn, "2.", "5")
        else:
            node_module(client)
            run("node", PROGRAMS / "node.mjs", tracker.dsn, "5")
        assert len(rows(tracker.site.store, event)) == 3
        # Of the four that were too many it dropped all but the first by itself.
        assert tracker.site.tallied()["refused", "quota"] == 1


@contextmanager
def shop_page(script: Path) -> Iterator[str]:
    """Serve a page with a script, from an origin of its own."""
    app = Flask("shop")

    @app.get("/")
    def page() -> str:
        return "<!doctype html><title>Shop</title><script src=/shop.js></script>"

    @app.get("/shop.js")
    def bundle() -> Response:
        return send_file(script)

    with served(app) as address:
        yield address


@pytest.mark.browser
def test_sentry_browser_across_origins(tracker: Tracker, tmp_path: Path) -> None:
    bundler = node_module("esbuild") / "bin/esbuild"
    node_module("@sentry/browser")
    script = tmp_path / "shop.js"
    source = PROGRAMS / "browser.js"
    run(bundler, source, "--bundle", f"--outfile={script}", "--log-level=error")
    with chromium() as browser, shop_page(script) as shop, visitor(browser) as page:
        page.goto(shop)
        assert page.evaluate("dsn => report(dsn)", tracker.dsn) is True
    assert_read_back(tracker, "TypeError", "priceOf")


def test_curl(tracker: Tracker, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        missing("no curl")
    common = {
        "release": "shop@1.2",
        "tags": {"shelf": "A/7 größer"},
        "user": {"email": "ada@example.org"},
        "breadcrumbs": [{"message": "put into the cart"}],
    }
    frames = [{"function": "price_of", "filename": "shop.py", "lineno": 3}]
    error = {"type": "KeyError", "value": "'x'", "stacktrace": {"frames": frames}}
    for told in ({"message": "The prices are old"}, {"exception": [error]}):
        event_id = uuid.uuid4().hex
        sent = tmp_path / event_id
        lines = ({"event_id": event_id, "dsn": tracker.dsn}, {"type": "event"})
        payload = {**common, **told}
        sent.write_text("\n".join(json.dumps(part) for part in (*lines, payload)))
        url = f"{tracker.url}/api/1/envelope/"
        answer = run("curl", "-sS", "--noproxy", "*", "--data-binary", f"@{sent}", url)
        assert json.loads(answer) == {"id": event_id}
    assert_read_back(tracker, "KeyError", "price_of")
