"""RQ: its own command, with work horses that are forked, spawned, or none at all."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from delivery.receiver import Receiver
from redis import Redis
from rq import Queue, Retry
from rq.job import Job

from flask_errtrack import Client
from flask_errtrack.contrib.rq import worker_class
from flask_errtrack.transports import MemoryTransport

from .conftest import MakeRedis
from .workers import program

Event = dict[str, Any]
Enqueue = Callable[[Queue], None]


def work(
    redis_url: str, folder: Path, enqueue: Enqueue, worker: str, **environment: str
) -> list[Event]:
    """Let a worker do what is in a queue; return the events."""
    file = folder / "events.jsonl"
    file.touch()
    with closing(Redis.from_url(redis_url)) as redis:
        enqueue(Queue(connection=redis))
    with program(
        *("rq.cli", "worker", "--burst", "--url", redis_url),
        *("--worker-class", f"queues.rq_worker.{worker}"),
        log=folder / "worker.log",
        SHOP_EVENTS=str(file),
        **environment,
    ) as process:
        assert process.wait(60) == 0
    return [json.loads(line) for line in file.read_text().splitlines()]


def orders(queue: Queue) -> None:
    queue.enqueue("queues.jobs.send_order", 17, "hunter2-secret", note="soon")
    queue.enqueue("queues.jobs.marked", 17, False)
    queue.enqueue("queues.jobs.marked", 18, True)
    queue.enqueue("queues.jobs.plain_failure")
    queue.enqueue("queues.jobs.log_then_raise")
    queue.enqueue("queues.jobs.log_and_go_on")
    queue.enqueue("queues.jobs.down", retry=Retry(max=2))
    queue.enqueue("queues.jobs.leave")
    queue.enqueue("queues.jobs.unknown", "hunter2-secret")
    queue.enqueue("queues.jobs.killed", 17, "hunter2-secret")
    queue.enqueue("queues.jobs.stuck", job_timeout=1)


@pytest.fixture(scope="module")
def events(
    make_redis: MakeRedis, tmp_path_factory: pytest.TempPathFactory
) -> list[Event]:
    """What comes of all of these when each has a process of its own."""
    return work(make_redis(), tmp_path_factory.mktemp("rq"), orders, "ShopWorker")


def only(events: list[Event], job: str) -> Event:
    """The one event of a job."""
    (event,) = [one for one in events if one["transaction"] == f"queues.jobs.{job}"]
    return event


def type_of(event: Event) -> str:
    kind: str = event["exception"]["values"][-1]["type"]
    return kind


def test_what_fails_is_one_event_that_says_which_job_it_was(
    events: list[Event],
) -> None:
    event = only(events, "send_order")
    assert type_of(event) == "Broken"
    assert event["transaction_info"] == {"source": "task"}
    mechanism = event["exception"]["values"][-1]["mechanism"]
    assert (mechanism["type"], mechanism["handled"]) == ("rq", False)
    context = event["contexts"]["rq"]
    assert (context["queue"], context["timeout_seconds"]) == ("default", 180)
    assert len(context["job_id"]) == 36


def test_arguments_have_names_so_that_secrets_are_seen(events: list[Event]) -> None:
    arguments = only(events, "send_order")["contexts"]["rq"]["arguments"]
    assert arguments == {"number": 17, "password": "[redacted]", "note": "soon"}
    named = ("send_order", "killed")
    assert "hunter2" not in json.dumps([only(events, name) for name in named])


def test_nothing_of_a_job_gets_into_another(events: list[Event]) -> None:
    event = only(events, "marked")
    assert (event["user"], event["tags"]) == ({"id": "18"}, {"order": "18"})
    assert [one["message"] for one in event["breadcrumbs"]["values"]] == ["order 18"]
    assert only(events, "plain_failure")["tags"] == {"mark": "plain"}


def test_log_then_raise_in_a_job_is_the_raise(events: list[Event]) -> None:
    mechanism = only(events, "log_then_raise")["exception"]["values"][-1]["mechanism"]
    assert mechanism["type"] == "rq"


def test_what_a_job_logs_is_an_event_of_that_job(events: list[Event]) -> None:
    event = only(events, "log_and_go_on")
    assert event["logentry"]["formatted"] == "order 17 is late"
    assert event["contexts"]["rq"]["job_id"]


def test_only_the_last_of_several_tries_is_an_event(events: list[Event]) -> None:
    assert only(events, "down")["contexts"]["rq"]["retries_left"] == 0


def test_a_job_without_a_function_is_an_event(events: list[Event]) -> None:
    assert only(events, "unknown")


def test_a_job_that_is_too_slow_is_one_event(events: list[Event]) -> None:
    assert type_of(only(events, "stuck")) == "JobTimeoutException"


def test_a_work_horse_that_is_killed_is_one_event_of_its_job(
    events: list[Event],
) -> None:
    event = only(events, "killed")
    assert "ended too early: signal 9" in event["logentry"]["formatted"]
    assert "breadcrumbs" not in event


def test_nothing_else_is_an_event(events: list[Event]) -> None:
    names = [event["transaction"].removeprefix("queues.jobs.") for event in events]
    wanted = "send_order marked plain_failure log_then_raise log_and_go_on "
    assert names == [*wanted.split(), "unknown", "killed", "stuck", "down"]


def test_jobs_that_share_a_process_keep_apart(
    make_redis: MakeRedis, tmp_path: Path
) -> None:
    def enqueue(queue: Queue) -> None:
        queue.enqueue("queues.jobs.marked", 17, False)
        queue.enqueue("queues.jobs.marked", 18, True)
        queue.enqueue("queues.jobs.plain_failure")
        queue.enqueue("queues.jobs.down", retry=Retry(max=1))

    first, second, *tries = work(make_redis(), tmp_path, enqueue, "RetryingWorker")
    assert (first["user"], first["tags"]) == ({"id": "18"}, {"order": "18"})
    assert "user" not in second
    assert second["tags"] == {"mark": "plain"}
    assert "breadcrumbs" not in second
    # This worker was made to tell of each try.
    assert [event["level"] for event in tries] == ["warning", "error"]


@pytest.mark.parametrize("worker", ["ShopWorker", "ShopSpawnWorker"])
def test_a_work_horse_sends_what_waits_before_it_ends(
    make_redis: MakeRedis, tmp_path: Path, worker: str
) -> None:
    def enqueue(queue: Queue) -> None:
        queue.enqueue("queues.jobs.plain_failure")

    with Receiver(tmp_path) as receiver:
        work(make_redis(), tmp_path, enqueue, worker, SHOP_DSN=receiver.dsn)
        receiver.until_arrived(["plain"], within_seconds=0.1)


def test_what_rq_logs_of_all_jobs_gets_into_no_event(sent: MemoryTransport) -> None:
    client = Client(transport=sent)

    class Base:
        def work(self) -> bool:
            words = ("rq-1", "default", "send_order(17, 'hunter2-secret')", "id")
            logger = logging.getLogger("rq.worker")
            logger.warning("Worker %s: %s: %s (%s)", *words)
            logger.warning("Redis is gone")
            client.capture_message("after")
            return True

    assert worker_class(client, Base)().work() is True
    client.close()
    (event,) = sent.events
    crumbs = [one["message"] for one in event["breadcrumbs"]["values"]]
    assert crumbs == ["Redis is gone"]


def test_what_hinders_rq_from_noting_a_failure_is_an_event(
    sent: MemoryTransport,
) -> None:
    class Base:
        is_horse = True

        def perform_job(self, job: Job) -> bool:
            try:
                raise LookupError("the job failed")
            finally:
                raise ConnectionError("no Redis any more")

    client = Client(transport=sent)
    job = Job(id="1", connection=Redis())
    with closing(client), pytest.raises(ConnectionError):
        worker_class(client, Base)().perform_job(job)
    (event,) = sent.events
    types = [value["type"] for value in event["exception"]["values"]]
    assert types == ["LookupError", "ConnectionError"]
