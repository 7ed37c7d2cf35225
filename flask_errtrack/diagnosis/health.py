"""``/health``: whether events are delivered at the moment, for monitors.

Everybody may know whether it works; how much waits and why, only who may see the
dashboard. Knows nothing of how a way out is tested: it only looks.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from flask import Blueprint, Response, jsonify

from ..client.client import Client
from ..errors import StoreError
from ..protocol.drops import by_reason
from ..transports import BackgroundTransport
from ..transports.ledger import MAX_TEXT, Pause
from ..transports.stock import Stock, stock_of
from ..words import one_line, rfc3339

# An outbox may hold many files, and several monitors may ask at once.
_LOOK_AGAIN_SECONDS = 1.0


class Health:
    """Answers monitors.

    :param check_store: raises StoreError if the tracker's database does not work;
        None if there is no tracker.
    :param is_open: tells whether the running request may see details.
    :param clock: in seconds.
    :param describe_store: returns what there is to tell of the tracker, as JSON has
        it; raises StoreError as ``check_store`` does.
    """

    def __init__(
        self,
        client: Client,
        check_store: Callable[[], None] | None,
        is_open: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        describe_store: Callable[[], dict[str, Any]] | None = None,
    ) -> None:
        self._client = client
        self._describe_store = describe_store
        self._check_store = check_store
        self._is_open = is_open
        self._clock = clock
        self._looked_at = float("-inf")
        self._sight = _Sight()

    def add_to(self, blueprint: Blueprint) -> None:
        """Add the endpoint to the extension's blueprint."""
        blueprint.add_url_rule("/health", "health", self._answer)

    def delivery(self) -> dict[str, Any]:
        """Return how delivery goes, as JSON has it; times are RFC 3339 UTC."""
        sight, now = self._look(), time.time()
        dropped = dict(sight.dropped or self._client.dropped)
        return sight.details(now) | {"dropped": dropped}

    def _answer(self) -> Response:
        sight, now = self._look(), time.time()
        body: dict[str, Any] = {"status": "failing" if sight.fails(now) else "ok"}
        if self._is_open():
            body |= self.delivery()
            if not sight.store_problem and (tracker := self._tracker()):
                body["tracker"] = tracker
        response = jsonify(body)
        response.status_code = 503 if sight.fails(now) else 200
        return response

    def _tracker(self) -> dict[str, Any] | None:
        """What there is to tell of the tracker; None if it has broken just now."""
        if self._describe_store is None or not self._client.is_enabled:
            return None
        try:
            return self._describe_store()
        except StoreError:
            return None

    def _look(self) -> _Sight:
        """Look anew, or remember."""
        if self._clock() - self._looked_at > _LOOK_AGAIN_SECONDS:
            self._sight = self._look_anew()
            self._looked_at = self._clock()
        return self._sight

    def _look_anew(self) -> _Sight:
        if not self._client.is_enabled:
            # Nothing is delivered, nothing may be written: not even a new database.
            return _Sight()
        stock, problem = None, ""
        transport = self._client.transport
        if isinstance(transport, BackgroundTransport):
            stock = stock_of(transport.outbox, transport.spare)
        if self._check_store is not None:
            try:
                self._check_store()
            except StoreError as error:
                problem = str(error)
        return _Sight(stock, problem)


class _Sight(NamedTuple):
    """What was seen: the outbox, if there is one, and what the database says."""

    stock: Stock | None = None
    store_problem: str = ""

    @property
    def dropped(self) -> Counter[str]:
        return Counter() if self.stock is None else by_reason(self.stock.page.dropped)

    def fails(self, now: float) -> bool:
        return bool(self.store_problem or self._pause(now))

    def details(self, now: float) -> dict[str, Any]:
        """What more there is to tell; times are RFC 3339 UTC."""
        pause, stock = self._pause(now), self.stock
        problem = self.store_problem or (pause.problem if pause else "")
        found: dict[str, Any] = {
            "problem": one_line(problem, MAX_TEXT) or None,
            "since": rfc3339(pause.since) if pause else None,
            "next_try": rfc3339(max(pause.until, now)) if pause else None,
        }
        if stock is not None:
            oldest_at = stock.oldest_at
            found |= {
                "waiting": stock.waiting,
                "waiting_bytes": stock.waiting_bytes,
                "oldest_seconds": oldest_at and round(max(now - oldest_at, 0)),
                "set_aside": stock.set_aside,
            }
        return found

    def _pause(self, now: float) -> Pause | None:
        """The pause that tells most."""
        pauses = {} if self.stock is None else self.stock.problems(now)
        return next(iter(pauses.values()), None)
