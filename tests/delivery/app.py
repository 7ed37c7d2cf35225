"""The app under test: fails as told, and says what it has dropped.

Its options come from the environment: ``ERRTRACK_DSN``, ``DELIVERY_FOLDER`` (the
instance folder), ``DELIVERY_OPTIONS`` (JSON), and ``DELIVERY_FIRST_PAUSE_SECONDS``,
which may be shorter than people can have it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from flask import Flask, Response

from flask_errtrack import Client, Config, ErrTrack
from flask_errtrack.transports import BackgroundTransport, transport_to_dsn

errtrack = ErrTrack()


class Marked(Exception):
    """What every view here raises."""


def make_app(name: str, **options: Any) -> Flask:
    """Make an app that fails at ``/fail/<mark>``, in an instance folder of its name."""
    app = Flask(name, instance_path=f"{os.environ['DELIVERY_FOLDER']}/{name}")
    options = {**json.loads(os.environ["DELIVERY_OPTIONS"]), **options}
    errtrack.init_app(app, transport=_impatient_transport(app, options), **options)
    app.add_url_rule("/fail/<mark>", view_func=fail)
    app.add_url_rule("/ready", view_func=ready)
    app.after_request(say_who)
    return app


def _impatient_transport(
    app: Flask, options: dict[str, Any]
) -> BackgroundTransport | None:
    """Return the transport to the DSN as an app has it, but for its pauses."""
    pause_seconds = os.environ.get("DELIVERY_FIRST_PAUSE_SECONDS")
    if pause_seconds is None:
        return None
    config = Config.load(options, {}, os.environ)
    is_on_disk = config.outbox is not False
    folder = Path(app.instance_path, "errtrack-outbox", "dsn") if is_on_disk else None
    return transport_to_dsn(config, folder, float(pause_seconds))


def transport_of(app: Flask) -> BackgroundTransport:
    """Return the transport of an app."""
    client: Client = app.extensions["errtrack"]
    assert isinstance(client.transport, BackgroundTransport)
    return client.transport


def fail(mark: str) -> str:
    errtrack.set_tag("mark", mark)
    raise Marked


def ready() -> str:
    return "ready"


def say_who(response: Response) -> Response:
    """Say which process answers."""
    response.headers["X-Process"] = str(os.getpid())
    return response


app = make_app("shop")
