"""The scope: what is known about the running work, to go with its events.

Knows nothing of Flask; where scopes live is for :mod:`.scope_home` to know.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from ..event import Breadcrumb, Event, Level, User, timestamp_now
from ..reading.marks import give_context
from ..reading.serialize import DATA_LIMITS, Serializer, safe_text
from ..runtime.contexts import contextmanager
from .work import Work

_USER_FIELDS = ("id", "username", "email", "name", "ip_address")


class Scope:
    """User, tags, extra, contexts, breadcrumbs and more, for the events to come.

    :param max_breadcrumbs: the oldest breadcrumbs make room for new ones.
    :param work: what the scope is for; None: something that nobody else knows of.
    """

    def __init__(self, max_breadcrumbs: int = 100, work: Work | None = None) -> None:
        self.work = work or Work()
        #: What it was for has ended, wherever that was; it is current no more.
        self.is_over = False
        #: The request that is answered, where its host does not know it.
        self.request: Any = None
        # Empty: nobody, and None: not said.
        self._user: User | None = None
        self._tags: dict[str, str] = {}
        self._extra: dict[str, Any] = {}
        self._contexts: dict[str, dict[str, Any]] = {}
        self._level: Level | None = None
        self._fingerprint: list[str] | None = None
        self._transaction: str | None = None
        self._transaction_source = "custom"
        self._breadcrumbs: deque[Breadcrumb] = deque(maxlen=max_breadcrumbs)

    def __repr__(self) -> str:
        return f"<Scope with {len(self._tags)} tags>"

    def fork(self) -> Scope:
        """Return a copy that can change without changing this one."""
        copy = Scope.__new__(Scope)
        copy.__dict__.update(self.__dict__)
        copy._tags = self._tags.copy()
        copy._extra = self._extra.copy()
        copy._contexts = self._contexts.copy()
        copy._breadcrumbs = self._breadcrumbs.copy()
        copy.is_over = False
        return copy

    def set_user(self, user: Mapping[str, Any] | None) -> None:
        """Say who is at work; always wins over what is found out. None: nobody."""
        self._user = User() if user is None else user_from_mapping(user)

    def set_tag(self, key: str, value: Any) -> None:
        """Set a tag, by which events can be found; the value becomes text."""
        self._tags[str(key)] = safe_text(value, 200)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set several tags."""
        for key, value in tags.items():
            self.set_tag(key, value)

    def set_extra(self, key: str, value: Any) -> None:
        """Add a value of any kind for people to read."""
        self._extra[str(key)] = Serializer(DATA_LIMITS)(value)

    def set_context(self, key: str, value: Mapping[str, Any]) -> None:
        """Add a named group of values."""
        made = Serializer(DATA_LIMITS)(dict(value))
        self._contexts[str(key)] = {**made, "type": made.get("type", str(key))}

    @contextmanager
    def having_context(self, key: str, value: Mapping[str, Any]) -> Iterator[None]:
        """Have a named group of values while something runs.

        An exception that leaves it takes the values along, for its event.
        """
        before = self._contexts.get(key)
        self.set_context(key, value)
        mine = self._contexts[key]
        try:
            yield
        except BaseException as error:
            give_context(error, key, mine)
            raise
        finally:
            if before is not None:
                self._contexts[key] = before
            elif self._contexts.get(key) is mine:
                del self._contexts[key]

    def set_level(self, level: Level) -> None:
        """Set the level of the events to come."""
        self._level = level

    def set_fingerprint(self, fingerprint: list[str] | None) -> None:
        """Say which events belong together; ``{{ default }}`` splices the rule."""
        self._fingerprint = None if fingerprint is None else _texts(fingerprint)

    def set_transaction(self, name: str, source: str = "custom") -> None:
        """Name the work, instead of the endpoint or command.

        :param source: what the name is of ("Transaction Annotations" of the protocol).
        """
        self._transaction, self._transaction_source = str(name), source

    def add_breadcrumb(self, crumb: CrumbSource = None, **fields: Any) -> None:
        """Note something that happened: a dict, fields, or a callable for a dict."""
        made = breadcrumb(crumb, fields)
        if made is not None:
            self.keep_breadcrumb(made)

    def keep_breadcrumb(self, crumb: Breadcrumb) -> None:
        """Note a breadcrumb that is complete, and that nobody changes any more.

        A query that is sent again and again, as in a loop over rows, is one.
        """
        last = self._breadcrumbs[-1] if self._breadcrumbs else None
        if last is not None and _is_same_query(last, crumb):
            self._breadcrumbs[-1] = _counted(last, crumb)
        else:
            self._breadcrumbs.append(crumb)

    def clear_breadcrumbs(self) -> None:
        """Forget what happened so far."""
        self._breadcrumbs.clear()

    def update(
        self,
        user: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        extra: Mapping[str, Any] | None = None,
        contexts: Mapping[str, Mapping[str, Any]] | None = None,
        level: Level | None = None,
        fingerprint: list[str] | None = None,
    ) -> None:
        """Set several things; what is None stays as it is."""
        if user is not None:
            self.set_user(user)
        self.set_tags(tags or {})
        for key, value in (extra or {}).items():
            self.set_extra(key, value)
        for name, context in (contexts or {}).items():
            self.set_context(name, context)
        if level is not None:
            self.set_level(level)
        if fingerprint is not None:
            self.set_fingerprint(fingerprint)

    def apply(self, event: Event) -> Event:
        """Return the event with what the scope knows, never over what it has."""
        made = cast("Event", dict(event))
        made["tags"] = {**self._tags, **event.get("tags", {})}
        made["extra"] = {**self._extra, **event.get("extra", {})}
        made["contexts"] = {**self._contexts, **event.get("contexts", {})}
        made["breadcrumbs"] = {"values": list(self._breadcrumbs)}
        if self._level is not None:
            made["level"] = self._level
        if self._user is not None:
            made["user"] = self._user
        if self._fingerprint is not None:
            made["fingerprint"] = self._fingerprint
        if self._transaction is not None:
            made["transaction"] = self._transaction
            made["transaction_info"] = {"source": self._transaction_source}
        return made


