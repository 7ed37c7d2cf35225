"""A program without Flask: its events wait in memory until they are sent to a DSN.

So what its processes do not send before they end is lost.
"""

from __future__ import annotations

import os

from celery import Celery

from flask_errtrack import Client
from flask_errtrack.contrib.celery import init_celery

client = Client(dsn=os.environ["SHOP_DSN"])
celery_app = Celery(
    "plain", broker=os.environ["SHOP_REDIS_URL"], backend=os.environ["SHOP_REDIS_URL"]
)
celery_app.conf.broker_connection_retry_on_startup = True
init_celery(celery_app, client)


@celery_app.task
def fail(mark: str) -> None:
    client.set_tag("mark", mark)
    raise RuntimeError("broken on purpose")
