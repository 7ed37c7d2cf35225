"""Writes of one process that take turns: together, and each for itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import pytest
from sqlalchemy import Connection
from waiting import WAIT_SECONDS, wait_until

from flask_errtrack.tracker.database.turns import MAX_TOGETHER, Turns


class Book:
    """A database of lines; a transaction that fails leaves none."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tries = self.transactions = 0
        self.can_begin = True
        self.turns = Turns(self._transaction)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        self.tries += 1
        if not self.can_begin:
            raise OSError("the book is closed")
        new: list[str] = []
        yield cast("Connection", new)
        self.lines += new
        self.transactions += 1

    def write_at_once(
        self, works: list[Callable[[Any], object]], is_last: bool = False
    ) -> list[Future[Any]]:
        """Write all of them, which wait together until a first one is written.

        :param is_last: nothing can be written after that first one.
        """
        started, go_on = threading.Event(), threading.Event()

        def first(lines: Any) -> None:
            started.set()
            assert go_on.wait(WAIT_SECONDS)
            self.can_begin = not is_last

        with ThreadPoolExecutor(len(works) + 1) as pool:
            pool.submit(self.turns.write, first)
            assert started.wait(WAIT_SECONDS)
            outcomes = [pool.submit(self.turns.write, work) for work in works]
            wait_until(lambda: len(self.turns.waiting) == len(works))
            go_on.set()
        return outcomes


def line(text: str) -> Callable[[Any], object]:
    def work(lines: Any) -> str:
        lines.append(text)
        return text.upper()

    return work


def mistake(lines: Any) -> None:
    lines.append("half a line")
    raise ValueError("a mistake")


def test_what_waits_is_written_in_one_transaction() -> None:
    book = Book()

    outcomes = book.write_at_once([line("a"), line("b"), line("c")])

    assert [outcome.result() for outcome in outcomes] == ["A", "B", "C"]
    assert sorted(book.lines) == ["a", "b", "c"]
    assert book.transactions == 2


def test_one_that_fails_takes_no_other_along() -> None:
    book = Book()

    outcomes = book.write_at_once([line("a"), mistake, line("b")])

    assert [outcomes[0].result(), outcomes[2].result()] == ["A", "B"]
    assert sorted(book.lines) == ["a", "b"]
    with pytest.raises(ValueError, match="a mistake"):
        outcomes[1].result()


def test_all_hear_at_once_that_nobody_can_write() -> None:
    book = Book()

    outcomes = book.write_at_once([line("a"), line("b")], is_last=True)

    for outcome in outcomes:
        with pytest.raises(OSError, match="closed"):
            outcome.result()
    assert book.tries == 2
    book.can_begin = True
    assert book.turns.write(line("c")) == "C"
    assert book.lines == ["c"]


def test_others_get_a_turn_between_very_many() -> None:
    book = Book()

    book.write_at_once([line("x")] * (MAX_TOGETHER + 20))

    assert len(book.lines) == MAX_TOGETHER + 20
    assert book.transactions >= 3
