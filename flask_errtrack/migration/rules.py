"""What becomes of one old setting: a rule, and what it yields.

Knows no setting by name, and nothing of where settings are found.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# The part of a URL that holds keys and passwords, unless it is made of placeholders.
_CREDENTIALS = re.compile(r"(?<=://)(?!\{\w+\}(?::\{\w+\})?@)[^\s/@'\"]+(?=@)")
# Such a text in a call is the name of a variable: os.environ["SENTRY_DSN"].
_VARIABLE = re.compile("[A-Z][A-Z0-9_]*")


@dataclass(frozen=True)
class Code:
    """A value of which only the source text is known: ``os.environ["DSN"]``."""

    text: str


@dataclass(frozen=True)
class Call:
    """A call in source text, whose arguments are values again."""

    name: str
    text: str
    keywords: Mapping[str, Any]


@dataclass
class Outcome:
    """New options, and what there is to say of them."""

    options: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Rule:
    """What becomes of one old setting.

    :param new: the option that takes its place, as the documentation names it; empty
        if none does.
    :param note: what behaves differently, or why there is none.
    :param convert: returns what a value becomes, where it does not just move.
    :param unset: what happens where nobody set it; for the documentation.
    """

    new: str = ""
    note: str = ""
    convert: Callable[[Any], Outcome] | None = None
    unset: str = ""

    def outcome_of(self, value: Any) -> Outcome:
        """Return what a value of the old setting becomes."""
        if self.convert is not None:
            made = self.convert(value)
        elif self.new and value is not None:
            made = Outcome({self.new: value})
        else:
            made = Outcome()
        if self.note:
            made.notes.insert(0, self.note)
        return made


def code_of(value: Any) -> str:
    """Return the Python text of a value; of a class or function its dotted name.

    What has no text is ``...``, which no option takes.
    """
    if isinstance(value, Code | Call):
        return value.text
    if isinstance(value, Mapping):
        items = (f"{code_of(key)}: {code_of(one)}" for key, one in value.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(value, list | set | frozenset | tuple):
        return f"[{', '.join(code_of(one) for one in value)}]"
    if isinstance(value, str | bytes | int | float | None):
        return repr(value)
    name = getattr(value, "__qualname__", None)
    has_name = isinstance(name, str) and "<" not in name
    return f"{value.__module__}.{name}" if has_name else "..."


def is_known(value: Any) -> bool:
    """Tell whether a value itself is known, and not only its source text."""
    if isinstance(value, Mapping):
        return all(is_known(one) for one in value.values())
    if isinstance(value, list | set | frozenset | tuple):
        return all(is_known(one) for one in value)
    return not isinstance(value, Code | Call)


def without_credentials(text: str) -> str:
    """Return a text in which no URL shows its key or password."""
    return _CREDENTIALS.sub("***", text)


def without_texts(code: str) -> str:
    """Return Python text in which no text is left that could be a secret."""
    tree = ast.parse(code, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            node.value = _without_secret(node.value)
    return ast.unparse(tree)


def _without_secret(text: str | bytes) -> str:
    if isinstance(text, bytes):
        return "***"
    if "://" in text:
        return without_credentials(text)
    return text if _VARIABLE.fullmatch(text) else "***"


def by_hand(new: str, why: str) -> Outcome:
    """Return an outcome for a value that only a person can convert."""
    return Outcome({}, [f"Set ``{new}`` by hand: {why}."])


def only_false(options: dict[str, Any]) -> Callable[[Any], Outcome]:
    """Return a converter for a switch that matters only where it is off."""
    return lambda value: Outcome(dict(options)) if value is False else Outcome()


def rules_as_rst(rules: Mapping[str, Rule]) -> str:
    """Return the table of the documentation for some rules."""
    lines = [".. list-table::", "    :header-rows: 1", "    :widths: 25 25 50", ""]
    lines += ["    * - Before", "      - Now", "      - What differs"]
    for old, rule in rules.items():
        new = ", ".join(f"``{name}``" for name in rule.new.split(", ") if name)
        lines += [f"    * - ``{old}``", f"      - {new or '–'}"]
        lines += [f"      - {' '.join(filter(None, (rule.note, rule.unset)))}".rstrip()]
    return "\n".join(lines) + "\n"


def lines_as_rst(lines: Mapping[str, str]) -> str:
    """Return the table of the documentation for what is a line of code."""
    rows = [".. list-table::", "    :header-rows: 1", "    :widths: 30 70", ""]
    rows += ["    * - Before", "      - Now"]
    for old, new in lines.items():
        rows += [f"    * - ``{old}``", f"      - {new}"]
    return "\n".join(rows) + "\n"
