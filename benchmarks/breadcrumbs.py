"""Measure what the breadcrumbs of a library add to what it does, turn by turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import flask
import httpx
import requests
from blinker import Signal
from flask import Flask
from sqlalchemy import create_engine, text

from flask_errtrack import ErrTrack
from flask_errtrack.contrib.httpx import watch_client
from flask_errtrack.contrib.requests import watch_session
from flask_errtrack.contrib.signals import watch_signal, watch_templates
from flask_errtrack.contrib.sqlalchemy import watch_engine
from flask_errtrack.transports import MemoryTransport

from .plan import Plan, progress
from .results import Result

Do = Callable[[], Any]
#: What is done without breadcrumbs and with them, and how often in a round.
Pair = tuple[str, Do, Do, int]


def measure(plan: Plan) -> Iterator[Result]:
    """Measure each of them, in an app context."""
    rounds = 5 if plan.is_quick else 40
    app = Flask("benchmarks")
    errtrack = ErrTrack(app, transport=MemoryTransport(), logging=False)
    with app.app_context(), ExitStack() as stack:
        for name, bare, watched, times in (
            _query(errtrack, stack),
            *_requests(errtrack, stack),
            _template(app, errtrack),
            _signal(app, errtrack),
        ):
            progress(name)
            both = zip(*in_turns(bare, watched, rounds, times), strict=True)
            samples = [(mine - plain) * 1e6 for plain, mine in both]
            yield Result.of(
                "breadcrumbs", f"{name}: added", "Flask-ErrTrack", "µs", samples
            )
        errtrack.close()


def in_turns(bare: Do, watched: Do, rounds: int, times: int) -> list[list[float]]:
    """Return the seconds that each took, round by round."""
    found: list[list[float]] = [[], []]
    for number in range(rounds + 3):
        for do, seconds in zip((bare, watched), found, strict=True):
            started = time.perf_counter()
            for _ in range(times):
                do()
            # The first rounds warm up.
            if number >= 3:
                seconds.append((time.perf_counter() - started) / times)
    return found


def _query(errtrack: ErrTrack, stack: ExitStack) -> Pair:
    statements = [text(f"SELECT {number}") for number in range(2)]

    def asks(is_watched: bool) -> Do:
        engine = create_engine("sqlite://")
        stack.callback(engine.dispose)
        if is_watched:
            watch_engine(engine, errtrack)
        connection = stack.enter_context(engine.connect())

        def ask() -> None:
            # Two in turns: the same one again would be counted.
            for statement in statements:
                connection.execute(statement).all()

        return ask

    return "two queries in SQLite's memory", asks(False), asks(True), 200


def _requests(errtrack: ErrTrack, stack: ExitStack) -> Iterator[Pair]:
    url = stack.enter_context(_other_server())
    session, watched = requests.Session(), requests.Session()
    client, other = httpx.Client(trust_env=False), httpx.Client(trust_env=False)
    session.trust_env = watched.trust_env = False
    for one in (session, watched, client, other):
        stack.enter_context(one)
    watch_session(watched, errtrack)
    watch_client(other, errtrack)
    name = "request to a server on loopback"
    yield f"{name}, requests", lambda: session.get(url), lambda: watched.get(url), 20
    yield f"{name}, httpx", lambda: client.get(url), lambda: other.get(url), 20


def _template(app: Flask, errtrack: ErrTrack) -> Pair:
    template = app.jinja_env.from_string("{{ name }}")
    bare = Flask("without")

    def render_bare() -> None:
        with bare.app_context():
            flask.render_template(template, name="ada")

    def render() -> None:
        with app.app_context():
            flask.render_template(template, name="ada")

    ErrTrack(bare, transport=MemoryTransport(), logging=False)
    watch_templates(app, errtrack)
    return "template of one word", render_bare, render, 200


def _signal(app: Flask, errtrack: ErrTrack) -> Pair:
    bare, watched = Signal(), Signal()
    # Somebody listens to either of them.
    for signal in (bare, watched):
        signal.connect(_listen, app)
    watch_signal(watched, app, errtrack)
    return "signal", lambda: bare.send(app), lambda: watched.send(app), 200


def _listen(sender: Any, **handed_over: Any) -> None:
    """Do nothing."""


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def _other_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answer) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
