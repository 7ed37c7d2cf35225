"""Asks the app of a page of the documentation; at its end it sends what happened."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main(page: str, dsn: str) -> None:
    os.environ["SENTRY_DSN"] = os.environ["ERRTRACK_DSN"] = dsn
    found = {"__name__": "shop"}
    exec(compile(Path(page).read_text(), "shop.py", "exec"), found)
    app = found["app"]
    browser = app.test_client()  # type: ignore[attr-defined]
    answer = browser.get("/price/book?page=2")
    print(answer.status_code, answer.text)
    print(browser.get("/import").status_code)


main(*sys.argv[1:])
