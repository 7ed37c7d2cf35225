"""The way of an event from what was built to an envelope: complete, asked about, safe.

``envelope`` is that way, in order. Knows nothing of whether there is to be an event,
nor of how it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any, NamedTuple, cast

from ..event import Event
from ..host.app import Host
from ..notes import attempt, note
from ..privacy.scrub import Scrubber
from ..protocol.drops import Drops
from ..protocol.envelope import Envelope
from ..protocol.trim import trimmed
from ..protocol.wire import as_wire
from ..scopes.scope import Scope
from ..settings.config import Config
from .callbacks import before_send
from .identity import identity_of, machine_contexts


class Draft(NamedTuple):
    """An event as it was built, and what is to go with it.

    :param hint: what the developer's hooks get beside it.
    :param scope_kwargs: ``user, tags, extra …`` of this event only.
    """

    event: Event
    hint: dict[str, Any]
    scope: Scope
    scope_kwargs: Mapping[str, Any]


class Pipeline:
    """Makes events of one client complete and safe.

    :param drops: counts what ``before_send`` does not want.
    """

    def __init__(self, config: Config, host: Host, drops: Drops) -> None:
        self._config = config
        self._host = host
        self._drops = drops
        self._scrubber = Scrubber(config.scrub_keys, config.scrub_patterns)

    def envelope(self, draft: Draft) -> Envelope | None:
        """Return an event ready to be sent; None if ``before_send`` drops it."""
        event, hint, scope = draft.event, draft.hint, draft.scope
        event_id = event["event_id"]
        if draft.scope_kwargs:
            scope = scope.fork()
            for name, value in draft.scope_kwargs.items():
                update = partial(scope.update, **{name: value})
                attempt(event, f"argument {name}", update)
        event = scope.apply(event)
        origin = self._host.origin_of(scope.request, hint.get("exception"))
        secrets = self._host.secrets(event, origin, self._config)
        lasting = self._lasting_secrets(event)
        self._host.describe(event, origin, self._config)
        event = self._identify(event)
        if "failed_hook" in hint:
            failed = type(hint.pop("failed_hook")).__name__
            note(event, "hook_failed", "sample_rate", failed)
        made = before_send(self._config.before_send, event, hint)
        if made is None:
            self._drops.count("before_send")
            return None
        event = self._scrubber.scrub(made, secrets, lasting)
        event["event_id"] = event_id
        return Envelope.from_event(*trimmed(as_wire(event)))

    def made_safe(self, event: Event) -> Event:
        """Return what is no report of an error, such as feedback, complete and safe."""
        event = self._identify(event)
        origin = self._host.origin_of(None, None)
        secrets = self._host.secrets(event, origin, self._config)
        return self._scrubber.scrub(event, secrets, self._lasting_secrets(event))

    def _lasting_secrets(self, event: Event) -> set[str]:
        return self._host.lasting_secrets(event) | self._own_secrets

    def _identify(self, event: Event) -> Event:
        """Add who sends it, never over what the event has."""
        made = cast("Event", {**self.identity, **event})
        made["tags"] = {**self._config.tags, **event.get("tags", {})}
        made["contexts"] = {**self._contexts, **event.get("contexts", {})}
        return made

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The fields of every event: environment, release, server …"""
        environment, root_path = self._host.environment(), self._host.root_path
        return identity_of(self._config, environment, root_path)

    @cached_property
    def _contexts(self) -> dict[str, dict[str, Any]]:
        return machine_contexts()

    @cached_property
    def _own_secrets(self) -> set[str]:
        dsn = self._config.dsn
        return {dsn.secret_key} if dsn is not None and dsn.secret_key else set()
