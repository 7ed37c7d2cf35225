"""Commands: which one is at work or has failed, with what, and what is no failure.

Reads the contexts of click. Knows nothing of apps and clients.
"""

from __future__ import annotations

import select
import sys
import traceback
from collections.abc import Collection, Iterator
from typing import Any

import click

from ..event import Event
from ..privacy.rule import REDACTED
from ..reading.serialize import CLASS_KEY, DATA_LIMITS, Serializer

# How click ends a command on purpose.
_ENDS = (click.ClickException, click.Abort, click.exceptions.Exit)
# Where click has the context of a command in a variable ``ctx``.
_STEPS = {
    click.Command.make_context.__code__,
    click.Command.invoke.__code__,
    click.Group.invoke.__code__,
}


def is_end_of_command(error: BaseException) -> bool:
    """Tell whether an exception is a way to end a command, and no fault."""
    return isinstance(error, _ENDS)


def ends_well(error: BaseException) -> bool:
    """Tell whether an exception ends a program with the status of success."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code == 0
    return isinstance(error, SystemExit) and error.code in (None, 0)


def command_of(error: BaseException | None) -> click.Context | None:
    """Return the context of the command that an error came from, or that runs now.

    When an error is seen, contexts may be gone, or only that of a group be left; the
    traceback knows better.
    """
    found = click.get_current_context(silent=True)
    if error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code in _STEPS:
                found = frame.f_locals.get("ctx", found)
    while found is not None and _is_called_by_another(found):
        found = found.parent
    return found


def describe_command(event: Event, command: click.Context) -> None:
    """Add a command to an event: its name and parameters, without what is hidden."""
    name = _name(command)
    if "transaction" not in event:
        event["transaction"] = name
        event["transaction_info"] = {"source": "task"}
    params = {key: one for each in _path(command) for key, one in each.params.items()}
    hidden = _hidden_names(command)
    _forget_command_line(event, hidden)
    facts = {"type": "command", "name": name}
    made = Serializer(DATA_LIMITS)(params)
    contexts = event.setdefault("contexts", {})
    contexts.setdefault("command", {**facts, "params": _without(made, hidden)})


def secrets_of_command(command: click.Context) -> set[str]:
    """Return what was typed where nobody should see it."""
    hidden = _hidden_names(command)
    return {
        value
        for each in _path(command)
        for name, value in each.params.items()
        if name in hidden and type(value) is str
    }


def error_of_command() -> BaseException | None:
    """Return the error that ends a command; click before 8.3 does not hand it on."""
    error = sys.exception()
    if error is not None and click.get_current_context(silent=True) is not None:
        for frame, _ in traceback.walk_stack(None):
            if frame.f_code is click.Context.__exit__.__code__:
                return error
    return None


def is_reader_gone() -> bool:
    """Tell whether nobody reads the output any more: ``flask … | head -1``."""
    try:
        poll = select.poll()
        poll.register(sys.stdout, 0)
    except (AttributeError, OSError, ValueError):  # Windows, or not a file at all
        return False
    return bool(poll.poll(0))


def _is_called_by_another(command: click.Context) -> bool:
    """Whether a command's code called it, not a person: ``ctx.invoke(restock)``."""
    return command.parent is not None and command.parent.invoked_subcommand is None


def _path(command: click.Context) -> Iterator[click.Context]:
    """The contexts from the program to a command."""
    if command.parent is not None:
        yield from _path(command.parent)
    yield command


def _name(command: click.Context) -> str:
    """The words of a command, without the program: that may be called in many ways."""
    words = [str(each.info_name) for each in _path(command)]
    return " ".join(words[1:] or words)


def _hidden_names(command: click.Context) -> set[str]:
    return {
        str(param.name)
        for each in _path(command)
        for param in each.command.params
        if getattr(param, "hide_input", False)
    }


def _forget_command_line(event: Event, hidden: Collection[str]) -> None:
    """Take what is hidden out of the variables, and out of the words as they came.

    The parser's own variables hold these, without the names that tell of secrets.
    """
    for value in event.get("exception", {}).get("values", []):
        for frame in value.get("stacktrace", {}).get("frames", []):
            if _is_of_parser(str(frame.get("module"))):
                frame.pop("vars", None)
            elif "vars" in frame:
                frame["vars"] = _without(frame["vars"], hidden)


def _is_of_parser(module: str) -> bool:
    return module == "flask.cli" or module.partition(".")[0] == "click"


def _without(value: Any, hidden: Collection[str]) -> Any:
    """A JSON value with nothing under hidden names, nor in what belongs to click."""
    if isinstance(value, dict):
        if str(value.get(CLASS_KEY)).startswith("click."):
            return {CLASS_KEY: value[CLASS_KEY]}
        return {
            key: REDACTED if key in hidden else _without(one, hidden)
            for key, one in value.items()
        }
    return (
        [_without(one, hidden) for one in value] if isinstance(value, list) else value
    )
