"""RQ: each job is work of its own, and what fails for good is an event.

A worker class, because RQ tells nobody when a job begins. Knows nothing of Flask.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

try:
    from rq import Worker
    from rq.exceptions import DeserializationError
    from rq.job import Job
except ImportError as error:
    raise ImportError("flask_errtrack.contrib.rq needs RQ; pip install rq") from error

from ..client.client import Client
from ..errors import guard, own_work
from ..extension import ErrTrack
from ..integration import check, client_of
from ..reading.exceptions import is_error
from ..runtime.contexts import contextmanager
from ..scopes.scope import Scope
from .arguments import arguments_by_name

# What RQ logs of a job, with all that it was given and without names.
_ECHOES = {
    ("rq.worker", "%s: %s (%s)"),
    ("rq.worker", "Worker %s: %s: %s (%s)"),
    ("rq.worker", "Successfully completed %s job in %ss on worker %s"),
}


def worker_class(
    errtrack: ErrTrack | Client,
    base: type[Any] = Worker,
    *,
    report_retries: bool = False,
) -> type[Any]:
    """Return a class of workers that capture what makes a job fail.

    ::

        ShopWorker = worker_class(errtrack)

    :param errtrack: may get its app later. With several apps in one process: the
        app's own client, ``app.extensions["errtrack"]``.
    :param base: RQ's ``Worker``, ``SimpleWorker`` or a class of your own.
    :param report_retries: also capture what a job is tried again for, as a warning.
    :raises ConfigError: this is no ErrTrack.
    """
    check(errtrack, "worker_class")

    class ErrTrackWorker(base):  # type: ignore[misc]
        def work(self, *args: Any, **kwargs: Any) -> bool:
            client = client_of(errtrack)
            if client is not None:
                client.echoes |= _ECHOES
            return bool(super().work(*args, **kwargs))

        def perform_job(self, job: Job, *more: Any) -> bool:
            with _performing(errtrack, job, self.is_horse):
                return bool(super().perform_job(job, *more))

        def handle_exception(self, job: Job, *exc_info: Any) -> None:
            if report_retries or not job.retries_left:
                _report(errtrack, job, exc_info[1])
            # What RQ logs of it is not another event.
            with own_work():
                super().handle_exception(job, *exc_info)

        def handle_work_horse_killed(
            self, job: Job, retpid: Any, ret_val: Any, *more: Any
        ) -> None:
            if report_retries or not job.retries_left:
                _report_killed(errtrack, job, ret_val)
            super().handle_work_horse_killed(job, retpid, ret_val, *more)

    return ErrTrackWorker


@contextmanager
def _performing(
    errtrack: ErrTrack | Client, job: Job, is_horse: bool
) -> Iterator[None]:
    client = client_of(errtrack)
    if client is None:
        yield
        return
    try:
        with client.work(_name_of(job)) as scope:
            _describe(scope, job)
            try:
                yield
            except Exception as error:
                # RQ could not note how the job ended; that is a cause or context.
                _report(errtrack, job, error)
                raise
    finally:
        if is_horse:
            # It ends without the functions of atexit.
            with guard("ending a work horse"), own_work():
                client.flush(client.config.shutdown_timeout_seconds)


def _describe(scope: Scope, job: Job) -> None:
    with guard("describing a job"), own_work():
        scope.set_context("rq", _facts_of(job))


def _report(errtrack: ErrTrack | Client, job: Job, error: BaseException | None) -> None:
    with guard("reporting a failed job"), own_work():
        client = client_of(errtrack)
        if client is None or not is_error(error):
            return
        facts = _facts_of(job)
        with guard("reading what a job was given"), suppress(DeserializationError):
            facts["arguments"] = arguments_by_name(
                _function_of(job), job.args, job.kwargs
            )
        is_final = not job.retries_left
        client.capture_exception(
            error,
            mechanism="rq",
            handled=not is_final,
            contexts={"rq": facts},
            level=None if is_final else "warning",
        )


def _report_killed(errtrack: ErrTrack | Client, job: Job, status: int | None) -> None:
    """Tell of a work horse that was killed, without reading what may have killed it."""
    with guard("reporting a killed work horse"), own_work():
        client = client_of(errtrack)
        if client is None:
            return
        name = str(job.description or job.id).partition("(")[0]
        how = _end_of(status)
        with client.work(name):
            client.capture_message(
                "The work horse of %s ended too early: %s",
                "error",
                params=[name, how],
                formatted=f"The work horse of {name} ended too early: {how}",
                contexts={"rq": _facts_of(job)},
                fingerprint=["rq work horse ended", name],
            )


def _end_of(status: int | None) -> str:
    if status is None:
        return "its end was not seen"
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit status {os.waitstatus_to_exitcode(status)}"


def _name_of(job: Job) -> str:
    with suppress(DeserializationError):
        return str(job.func_name)
    return "a job that cannot be read"


def _facts_of(job: Job) -> dict[str, Any]:
    """What is known of a job; what it was given is not among it."""
    facts = {
        "job_id": job.id,
        "queue": job.origin,
        "retries_left": job.retries_left,
        "timeout_seconds": job.timeout,
        "enqueued_at": job.enqueued_at,
        "worker": job.worker_name,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _function_of(job: Job) -> Callable[..., Any] | None:
    """The function of a job: looked up, not imported, which may be what failed."""
    name = str(job.func_name)
    if job.instance is not None:
        return getattr(job.instance, name, None)
    path, _, name = name.rpartition(".")
    owner = sys.modules.get(path)
    if owner is None:
        path, _, class_name = path.rpartition(".")
        owner = getattr(sys.modules.get(path), class_name, None)
    return getattr(owner, name, None)
