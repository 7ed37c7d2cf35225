"""The client: from an exception or message to an envelope on its way.

It decides whether there is an event at all: what is ignored, a duplicate or unsampled
is not built. What is built goes through the pipeline, and then to the delivery.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from types import FrameType
from typing import Any, cast

from .. import logging
from ..errors import ConfigError, guard, is_silence, own_work, silence
from ..event import Breadcrumb, Level, Mechanism, UserReport
from ..host.app import Host, is_fault
from ..protocol.check_ins import check_in_of
from ..protocol.drops import Drops
from ..protocol.envelope import Envelope
from ..protocol.trim import trimmed
from ..protocol.user_reports import feedback_event, report_of
from ..protocol.wire import as_wire
from ..reading.exceptions import causes_of, event_from_message, exception_in
from ..reading.serialize import DATA_LIMITS, Serializer, safe_text
from ..reading.stacktrace import StackReader
from ..reading.threads import add_thread
from ..runtime.contexts import contextmanager
from ..scopes.scope import CrumbSource, Scope, breadcrumb
from ..scopes.scope_home import ScopeHome
from ..settings.config import Config
from ..transports import Transport, outbox_folder, transport_to_dsn
from ..watching import uncaught
from .api import ScopeApi
from .callbacks import before_breadcrumb
from .choice import Choice
from .delivery import HANDLED, MESSAGE, UNHANDLED, Delivery
from .pipeline import Draft, Pipeline
from .storms import Storms

Hint = dict[str, Any]


class Client(ScopeApi):
    """Captures events and sends them, with or without Flask.

    :param options: see :class:`~flask_errtrack.settings.config.Config`.
    :raises ConfigError: an option is unknown or wrong.
    """

    def __init__(self, **options: Any) -> None:
        config = Config.load(options, {}, os.environ)
        if config.database_url is not None:
            raise ConfigError(
                "option database_url needs the tracker of an app, ErrTrack(app); "
                "a client of its own sends to a dsn or a transport"
            )
        folder = outbox_folder(config)
        transport = config.transport or transport_to_dsn(config, folder)
        self._set_up(config, transport, Host())
        self.watch()

    @classmethod
    def of_host(cls, config: Config, transport: Transport | None, host: Host) -> Client:
        """Return the client of a Flask app."""
        client = cls.__new__(cls)
        client._set_up(config, transport, host)
        return client

    def _set_up(self, config: Config, transport: Transport | None, host: Host) -> None:
        self.config = config
        self.transport = transport
        self.host = host
        self._is_closed = False
        #: Log records (logger, template) that repeat what an integration tells better.
        self.echoes: set[tuple[str, str]] = set()
        # One account with the transport's own losses, if it keeps one.
        self._drops: Drops = getattr(transport, "drops", None) or Drops()
        #: Where the scopes of running work are, for those who tell of work.
        self.scopes = ScopeHome(config.max_breadcrumbs, host.app)
        self._pipeline = Pipeline(config, host, self._drops)
        self._reader = StackReader.of_options(config, host.packages)
        self._storms = Storms(self._reader)
        self._choice = Choice(config, self._drops)
        is_given = config.transport is not None
        #: The way out, which tests divert.
        self.delivery = Delivery(transport, is_given, host, self._drops)

    def watch(self) -> None:
        """See log records and what nobody catches from now on, as the options say."""
        logging.watch(self)
        uncaught.watch(self)

    @property
    def client(self) -> Client:
        """The client itself, as an extension has one."""
        return self

    @property
    def identity(self) -> dict[str, Any]:
        """The fields of every event: environment, release, server …"""
        return self._pipeline.identity

    @property
    def is_enabled(self) -> bool:
        """Whether captured events go anywhere at the moment."""
        is_on = self.config.enabled and not self._is_closed and not is_silence()
        # When the interpreter clears its modules, nothing can be relied upon.
        is_on = is_on and not sys.is_finalizing()
        return is_on and self.delivery.transport() is not None

    @property
    def is_sending(self) -> bool:
        """Whether what is captured leaves this process, not just for a test to see."""
        return self.is_enabled and not self.delivery.diversions

    @property
    def dropped(self) -> Counter[str]:
        """How many events were not sent, by reason, in this process."""
        return self._drops.by_reason

    @property
    def scope(self) -> Scope:
        """The scope of the running work."""
        return self.scopes.current()

    def _active_scope(self) -> Scope | None:
        return self.scope if self.is_enabled else None

    def _pushed_scope(self) -> AbstractContextManager[Scope]:
        return self.scopes.pushed()

    @contextmanager
    def work(
        self,
        transaction: str | None = None,
        source: str = "task",
        is_shared: bool = False,
    ) -> Iterator[Scope]:
        """Give what runs inside a scope of its own; events of its log may wait.

        For those who are told of errors by other means: nothing is captured here.

        :param source: what the transaction's name is of.
        :param is_shared: threads and tasks that inherit the scope do not have a copy.
        """
        if not self.is_enabled:
            yield Scope()
            return
        with self.scopes.work(is_shared) as scope:
            if transaction is not None:
                scope.set_transaction(transaction, source)
            try:
                yield scope
            finally:
                self.delivery.send_held(scope.work)

    @contextmanager
    def _job(self, name: str) -> Iterator[Scope]:
        with self.work(name) as scope:
            try:
                yield scope
            except BaseException as error:
                if is_fault(error):
                    self.capture_exception(error, mechanism="job", handled=False)
                raise

    def is_in_work(self) -> bool:
        """Tell whether somebody outside of any app context reports what fails."""
        return self.scopes.outer_work() is not None

    def capture_exception(
        self,
        error: Any = None,
        *,
        mechanism: str = "generic",
        handled: bool = True,
        scope: Scope | None = None,
        hint: Hint | None = None,
        record: Callable[[], Mapping[str, Any]] | None = None,
        stack: FrameType | None = None,
        **scope_kwargs: Any,
    ) -> str | None:
        """Capture an exception; return the id of its event, or None.

        :param error: an exception or ``sys.exc_info()``; None: the one being handled.
        :param scope: the scope to use, where the current one is gone.
        :param record: returns fields of the log record that tells of the exception. In
            a request its event waits for a report that knows more.
        :param stack: the last call of a stack that goes with it.
        :param scope_kwargs: ``user, tags, extra, contexts, level, fingerprint``.
        """
        if not self.is_enabled:
            return None
        with guard("capturing an exception"), silence():
            found = exception_in(error)
            if found is None:
                return None
            found = self.host.meant_by(found, mechanism)
            here = self.scopes.known()
            scope = scope or here or self.scope
            work, is_record = scope.work, record is not None
            self.delivery.take_over(work, here, found)
            was_met, event_id = work.decision_on(found)
            if was_met and (is_record or event_id not in work.held):
                return event_id
            exc_info = (type(found), found, found.__traceback__)
            hint = {**(hint or {}), "exception": found, "exc_info": exc_info}
            if not was_met and not self._choice.takes_exception(found, hint):
                work.remember(found, None)
                return None
            how = Mechanism(type=mechanism, handled=handled)
            event = self._storms.event_of(found, how)
            event.update(record() if record else {})  # type: ignore[typeddict-item]
            add_thread(event, self._reader, stack)
            draft = Draft(event, hint, scope, scope_kwargs)
            return self._send_for(found, draft, handled, is_record)
        return None

    def _send_for(
        self, error: BaseException, draft: Draft, handled: bool, is_record: bool
    ) -> str | None:
        """Send the event of an exception, instead of those that wait and tell less."""
        event, work = draft.event, draft.scope.work
        _, own_id = work.decision_on(error)
        told = work.awaiting(causes_of(error))
        known_id = own_id or next((one_id for _, one_id in told), None)
        event["event_id"] = known_id or event["event_id"]
        # A test that has the events instead looks at them at once.
        is_sending = not self.delivery.diversions
        may_wait = is_record and (work.ends or (work.may_wait and is_sending))
        rank = HANDLED if handled else UNHANDLED
        envelope = self._pipeline.envelope(draft)
        event_id = self.delivery.send(event["event_id"], envelope, work, rank, may_wait)
        if event_id is None and own_id is not None:
            # Who does not want the report does not want the log record of it either.
            self.delivery.drop(own_id, work)
        work.settle(told, event_id, is_final=not is_record)
        # Who does not want the log record may want the report that knows more.
        if event_id is not None or not is_record:
            work.remember(error, event_id)
        return event_id

    def capture_message(
        self,
        message: str,
        level: Level = "info",
        *,
        params: Any = None,
        logger: str | None = None,
        formatted: str | None = None,
        hint: Hint | None = None,
        stack: FrameType | None = None,
        **scope_kwargs: Any,
    ) -> str | None:
        """Capture a message; return the id of its event, or None.

        :param message: the text, or its template where there are ``params``.
        :param stack: the last call of a stack that goes with it.
        """
        if not self.is_enabled:
            return None
        with guard("capturing a message"), silence():
            hint = {**(hint or {}), "message": message}
            if not self._choice.takes(hint):
                return None
            scope = self.scope
            params = Serializer(DATA_LIMITS)(params)
            text = safe_text(message)
            event = event_from_message(text, level, params, logger, formatted)
            add_thread(event, self._reader, stack)
            envelope = self._pipeline.envelope(Draft(event, hint, scope, scope_kwargs))
            return self.delivery.send(event["event_id"], envelope, scope.work, MESSAGE)
        return None

    def capture_user_report(self, report: UserReport) -> None:
        """Send what a person said about an event.

        :raises TransportError, Refused: it could not be kept; the person is told.
        """
        transport = self.delivery.transport()
        if transport is None or not self.config.enabled:
            return
        event = feedback_event(report, self._pipeline.made_safe)
        if self.config.feedback_item == "feedback":
            transport.send(Envelope.from_event(*trimmed(as_wire(event)), "feedback"))
        else:
            report = cast("UserReport", report_of(event))
            transport.send(Envelope.from_user_report(report))

    def _send_check_in(self, *given: Any) -> str | None:
        if not self.is_enabled:
            return None
        with guard("sending a check-in"), own_work():
            check_in = check_in_of(self._pipeline.made_safe, *given)
            if self.delivery.deliver(Envelope.from_check_in(check_in)):
                return check_in["check_in_id"]
        return None

    def add_breadcrumb(self, crumb: CrumbSource = None, **fields: Any) -> None:
        """Note something that happened: a dict, fields, or a callable for a dict."""
        hint = fields.pop("hint", None)
        self.keep_breadcrumb(lambda: breadcrumb(crumb, fields), hint)

    def keep_breadcrumb(
        self, make: Callable[[], Breadcrumb | None], hint: Hint | None = None
    ) -> None:
        """Note a breadcrumb that is made complete: JSON values, with its time."""
        if not self.is_enabled or not self.config.max_breadcrumbs:
            return
        with guard("adding a breadcrumb"), own_work():
            self.note(make(), hint)

    def note(self, made: Breadcrumb | None, hint: Hint | None = None) -> None:
        """Note a breadcrumb, as work of our own, while something is captured."""
        hook = self.config.before_breadcrumb
        if made is not None and hook is not None:
            # The hook may put anything into it.
            made = breadcrumb(partial(before_breadcrumb, hook, made, hint or {}), {})
        if made is not None:
            self.scope.keep_breadcrumb(made)

    def last_event_id(self) -> str | None:
        """Return the id of the newest event of the running work, or None."""
        return self.scope.work.last_event_id

    def flush(self, timeout_seconds: float = 2.0) -> bool:
        """Wait until everything is delivered; tell whether it is."""
        return self.delivery.flush(timeout_seconds)

    def close(self) -> None:
        """Deliver what can be delivered in time, then stop capturing."""
        logging.unwatch(self)
        uncaught.unwatch(self)
        # First, so that nothing more begins to wait.
        self._is_closed = True
        self.delivery.close()

    def end_work(self) -> None:
        """Send the events that waited for a better report, which did not come."""
        scope = self.scopes.known() if self.delivery.holding else None
        if scope is not None:
            self.delivery.send_held(scope.work)