def user_from_mapping(user: Mapping[str, Any]) -> User:
    """Return a user: known fields as texts, everything else below ``data``."""
    made = User()
    given = user.get("data")
    data = dict(given) if isinstance(given, Mapping) else {}
    for key, value in user.items():
        if key in _USER_FIELDS:
            if value is not None:
                made[key] = safe_text(value)  # type: ignore[literal-required]
        elif key != "data":
            data[str(key)] = value
    if data:
        made["data"] = Serializer(DATA_LIMITS)(data)
    return made


def breadcrumb(crumb: CrumbSource, fields: Mapping[str, Any]) -> Breadcrumb | None:
    """Return a breadcrumb with a time and with texts where texts belong.

    :param crumb: fields, or a callable that returns them; if it returns None,
        there is none.
    """
    if callable(crumb):
        crumb = crumb()
        if crumb is None:
            return None
    given = {**(crumb or {}), **fields}
    when = given.get("timestamp")
    made: dict[str, Any] = {
        "timestamp": timestamp_now() if when is None else _timestamp(when)
    }
    for key in ("type", "category", "message", "level"):
        if (value := given.get(key)) is not None:
            made[key] = safe_text(value)
    data = given.get("data")
    if data:
        value = Serializer(DATA_LIMITS)(data)
        made["data"] = value if isinstance(value, dict) else {"value": value}
    return cast("Breadcrumb", made)


def _is_same_query(last: Breadcrumb, crumb: Breadcrumb) -> bool:
    if crumb.get("type") != "query" or last.get("type") != "query":
        return False
    return last.get("message") == crumb.get("message") and (
        last.get("level") == crumb.get("level") != "error"
    )


def _counted(last: Breadcrumb, crumb: Breadcrumb) -> Breadcrumb:
    """The newer of two of the same kind, with what both took."""
    earlier, data = last.get("data", {}), dict(crumb.get("data", {}))
    data["times"] = earlier.get("times", 1) + 1
    for name in ("duration_ms", "rows"):
        if name in earlier and name in data:
            data[name] = round(earlier[name] + data[name], 2)
    return {**crumb, "data": data}


def _timestamp(value: Any) -> str:
    if isinstance(value, int | float):
        value = datetime.fromtimestamp(value, UTC)
    if isinstance(value, datetime):
        value = value.astimezone(UTC).isoformat()
    return safe_text(value)


def _texts(values: Any) -> list[str]:
    values = [values] if isinstance(values, str) else values
    return [safe_text(value, 200) for value in values]


#: What ``add_breadcrumb`` takes: fields, or a callable that returns them.
CrumbSource = Mapping[str, Any] | Callable[[], Mapping[str, Any] | None] | None
