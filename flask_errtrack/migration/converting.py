"""From settings that were found to new ones, as Python text that can be pasted.

What was read together stays together: a class of settings, a call, an environment.
"""

from __future__ import annotations

import dataclasses
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from ..privacy.secret_names import is_secret_name
from ..settings.config import Config
from ..settings.options import checked
from ..settings.sources import ENVIRON_OPTIONS, PREFIX
from ..words import one_line
from .from_raven import RAVEN, SENTRY
from .from_sentry_sdk import CALLS, SENTRY_SDK
from .parts import PARTS
from .reading import ENVIRONMENT, Setting
from .rules import (
    Call,
    Code,
    Outcome,
    Rule,
    code_of,
    is_known,
    without_credentials,
    without_texts,
)

_FIELDS = {field.name: field for field in dataclasses.fields(Config)}
_UNKNOWN = Rule("", "Neither raven nor sentry-sdk reads it: see where the app does.")
_COMMAND_LINE = Rule("", "It is for sentry-cli: nothing is uploaded to Flask-ErrTrack.")
_OF_COMMAND_LINE = {"auth_token", "org", "project", "url", "properties", "log_level"}
# What raven or sentry-sdk reads from the environment.
_OF_ENVIRONMENT = {
    "dsn",
    "environment",
    "release",
    "name",
    "debug",
    "spotlight",
    "keep_alive",
}
_HEADER = (
    "For the config of the app; each is also a keyword argument of ErrTrack(app, …) "
    "and Client(…), in small letters and without ERRTRACK_."
)
_IMPORTS = "Names that the config does not know have to be imported there."
_PAGE = re.compile(r":doc:`(\w+)`")
_SECRETS = "What is *** is a key or password: --show-secrets prints it."


@dataclass(frozen=True)
class Change:
    """What becomes of one old setting.

    :param options: the new options, by name; none where there is no counterpart.
    """

    setting: Setting
    options: Mapping[str, Any]
    notes: tuple[str, ...]


def changes_of(settings: Iterable[Setting]) -> list[Change]:
    """Return what becomes of old settings, in their order."""
    return [_change_of(one) for one in settings if one.value is not None]


def _change_of(setting: Setting) -> Change:
    rule, outcome = _rule_of(setting), Outcome()
    try:
        outcome = rule.outcome_of(setting.value)
    except (TypeError, ValueError) as error:
        outcome.notes = [f"It cannot be read: {error}"]
    notes = tuple(_as_plain(note) for note in outcome.notes)
    return Change(setting, outcome.options, notes)


def _as_plain(note: str) -> str:
    note = _PAGE.sub(r"docs/\1.rst", note).replace("``", "`")
    return without_credentials(note)


def _rule_of(setting: Setting) -> Rule:
    name = setting.name
    if setting.kind == "part":
        return PARTS[name]
    if setting.kind == "raven":
        return SENTRY.get(name) or RAVEN.get(name, _UNKNOWN)
    if setting.kind == "sentry-sdk":
        return CALLS.get(name) or SENTRY_SDK.get(name, _UNKNOWN)
    if "[" in name:
        name = name.partition("[")[2].strip("]'\"")
    name = name.removeprefix("SENTRY_").removeprefix("RAVEN_").lower()
    if name in _OF_COMMAND_LINE:
        return _COMMAND_LINE
    if setting.kind == "environment" and name not in _OF_ENVIRONMENT:
        return _UNKNOWN
    return RAVEN.get(name) or SENTRY_SDK.get(name, _UNKNOWN)


def merged(changes: Iterable[Change]) -> dict[str, Any]:
    """Return the options of one section; dicts and lists for one option are joined."""
    made: dict[str, Any] = {}
    # What raven finds in its dict wins over what stands alone.
    for change in sorted(changes, key=lambda one: "[" in one.setting.name):
        for name, value in change.options.items():
            before = made.get(name)
            if isinstance(before, dict) and isinstance(value, dict):
                value = {**before, **value}
            elif isinstance(before, list) and isinstance(value, list):
                value = [*before, *value]
            made[name] = value
    return made


