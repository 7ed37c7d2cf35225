"""What the integrations of queues have in common."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from flask_errtrack.contrib.arguments import arguments_by_name


def order(
    number: int, /, password: str, *prices: int, note: str = "", **more: int
) -> None:
    pass


class Shelf:
    def put(self, number: int) -> None:
        pass


class WithoutSignature:
    __signature__ = "none of any kind"

    def __call__(self, *args: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "made"),
    [
        (order, (1, "a"), {}, {"number": 1, "password": "a"}),
        (order, (1,), {"password": "a"}, {"number": 1, "password": "a"}),
        (order, (1, "a", 5), {}, {"number": 1, "password": "a", "argument 3": 5}),
        (order, (1,), {"note": "b", "c": 3}, {"number": 1, "note": "b", "c": 3}),
        (Shelf().put, (1,), {}, {"number": 1}),
        (Shelf().put, (1, 2), {}, {"number": 1, "argument 2": 2}),
        (WithoutSignature(), (1,), {}, {"argument 1": 1}),
        (None, (1,), {"a": 2}, {"argument 1": 1, "a": 2}),
        (order, None, None, {}),
    ],
    ids=[
        "positions",
        "keywords",
        "too many",
        "more keywords",
        "a method",
        "a method with too many",
        "no signature",
        "no function",
        "nothing",
    ],
)
def test_arguments_have_the_names_of_the_signature(
    function: Any, args: Any, kwargs: Any, made: dict[str, Any]
) -> None:
    assert arguments_by_name(function, args, kwargs) == made


@pytest.mark.swallows_errors
def test_a_signature_that_fails_costs_no_event() -> None:
    class Odd:
        @property
        def __signature__(self) -> Any:
            raise RuntimeError("broken on purpose")

        def __call__(self) -> None:
            pass

    assert arguments_by_name(Odd(), (1,), {}) == {}


@pytest.mark.parametrize("library", ["apscheduler", "celery", "rq"])
def test_a_library_that_is_missing_is_named(library: str) -> None:
    code = f"import sys; sys.modules[{library!r}] = None\n"
    code += f"import flask_errtrack.contrib.{library}"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    last = result.stderr.splitlines()[-1].lower()
    assert last.startswith("importerror: flask_errtrack.contrib")
    assert f"needs {library}" in last
    assert "pip install" in last
