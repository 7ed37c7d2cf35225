"""What ``docs/queues.rst`` shows does what the page says."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any

import celery._state
import pytest
from flask import Flask
from pages_of_docs import block_of
from places import Broken, fail
from rq import Worker
from waiting import wait_until

from flask_errtrack import ErrTrack
from flask_errtrack.testing import capture_events
from flask_errtrack.transports import MemoryTransport


def run_block(caption: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run a block of the page; where it leaves something out, the code fails.

    :param names: what it takes from somewhere else, and need not import.
    """
    lines = block_of("queues", caption).replace("...", "fail()").splitlines()
    given = f" import {', '.join(sorted(names))}"
    code = "\n".join(line for line in lines if not line.endswith(given))
    made = {"__name__": "shop", "fail": fail, **names}
    exec(code, made)
    return made


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The names that the block about Celery defines, an app, and its tasks."""
    before = celery._state.default_app

    class Shop(Flask):
        def auto_find_instance_path(self) -> str:
            return str(tmp_path)

    made = run_block("Celery", {"Flask": Shop})
    app = made["create_app"]()
    celery_app = app.extensions["celery"]
    celery_app.conf.task_always_eager = True
    errtrack = made["errtrack"]
    yield {"app": app, "errtrack": errtrack, "shared_task": celery_app.task}
    errtrack.close()
    celery._state.default_app = before


def test_the_factory_with_celery_makes_events_of_tasks(shop: dict[str, Any]) -> None:
    def restock(password: str) -> None:
        fail()

    with capture_events(shop["app"]) as events:
        shop["shared_task"](restock).delay("hunter2-secret")
    (event,) = events
    assert event["contexts"]["celery"]["arguments"] == {"password": "[redacted]"}


def test_a_task_gets_its_user_as_an_argument(shop: dict[str, Any]) -> None:
    task = run_block("the user of a task", shop)["send_order"]
    with capture_events(shop["app"]) as events:
        task.delay(1, user_id=17)
    (event,) = events
    assert event["user"] == {"id": "17"}


def test_a_task_with_a_monitor_is_one_event(shop: dict[str, Any]) -> None:
    task = run_block("a task with a monitor", shop)["send_report"]
    with capture_events(shop["app"]) as events:
        assert isinstance(task.delay().result, Broken)
    assert len(events) == 1


def test_the_module_for_rq_has_a_class_of_workers(
    app: Flask, errtrack: ErrTrack
) -> None:
    names = {"create_app": lambda: app, "errtrack": errtrack}
    # The module leaves an app context behind, for its whole process.
    made = copy_context().run(run_block, "RQ", names)
    assert issubclass(made["ShopWorker"], Worker)


def test_the_scheduler_makes_events_of_jobs(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    made = run_block("APScheduler", {"app": app, "errtrack": errtrack})
    made["scheduler"].add_job(made["send_report"])
    wait_until(lambda: sent.events)
    made["scheduler"].shutdown()
    assert [event["transaction"] for event in sent.events] == ["send_report"]
