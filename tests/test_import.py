"""Nothing happens at import, and little at set-up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WATCH = """
import builtins, logging, os, sys, threading
import flask, requests, werkzeug, click, itsdangerous
from flask import Flask

opened = []
def see(event, arguments):
    if event == "open":
        mode, flags = arguments[1], arguments[2]
        is_for_reading = isinstance(mode, str) and not set(mode) & set("wax+")
        if not is_for_reading and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            opened.append(arguments[0])
    elif event in ("os.mkdir", "os.rename", "os.remove", "socket.connect",
                   "subprocess.Popen", "sqlite3.connect"):
        opened.append((event, arguments))
sys.dont_write_bytecode = True
sys.addaudithook(see)

def patchable():
    return {
        (owner.__name__, name): value
        for owner in (logging.Logger, logging.Handler, logging, Flask, flask, requests,
                      werkzeug, threading, threading.Thread, sys, builtins)
        for name, value in vars(owner).items()
        if callable(value)
    }
before = patchable()
"""
CHECK = """
after = patchable()
changed = {name for name in before if after[name] is not before[name]}
print(sorted(changed), threading.active_count(), opened)
print(sorted({name.partition('.')[0] for name in sys.modules}
      & {'sqlalchemy', 'alembic', 'apprise', 'celery', 'rq', 'asyncio', 'flask_login'}))
"""


def outcome_of(code: str, folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WATCH + code + CHECK],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_import_does_nothing(tmp_path: Path) -> None:
    assert outcome_of("import flask_errtrack\n", tmp_path) == ["[] 1 []", "[]"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_healthy", [False, True])
def test_an_app_with_a_dsn_sets_its_hooks_and_nothing_else(
    tmp_path: Path, is_healthy: bool
) -> None:
    code = """
from flask_errtrack import ErrTrack
app = Flask("shop", instance_path=os.path.abspath("instance"))
app.add_url_rule("/", "index", lambda: "fine")
ErrTrack(app, dsn="http://key@127.0.0.1:9/1")
"""
    if is_healthy:
        code += "assert app.test_client().get('/').text == 'fine'\n"
    hooks = "[('Logger', 'callHandlers'), ('sys', 'excepthook'), "
    hooks += "('threading', 'excepthook')]"
    assert outcome_of(code, tmp_path) == [f"{hooks} 1 []", "[]"]
    assert list(tmp_path.iterdir()) == []


def test_closed_apps_leave_neither_thread_nor_hook(tmp_path: Path) -> None:
    code = """
from flask_errtrack import ErrTrack
for number in range(3):
    app = Flask("shop", instance_path=os.path.abspath(f"instance{number}"))
    app.logger.disabled = True
    app.add_url_rule("/", "index", lambda: 1 / 0)
    errtrack = ErrTrack(app, shutdown_timeout_seconds=60)
    assert app.test_client().get("/").status_code == 500
    errtrack.close()
"""
    assert outcome_of(code, tmp_path)[0].startswith("[] 1 ")