def problems_of(changes: Iterable[Change]) -> list[str]:
    """Return why Flask-ErrTrack would not take the new options, if it would not."""
    problems = []
    for section, own in _sections(changes):
        for name, value in merged(own).items():
            try:
                if is_known(value):
                    checked(_FIELDS[name], f"{PREFIX}{name.upper()}", value)
            except ConfigError as error:
                problems.append(f"{one_line(section)}: {error}")
    return problems


def as_rows(changes: Iterable[Change], *, with_secrets: bool) -> list[dict[str, Any]]:
    """Return the changes as JSON-ready dicts: where, line, old, new, notes.

    :param with_secrets: False leaves keys and passwords out.
    """
    return [
        {
            "where": change.setting.section,
            "line": change.setting.line or None,
            "old": change.setting.name,
            "new": {
                f"{PREFIX}{name.upper()}": _text_of(name, value, with_secrets)
                for name, value in change.options.items()
            },
            "notes": list(change.notes),
        }
        for change in changes
    ]


def as_python(changes: Iterable[Change], *, with_secrets: bool) -> str:
    """Return the changes as Python text: assignments, and comments for the rest."""
    changes = list(changes)
    lines = [_comment(_HEADER)]
    values = [value for change in changes for value in change.options.values()]
    if not all(is_known(value) for value in values):
        lines.append(_comment(_IMPORTS))
    for section, own in _sections(changes):
        lines += ["", _comment(one_line(section))]
        lines += _section_lines(own, section == ENVIRONMENT, with_secrets)
    text = "\n".join(lines)
    return f"{text}\n\n{_comment(_SECRETS)}" if "***" in text else text


def _sections(changes: Iterable[Change]) -> Iterator[tuple[str, list[Change]]]:
    found: dict[str, list[Change]] = {}
    for change in changes:
        found.setdefault(change.setting.section, []).append(change)
    yield from found.items()


def _section_lines(
    changes: list[Change], is_environment: bool, with_secrets: bool
) -> Iterator[str]:
    for name, value in merged(changes).items():
        text = _text_of(name, value, with_secrets)
        if is_environment and name in ENVIRON_OPTIONS:
            plain = value if with_secrets else without_credentials(str(value))
            yield f"# {PREFIX}{name.upper()}={one_line(str(plain))}"
        else:
            yield f"{PREFIX}{name.upper()} = {text}"
    for change in changes:
        new = ", ".join(f"{PREFIX}{name.upper()}" for name in change.options)
        # What is new and old by the same name needs no word.
        told = " ".join(change.notes)
        if told or not new:
            arrow = f" -> {new}" if new else ""
            told = told or "no counterpart."
            yield _comment(f"{change.setting.name}{arrow}: {told}", hanging="    ")


def _comment(text: str, hanging: str = "") -> str:
    return textwrap.fill(
        one_line(text, 2000),
        79,
        initial_indent="# ",
        subsequent_indent=f"# {hanging}",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _text_of(name: str, value: Any, with_secrets: bool) -> str:
    if with_secrets:
        return code_of(value)
    if isinstance(value, Code | Call) and _FIELDS[name].metadata["confidential"]:
        return without_texts(value.text)
    return code_of(_shown(value))


def _shown(value: Any) -> Any:
    """A value without keys and passwords, by name or inside of URLs."""
    if isinstance(value, Mapping):
        return {
            key: "***" if is_secret_name(str(key)) and one else _shown(one)
            for key, one in value.items()
        }
    if isinstance(value, list | set | frozenset | tuple):
        return [_shown(one) for one in value]
    if isinstance(value, str):
        return without_credentials(value)
    return Code(without_credentials(code_of(value)))
