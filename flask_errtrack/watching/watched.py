"""Functions of the process that are wrapped while clients want to see their calls.

Owns how a wrap comes and goes, and which clients a call concerns. Knows nothing of
what is seen.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol

from ..errors import is_own_work
from ..event import Breadcrumb
from ..runtime.process import OfProcess
from ..scopes.scope import Scope
from ..settings.config import Config


class Host(Protocol):
    """What surrounds a client."""

    @property
    def app(self) -> object | None:
        """The client's app, if it has one."""

    def place(self) -> str:
        """Tell whether the running code is inside, outside or elsewhere."""


class Watching(Protocol):
    """What a client must have to see calls."""

    @property
    def config(self) -> Config:
        """Its options."""

    @property
    def host(self) -> Host:
        """What surrounds it."""

    @property
    def is_enabled(self) -> bool:
        """Whether it captures anything at the moment."""

    @property
    def scope(self) -> Scope:
        """The scope of the running work."""

    #: Log records (logger, template) that repeat what is told better otherwise.
    echoes: set[tuple[str, str]]

    def is_in_work(self) -> bool:
        """Tell whether code runs as work of its own, outside of any app context."""

    def capture_exception(self, error: Any = None, **given: Any) -> str | None:
        """Capture the exception of a call; return the id of its event, or None."""

    def capture_message(self, message: str, **given: Any) -> str | None:
        """Capture a call that has none; return the id of its event, or None."""

    def note(self, made: Breadcrumb, hint: Any = None) -> None:
        """Note a call."""


#: Gets a client and a call; returns the id of the event that came of it, if one did.
See = Callable[[Watching, Any], str | None]


class Watched:
    """A function of the process, and the clients that want to see its calls.

    It is wrapped while there is one. A wrap of somebody else around ours would be lost
    with ours: then it stays, and does no more than call what it wraps. Clients are held
    weakly: an app that is no more sees nothing.

    :param wrap: takes the function's place, and calls :attr:`original`.
    """

    def __init__(self, owner: Any, name: str, wrap: Callable[..., Any]) -> None:
        self._owner = owner
        self._name = name
        self._wrap = wrap
        self._is_in_place = False
        # Reentrant: the garbage collector may end a client anywhere.
        self._lock = OfProcess(threading.RLock)
        self._watchers: dict[weakref.ref[Watching], See] = {}
        #: What is wrapped.
        self.original: Callable[..., Any] = getattr(owner, name)

    @property
    def is_watched(self) -> bool:
        """Whether any client wants to see the calls."""
        return bool(self._watchers)

    def add(self, client: Watching, see: See) -> None:
        """Let a client see every call from now on."""
        with self._lock.get():
            self._watchers[weakref.ref(client, self._remove)] = see
            found = getattr(self._owner, self._name)
            is_around_ours = self._is_in_place and found is not self.original
            if found is not self._wrap and not is_around_ours:
                self.original, self._is_in_place = found, True
                setattr(self._owner, self._name, self._wrap)

    def remove(self, client: Watching) -> None:
        """Let a client see no more; without any, the function is as it was."""
        self._remove(weakref.ref(client))

    def _remove(self, gone: weakref.ref[Watching]) -> None:
        with self._lock.get():
            self._watchers.pop(gone, None)
            is_ours = getattr(self._owner, self._name) is self._wrap
            if not self._watchers and self._is_in_place and is_ours:
                self._is_in_place = False
                setattr(self._owner, self._name, self.original)

    def tell(self, call: Any) -> str | None:
        """Show a call to those who want it; return the id of an event, if one came."""
        told = None
        for client, see in self._awake():
            told = see(client, call) or told
        return told

    def at_work(self) -> Watching | None:
        """Return the client inside whose app or work code runs, if there is one."""
        awake = (client for client, _ in self._awake())
        return next((one for one in awake if self.place_of(one) == "inside"), None)

    def _awake(self) -> Iterator[tuple[Watching, See]]:
        """The clients that capture something now, with what they see by."""
        if self._watchers and not is_own_work():
            for ref, see in list(self._watchers.items()):
                client = ref()
                if client is not None and client.is_enabled:
                    yield client, see

    def place_of(self, client: Watching) -> Literal["inside", "outside"] | None:
        """Tell where code runs that concerns a client; None: it concerns others.

        ``inside``: in its app, or in work of its own. What is outside of every app
        concerns the one client that has no app, or else the only client.
        """
        place = client.host.place()
        if place == "outside" and client.is_in_work():
            return "inside"
        if place == "outside" and self._takes_the_rest(client):
            return "outside"
        return "inside" if place == "inside" else None

    def _takes_the_rest(self, client: Watching) -> bool:
        found = [one for ref in list(self._watchers) if (one := ref()) is not None]
        of_no_app = [one for one in found if one.host.app is None]
        return (of_no_app or found) == [client]
