"""Once the last client is closed, the process is as it was found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LOOK = """
import asyncio, atexit, faulthandler, gc, json, logging, os, signal, sqlite3, sys
import tempfile, threading, warnings
import flask, requests
from flask import Flask
from places import fail, visit

at_exit = []
register, unregister = atexit.register, atexit.unregister

def register_and_note(function, *arguments, **options):
    at_exit.append(function)
    return register(function, *arguments, **options)

def unregister_and_note(function):
    at_exit[:] = [one for one in at_exit if one != function]
    unregister(function)

# Python itself does not tell what is registered.
atexit.register, atexit.unregister = register_and_note, unregister_and_note

def functions_of(owner):
    return {name: value for name, value in vars(owner).items() if callable(value)}

def found():
    owners = (logging, logging.Logger, logging.Handler, logging.LogRecord, threading,
              threading.Thread, Flask, flask, requests, requests.Session, os, warnings,
              asyncio.AbstractEventLoop)
    root = logging.getLogger()
    return {
        "functions": [functions_of(owner) for owner in owners],
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook,
                  sys.gettrace(), sys.getprofile(), gc.callbacks[:]),
        "signals": [signal.getsignal(one) for one in signal.valid_signals()
                    if one not in (signal.SIGKILL, signal.SIGSTOP)],
        "logging": (root.level, root.handlers[:], root.filters[:], logging.lastResort,
                    logging.root.manager.disable, logging.getLogRecordFactory()),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "files": sorted(os.readlink(f"/proc/self/fd/{number}")
                        for number in os.listdir("/proc/self/fd")
                        if os.path.exists(f"/proc/self/fd/{number}")),
        "atexit": at_exit[:],
        "warnings": warnings.filters[:],
        "environment": dict(os.environ),
    }

def use():
    %s

# Libraries are imported, and what they set up once for the process is there.
use()
gc.collect()
before = found()
use()
gc.collect()
after = found()
changed = [name for name in before if before[name] != after[name]]
print({name: (before[name], after[name]) for name in changed})
"""

APP_WITH_TRACKER = """
    from flask_errtrack import ErrTrack
    folder = tempfile.mkdtemp()
    app = Flask("shop", instance_path=folder, root_path=folder)
    errtrack = ErrTrack(app)
    app.add_url_rule("/broken", "broken", fail)
    visit(app)
    with app.app_context():
        app.logger.handlers.clear()
        try:
            fail()
        except Exception:
            app.logger.exception("logged")
        assert errtrack.flush(60)
        errtrack.close()
"""

CLIENT_ALONE = """
    from flask_errtrack import Client
    client = Client(dsn="http://key@127.0.0.1:9/1", shutdown_timeout_seconds=0.1)
    try:
        with client.job("count"):
            try:
                fail()
            except Exception:
                logging.getLogger("shop").exception("logged")
                raise
    except Exception:
        pass
    try:
        fail()
    except Exception:
        logging.getLogger("shop").exception("logged")
    client.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize(
    "use", [APP_WITH_TRACKER, CLIENT_ALONE], ids=["app", "client alone"]
)
def test_close_leaves_the_process_as_it_was_found(tmp_path: Path, use: str) -> None:
    tests = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", LOOK % use.strip()],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tests.parent}:{tests}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "{}\n"
