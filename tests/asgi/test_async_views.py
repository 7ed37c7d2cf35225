"""Async views of Flask: an event loop for each request, and several tasks in it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from asgiref.sync import sync_to_async
from conftest import MakeApp
from flask import Flask
from places import Broken, visit

from flask_errtrack import ErrTrack
from flask_errtrack.transports import MemoryTransport


def test_users_and_tags_of_requests_and_of_their_tasks_are_kept_apart(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    start = threading.Barrier(20)

    def in_thread(number: int, part: int) -> None:
        errtrack.set_tag("in_thread", f"{number}/{part}")

    async def work(number: int, part: int) -> None:
        with errtrack.push_scope() as scope:
            scope.set_tag("part", part)
            await asyncio.sleep(0)
            await sync_to_async(in_thread)(number, part)
            errtrack.capture_message(f"{number}/{part}")

    async def view(number: int) -> str:
        errtrack.set_user({"id": number})
        errtrack.set_tag("number", number)
        start.wait(60)
        await asyncio.gather(*(work(number, part) for part in range(3)))
        raise Broken(str(number))

    app.add_url_rule("/<int:number>", view_func=view)
    threads = [
        threading.Thread(target=visit, args=(app, f"/{number}")) for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    messages = [event for event in sent.events if "exception" not in event]
    errors = [event for event in sent.events if "exception" in event]
    assert (len(messages), len(errors)) == (60, 20)
    for event in messages:
        number, part = event["logentry"]["message"].split("/")
        assert event["user"]["id"] == number
        assert event["tags"] == {
            "number": number,
            "part": part,
            "in_thread": f"{number}/{part}",
        }
    for event in errors:
        number = event["exception"]["values"][-1]["value"]
        assert event["user"]["id"] == number
        assert event["tags"] == {"number": number}


def test_an_error_in_a_group_of_tasks_of_a_view_is_one_event(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    errtrack = ErrTrack()
    app = make_app(errtrack=errtrack, transport=sent)

    async def work(number: int) -> None:
        raise Broken(str(number))

    async def view() -> Any:
        async with asyncio.TaskGroup() as group:
            for number in range(2):
                group.create_task(work(number))

    app.add_url_rule("/broken", view_func=view)
    assert app.test_client().get("/broken").status_code == 500
    (event,) = sent.events
    assert event["exception"]["values"][-1]["type"] == "ExceptionGroup"
    assert event["transaction"] == "view"
