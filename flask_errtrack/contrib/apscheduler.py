"""APScheduler 3: each run of a job is work of its own, and what fails is an event.

Changes nothing but the executors of the scheduler it is given. Knows nothing of Flask.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

try:
    from apscheduler import events
    from apscheduler.executors.base import BaseExecutor
    from apscheduler.executors.pool import ProcessPoolExecutor
    from apscheduler.job import Job
    from apscheduler.schedulers.base import BaseScheduler
    from apscheduler.util import iscoroutinefunction_partial
except ImportError as error:
    raise ImportError(
        "flask_errtrack.contrib.apscheduler needs APScheduler 3; "
        'pip install "APScheduler<4"'
    ) from error

from ..client.client import Client
from ..errors import ConfigError, guard, own_work
from ..extension import ErrTrack
from ..integration import check, client_of
from ..reading.marks import was_met
from ..runtime.contexts import contextmanager
from .arguments import arguments_by_name

_MISSED = events.EVENT_JOB_MISSED | events.EVENT_JOB_MAX_INSTANCES


def init_apscheduler(
    scheduler: BaseScheduler,
    errtrack: ErrTrack | Client,
    *,
    report_missed: bool = False,
) -> None:
    """Give each run of a job a scope of its own, and capture what makes one fail.

    :param scheduler: before or after it was started.
    :param errtrack: may get its app later. With several apps in one process: the
        app's own client, ``app.extensions["errtrack"]``.
    :param report_missed: also tell of runs that were missed, or skipped because
        others were not done, as a warning.
    :raises ConfigError: this is no scheduler, or no ErrTrack.
    """
    check(errtrack, "init_apscheduler")
    if not isinstance(scheduler, BaseScheduler):
        raise ConfigError(
            f"init_apscheduler got a {type(scheduler).__name__} as scheduler; expected "
            "one of APScheduler 3; that of Flask-APScheduler is scheduler.scheduler"
        )
    watched: WeakSet[BaseExecutor] = WeakSet()

    def watch_executors(event: Any = None) -> None:
        for executor in [*scheduler._executors.values()]:
            if executor not in watched:
                watched.add(executor)
                _watch(executor, errtrack)

    watch_executors()
    scheduler.add_listener(watch_executors, events.EVENT_EXECUTOR_ADDED)
    scheduler.add_listener(
        lambda event: _report_error(errtrack, event), events.EVENT_JOB_ERROR
    )
    if report_missed:
        scheduler.add_listener(lambda event: _report_missed(errtrack, event), _MISSED)


def _watch(executor: BaseExecutor, errtrack: ErrTrack | Client) -> None:
    if isinstance(executor, ProcessPoolExecutor):
        # What runs in another process has to be pickled: the listener tells of it.
        return
    submit = executor.submit_job

    def submit_watched(job: Job, run_times: Any) -> None:
        submit(_watched(job, errtrack), run_times)

    executor.submit_job = submit_watched


def _watched(job: Job, errtrack: ErrTrack | Client) -> Job:
    """A copy of a job whose function runs as work of its own."""
    function = job.func

    def run(*args: Any, **kwargs: Any) -> Any:
        with _running(job, errtrack):
            return function(*args, **kwargs)

    async def run_async(*args: Any, **kwargs: Any) -> Any:
        with _running(job, errtrack):
            return await function(*args, **kwargs)

    copy = object.__new__(type(job))
    for name in Job.__slots__:
        if name != "__weakref__" and hasattr(job, name):
            setattr(copy, name, getattr(job, name))
    copy.func = run_async if iscoroutinefunction_partial(function) else run
    return copy


@contextmanager
def _running(job: Job, errtrack: ErrTrack | Client) -> Iterator[None]:
    client = client_of(errtrack)
    if client is None:
        yield
        return
    facts = {"job_id": job.id, "job": job.name, "trigger": str(job.trigger)}
    with client.work(job.name) as scope:
        with guard("describing a job"), own_work():
            scope.set_context("apscheduler", facts)
        try:
            yield
        except Exception as error:
            with guard("reporting a failed job"), own_work():
                given = arguments_by_name(job.func, job.args, job.kwargs)
                client.capture_exception(
                    error,
                    mechanism="apscheduler",
                    handled=False,
                    scope=scope,
                    contexts={"apscheduler": {**facts, "arguments": given}},
                )
            raise


def _report_error(errtrack: ErrTrack | Client, event: Any) -> None:
    """Capture what failed in another process, from where it cannot be told better."""
    with guard("reporting a failed job"), own_work():
        client = client_of(errtrack)
        error = event.exception
        is_known = not isinstance(error, Exception) or was_met(error)
        if client is not None and not is_known:
            with client.work(event.job_id):
                client.capture_exception(
                    error,
                    mechanism="apscheduler",
                    handled=False,
                    contexts={"apscheduler": {"job_id": event.job_id}},
                    extra={"traceback": event.traceback},
                )


def _report_missed(errtrack: ErrTrack | Client, event: Any) -> None:
    with guard("reporting a missed run"), own_work():
        client = client_of(errtrack)
        if client is None:
            return
        is_missed = event.code == events.EVENT_JOB_MISSED
        how = "was missed" if is_missed else "was skipped: earlier ones are not done"
        with client.work(event.job_id):
            client.capture_message(
                f"A run of job %s {how}",
                "warning",
                params=[event.job_id],
                formatted=f"A run of job {event.job_id} {how}",
                fingerprint=["apscheduler", how, event.job_id],
            )
