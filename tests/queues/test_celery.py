"""Celery: real workers with a real broker, and tasks that run where they are called."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, Task
from conftest import MakeApp
from delivery.receiver import Receiver
from flask import Flask
from places import Broken, fail, visit

from flask_errtrack import Client, ConfigError, ErrTrack
from flask_errtrack.contrib.celery import init_celery
from flask_errtrack.transports import MemoryTransport

from .conftest import MakeRedis
from .workers import CeleryWorker, celery_worker, program


@pytest.fixture(scope="module")
def worker(
    make_redis: MakeRedis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CeleryWorker]:
    """A worker of one process, which runs a task after the other."""
    folder = tmp_path_factory.mktemp("prefork")
    with celery_worker(folder, make_redis(), "prefork", 1) as worker:
        yield worker


def types_of(events: list[dict[str, Any]]) -> list[str]:
    """The type of the outermost exception of each event."""
    return [event["exception"]["values"][-1]["type"] for event in events]


def test_what_fails_is_one_event_that_says_which_task_it_was(
    worker: CeleryWorker,
) -> None:
    result = worker.run("send_order", 17, "hunter2-secret", 5)
    assert "order 17 is broken" in str(result)
    (event,) = worker.events()
    assert types_of([event]) == ["Broken"]
    assert event["transaction"] == "queues.tasks.send_order"
    assert event["transaction_info"] == {"source": "task"}
    assert event["level"] == "error"
    mechanism = event["exception"]["values"][-1]["mechanism"]
    assert (mechanism["type"], mechanism["handled"]) == ("celery", False)
    context = event["contexts"]["celery"]
    assert (context["queue"], context["retries"]) == ("celery", 0)
    assert len(context["task_id"]) == 36


def test_arguments_have_names_so_that_secrets_are_seen(worker: CeleryWorker) -> None:
    worker.run("send_order", 17, "hunter2-secret", 5)
    (event,) = worker.events()
    assert event["contexts"]["celery"]["arguments"] == {
        "number": 17,
        "password": "[redacted]",
        "argument 3": 5,
    }
    assert "hunter2" not in json.dumps(event)


def test_an_exception_that_cannot_be_pickled_is_the_one_that_was_raised(
    worker: CeleryWorker,
) -> None:
    worker.run("send_unsendable")
    (event,) = worker.events()
    value = event["exception"]["values"][-1]
    assert value["type"] == "Unsendable"
    assert value["module"] == "queues.tasks"
    assert value["stacktrace"]["frames"][-1]["function"] == "send_unsendable"


def test_log_then_raise_in_a_task_is_the_raise(worker: CeleryWorker) -> None:
    worker.run("log_then_raise")
    (event,) = worker.events()
    assert event["exception"]["values"][-1]["mechanism"]["type"] == "celery"


def test_what_a_task_logs_is_an_event_of_that_task(worker: CeleryWorker) -> None:
    worker.run("log_and_go_on")
    (event,) = worker.events()
    assert event["logentry"]["formatted"] == "order 17 is late"
    assert event["transaction"] == "queues.tasks.log_and_go_on"
    assert event["contexts"]["celery"]["task_id"]


def test_only_the_last_of_several_tries_is_an_event(worker: CeleryWorker) -> None:
    assert worker.run("down_once") == 1
    assert worker.events() == []
    worker.run("always_down")
    (event,) = worker.events()
    assert types_of([event]) == ["ConnectionError"]
    assert event["contexts"]["celery"]["retries"] == 2


@pytest.mark.parametrize("task", ["ignored", "rejected", "expected"])
def test_what_a_task_decides_or_expects_is_no_event(
    worker: CeleryWorker, task: str
) -> None:
    worker.send(task)
    assert worker.events() == []


def test_a_task_that_the_worker_does_not_know_is_one_event(
    worker: CeleryWorker,
) -> None:
    worker.run("removed", 17, "hunter2-secret")
    (event,) = worker.events()
    assert types_of([event]) == ["NotRegistered"]
    assert event["transaction"] == "queues.tasks.removed"
    assert "hunter2" not in json.dumps(event)


def test_nothing_of_a_task_gets_into_the_next_one(worker: CeleryWorker) -> None:
    worker.run("marked", 17, False)
    worker.run("marked", 18, True)
    worker.run("plain_failure")
    first, second = worker.events()
    assert first["user"] == {"id": "18"}
    assert first["tags"] == {"order": "18"}
    assert [one["message"] for one in first["breadcrumbs"]["values"]] == ["order 18"]
    assert "user" not in second
    assert "tags" not in second
    assert "breadcrumbs" not in second


def test_a_task_that_is_too_slow_is_one_event(worker: CeleryWorker) -> None:
    worker.run("stuck", soft_time_limit=0.1)
    (event,) = worker.events()
    assert types_of([event]) == ["SoftTimeLimitExceeded"]
    assert event["exception"]["values"][-1]["stacktrace"]["frames"][1]["in_app"]


def test_a_process_that_is_killed_is_one_event_of_its_task(
    make_redis: MakeRedis, tmp_path: Path
) -> None:
    with celery_worker(tmp_path, make_redis(), "prefork", 2) as worker:
        worker.run("killed", 17, "hunter2-secret")
        worker.run("stuck", time_limit=0.1)
        found = worker.wait_for_events(2)
    lost, late = found + worker.wait_for_events(0)
    assert types_of([lost, late]) == ["WorkerLostError", "TimeLimitExceeded"]
    assert lost["transaction"] == "queues.tasks.killed"
    arguments = lost["contexts"]["celery"]["arguments"]
    assert arguments == {"number": 17, "password": "[redacted]"}
    assert late["transaction"] == "queues.tasks.stuck"


@pytest.mark.parametrize("pool", ["threads", "gevent"])
def test_tasks_that_run_at_once_keep_apart(
    make_redis: MakeRedis, tmp_path: Path, pool: str
) -> None:
    with celery_worker(tmp_path, make_redis(), pool, 8) as worker:
        for number in range(8):
            worker.send("at_once", number)
        events = worker.wait_for_events(8)
    numbers = sorted(event["user"]["id"] for event in events)
    assert numbers == [str(number) for number in range(8)]
    for event in events:
        number = event["user"]["id"]
        assert event["tags"] == {"order": number}
        value = event["exception"]["values"][-1]["value"]
        crumbs = [one["message"] for one in event["breadcrumbs"]["values"]]
        assert (value, crumbs) == (f"order {number}", [f"order {number}"])


def test_a_process_of_the_pool_sends_what_waits_before_it_ends(
    make_redis: MakeRedis, tmp_path: Path
) -> None:
    redis_url = make_redis()
    with (
        Receiver(tmp_path) as receiver,
        Celery(set_as_current=False, broker=redis_url) as celery_app,
        program(
            *("celery", "-A", "queues.plain", "worker", "-P", "prefork", "-c", "1"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            *("--max-tasks-per-child", "1"),
            log=tmp_path / "worker.log",
            SHOP_REDIS_URL=redis_url,
            SHOP_DSN=receiver.dsn,
        ),
    ):
        celery_app.send_task("queues.plain.fail", ["first"])
        receiver.until_arrived(["first"])


def eager(app: Flask, errtrack: ErrTrack | Client, **options: Any) -> Celery:
    """Celery for an app, whose tasks run where they are called."""

    class FlaskTask(Task):
        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery_app = Celery(task_cls=FlaskTask, set_as_current=False)
    celery_app.conf.update(
        task_always_eager=True, task_store_eager_result=False, broker_url="memory://"
    )
    init_celery(celery_app, errtrack, **options)
    return celery_app


def test_a_task_that_runs_in_a_request_is_one_event_however_it_is_seen(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    task = eager(app, errtrack).task(fail)

    @app.get("/broken")
    def broken() -> str:
        errtrack.set_tag("is", "request")
        return str(task.delay().get())

    visit(app)
    (event,) = sent.events
    assert event["transaction"] == task.name
    assert "tags" not in event


def test_an_error_that_leaves_a_task_for_its_request_is_one_event(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    celery_app = eager(app, errtrack)
    celery_app.conf.task_eager_propagates = True
    task = celery_app.task(fail)
    app.add_url_rule("/broken", "broken", lambda: str(task.delay()))
    visit(app)
    assert len(sent.events) == 1


def test_what_a_task_is_tried_again_for_is_a_warning_if_that_is_wanted(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    celery_app = eager(app, errtrack, report_retries=True)

    @celery_app.task(bind=True, max_retries=1)
    def down(self: Task, password: str) -> None:
        try:
            raise ConnectionError(f"try {self.request.retries}")
        except ConnectionError as error:
            raise self.retry(exc=error, countdown=0) from error

    down.delay("hunter2-secret")
    values = [event["exception"]["values"][-1] for event in sent.events]
    assert [value["value"] for value in values] == ["try 0", "try 1"]
    assert [event["level"] for event in sent.events] == ["warning", "error"]
    arguments = {"password": "[redacted]"}
    for event in sent.events:
        assert event["contexts"]["celery"]["arguments"] == arguments


def test_a_task_may_begin_and_end_without_an_app(sent: MemoryTransport) -> None:
    client = Client(transport=sent)
    celery_app = Celery(set_as_current=False)
    init_celery(celery_app, client)

    @celery_app.task
    def restock() -> None:
        client.set_tag("shelf", "top")
        fail()

    restock.apply()
    client.capture_message("after")
    client.close()
    first, second = sent.events
    assert first["tags"] == {"shelf": "top"}
    assert "tags" not in second


def test_the_extension_may_get_its_app_later(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    errtrack = ErrTrack()
    celery_app = Celery(set_as_current=False)
    init_celery(celery_app, errtrack)
    task = celery_app.task(fail)
    with suppress(Broken):
        task.apply()
    assert sent.events == []
    make_app(errtrack=errtrack, transport=sent)
    task.apply()
    assert len(sent.events) == 1


def test_several_apps_have_tasks_of_their_own(
    make_app: MakeApp, make_transport: Callable[[], MemoryTransport]
) -> None:
    transports = [make_transport(), make_transport()]
    for transport in transports:
        app = make_app(transport=transport)
        task = eager(app, app.extensions["errtrack"]).task(fail)
        task.delay()
    assert [len(transport.events) for transport in transports] == [1, 1]


def test_a_celery_app_is_set_up_once() -> None:
    celery_app = Celery(set_as_current=False)
    init_celery(celery_app, ErrTrack())
    with pytest.raises(ConfigError, match="call init_celery once"):
        init_celery(celery_app, ErrTrack())


def test_after_closing_tasks_run_as_ever(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    task = eager(app, errtrack).task(fail)
    errtrack.close()
    assert isinstance(task.delay().result, Broken)
    assert sent.events == []
