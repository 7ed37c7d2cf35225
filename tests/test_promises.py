"""What is promised in words: the option table, the public names, the commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

import flask_errtrack
from flask_errtrack.settings.config import Config
from flask_errtrack.settings.options import options_as_rst
from flask_errtrack.version import VERSION

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.rst").read_text()


def test_the_readme_has_the_options_as_they_are_declared() -> None:
    start, end = ".. options-start\n\n", "\n.. options-end"
    table = README[README.index(start) + len(start) : README.index(end)]
    assert table == options_as_rst(Config), (
        "write it anew: python3 -c 'from flask_errtrack.settings.options import *; "
        "from flask_errtrack.settings.config import *; print(options_as_rst(Config))'"
    )


def test_the_public_names_are_these() -> None:
    # pytest puts names with an @ into the modules of whoever has a plugin.
    public = {name for name in vars(flask_errtrack) if not name.startswith(("_", "@"))}
    modules = {name for name in public if f"flask_errtrack.{name}" in sys.modules}
    assert public - modules - {"annotations"} == {
        "BadDsn",
        "Client",
        "Config",
        "ConfigError",
        "ErrTrack",
        "ErrTrackError",
        "Refused",
        "Scope",
        "SeveralApps",
        "TransportError",
    }


def test_the_extension_has_the_calls_of_its_contract() -> None:
    contract = (
        "init_app capture_exception capture_message capture_check_in job monitor "
        "captureException captureMessage "
        "set_user set_tag set_tags set_extra set_context set_level set_fingerprint "
        "set_transaction add_breadcrumb push_scope configure_scope last_event_id flush "
        "close public_dsn"
    )
    for name in contract.split():
        assert hasattr(flask_errtrack.ErrTrack, name), name


def test_the_version_stands_in_the_changes() -> None:
    assert f"Version {VERSION}\n" in (ROOT / "CHANGES.rst").read_text()


def test_the_lines_of_the_readme_work(tmp_path: Path) -> None:
    code = README.split(".. code-block:: python")[1].split("\n\nThat is all")[0]
    lines = "\n".join(line.removeprefix("    ") for line in code.splitlines())
    found: dict[str, object] = {"__name__": "readme"}
    exec(
        lines.replace(
            "Flask(__name__)", f"Flask('x', instance_path={str(tmp_path)!r})"
        ),
        found,
    )
    app = found["app"]
    assert isinstance(app, Flask)
    assert "errtrack" in app.extensions
    with app.app_context():
        found["errtrack"].close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", re.findall(r"\$ python3 dev\.py (\w+)", README))
def test_a_command_of_the_readme_is_one_of_dev_py(command: str) -> None:
    help_text = subprocess.run(
        [sys.executable, "-c", f"import dev; print(dev.COMMANDS[{command!r}].__doc__)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert help_text.strip()


def test_the_readme_leads_to_every_page() -> None:
    links = re.findall(r"<((?:docs/)?\w+\.rst)>`__", README)
    assert len(links) == README.count("`__") == len(set(links))
    for page in links:
        assert (ROOT / page).is_file(), page
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.rst")}
    assert pages - set(links) <= {"docs/index.rst"}


def test_the_pictures_of_the_readme_are_there() -> None:
    for picture in re.findall(r"image:: (\S+)", README):
        assert (ROOT / picture).stat().st_size > 10_000


def test_the_example_is_what_the_command_runs() -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "example_app", "--help"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "clear-todos" in result.stdout and "errtrack" in result.stdout
