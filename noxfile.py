"""The tests on each Python with each Flask: ``python3 dev.py matrix``.

``dev.py`` makes the environment of a Python, with the newest Flask. One with an older
Flask lies in front of it: a whole one would take longer than its tests.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

ROOT = Path(__file__).parent

PYTHONS = ("3.11", "3.12", "3.13")
# The first of each line that setup.cfg allows, with the Werkzeug of its day.
OLD_FLASKS = ("3.0.0", "3.1.0")
# What depends on Flask or Werkzeug. The rest is the same with all of them.
OF_FLASK = (
    "tests/asgi/test_middleware.py",
    "tests/cli/test_cli_actions.py",
    "tests/cli/test_outbox_command.py",
    "tests/client/test_job.py",
    "tests/client/test_monitor.py",
    "tests/client/test_one_event.py",
    "tests/contrib/test_signals.py",
    "tests/host",
    "tests/runtime",
    "tests/scopes",
    "tests/test_capture_elsewhere.py",
    "tests/test_capture_places.py",
    "tests/test_embedded_tracker.py",
    "tests/test_extension.py",
    "tests/test_hooks.py",
    "tests/test_hostile_app.py",
    "tests/test_pages_in_an_app.py",
    "tests/test_several_apps.py",
    "tests/test_testing.py",
    "tests/tracker/dashboard/test_permissions.py",
    "tests/tracker/dashboard/test_project_pages.py",
    "tests/tracker/ingest/test_doors.py",
    "tests/watching",
    "tests/web/test_feedback.py",
)
_CHECK = """
import sys
from importlib.metadata import version
found = {name: version(name) for name in ("flask", "werkzeug")}
assert set(found.values()) == {sys.argv[1]}, found
"""

nox.options.default_venv_backend = "none"


@nox.session
@nox.parametrize("on", PYTHONS)
def newest_flask(session: nox.Session, on: str) -> None:
    """All tests, with the newest Flask; arguments go to pytest."""
    dev_py(session, on, *session.posargs)


@nox.session
@nox.parametrize("on", PYTHONS)
@nox.parametrize("flask", OLD_FLASKS)
def old_flask(session: nox.Session, flask: str, on: str) -> None:
    """What depends on Flask, with an older one; arguments go to pytest."""
    dev_py(session, on, "--version")
    python = environment(session, flask, on)
    session.run(python, "-c", _CHECK, flask)
    what = ("-m", "not browser", *OF_FLASK)
    session.run(python, "-m", "pytest", *what, *session.posargs)


def dev_py(session: nox.Session, on: str, *arguments: str) -> None:
    """Run pytest in the environment of a Python, which is made if need be."""
    python = shutil.which(f"python{on}")
    if python is None:
        session.skip(f"there is no python{on} on the path")
    session.run(python, "dev.py", "test", *arguments)


def environment(session: nox.Session, flask: str, on: str) -> str:
    """Put an environment with an older Flask in front of that of ``dev.py``."""
    base, folder = ROOT / ".venv" / on, ROOT / "build" / f"flask-{flask}-on-{on}"
    packages = Path("lib", f"python{on}", "site-packages")
    python = str(base / "bin" / "python")
    session.run(python, "-m", "venv", "--clear", "--without-pip", str(folder))
    behind = f"import site; site.addsitedir({str(base / packages)!r})\n"
    (folder / packages / "behind.pth").write_text(behind)
    target = ("--quiet", "--no-deps", "--target", str(folder / packages))
    wanted = (f"Flask=={flask}", f"Werkzeug=={flask}")
    session.run(python, "-m", "pip", "install", *target, *wanted)
    return str(folder / "bin" / "python")
