"""What ``rq worker --worker-class queues.rq_worker.ShopWorker`` runs: an app's workers.

Its events go into a file; or to a DSN, and wait in memory until they are sent.
"""

from __future__ import annotations

import os

from flask import Flask
from rq import SimpleWorker, SpawnWorker

from flask_errtrack import ErrTrack
from flask_errtrack.contrib.rq import worker_class

from .shop import FileTransport

errtrack = ErrTrack()


def create_app() -> Flask:
    app = Flask("shop")
    app.secret_key = "the-secret-key-of-the-shop"
    if "SHOP_DSN" in os.environ:
        errtrack.init_app(app, dsn=os.environ["SHOP_DSN"], outbox=False)
    else:
        errtrack.init_app(app, transport=FileTransport(os.environ["SHOP_EVENTS"]))
    return app


create_app().app_context().push()

ShopWorker = worker_class(errtrack)
ShopSimpleWorker = worker_class(errtrack, SimpleWorker)
RetryingWorker = worker_class(errtrack, SimpleWorker, report_retries=True)


class ShopSpawnWorker(worker_class(errtrack, SpawnWorker)):  # type: ignore[misc]
    """Its work horses import it by this name."""
