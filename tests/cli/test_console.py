"""``errtrack …`` without an app: the same commands, on a tracker's database."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from flask_errtrack.cli.commands import COMMANDS
from flask_errtrack.console import main
from flask_errtrack.protocol.envelope import Item
from flask_errtrack.tracker import projects
from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.store import Store

from .consoles import started

Errtrack = Callable[..., Result]
EVENT_ID = "0123456789abcdef" * 2
KEY = "0123456789abcdef" * 4


def invoke(*arguments: str, **environ: str) -> Result:
    """Run a command; nothing of the environment counts but what is given."""
    names = ("DATABASE_URL", "SECRET_KEY", "PASSWORD", "CONFIG_FILE")
    env = {**{f"ERRTRACK_{name}": None for name in names}, **environ}
    return CliRunner(env=env).invoke(main, arguments, prog_name="errtrack")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database with one event in the tracker's first project."""
    url = f"sqlite:///{tmp_path}/errtrack.db"
    store = Store(url)
    record(store, EVENT_ID)
    store.close()
    return url


def record(store: Store, event_id: str) -> None:
    event = {"event_id": event_id, "message": "The till is empty"}
    store.record(Item("event", json.dumps(event).encode()))


def test_it_has_every_command_that_needs_no_app() -> None:
    of_an_app = {"test", "outbox", "doctor"}
    assert set(main.commands) == {*(one.name for one in COMMANDS), "serve"} - of_an_app


@pytest.mark.postgresql
def test_only_commands_that_sign_need_the_key(postgresql: str) -> None:
    for words in (["upgrade"], ["projects"], ["issues"], ["prune"], ["export"]):
        result = invoke("--database-url", postgresql, *words)
        assert result.exit_code == 0, result.output
    for name in ("login-link", "token"):
        result = invoke("--database-url", postgresql, name)
        assert (result.exit_code, "ERRTRACK_SECRET_KEY" in result.output) == (1, True)


def test_who_looks_into_a_database_leaves_no_key_beside_it(url: str) -> None:
    assert invoke("--database-url", url, "issues").exit_code == 0
    key = Path(url.removeprefix("sqlite:///")).with_suffix(".key")
    assert not key.exists()
    assert invoke("--database-url", url, "token").exit_code == 0
    assert key.exists()


def test_the_database_is_named_by_option_or_environment(url: str) -> None:
    for result in (
        invoke("--database-url", url, "issues"),
        invoke("issues", ERRTRACK_DATABASE_URL=url),
    ):
        assert (result.exit_code, "The till is empty" in result.output) == (0, True)


def test_an_issue_is_read_and_finished(url: str) -> None:
    shown = invoke("--database-url", url, "show", EVENT_ID)
    assert (shown.exit_code, "The till is empty" in shown.output) == (0, True)
    assert invoke("--database-url", url, "resolve", "1").exit_code == 0
    listed = invoke("--database-url", url, "issues", "--format", "json")
    assert json.loads(listed.output) == []
    empty = invoke("--database-url", url, "issues")
    assert "`errtrack projects` tells the DSNs" in empty.output
    unknown = invoke("--database-url", url, "show", "999")
    assert (unknown.exit_code, "`errtrack issues`" in unknown.output) == (1, True)


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "wrong.db"
    result = invoke("--database-url", f"sqlite:///{path}", "issues")
    assert result.exit_code == 1
    assert f"there is no tracker's database {path}" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["issues", "serve", "projects", "login-link"])
def test_help_needs_no_database(command: str) -> None:
    result = invoke("--database-url", "sqlite:////nowhere/x.db", command, "--help")
    assert (result.exit_code, "Usage: errtrack" in result.output) == (0, True)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://localhost/x", "mysql is not supported"),
        ("what", "expected sqlite:///path"),
        ("sqlite://", "cannot share SQLite in memory"),
        ("postgresql://127.0.0.1:1/x", "check that the server runs"),
    ],
)
def test_a_wrong_database_url_is_explained(url: str, problem: str) -> None:
    result = invoke("--database-url", url, "projects")
    assert result.exit_code == 1
    assert problem in result.output
    assert "Traceback" not in result.output


def test_projects_are_added_and_listed_with_their_dsns(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/errtrack.db"
    here = ("--base-url", "https://errors.example.com/x")
    added = invoke("--database-url", url, "projects", "add", "shop", *here)
    assert added.exit_code == 0
    listed = invoke("--database-url", url, "projects", "--format", "json", *here)
    home, shop = json.loads(listed.output)
    assert list(shop) == ["id", "name", "dsn"]
    assert (home["id"], shop["id"], shop["name"]) == (1, 2, "shop")
    assert shop["dsn"] == added.output.strip()
    assert shop["dsn"].endswith("@errors.example.com/x/2")
    heading, *lines = invoke("--database-url", url, "projects").output.splitlines()
    assert heading.split() == ["ID", "NAME", "DSN"]
    assert lines[1].endswith("@127.0.0.1:9000/2")


def test_a_project_gets_another_name_and_another_key(url: str) -> None:
    def told(*words: str) -> str:
        return invoke("--database-url", url, "projects", *words).output

    assert told("rename", "1", "shop") == "Project 1 is 'shop'.\n"
    (before,) = json.loads(told("--format", "json"))
    dsn = told("rekey", "1").strip()
    (after,) = json.loads(told("--format", "json"))
    assert (after["name"], after["dsn"]) == ("shop", dsn)
    assert dsn != before["dsn"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["rename", "2", "x"], "there is no project 2"),
        (["rekey", "2"], "there is no project 2"),
        (["add", "app"], "there is a project 'app' already"),
        (["add", " "], "has no name"),
    ],
)
def test_what_cannot_be_a_project_is_explained(
    url: str, arguments: list[str], problem: str
) -> None:
    result = invoke("--database-url", url, "projects", *arguments)
    assert (result.exit_code, problem in result.output) == (1, True)
    store = Store(url)
    assert len(projects.every(store)) == 1
    store.close()


