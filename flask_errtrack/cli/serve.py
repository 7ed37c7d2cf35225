"""``errtrack serve``: a tracker of its own for many apps, on a production server.

Owns the server, what is told at its start, and how it ends.
"""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import click
from flask import Flask
from flask.cli import ScriptInfo

from ..host.app import KEYS_KEY, TRACKER_KEY
from ..web.access import login_token
from .current import DEFAULT_PORT, client_of_app, explained
from .projects import dashboard_url

if TYPE_CHECKING:
    from ..tracker.embedded import Tracker
    from ..tracker.projects import Project

# Above what ingest takes; a server would keep a body of a gigabyte on the disk first.
_MAX_BODY_BYTES = 8 * 1024 * 1024
_MAX_CONNECTIONS = 1000
_ANY_HOST = ("", "0.0.0.0", "::")


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="To listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="To listen on; 0: any that is free.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=8,
    show_default=True,
    help="How many requests are handled at once.",
)
@click.option("--base-url", help="Where people and apps find it, if not there.")
@click.option("--url-prefix", help="The path below which it answers: /errors.")
@click.option(
    "--trusted-proxies",
    type=click.IntRange(0, 10),
    help="How many proxies in front of it set X-Forwarded-For and its like.",
)
@click.pass_obj
def serve_command(
    script: ScriptInfo,
    /,
    host: str,
    port: int,
    threads: int,
    **options: str | int | None,
) -> None:
    """Run a tracker for many apps.

    ERRTRACK_PASSWORD lets people in by a password, ERRTRACK_SECRET_KEY signs log-ins.
    """
    from ..tracker.projects import every

    create_server = _waitress()
    given = {name: value for name, value in options.items() if value is not None}
    script.data.update(given)
    app = script.load_app()
    tracker: Tracker = app.extensions[TRACKER_KEY]
    with explained():
        tracker.store.check()
        first = every(tracker.store)[0]
        listener = _listener(host, port)
        server = _server(create_server, app, listener, threads)
        greeting = _greeting(app, first, _url_of(host, listener))
    with _ending_well(server):
        click.echo(greeting)
        server.run()
    click.echo("Stopped.")


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        raise click.ClickException(
            f"cannot listen on {host}:{port}: {error}; choose another with --host or "
            "--port"
        ) from error


def _url_of(host: str, listener: socket.socket) -> str:
    """Return where a browser on this machine finds what listens."""
    name = "localhost" if host in _ANY_HOST else host
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{listener.getsockname()[1]}"


def _waitress() -> Callable[..., Any]:
    """Import the server, before anything is made for it."""
    try:
        from waitress.server import create_server
    except ModuleNotFoundError:
        raise click.ClickException(
            'the server is not installed: run pip install "Flask-ErrTrack[server]"'
        ) from None
    made: Callable[..., Any] = create_server
    return made


def _server(
    create_server: Callable[..., Any],
    app: Flask,
    listener: socket.socket,
    threads: int,
) -> Any:
    # It warns of each request that has to wait for a thread.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    return create_server(
        app,
        sockets=[listener],
        threads=threads,
        connection_limit=_MAX_CONNECTIONS,
        max_request_body_size=_MAX_BODY_BYTES,
        # The app itself knows which proxies to trust.
        clear_untrusted_proxy_headers=False,
        ident=None,
    )


def _greeting(app: Flask, first: Project, listening_url: str) -> str:
    from ..tracker.projects import dsn_of

    with app.app_context():
        is_told = client_of_app().config.dashboard_url is not None
        home = dashboard_url(None if is_told else listening_url)
        token = login_token(app.extensions[KEYS_KEY]())
    return (
        f"Tracker:  {home}\n"
        f"DSN:      {dsn_of(first, home)}  ({first.name})\n"
        f"Log in:   {home}login?token={token}  (good for ten minutes)"
    )


@contextmanager
def _ending_well(server: Any) -> Iterator[None]:
    """Let ctrl-C, or a supervisor's SIGTERM, end what runs inside."""

    def end(*_: object) -> NoReturn:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, end)
    try:
        with suppress(SystemExit, KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
        for channel in list(server.active_channels.values()):
            channel.handle_close()
        server.close()
