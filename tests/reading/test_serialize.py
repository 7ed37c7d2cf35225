"""Any value becomes JSON: bounded in size and time, and without waking it up."""

from __future__ import annotations

import array
import collections
import decimal
import enum
import json
import threading
import time
import types
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pytest
from sqlalchemy import ForeignKey, create_engine, event, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    sessionmaker,
)
from werkzeug.local import LocalProxy

from flask_errtrack.reading.serialize import (
    CLASS_KEY,
    CUT_MARK,
    DATA_LIMITS,
    VARIABLE_LIMITS,
    Limits,
    Serializer,
    safe_text,
)

MODULE = __name__


def data(value: Any) -> Any:
    """A value as extra data; it has to be JSON."""
    made = Serializer(DATA_LIMITS)(value)
    json.dumps(made, allow_nan=False)
    return made


def variable(value: Any) -> Any:
    """A value as a local variable; it has to be JSON."""
    made = Serializer(VARIABLE_LIMITS)(value)
    json.dumps(made, allow_nan=False)
    return made


class Colour(enum.Enum):
    RED = 1


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Item:
    name: str
    tags: list[str] = field(default_factory=list)


class Plain:
    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Shown:
    def __repr__(self) -> str:
        return f"<Shown at {hex(id(self))}>"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (-(2**63), -(2**63)),
        (2**63, str(2**63)),
        (10**5000, "<int of 16610 bits>"),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ("text", "text"),
        ("\ud800\0", "\ud800\0"),
        (b"\xff\0", "b'\\xff\\x00'"),
        (bytearray(b"x"), "b'x'"),
        ([1, (2, {3})], [1, [2, [3]]]),
        (frozenset(), []),
        (collections.deque([1]), [1]),
        (array.array("i", [1, 2]), [1, 2]),
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.items(), [["a", 1]]),
        ({"a": {"b": None}}, {"a": {"b": None}}),
        ({1: 2, None: 3, (4, 5): 6}, {"1": 2, "None": 3, "<2 items>": 6}),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (PurePosixPath("/a"), "/a"),
        (Colour.RED, "<Colour.RED: 1>"),
        (Point(1, 2), [1, 2]),
        (Item("a", ["b"]), {CLASS_KEY: f"{MODULE}.Item", "name": "a", "tags": ["b"]}),
        (
            Plain(a=Plain()),
            {CLASS_KEY: f"{MODULE}.Plain", "a": {CLASS_KEY: f"{MODULE}.Plain"}},
        ),
        (Shown(), "<Shown>"),
        (int, "<class 'int'>"),
        (range(3), "range(0, 3)"),
        (KeyError("a"), "KeyError('a')"),
        (types.SimpleNamespace(a=1), "namespace(a=1)"),
        ({CLASS_KEY: Colour.RED}, {CLASS_KEY: "<Colour.RED: 1>"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_shown_as_what_it_is(value: Any, expected: Any) -> None:
    assert data(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a", "'a'"), (3, 3), ({"a": "b"}, {"a": "'b'"}), ("\ud800", r"'\ud800'")],
)
def test_variables_show_texts_as_python_writes_them(value: Any, expected: Any) -> None:
    assert variable(value) == expected


MEGABYTES = 3 * 1024 * 1024


@pytest.mark.parametrize(
    "value",
    [
        "x" * MEGABYTES,
        b"x" * MEGABYTES,
        bytearray(MEGABYTES),
        [None] * MEGABYTES,
        dict.fromkeys(range(300_000), "y" * 100),
        dict.fromkeys(range(300_000)).keys(),
        {"k" * MEGABYTES: 1},
        array.array("b", bytes(MEGABYTES)),
        collections.deque(range(300_000)),
        Plain(**{f"a{n}": n for n in range(100_000)}),
        ["z" * 8000] * 200,
        [["z" * 8000] * 200] * 200,
        1 << MEGABYTES,
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_huge_value_is_cut_quickly(value: Any) -> None:
    for limits in (DATA_LIMITS, VARIABLE_LIMITS):
        started = time.thread_time()
        made = Serializer(limits)(value)
        assert time.thread_time() - started < 1
        assert len(json.dumps(made)) < 2 * 1024 * 1024


def test_what_was_cut_says_so() -> None:
    small = Serializer(Limits(depth=2, items=2, text_length=3, values=99))
    assert small("abcd") == f"abc{CUT_MARK}"
    assert small(b"abcd") == f"b'abc'{CUT_MARK}"
    assert small([1, 2, 3, 4]) == [1, 2, "<2 more>"]
    assert small(dict.fromkeys("abcd", 0)) == {"a": 0, "b": 0, CUT_MARK: "<2 more>"}
    assert small({"abcd": 0}) == {f"abc{CUT_MARK}": 0}
    assert small([[[1, 2], []]]) == [["<2 items>", []]]
    assert small([{"a": {"b": 1}, "c": {}}]) == [{"a": "<1 items>", "c": {}}]
    assert variable("x" * 2000) == f"'{'x' * 1024}'{CUT_MARK}"


def test_cycles_and_depths_end() -> None:
    cyclic: list[Any] = [1]
    cyclic.append({"self": cyclic})
    assert data(cyclic) == [1, {"self": "<cyclic>"}]
    node = Plain()
    node.itself = node  # type: ignore[attr-defined]
    assert data(node) == {CLASS_KEY: f"{MODULE}.Plain", "itself": "<cyclic>"}
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert json.dumps(data(deep)).count("[") == DATA_LIMITS.depth
    twice = [1]
    assert data([twice, twice]) == [[1], [1]]


def test_what_is_nested_in_itself_again_and_again_is_bounded() -> None:
    laughs: Any = "ha"
    for _ in range(20):
        laughs = [laughs] * 20
    started = time.thread_time()
    assert len(json.dumps(data(laughs))) < 1024 * 1024
    assert time.thread_time() - started < 2


class Raises:
    def __repr__(self) -> str:
        raise ValueError("no")

    __str__ = __repr__


class Recurses:
    def __repr__(self) -> str:
        return repr(self)

    __str__ = __repr__


class NoText:
    def __repr__(self) -> str:
        return 7  # type: ignore[return-value]

    __str__ = __repr__


class Long:
    def __repr__(self) -> str:
        return "x" * MEGABYTES

    __str__ = __repr__


@pytest.mark.parametrize(
    ("value", "problem"),
    [(Raises(), "ValueError"), (Recurses(), "RecursionError"), (NoText(), "TypeError")],
)
def test_a_repr_that_fails_is_told(value: Any, problem: str) -> None:
    assert data(value).endswith(f": repr failed with {problem}>")
    assert data([1, value, 2])[::2] == [1, 2]
    assert safe_text(value) == f"<{type(value).__name__}: str failed with {problem}>"


def test_a_long_repr_is_cut() -> None:
    assert data(Long()) == "x" * DATA_LIMITS.text_length + CUT_MARK
    assert safe_text(Long()) == "x" * 8192 + CUT_MARK


def slow_kind() -> tuple[type, list[int]]:
    """A class whose repr takes long, and the calls of it."""
    calls: list[int] = []

    class Slow:
        def __repr__(self) -> str:
            calls.append(1)
            until = time.perf_counter() + 0.02
            while time.perf_counter() < until:
                pass
            return "slow"

    return Slow, calls


def test_one_slow_type_costs_one_call() -> None:
    kind, calls = slow_kind()
    made = Serializer(DATA_LIMITS, budget_seconds=60)([kind() for _ in range(50)])
    assert len(calls) == 1
    assert made[0] == "slow" and made[1].endswith("not shown, out of time>")


def test_many_slow_types_cost_no_more_than_the_budget() -> None:
    kinds = [slow_kind() for _ in range(50)]
    made = Serializer(DATA_LIMITS, budget_seconds=0.05)([kind() for kind, _ in kinds])
    assert len(made) == 50
    assert sum(len(calls) for _, calls in kinds) <= 4


def test_a_value_in_many_frames_is_made_once_and_counts_each_time() -> None:
    limits = Limits(depth=3, items=20, text_length=100, values=50)
    serialize, value = Serializer(limits), {"numbers": list(range(8))}
    made = [serialize.shared(value) for _ in range(4)]
    assert made[0] == value and all(one is made[0] for one in made)
    assert [serialize.shared(value) for _ in range(2)] == [value, "<1 items>"]


def test_values_that_are_gone_are_not_taken_for_others() -> None:
    serialize = Serializer(VARIABLE_LIMITS)
    assert [serialize.shared([number]) for number in range(50)] == [
        [number] for number in range(50)
    ]


def test_one_object_in_many_frames_is_asked_once() -> None:
    calls: list[int] = []

    class Counts:
        def __repr__(self) -> str:
            calls.append(1)
            return "counted"

    one = Counts()
    assert data([one, [one], {"a": one}]) == ["counted", ["counted"], {"a": "counted"}]
    assert len(calls) == 1


def forbidden(*args: Any, **kwargs: Any) -> Any:
    pytest.fail("code of the value was run")


HOSTILE = [
    *("__iter__", "__len__", "__getitem__", "__contains__", "__bool__", "__eq__"),
    *("__str__", "__repr__", "__format__", "__hash__", "__getattr__", "__index__"),
    *("keys", "items", "values", "get", "copy", "__reversed__", "__length_hint__"),
]


def hostile(base: type) -> Any:
    return type("Hostile", (base,), dict.fromkeys(HOSTILE, forbidden))


@pytest.mark.parametrize(
    ("base", "content", "expected"),
    [
        (dict, {"a": 1}, {"a": 1}),
        (list, [1, 2], [1, 2]),
        (tuple, (1, 2), [1, 2]),
        (set, {1}, [1]),
        (collections.deque, [1], [1]),
        (str, "abc", "abc"),
        (bytes, b"abc", "b'abc'"),
        (bytearray, b"abc", "b'abc'"),
    ],
)
def test_code_of_a_subclass_is_never_run(
    base: Any, content: Any, expected: Any
) -> None:
    value = hostile(base)(content)
    assert data(value) == expected
    assert data([value]) == [expected]


def test_properties_and_hooks_of_an_object_are_never_run() -> None:
    class Account:
        def __init__(self) -> None:
            self.owner = "joe"

        @property
        def balance(self) -> int:
            return int(forbidden())

        def __getattr__(self, name: str) -> Any:
            forbidden()

        def __getattribute__(self, name: str) -> Any:
            forbidden()

    assert data(Account())["owner"] == "joe"


def test_what_an_object_says_of_its_class_is_not_believed() -> None:
    class Liar:
        @property  # type: ignore[misc]
        def __class__(self) -> type:
            return dict

    assert data(Liar()) == {CLASS_KEY: data(Liar())[CLASS_KEY]}
    assert "Liar" in data(Liar())[CLASS_KEY]


def test_a_metaclass_may_be_hostile() -> None:
    class Meta(type):
        def __getattr__(cls, name: str) -> Any:
            return forbidden()

        def __instancecheck__(cls, instance: Any) -> bool:
            return bool(forbidden())

    class Made(metaclass=Meta):
        def __init__(self) -> None:
            self.a = 1

    assert data(Made())["a"] == 1


def test_a_proxy_is_never_resolved() -> None:
    proxy: Any = LocalProxy(forbidden)
    assert data(proxy) == "<werkzeug.local.LocalProxy>"
    assert data([proxy, {"a": proxy}]) == [data(proxy), {"a": data(proxy)}]


def test_an_object_that_is_like_an_array_is_shown_by_its_repr() -> None:
    class Array:
        def __eq__(self, other: object) -> Any:
            return Array()

        def __bool__(self) -> bool:
            raise ValueError("The truth value of an array is ambiguous")

        def __len__(self) -> int:
            raise TypeError

        def __repr__(self) -> str:
            return "array([1, 2])"

    assert data({"a": Array()}) == {"a": "array([1, 2])"}


def test_a_container_that_changes_meanwhile_costs_only_itself() -> None:
    shared: dict[int, int] = {}
    is_over = threading.Event()

    def change() -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            shared[number] = number
            shared.pop(number - 50, None)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(300):
            before, made, after = data([1, shared, 2])
            assert (before, after) == (1, 2) and isinstance(made, dict | str)
    finally:
        is_over.set()
        thread.join()


def test_a_container_that_changes_is_told() -> None:
    class Changes:
        def __repr__(self) -> str:
            changing["new"] = 1
            return "x"

    changing: dict[str, Any] = {"a": Changes(), "b": 1}
    assert data([changing]) == ["<dict: RuntimeError>"]


# Mapped objects: to show one must never query


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    orders: Mapped[list[Order]] = relationship(back_populates="customer")

    def __repr__(self) -> str:
        return f"<Customer {self.name} with {len(self.orders)} orders>"


class Order(Base):
    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    customer: Mapped[Customer] = relationship(back_populates="orders")


class Basket:
    """An object of the app whose repr would query."""

    def __init__(self, customer: Customer) -> None:
        self.customer = customer
        self.lines = [customer]

    def __repr__(self) -> str:
        return f"<Basket of {self.customer.name}>"


class NamedError(Exception):
    pass


@dataclass
class Visit:
    customer: Customer


@pytest.fixture
def database() -> Iterator[tuple[Session, list[str]]]:
    """A session with a customer, and the statements that it runs from now on."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    session = sessionmaker(engine)()
    session.add(Customer(id=1, name="Joe", orders=[Order(id=1)]))
    session.commit()
    statements: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(conn: Any, cursor: Any, statement: str, *args: Any) -> None:
        statements.append(statement)

    yield session, statements
    session.close()
    engine.dispose()


def test_a_mapped_object_is_shown_by_what_is_loaded(
    database: tuple[Session, list[str]],
) -> None:
    session, statements = database
    customer = session.get_one(Customer, 1)
    statements.clear()
    loaded = data(customer)
    assert loaded == {CLASS_KEY: f"{MODULE}.Customer", "id": 1, "name": "Joe"}
    session.commit()
    assert data(customer) == {CLASS_KEY: f"{MODULE}.Customer"}
    session.expunge(customer)
    assert data(customer) == {CLASS_KEY: f"{MODULE}.Customer"}
    assert statements == []


def test_nothing_that_holds_a_mapped_object_queries(
    database: tuple[Session, list[str]],
) -> None:
    session, statements = database
    customer = session.get_one(Customer, 1)
    order = session.get_one(Order, 1)
    query = session.query(Customer)
    result = session.scalars(select(Customer))
    session.commit()
    statements.clear()
    values = [
        *(customer, order, query, query.filter_by(id=1), select(Customer), session),
        *(Customer.name, Customer.orders, Customer, result, customer.__dict__),
        *([customer], {"a": (customer,)}, {customer: customer}, Visit(customer)),
        *(Basket(customer), Plain(customer=customer), NamedError(customer)),
        *(types.SimpleNamespace(a=customer), collections.UserList([customer])),
        *(LocalProxy(lambda: customer), collections.ChainMap({"a": customer})),
        *(types.SimpleNamespace(a=[{"b": customer}]), [NamedError("a", [customer])]),
    ]
    for value in values:
        data(value)
        variable(value)
        assert statements == [], value
    assert data(NamedError(customer))["args"] == [data(customer)]
    assert data(Basket(customer))["customer"] == data(customer)
    # The counter counts: what is asked in the usual way does query.
    assert repr(customer) == "<Customer Joe with 1 orders>" and statements


def test_a_loaded_relationship_is_shown(database: tuple[Session, list[str]]) -> None:
    session, statements = database
    customer = session.get_one(Customer, 1)
    assert len(customer.orders) == 1
    statements.clear()
    made = data(customer)
    assert made["orders"][0]["id"] == 1 and statements == []
