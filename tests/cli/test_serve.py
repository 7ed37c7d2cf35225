"""``errtrack serve``: a real process, from its first line to its end."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask

from flask_errtrack import Client
from flask_errtrack.settings.dsn import Dsn
from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.store import Store

from .consoles import started

KEY = "0123456789abcdef" * 4


@contextmanager
def serving(folder: Path, *arguments: str, **environ: str) -> Iterator[dict[str, str]]:
    """Serve, and yield what it tells at its start; it must end well."""
    process = started(
        folder, "serve", "--port", "0", *arguments, environ=environ, stdout=-1
    )
    assert process.stdout is not None
    try:
        told = [process.stdout.readline() for _ in range(3)]
        if not all(told):
            pytest.fail(process.communicate()[1])
        pairs = [line.split(maxsplit=2) for line in told]
        yield {"Tracker": pairs[0][1], "DSN": pairs[1][1], "Login": told[2].split()[2]}
    finally:
        process.send_signal(signal.SIGTERM)
        output, complaints = process.communicate(timeout=30)
    assert (process.returncode, output, complaints) == (0, "Stopped.\n", "")


def test_it_serves_receives_and_ends_when_told_to(tmp_path: Path) -> None:
    with serving(tmp_path) as told:
        browser = requests.Session()
        closed = browser.get(told["Tracker"], timeout=20)
        assert closed.status_code == 403
        # No trace of what it runs on.
        assert "server" not in {name.lower() for name in closed.headers}
        assert browser.get(told["Login"], timeout=20).status_code == 200
        client = Client(dsn=told["DSN"])
        client.capture_message("The till is empty")
        assert client.flush(20)
        client.close()
        assert "The till is empty" in browser.get(told["Tracker"], timeout=20).text
    assert (tmp_path / "errtrack.db").exists()


def test_what_a_page_says_to_paste_works(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("no curl here")
    with serving(tmp_path) as told:
        browser = requests.Session()
        browser.get(told["Login"], timeout=20)
        browser.headers["Origin"] = told["Tracker"].rstrip("/")
        added = browser.post(f"{told['Tracker']}projects", {"name": "shop"}, timeout=20)
        pasted = dict(re.findall(r'<pre id="(\w+)-code">([^<]*)</pre>', added.text))
        curl = html.unescape(pasted["curl"])
        done = subprocess.run(
            ["sh", "-c", curl], capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, "id" in json.loads(done.stdout)) == (0, True)
        app = Flask("shop", instance_path=str(tmp_path / "shop"))
        names: dict[str, Any] = {"app": app}
        exec(html.unescape(pasted["flask"]), names)
        with app.app_context():
            names["errtrack"].capture_message("A message from Flask")
            assert names["errtrack"].flush(20)
            names["errtrack"].close()
        issues = browser.get(f"{told['Tracker']}?project=2", timeout=20).text
    assert "A test message" in issues
    assert "A message from Flask" in issues


def test_the_dsn_is_for_the_place_that_is_told(tmp_path: Path) -> None:
    home = "https://errors.example.com/x/"
    given = ("--base-url", "https://errors.example.com", "--url-prefix", "/x")
    with serving(tmp_path, *given) as told:
        assert told["Tracker"] == home
        assert Dsn.parse(told["DSN"]).place == "errors.example.com/x/1"
        assert told["Login"].startswith(f"{home}login?token=")


def test_it_listens_for_everybody_below_a_prefix(tmp_path: Path) -> None:
    with serving(tmp_path, "--host", "0.0.0.0", "--url-prefix", "/x") as told:
        assert told["Tracker"].startswith("http://localhost:")
        assert told["Tracker"].endswith("/x/")
        here = told["Tracker"].replace("localhost", "127.0.0.1")
        assert requests.get(f"{here}health", timeout=20).json() == {"status": "ok"}


def test_debug_mode_does_not_open_it(tmp_path: Path) -> None:
    with serving(tmp_path, FLASK_DEBUG="1") as told:
        assert requests.get(told["Tracker"], timeout=20).status_code == 403


@pytest.mark.parametrize(
    ("proxies", "place"), [("0", "127.0.0.1"), ("1", "errors.example.com/x/1")]
)
def test_a_trusted_proxy_says_where_it_is(
    tmp_path: Path, proxies: str, place: str
) -> None:
    forwarded = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "errors.example.com",
        "X-Forwarded-Prefix": "/x",
    }
    auth = ("ada", "correct horse battery")
    given = {"ERRTRACK_PASSWORD": auth[1]}
    with serving(tmp_path, "--trusted-proxies", proxies, **given) as told:
        url = f"{told['Tracker']}projects"
        page = requests.get(url, auth=auth, headers=forwarded, timeout=20)
        found = re.search(r'<code id="dsn-1">([^<]*)</code>', page.text)
        assert found is not None
        assert Dsn.parse(found[1]).place.startswith(place)


def test_a_dsn_in_the_environment_is_not_for_itself(tmp_path: Path) -> None:
    nobody = "http://key@127.0.0.1:9/1"
    password = "correct horse battery"
    with serving(tmp_path, ERRTRACK_DSN=nobody, ERRTRACK_PASSWORD=password) as told:
        auth = ("ada", password)
        page = requests.get(told["Tracker"], auth=auth, timeout=20)
        assert page.status_code == 200
        assert requests.get(told["Tracker"], timeout=20).status_code == 401


def test_a_port_that_is_taken_is_explained(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = started(tmp_path, "serve", "--port", port, stdout=-1)
        output, complaints = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert f"Error: cannot listen on 127.0.0.1:{port}: " in complaints
    assert "Traceback" not in complaints


@pytest.mark.parametrize("host", ["192.0.2.1", "x" * 80, "a..b", "::g"])
def test_a_host_that_is_not_this_one_is_explained(tmp_path: Path, host: str) -> None:
    process = started(tmp_path, "serve", "--host", host, "--port", "0", stdout=-1)
    output, complaints = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert f"Error: cannot listen on {host}:0: " in complaints
    assert "Traceback" not in complaints


def test_a_database_that_cannot_be_used_is_explained(tmp_path: Path) -> None:
    (tmp_path / "errtrack.db").write_text("This is a letter, and no database.")
    process = started(tmp_path, "serve", "--port", "0", stdout=-1)
    output, complaints = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert "Error: the tracker's database" in complaints
    assert "Traceback" not in complaints


@pytest.mark.postgresql
def test_two_share_a_postgresql_database(tmp_path: Path, postgresql: str) -> None:
    given = {"ERRTRACK_DATABASE_URL": postgresql, "ERRTRACK_SECRET_KEY": KEY}
    with serving(tmp_path, **given) as first, serving(tmp_path, **given) as second:
        assert Dsn.parse(first["DSN"]).public_key == Dsn.parse(second["DSN"]).public_key
        token = first["Login"].partition("?")[2]
        browser = requests.Session()
        page = browser.get(f"{second['Tracker']}login?{token}", timeout=20)
        assert page.status_code == 200
    store = Store(postgresql)
    with store.reading() as connection:
        assert len(connection.execute(schema.project.select()).all()) == 1
    store.close()
    assert list(tmp_path.iterdir()) == []
