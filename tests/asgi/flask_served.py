"""The Flask app that gunicorn serves in the tests; ``ERRTRACK_DSN`` gets its events."""

from __future__ import annotations

import tempfile
import time

from flask import Flask

from flask_errtrack import ErrTrack

app = Flask("flask_shop", instance_path=tempfile.mkdtemp())
errtrack = ErrTrack(app, dashboard=False, outbox=False)


@app.get("/ready")
def ready() -> str:
    return "ready"


@app.get("/in_flask/<mark>")
def in_flask(mark: str) -> str:
    errtrack.set_user({"id": mark})
    errtrack.set_tag("mark", mark)
    time.sleep(0.001)
    raise LookupError(mark)
