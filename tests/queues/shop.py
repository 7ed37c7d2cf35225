"""The shop that workers work for: a Flask app with a factory, as Flask's docs show it.

Its events go into a file, which all of its processes append to.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from celery import Celery, Task
from flask import Flask

from flask_errtrack import ErrTrack
from flask_errtrack.contrib.celery import init_celery
from flask_errtrack.protocol.envelope import Envelope

errtrack = ErrTrack()


class FileTransport:
    """Writes each event to a file, one line of JSON each."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.path.touch()

    def send(self, envelope: Envelope) -> None:
        lines = "".join(json.dumps(event) + "\n" for event in envelope.events)
        with self.path.open("a") as file:
            file.write(lines)


def celery_init_app(app: Flask) -> Celery:
    class FlaskTask(Task):
        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery_app = Celery(app.name, task_cls=FlaskTask)
    celery_app.config_from_object(app.config["CELERY"])
    celery_app.set_default()
    init_celery(celery_app, errtrack)
    app.extensions["celery"] = celery_app
    return celery_app


def create_app(**options: Any) -> Flask:
    app = Flask("shop")
    app.secret_key = "the-secret-key-of-the-shop"
    redis_url = os.environ["SHOP_REDIS_URL"]
    app.config["CELERY"] = {
        "broker_url": redis_url,
        "result_backend": redis_url,
        "broker_connection_retry_on_startup": True,
        "imports": ["queues.tasks"],
    }
    if "SHOP_EVENTS" in os.environ:
        options = {"transport": FileTransport(os.environ["SHOP_EVENTS"]), **options}
    errtrack.init_app(app, **options)
    celery_init_app(app)
    return app
