"""Celery: each task is work of its own, and what fails for good is an event.

Celery's signals tell of all that happens; nothing is patched. Knows nothing of Flask.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

try:
    from celery import Celery, Task, signals
    from celery.app import trace
    from celery.exceptions import (
        Ignore,
        NotRegistered,
        Reject,
        Retry,
        TimeLimitExceeded,
    )
except ImportError as error:
    raise ImportError(
        "flask_errtrack.contrib.celery needs Celery; pip install celery"
    ) from error

from ..client.client import Client
from ..errors import ConfigError, guard, own_work
from ..extension import ErrTrack
from ..integration import check, client_of
from ..reading.marks import was_met
from ..scopes.scope import Scope
from .arguments import arguments_by_name

_KEY = "_errtrack_tasks"
# By these a task says what becomes of it.
_DECISIONS = (Ignore, Reject, Retry)
# What Celery logs of a failure for which there is a signal, too; and what tasks were
# given, without names.
_ECHOES = {
    ("celery.worker.strategy", trace.LOG_RECEIVED),
    (trace.logger.name, trace.LOG_FAILURE.strip()),
    (trace.logger.name, trace.LOG_INTERNAL_ERROR.strip()),
    ("celery.worker.request", "Task handler raised error: %r"),
    ("celery.worker.request", "Hard time limit (%ss) exceeded for %s[%s]"),
    ("multiprocessing", "Process %r pid:%r exited with %r"),
}


def init_celery(
    celery_app: Celery, errtrack: ErrTrack | Client, *, report_retries: bool = False
) -> None:
    """Give each task a scope of its own, and capture what makes one fail.

    :param errtrack: may get its app later. With several apps in one process: the
        app's own client, ``app.extensions["errtrack"]``.
    :param report_retries: also capture what a task is tried again for, as a warning.
    :raises ConfigError: this is no Celery app or no ErrTrack, or it was called before.
    """
    check(errtrack, "init_celery")
    if not isinstance(celery_app, Celery):
        raise ConfigError(
            f"init_celery got a {type(celery_app).__name__} as celery_app; expected a "
            "Celery"
        )
    if hasattr(celery_app, _KEY):
        raise ConfigError(
            f"{celery_app!r} has Flask-ErrTrack already; call init_celery once for it"
        )
    tasks = _Tasks(celery_app, errtrack, report_retries)
    # Celery's signals hold their receivers weakly.
    setattr(celery_app, _KEY, tasks)
    receivers = {
        signals.worker_init: tasks.begin_worker,
        signals.task_prerun: tasks.begin,
        signals.task_postrun: tasks.end,
        signals.task_failure: tasks.fail,
        signals.task_internal_error: tasks.fail,
        signals.task_retry: tasks.retry,
        signals.task_unknown: tasks.refuse,
        signals.worker_process_shutdown: tasks.end_process,
    }
    # Older versions take the methods of two objects for one receiver.
    key = object()
    for signal, receiver in receivers.items():
        signal.connect(receiver, dispatch_uid=key)


@dataclass(frozen=True)
class _Run:
    """One run of a task, and how to end it."""

    scope: Scope
    stack: ExitStack


class _Tasks:
    """What the signals of one Celery app are told to."""

    def __init__(
        self, celery_app: Celery, errtrack: ErrTrack | Client, report_retries: bool
    ) -> None:
        self._celery_app = celery_app
        self._errtrack = errtrack
        self._report_retries = report_retries
        # By Celery's own record of a run: one task id may run twice at a time.
        self._runs: WeakKeyDictionary[Any, _Run] = WeakKeyDictionary()
        self._overdue: str | None = None

    def begin_worker(self, **_: Any) -> None:
        """Be ready before any task fails."""
        # Only a worker has this loaded.
        from celery.worker.consumer import consumer

        with guard("beginning a worker"), own_work():
            client = self._client()
            if client is not None:
                # In it stands all that the task was given.
                echo = (consumer.logger.name, consumer.UNKNOWN_TASK_ERROR)
                client.echoes.add(echo)

    def begin(self, task: Task, **_: Any) -> None:
        """Begin the work of a task."""
        with guard("beginning a task"), own_work():
            client = self._client_for(task)
            if client is not None:
                stack = ExitStack()
                scope = stack.enter_context(client.work(_name_of(task)))
                self._runs[task.request] = _Run(scope, stack)
                scope.set_context("celery", _facts_of(task))

    def end(self, task: Task, **_: Any) -> None:
        """End the work of a task."""
        with guard("ending a task"), own_work():
            run = self._runs.pop(task.request, None)
            if run is not None:
                run.stack.close()

    def fail(
        self,
        sender: Task,
        task_id: str,
        exception: BaseException,
        args: Any = None,
        kwargs: Any = None,
        **_: Any,
    ) -> None:
        """Capture what made a task fail; in the main process, too."""
        with guard("reporting a failed task"), own_work():
            client = self._client_for(sender)
            is_running = sender.request in self._runs
            # What cannot be pickled is replaced in the signal by something that can.
            error = (is_running and sys.exception()) or exception
            if client is None or _is_meant(sender, error):
                return
            if not is_running and (was_met(error) or self._is_told(task_id, error)):
                return
            facts = {"task_id": task_id, **_facts_of(sender)}
            facts["arguments"] = arguments_by_name(sender.run, args, kwargs)
            self._capture(client, sender, error, facts, handled=False)

    def retry(self, sender: Task, request: Any, reason: Any = None, **_: Any) -> None:
        """Capture what a task is tried again for, if that is wanted."""
        with guard("reporting a task that is tried again"), own_work():
            client = self._client_for(sender) if self._report_retries else None
            error = getattr(reason, "exc", None) or getattr(reason, "__context__", None)
            if client is not None and error is not None:
                facts = _facts_of(sender)
                facts["arguments"] = arguments_by_name(
                    sender.run, request.args, request.kwargs
                )
                self._capture(
                    client, sender, error, facts, handled=True, level="warning"
                )

    def refuse(self, sender: Any, name: str, id: str, **_: Any) -> None:
        """Capture that a worker does not know a task."""
        with guard("reporting an unknown task"), own_work():
            client = self._client() if sender.app == self._celery_app else None
            if client is not None:
                with client.work(name):
                    client.capture_exception(
                        NotRegistered(name),
                        mechanism="celery",
                        handled=False,
                        contexts={"celery": {"task_id": id}},
                    )

    def end_process(self, **_: Any) -> None:
        """Deliver what waits: a process of the pool ends without its exit functions."""
        with guard("ending a process of the pool"), own_work():
            client = self._client()
            if client is not None:
                client.flush(client.config.shutdown_timeout_seconds)

    def _capture(
        self,
        client: Client,
        task: Task,
        error: BaseException,
        facts: dict[str, Any],
        **how: Any,
    ) -> None:
        how |= {"mechanism": "celery", "contexts": {"celery": facts}}
        run = self._runs.get(task.request)
        if run is not None:
            client.capture_exception(error, scope=run.scope, **how)
            return
        # In the main process, where the end of another one is told.
        with client.work(task.name):
            client.capture_exception(error, **how)

    def _is_told(self, task_id: str, error: BaseException) -> bool:
        """Of a task that was killed for its time limit some versions tell twice."""
        if not isinstance(error, TimeLimitExceeded):
            return False
        is_told = self._overdue == task_id
        self._overdue = None if is_told else task_id
        return is_told

    def _client_for(self, task: Task) -> Client | None:
        return self._client() if task.app == self._celery_app else None

    def _client(self) -> Client | None:
        client = client_of(self._errtrack)
        if client is not None:
            client.echoes |= _ECHOES
        return client


def _is_meant(task: Task, error: BaseException) -> bool:
    """Whether a task says by an exception what becomes of it, or expects it."""
    is_expected = bool(task.throws) and isinstance(error, task.throws)
    return is_expected or isinstance(error, _DECISIONS)


def _name_of(task: Task) -> str:
    return str(task.request.shadow or task.name)


def _facts_of(task: Task) -> dict[str, Any]:
    """What is known of the run of a task; what it was given is not among it."""
    request = task.request
    facts = {
        "task_id": request.id,
        "queue": (request.delivery_info or {}).get("routing_key"),
        "retries": request.retries,
        "eta": request.eta,
        "worker": request.hostname,
    }
    return {name: value for name, value in facts.items() if value is not None}
