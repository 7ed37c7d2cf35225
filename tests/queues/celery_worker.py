"""What ``celery -A queues.celery_worker worker`` runs."""

from __future__ import annotations

from .shop import create_app

flask_app = create_app()
celery_app = flask_app.extensions["celery"]
