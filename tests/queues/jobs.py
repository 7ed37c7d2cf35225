"""What the shop has done by RQ, and how it goes wrong."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import Any

from .rq_worker import errtrack

logger = logging.getLogger("shop.jobs")


class Broken(Exception):
    """What most of the jobs raise."""


def nothing() -> None:
    pass


def send_order(number: int, password: str, **options: Any) -> None:
    raise Broken(f"order {number} is broken")


def log_then_raise() -> None:
    try:
        raise Broken("no stock")
    except Broken:
        logger.exception("the order failed")
        raise


def log_and_go_on() -> None:
    logger.error("order %d is late", 17)


def marked(number: int, fails: bool) -> None:
    errtrack.set_user({"id": number})
    errtrack.set_tag("order", number)
    errtrack.add_breadcrumb(message=f"order {number}")
    if fails:
        raise Broken(f"order {number}")


def leave() -> None:
    raise SystemExit(3)


def plain_failure() -> None:
    errtrack.set_tag("mark", "plain")
    raise Broken("nothing is known of this one")


def down() -> None:
    raise ConnectionError("the warehouse is down")


def killed(number: int, password: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stuck() -> None:
    threading.Event().wait(60)
