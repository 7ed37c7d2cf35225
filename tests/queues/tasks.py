"""What the shop has done in the background, and how it goes wrong."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import Any

from celery import Task, shared_task
from celery.exceptions import Ignore, Reject

from .shop import errtrack

logger = logging.getLogger("shop.tasks")


class Broken(Exception):
    """What most of the tasks raise."""


class Unsendable(Exception):
    """Cannot be pickled and read again."""

    def __init__(self, order: int, shelf: str) -> None:
        super().__init__(f"order {order} is not on {shelf}")


@shared_task
def fence() -> int:
    return os.getpid()


@shared_task
def send_order(number: int, password: str, *prices: int, **options: Any) -> None:
    raise Broken(f"order {number} is broken")


@shared_task
def send_unsendable() -> None:
    raise Unsendable(17, "the shelf")


@shared_task
def log_then_raise() -> None:
    try:
        raise Broken("no stock")
    except Broken:
        logger.exception("the order failed")
        raise


@shared_task
def log_and_go_on() -> None:
    logger.error("order %d is late", 17)


@shared_task(
    autoretry_for=(ConnectionError,), retry_kwargs={"max_retries": 2, "countdown": 0}
)
def always_down() -> None:
    raise ConnectionError("the warehouse is down")


@shared_task(bind=True, max_retries=2)
def down_once(self: Task) -> int:
    if not self.request.retries:
        try:
            raise ConnectionError("the warehouse is down")
        except ConnectionError as error:
            raise self.retry(exc=error, countdown=0) from error
    return int(self.request.retries)


@shared_task
def ignored() -> None:
    raise Ignore("nobody wants to know")


@shared_task
def rejected() -> None:
    raise Reject("not today", requeue=False)


@shared_task(throws=(KeyError,))
def expected() -> None:
    raise KeyError("such is life")


@shared_task
def marked(number: int, fails: bool) -> None:
    errtrack.set_user({"id": number})
    errtrack.set_tag("order", number)
    errtrack.add_breadcrumb(message=f"order {number}")
    if fails:
        raise Broken(f"order {number}")


@shared_task
def plain_failure() -> None:
    raise Broken("nothing is known of this one")


_all_are_here = threading.Barrier(8)


@shared_task
def at_once(number: int) -> None:
    """Eight of them run at the same time, or none."""
    errtrack.set_user({"id": number})
    errtrack.set_tag("order", number)
    errtrack.add_breadcrumb(message=f"order {number}")
    _all_are_here.wait(60)
    raise Broken(f"order {number}")


@shared_task
def killed(number: int, password: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task
def stuck() -> None:
    threading.Event().wait(60)
