"""The page about breadcrumbs: its code runs, and what it lists is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import requests
from blinker import Signal
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import create_engine

from flask_errtrack import ErrTrack
from flask_errtrack.contrib.requests import watch_session

PAGE = (Path(__file__).parent.parent.parent / "docs" / "breadcrumbs.rst").read_text()
BLOCKS = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", PAGE)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_code_of_the_page_runs(number: int, tmp_path: Path) -> None:
    app = Flask("shop", instance_path=str(tmp_path))
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db = SQLAlchemy(app)
    with requests.Session() as session:
        names: dict[str, Any] = {
            "app": app,
            "db": db,
            "session": session,
            "create_engine": create_engine,
            "watch_session": watch_session,
            "watch_engine": None,
            "order_placed": Signal(),
            "ErrTrack": ErrTrack,
            "errtrack": ErrTrack(),
        }
        if "db.engines" in BLOCKS[number]:
            exec("from flask_errtrack.contrib.sqlalchemy import watch_engine", names)
        exec(dedent(BLOCKS[number]), names)
    with app.app_context():
        names["errtrack"].close()
        db.engine.dispose()


def test_what_the_page_lists_is_all_there_is() -> None:
    listed = set(re.findall(r"``(\w+)``: ``(watch_\w+)``", PAGE))
    assert len(listed) == 7
    modules = {module for module, _ in listed}
    found = {
        (module, name)
        for module in modules
        for name in vars(importlib.import_module(f"flask_errtrack.contrib.{module}"))
        if name.startswith("watch_")
    }
    assert found == listed
