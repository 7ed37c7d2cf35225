"""The app of one host among several that write into one tracker.

Its options come from the environment: ``HOST_FOLDER`` (its instance folder, with its
outbox) and ``ERRTRACK_TEST_DATABASE_URL`` (what all hosts share).
"""

from __future__ import annotations

import os

from flask import Flask

from flask_errtrack import ErrTrack

errtrack = ErrTrack()

app = Flask("shop", instance_path=os.environ["HOST_FOLDER"])
app.secret_key = "the key that all hosts of the test share"
errtrack.init_app(
    app,
    database_url=os.environ["ERRTRACK_TEST_DATABASE_URL"],
    dashboard_access=lambda: True,
    max_events_per_issue=20,
    logging=False,
)


class Sold(Exception):
    """What every view here raises."""


@app.get("/ready")
def ready() -> str:
    """Say that it answers."""
    return "ready"


@app.get("/buy/<int:kind>/<user>")
def buy(kind: int, user: str) -> str:
    """Fail in one of many ways, for a user."""
    errtrack.set_user({"id": user})
    errtrack.set_tag("kind", str(kind % 10))
    errtrack.set_fingerprint(["kind", str(kind)])
    raise Sold(kind)
