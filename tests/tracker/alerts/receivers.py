"""Those who are told in the tests: a real mail server, a real web server, a list."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.smtp import SMTP

from flask_errtrack.settings.alert_rules import Rule, rules_of
from flask_errtrack.tracker.alerts.messages import Alert
from flask_errtrack.tracker.alerts.targets import CallableTarget, NotTold, Target
from flask_errtrack.tracker.alerts.watchman import Watchman
from flask_errtrack.tracker.store import Store

HOME = "https://shop.example/errtrack"


class Listener:
    """A target that keeps what it is told, or refuses it."""

    def __init__(self, name: str = "1: listener") -> None:
        self.name = name
        self.alerts: list[Alert] = []
        self.refusal = ""
        self.tries = 0

    def tell(self, alert: Alert) -> None:
        self.tries += 1
        if self.refusal:
            raise NotTold(self.refusal)
        self.alerts.append(alert)

    @property
    def subjects(self) -> list[str]:
        return [alert.subject for alert in self.alerts]


def watchman_of(
    store: Store, *targets: Target, rules: Any = ("new", "regressed")
) -> Watchman:
    """Return a watchman whose rounds the test makes; monitors are seen at once."""
    parsed: tuple[Rule, ...] = rules_of(rules)
    return Watchman(store, targets, parsed, HOME, settle_seconds=0)


def calling(function: Any) -> CallableTarget:
    return CallableTarget("1: function", function)


@contextlib.contextmanager
def mail_server() -> Iterator[tuple[int, list[EmailMessage]]]:
    """Run a mail server; yield its port and what it was sent."""
    mails: list[EmailMessage] = []

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            mails.append(BytesParser(policy=default).parsebytes(envelope.content))
            return "250 OK"

    loop = asyncio.new_event_loop()
    made = loop.create_server(lambda: SMTP(Handler(), loop=loop), "127.0.0.1", 0)
    server = loop.run_until_complete(made)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1], mails
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.close()


class WebServer(ThreadingHTTPServer):
    """A web server that keeps what is posted; it may refuse, or never answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posts: list[dict[str, Any]] = []
        self.status = 200
        self.may_answer = threading.Event()
        self.may_answer.set()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    server: WebServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append(json.loads(body))
        self.server.may_answer.wait(30)
        with contextlib.suppress(OSError):
            self.send_response(self.server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@contextlib.contextmanager
def web_server() -> Iterator[WebServer]:
    """Run a web server."""
    with WebServer() as server:
        thread = threading.Thread(
            target=server.serve_forever, args=(0.02,), daemon=True
        )
        thread.start()
        try:
            yield server
        finally:
            server.may_answer.set()
            server.shutdown()
            thread.join()
