"""What runs at the same time never mixes: requests, threads and tasks."""

from __future__ import annotations

import asyncio
import threading

from conftest import MakeTransport
from flask import Flask, copy_current_request_context
from places import Broken, fail, visit

from flask_errtrack import Client, ErrTrack
from flask_errtrack.event import Event
from flask_errtrack.transports import MemoryTransport


def messages(event: Event) -> list[str]:
    crumbs = event.get("breadcrumbs", {"values": []})["values"]
    return [crumb["message"] for crumb in crumbs]


def test_fifty_requests_at_once_never_mix(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    start = threading.Barrier(50)

    def broken(number: int) -> str:
        errtrack.set_tag("number", number)
        errtrack.add_breadcrumb(message=str(number))
        start.wait(30)
        raise Broken(str(number))

    app.add_url_rule("/broken/<int:number>", "broken", broken)
    threads = [
        threading.Thread(target=visit, args=(app, f"/broken/{number}"))
        for number in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = set()
    for event in sent.events:
        number = event["exception"]["values"][0]["value"]
        assert event["tags"] == {"number": number}
        assert messages(event) == [number]
        found.add(number)
    assert len(found) == 50


def test_threads_outside_of_the_app_never_mix(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    start = threading.Barrier(20)

    def work(number: int) -> None:
        errtrack.set_tag("number", number)
        start.wait(30)
        errtrack.capture_message(str(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent.events) == 20
    for event in sent.events:
        assert event["tags"] == {"number": event["logentry"]["message"]}


def test_tasks_take_what_was_set_before_and_keep_what_they_set(
    make_transport: MakeTransport,
) -> None:
    transport = make_transport()
    client = Client(transport=transport)

    async def work(number: int) -> None:
        client.set_tag("number", number)
        await asyncio.sleep(0)
        client.capture_message(str(number))

    async def main() -> None:
        client.set_tag("all", "yes")
        await asyncio.gather(*(work(number) for number in range(20)))
        await asyncio.to_thread(client.set_tag, "number", "of the thread")
        client.capture_message("main")

    asyncio.run(main())
    *workers, of_main = transport.events
    assert len(workers) == 20
    for event in workers:
        number = event["logentry"]["message"]
        assert event["tags"] == {"all": "yes", "number": number}
    assert of_main["tags"] == {"all": "yes"}


def test_an_error_that_comes_up_through_tasks_is_one_event(
    make_transport: MakeTransport,
) -> None:
    transport = make_transport()
    client = Client(transport=transport)

    async def work() -> None:
        try:
            fail()
        except Broken as error:
            client.capture_exception(error)
            raise

    async def main() -> None:
        client.set_tag("all", "yes")
        try:
            await asyncio.create_task(work())
        except Broken as error:
            client.capture_exception(error)

    asyncio.run(main())
    assert len(transport.events) == 1


def test_what_is_pushed_is_for_the_tasks_inside_too(
    make_transport: MakeTransport,
) -> None:
    transport = make_transport()
    client = Client(transport=transport)

    async def work() -> None:
        client.set_tag("inner", 1)

    async def main() -> None:
        with client.push_scope():
            await asyncio.create_task(work())
            client.capture_message("inside")
        client.capture_message("after")

    asyncio.run(main())
    assert transport.events[0]["tags"] == {"inner": "1"}
    assert "tags" not in transport.events[1]


def test_threads_of_a_request_add_to_a_copy(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def broken() -> str:
        errtrack.set_tag("request", "yes")
        threads = []
        for number in range(5):

            def work(number: int = number) -> None:
                errtrack.set_tag("number", number)
                errtrack.capture_message(str(number))

            copied = copy_current_request_context(work)
            threads.append(threading.Thread(target=copied))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return str(fail())

    app.add_url_rule("/broken", "broken", broken)
    visit(app)
    *of_threads, of_request = sent.events
    assert of_request["tags"] == {"request": "yes"}
    for event in of_threads:
        number = event["logentry"]["message"]
        assert event["tags"] == {"request": "yes", "number": number}


def test_tasks_of_an_async_view_keep_what_they_push_apart(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    async def work(number: int) -> None:
        with errtrack.push_scope() as scope:
            scope.set_tag("number", number)
            await asyncio.sleep(0)
            errtrack.set_user({"id": number})
            await asyncio.sleep(0)
            errtrack.capture_message(str(number))

    async def view() -> str:
        errtrack.set_tag("all", "yes")
        await asyncio.gather(*(work(number) for number in range(20)))
        errtrack.capture_message("view")
        return "fine"

    app.add_url_rule("/", view_func=view)
    assert app.test_client().get("/").text == "fine"
    *of_tasks, of_view = sent.events
    assert len(of_tasks) == 20
    for event in of_tasks:
        number = event["logentry"]["message"]
        assert event["tags"] == {"all": "yes", "number": number}
        assert event["user"]["id"] == number
    assert of_view["tags"] == {"all": "yes"}
    assert "user" not in of_view


def test_work_never_mixes_in_an_app_context_that_all_share(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    async def work(number: int) -> None:
        with errtrack.job(f"job {number}") as scope:
            scope.set_tag("number", number)
            await asyncio.sleep(0)
            with app.app_context():
                errtrack.set_tag("inner", number)
                await asyncio.sleep(0)
            errtrack.capture_message(str(number))

    async def main() -> None:
        await asyncio.gather(*(work(number) for number in range(20)))

    with app.app_context():
        asyncio.run(main())
        errtrack.capture_message("all")
    *of_jobs, of_all = sent.events
    assert len(of_jobs) == 20
    for event in of_jobs:
        number = event["logentry"]["message"]
        assert event["tags"] == {"number": number, "inner": number}
    assert "tags" not in of_all


def test_a_request_inside_of_a_job_has_nothing_of_it(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    app.add_url_rule("/broken", view_func=fail)
    with app.app_context(), errtrack.job("import"):
        errtrack.set_tag("of", "job")
        with errtrack.push_scope() as scope:
            scope.set_tag("pushed", "yes")
            visit(app, "/broken")
            errtrack.capture_message("after")
    of_request, of_job = sent.events
    assert "tags" not in of_request
    assert of_request["transaction"] == "fail"
    assert of_job["tags"] == {"of": "job", "pushed": "yes"}
