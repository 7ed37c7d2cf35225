"""The app that is measured, with and without Flask-ErrTrack, and how."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from flask import Flask
from werkzeug.test import EnvironBuilder

from flask_errtrack import Client, ErrTrack

FRAMES = 30
Row = tuple[str, str, str]


class Shop:
    """An app with a healthy view, a failing one, and pages to look at.

    :param options: of ErrTrack; None for an app without it.
    """

    def __init__(self, folder: Path, options: dict[str, Any] | None) -> None:
        self.app = Flask("benchmarks", instance_path=str(folder))
        self.app.secret_key = "a secret key for the benchmark"
        self.app.add_url_rule("/healthy", view_func=lambda: "fine")
        for rule in ("/broken/<int:kind>", "/broken/<int:kind>/<int:frames>"):
            self.app.add_url_rule(rule, "broken", broken)
        self.app.register_error_handler(500, lambda error: ("broken", 500))
        self.errtrack = ErrTrack(self.app, **options) if options is not None else None

    @property
    def client(self) -> Client:
        """The client of the app."""
        found: Client = self.app.extensions["errtrack"]
        return found

    def get(self, path: str, times: int = 1) -> float:
        """Return the seconds that a request took, the mean of ``times``."""
        environs = [EnvironBuilder(path).get_environ() for _ in range(times)]
        started = time.perf_counter()
        for environ in environs:
            answer = self.app(environ, _ignore_start)
            for _ in answer:
                pass
            close = getattr(answer, "close", None)
            if close is not None:
                close()
        return (time.perf_counter() - started) / times

    def settle(self) -> None:
        """Let the background work end, so that it does not disturb what follows."""
        if self.errtrack is not None:
            self.client.flush(60)


def broken(kind: int, frames: int = FRAMES) -> str:
    """Fail below so many frames with 12 local variables each."""
    return _deeper(frames - 1, kind)


def _deeper(frames: int, kind: int) -> str:
    name, price, count, ratio = "a book", 1999, 3, 0.25
    tags, sizes = ["new", "used"], {"small": 1, "large": 2}
    text, pair, flag, nothing = "some longer text " * 5, (1, 2), True, None
    if frames > 1:
        return _deeper(frames - 1, kind)
    raise _errors()[kind % 200](
        name, price, count, ratio, tags, sizes, text, pair, flag, nothing
    )


def _errors(known: list[type[Exception]] = []) -> list[type[Exception]]:  # noqa: B006
    if not known:
        known += [type(f"Broken{number}", (Exception,), {}) for number in range(200)]
    return known


def _ignore_start(status: str, headers: Any, exc_info: Any = None) -> Any:
    return lambda data: None


def in_turns(
    shops: Sequence[Shop], path: str, rounds: int, times: int
) -> list[list[float]]:
    """Return the seconds a request took on each app, round by round."""
    found: list[list[float]] = [[] for _ in shops]
    for number in range(rounds + 3):
        for shop, seconds in zip(shops, found, strict=True):
            took = shop.get(path, times)
            shop.settle()
            # The first rounds warm up.
            if number >= 3:
                seconds.append(took)
    return found


def added(name: str, bare: list[float], with_it: list[float], unit: str) -> Row:
    """Return a row that tells how much longer the second took."""
    factor = {"µs": 1e6, "ms": 1e3}[unit]
    deltas = [(b - a) * factor for a, b in zip(bare, with_it, strict=True)]
    tenths = quantiles(deltas, n=10)
    ratio = median(with_it) / median(bare)
    spread = f"{tenths[0]:.1f} … {tenths[-1]:.1f}, ratio {ratio:.2f}"
    return name, f"{median(deltas):.1f} {unit}", spread


@contextmanager
def quiet_log() -> Iterator[None]:
    """Write what Flask logs of an error to nowhere, on both sides."""
    logger = logging.getLogger("benchmarks")
    with open(os.devnull, "w") as nowhere:
        handler = logging.StreamHandler(nowhere)
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