@pytest.mark.parametrize(
    ("command", "base_url"),
    [
        ("projects", ""),
        ("projects", "ftp://example.com"),
        ("login-link", "http://\udcff"),
        ("serve", "example.com"),
    ],
)
def test_a_base_url_that_is_none_is_an_error_of_usage(
    url: str, command: str, base_url: str
) -> None:
    result = invoke("--database-url", url, command, f"--base-url={base_url}")
    assert (result.exit_code, "the base URL is" in result.output) == (2, True)


def test_a_full_disk_is_told_in_a_sentence(url: str, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        process = started(tmp_path, "--database-url", url, "export", stdout=full)
        _, complaints = process.communicate(timeout=60)
    expected = "Error: the output cannot be used: No space left on device\n"
    assert (process.returncode, complaints) == (1, expected)


def test_serve_only_says_that_the_database_is_damaged(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("DROP TABLE errtrack_project")
    connection.close()
    result = invoke("--database-url", url, "serve", "--port", "0")
    assert (result.exit_code, "no such table" in result.output) == (1, True)
    assert caplog.messages == []


def test_a_login_link_is_for_the_place_that_is_told(url: str) -> None:
    home = "https://errors.example.com/x"
    result = invoke("--database-url", url, "login-link", "--base-url", home)
    assert result.output.startswith(f"{home}/login?token=")
    assert invoke("--database-url", url, "login-link").output.startswith(
        "http://127.0.0.1:9000/login?token="
    )


def test_where_people_find_it_is_told_once(url: str, tmp_path: Path) -> None:
    (tmp_path / "tracker.toml").write_text(
        'dashboard_url = "https://errors.example.com/x/"'
    )
    config = ("--database-url", url, "--config", str(tmp_path / "tracker.toml"))
    home = "https://errors.example.com/x"
    assert invoke(*config, "login-link").output.startswith(f"{home}/login?token=")
    assert "@errors.example.com/x/1" in invoke(*config, "projects").output
    other = ("--base-url", "https://example.org")
    assert "@example.org/1" in invoke(*config, "projects", *other).output


def test_it_works_on_either_database(database_url: str) -> None:
    given = {"ERRTRACK_DATABASE_URL": database_url, "ERRTRACK_SECRET_KEY": KEY}
    assert invoke("projects", "add", "shop", **given).exit_code == 0
    assert invoke("upgrade", **given).exit_code == 0
    assert len(json.loads(invoke("projects", "--format", "json", **given).output)) == 2


def test_options_are_in_a_file(url: str, tmp_path: Path) -> None:
    (tmp_path / "tracker.toml").write_text(
        f'database_url = "{url}"\nretention_days = 1\nurl_prefix = "/errors"\n'
    )
    given = {"ERRTRACK_CONFIG_FILE": str(tmp_path / "tracker.toml")}
    assert "The till is empty" in invoke("issues", **given).output
    link = invoke("login-link", **given).output
    assert link.startswith("http://127.0.0.1:9000/errors/login?")
    other = {"ERRTRACK_DATABASE_URL": f"sqlite:///{tmp_path}/other.db"}
    assert "other.db" in invoke("issues", **given, **other).output


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("retention_days", "cannot be read"),
        ("\0", "cannot be read"),
        ("retention_day = 3", "did you mean retention_days"),
        ("retention_days = 'many'", "retention_days"),
        ("trusted_proxies = 'many'", "trusted_proxies"),
        ("password = 1", "password"),
        ("enabled = false", "option enabled is for apps that send"),
        ("dsn = 'http://key@localhost/1'", "option dsn is for apps that send"),
        ("dashboard = false", "option dashboard is for apps that send"),
    ],
)
def test_a_wrong_file_is_explained(
    url: str, tmp_path: Path, text: str, problem: str
) -> None:
    (tmp_path / "tracker.toml").write_text(text)
    path = str(tmp_path / "tracker.toml")
    result = invoke("--database-url", url, "--config", path, "issues")
    assert (result.exit_code, problem in result.output) == (1, True)
    assert isinstance(result.exception, SystemExit)


def test_what_people_wrote_is_listed(url: str) -> None:
    assert invoke("--database-url", url, "feedback").output == (
        "Nobody has written yet.\n"
    )
    store = Store(url)
    written = {"event_id": EVENT_ID, "name": "Ada", "comments": "No \x1b[2J\nmoney"}
    store.record(Item("user_report", json.dumps(written).encode()))
    store.close()
    (report,) = json.loads(
        invoke("--database-url", url, "feedback", "--format", "json").output
    )
    assert (report["event_id"], report["issue_id"]) == (EVENT_ID, 1)
    assert (report["name"], report["is_read"]) == ("Ada", False)
    heading, line = invoke("--database-url", url, "feedback").output.splitlines()
    assert heading.split()[-1] == "COMMENTS"
    assert "\x1b" not in line


def test_a_reader_that_has_left_is_no_error(url: str, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        process = started(tmp_path, "issues", stdout=pipe)
        _, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (1, "")
    store = Store(url)
    with store.reading() as connection:
        events = connection.execute(schema.event.select()).all()
    store.close()
    assert [event.event_id for event in events] == [EVENT_ID]
