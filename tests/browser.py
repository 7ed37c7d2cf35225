"""A real Chromium, and a real server on loopback for it to visit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from flask import Flask
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)
from werkzeug.serving import make_server

# How long a busy machine may take to show something.
PATIENCE_MILLISECONDS = 30_000
# No sandbox, because containers run as root; and no calls home.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium, or skip the test where there is none; in CI, fail it."""
    path = os.environ.get("ERRTRACK_CHROMIUM") or shutil.which("chromium")
    if not path:
        reason = "no Chromium: install it, or name its path in ERRTRACK_CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve an app from threads, and yield its address without a slash at the end."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def visitor(browser: Browser, has_javascript: bool = True) -> Iterator[Page]:
    """Open a page with cookies of its own; at the end nothing may have gone wrong.

    That is: no error in a script, and nothing that a Content-Security-Policy stopped.
    """
    problems: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            problems.append(message.text)

    with browser.new_context(java_script_enabled=has_javascript) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.on("console", note)
        page.on("pageerror", lambda error: problems.append(str(error)))
        yield page
    assert problems == []
