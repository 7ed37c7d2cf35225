"""``errtrack migrate-config`` on files, and ``flask errtrack …`` on an app."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import MakeApp

from flask_errtrack.console import main
from flask_errtrack.transports import MemoryTransport

SETTINGS = """
SENTRY_DSN = "https://public:geheim@sentry.example/7"
SENTRY_RELEASE = "1.2"
SENTRY_REPOS = {"/shop": {"name": "shop"}}
"""


# The environment of whoever runs the tests is not ours.
NO_ENVIRON = dict.fromkeys(
    name for name in os.environ if name.startswith(("SENTRY_", "RAVEN_"))
)


def run(*arguments: str | Path, **environ: str) -> Result:
    command = ["migrate-config", *map(str, arguments)]
    return CliRunner().invoke(main, command, env={**NO_ENVIRON, **environ})


def test_a_file_of_settings_is_printed_as_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(SETTINGS)
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert "ERRTRACK_RELEASE = '1.2'" in result.stdout.splitlines()
    assert "geheim" not in result.output and "--show-secrets" in result.output
    assert "SENTRY_REPOS: Source lines come with the event." in result.output


def test_what_is_printed_can_be_run(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(SETTINGS)
    found: dict[str, str] = {}
    exec(run(tmp_path / "settings.py", "--show-secrets").stdout, found)
    assert found["ERRTRACK_DSN"] == "https://public:geheim@sentry.example/7"


def test_the_list_is_json_for_programs(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(SETTINGS)
    dsn, release, repos = json.loads(run(tmp_path, "--format", "json").stdout)
    assert dsn["new"] == {"ERRTRACK_DSN": "'https://***@sentry.example/7'"}
    assert release["old"] == "SENTRY_RELEASE" and release["line"] == 3
    assert release["where"].endswith("settings.py")
    assert repos["new"] == {} and repos["notes"]


def test_the_environment_is_read_too(tmp_path: Path) -> None:
    result = run(tmp_path, SENTRY_DSN="https://public@sentry.example/7")
    assert result.exit_code == 0
    assert "# ERRTRACK_DSN=https://***@sentry.example/7" in result.stdout.splitlines()


def test_it_fails_where_there_is_nothing(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 1 and result.stdout == ""
    assert "there is no setting of raven or sentry-sdk" in result.stderr


@pytest.mark.parametrize(
    "source",
    [b"print 'old'", b"\0", b"\xff", b"(" * 5000, b"+1" * 9999],
    ids=range(5),
)
def test_a_file_that_is_no_python_is_named_and_the_rest_is_read(
    tmp_path: Path, source: bytes
) -> None:
    (tmp_path / "broken.py").write_bytes(b"SENTRY_NAME = 1" + source)
    (tmp_path / "settings.py").write_text(SETTINGS)
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "broken.py cannot be read" in result.stderr
    assert "ERRTRACK_RELEASE = '1.2'" in result.stdout


def test_a_value_that_would_not_be_taken_is_said(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text("SENTRY_SAMPLE_RATE = 7\n")
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "ERRTRACK_SAMPLE_RATE is 7 (int); expected a number from" in result.stderr


def test_without_a_path_it_says_how_it_is_called() -> None:
    assert run().exit_code == 2


def test_an_app_is_read_with_its_config_and_what_its_source_calls(
    make_app: MakeApp, sent: MemoryTransport, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(
        "import sentry_sdk\nSENTRY_NAME = 'of the file'\n"
        "sentry_sdk.init(max_breadcrumbs=7, before_send=clean)\n"
    )
    app = make_app({"SENTRY_RELEASE": "1.2", "SENTRY_NAME": "web-1"}, transport=sent)
    app.root_path = str(tmp_path)
    command = ["errtrack", "migrate-config", "--format", "json"]
    result = app.test_cli_runner().invoke(args=command, env=NO_ENVIRON)
    assert result.exit_code == 0, result.output
    found = [row["new"] for row in json.loads(result.stdout)]
    assert found == [
        {"ERRTRACK_RELEASE": "'1.2'"},
        {"ERRTRACK_SERVER_NAME": "'web-1'"},
        {"ERRTRACK_MAX_BREADCRUMBS": "7"},
        {"ERRTRACK_BEFORE_SEND": "clean"},
    ]


def test_the_doctor_names_settings_that_nobody_reads(make_app: MakeApp) -> None:
    doctor = ["errtrack", "doctor"]
    told = make_app().test_cli_runner().invoke(args=doctor).output
    assert "migrate-config" not in told
    app = make_app({"SENTRY_DSN": "https://geheim@sentry.example/7"})
    told = app.test_cli_runner().invoke(args=doctor).output
    assert "SENTRY_DSN: settings that Flask-ErrTrack does not read" in told
    assert "`flask errtrack migrate-config`" in told and "geheim" not in told
