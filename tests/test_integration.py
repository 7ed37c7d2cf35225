"""What integrations ask of the errtrack that they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from celery import Celery

from flask_errtrack import ConfigError, ErrTrack
from flask_errtrack.contrib.apscheduler import init_apscheduler
from flask_errtrack.contrib.celery import init_celery
from flask_errtrack.contrib.futures import WatchedThreadPoolExecutor
from flask_errtrack.contrib.rq import worker_class


@pytest.mark.parametrize(
    "set_up",
    [
        lambda: init_apscheduler(BackgroundScheduler(), 4),  # type: ignore[arg-type]
        lambda: init_celery(Celery("shop"), 4),  # type: ignore[arg-type]
        lambda: worker_class(4),  # type: ignore[arg-type]
        lambda: WatchedThreadPoolExecutor(4),  # type: ignore[arg-type]
    ],
    ids=["apscheduler", "celery", "rq", "futures"],
)
def test_what_is_no_errtrack_is_refused_at_set_up(set_up: Callable[[], Any]) -> None:
    with pytest.raises(ConfigError, match="got a int as errtrack; expected an ErrTrac"):
        set_up()


@pytest.mark.parametrize(
    ("set_up", "told"),
    [
        (
            init_apscheduler,
            "got a ErrTrack as scheduler; expected one of APScheduler 3",
        ),
        (init_celery, "got a ErrTrack as celery_app; expected a Celery"),
    ],
    ids=["apscheduler", "celery"],
)
def test_what_is_no_queue_is_refused_at_set_up(
    set_up: Callable[[Any, ErrTrack], None], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        set_up(ErrTrack(), ErrTrack())
