"""Which events belong together, and why: a pure function of the event.

An event goes to the issue of its :attr:`Grouping.hash`. Line numbers, paths,
messages, routes, releases and users never count where a stack is known: they
differ between events that a person would fix in one go.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...event import Event, ExceptionValue
from .places import Place, Places, places_of, source_key

#: A new rule is a new version: its hashes never meet those of an older one.
VERSION = 1

MAX_FINGERPRINT_PARTS = 10
MAX_PART_LENGTH = 200
MAX_MESSAGE_LENGTH = 512
MAX_TITLE_LENGTH = 250
MAX_SEARCH_LENGTH = 1000

_DEFAULT = re.compile(r"\{\{ ?default ?\}\}")
_DELIBERATE = re.compile(r"(?:raise|throw)\b")
_GROUP_MEMBER = re.compile(r"\w+\[\d+\]")

# One pass with one mark: marks that tell a number from an id would split
# "order 17" from "order 9f3c". A look-behind before each open-ended piece
# keeps hostile input from being read again at every character.
_VARIABLE = re.compile(
    r"""
      (?<!\w) '[^']*' (?!\w)                            # quoted text
    | "[^"]*"
    | (?<![\w.+-]) [\w.+-]+ @ [\w.-]+                   # e-mail address
    | \b [a-z][a-z+.-]{1,15}://\S+                      # URL
    | \b [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12} \b
    | \b 0x[0-9a-f]+                                    # address in memory
    | (?<![\w/.]) \.{0,2}/[\w.@%+-]+/[\w./@%+-]*       # path
    | (?<!\w) [a-z]:\\[^\s:*?"<>|]+                     # path on Windows
    | \b [0-9]{4}-[0-9]{2}-[0-9]{2}                     # date and time
      (?:[T ][0-9:.,]+(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?
    | \b (?:mon|tue|wed|thu|fri|sat|sun),?[ ]{1,2}\w{2,3}[ ]{1,2}\w{1,3}
      [ ](?:[0-9]{4}[ ])?[0-9]{1,2}(?::[0-9]{2}){2}(?:[ ]GMT|[ ][0-9]{4})?
    | (?<![\w:]) (?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4} (?![\w:])  # IP version 6
    | \b (?=[a-f]*[0-9])(?=[0-9]*[a-f]) [0-9a-f]{8,} \b # digest
    | (?<![^\W_]) [+-]?[0-9][0-9.,:_]*                  # number, version, IP
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class Grouping:
    """The keys of an event.

    ``coarse_hash`` leaves out the line of source, so that it finds the issues
    of the same place; it equals ``hash`` where no line counts. ``words`` says
    why events with this hash are together.
    """

    hash: str
    coarse_hash: str
    words: str
    version: int = VERSION


@dataclass(frozen=True)
class _Rule:
    """What makes up the two keys, and the same in words."""

    fine: tuple[str, ...]
    coarse: tuple[str, ...]
    words: str


def grouping_of(event: Event) -> Grouping:
    """Return the keys of a normalised event."""
    rule = _default_rule(event)
    fingerprint = event.get("fingerprint", [])[:MAX_FINGERPRINT_PARTS]
    if fingerprint:
        rule = _fingerprint_rule(fingerprint, rule)
    return Grouping(_hash(rule.fine), _hash(rule.coarse), rule.words)


def title_of(event: Event) -> str:
    """Return what went wrong in one line: type and message."""
    values = event.get("exception", {"values": []})["values"]
    if not values:
        return _cut(_first_line(_text_of(event))) or "(no message)"
    kind, message = values[-1]["type"], _first_line(values[-1].get("value", ""))
    return _cut(f"{kind}: {message}" if message else kind)


def culprit_of(event: Event) -> str:
    """Return where it went wrong: ``module in function``, or the transaction."""
    for value in event.get("exception", {"values": []})["values"][-1:]:
        found = places_of(value)
        if found.is_in_app:
            return _cut(found.places[-1].words)
    return _cut(event.get("transaction", ""))


def search_text_of(event: Event, title: str, culprit: str) -> str:
    """Return what a search for words looks in: type, message, culprit and files."""
    values = event.get("exception", {"values": []})["values"]
    files = [
        frame.get("filename", "")
        for value in reversed(values)
        for frame in reversed(value.get("stacktrace", {"frames": []})["frames"])
        if frame.get("in_app")
    ]
    words = [_text_of(event), title, culprit]
    words += [value["type"] for value in values] + list(dict.fromkeys(files))
    return "\n".join(filter(None, words)).lower()[:MAX_SEARCH_LENGTH]


def without_variables(message: str) -> str:
    """Return the first line of a message, with ``*`` for what varies."""
    return _VARIABLE.sub("*", _first_line(message)[:MAX_MESSAGE_LENGTH])


def _fingerprint_rule(fingerprint: Sequence[str], default: _Rule) -> _Rule:
    fine: list[str] = ["fingerprint"]
    coarse: list[str] = ["fingerprint"]
    words = []
    for part in fingerprint:
        if _DEFAULT.fullmatch(part.strip()):
            fine += default.fine
            coarse += default.coarse
            words.append(default.words)
        else:
            fine.append(part[:MAX_PART_LENGTH])
            coarse.append(part[:MAX_PART_LENGTH])
            words.append(part[:MAX_PART_LENGTH])
    if len(fingerprint) == 1 and fine[1:] == list(default.fine):
        return default
    return _Rule(
        tuple(fine),
        tuple(coarse),
        "the fingerprint that the app gave: " + ", ".join(words),
    )


def _default_rule(event: Event) -> _Rule:
    values = event.get("exception", {"values": []})["values"]
    if not values:
        return _message_rule(event)
    outermost, root = values[-1], _root_of(values)
    chain = [outermost] if root is outermost else [outermost, root]
    placed = [(value, places_of(value)) for value in chain]
    is_any_in_app = any(found.is_in_app for _, found in placed)
    # Next to a place in the app, frames of libraries alone would only split.
    rules = [
        _exception_rule(value, found, event["platform"])
        if found.is_in_app or not is_any_in_app
        else _type_rule(value)
        for value, found in placed
    ]
    return _Rule(
        sum((rule.fine for rule in rules), ()),
        sum((rule.coarse for rule in rules), ()),
        ", caused by ".join(rule.words for rule in rules),
    )


def _root_of(values: Sequence[ExceptionValue]) -> ExceptionValue:
    """The first cause; of a group its members are no causes."""
    root = values[-1]
    for value in reversed(values[:-1]):
        mechanism = value.get("mechanism", {"type": ""})
        parent = root.get("mechanism", {"type": ""}).get("exception_id", 0)
        # Clients that link nothing send a plain chain.
        if "parent_id" not in mechanism or (
            mechanism["parent_id"] == parent
            and not _GROUP_MEMBER.fullmatch(mechanism.get("source", ""))
        ):
            root = value
    return root


def _exception_rule(value: ExceptionValue, found: Places, platform: str) -> _Rule:
    kind = _type_rule(value)
    if not found.places:
        message = without_variables(value.get("value", ""))
        key = (*kind.fine, "message", message)
        return _Rule(key, key, f"{kind.words} with the message {message!r}")
    used = _used_of(value, found)
    innermost = used[-1]
    coarse = (*kind.coarse, *(f"{place.module}:{place.function}" for place in used))
    words = f"{kind.words} in {_words_of(used)}"
    line = source_key(innermost.line, platform)
    if line:
        shown = _cut(innermost.line.strip())
        return _Rule((*coarse, "line", line), coarse, f"{words}, at the line {shown}")
    message = without_variables(value.get("value", ""))
    key = (*coarse, "message", message)
    return _Rule(key, key, f"{words}, with the message {message!r}")


def _used_of(value: ExceptionValue, found: Places) -> Sequence[Place]:
    """The places that the key is made of, the innermost last."""
    if value["type"] == "RecursionError" and found.repeated is not None:
        # Where the stack was full, it was by chance.
        return (found.repeated,)
    innermost = found.places[-1]
    # A deliberate or delegated failure is about the caller, too.
    is_about_caller = found.is_from_library or _DELIBERATE.match(innermost.line.strip())
    return found.places[-2:] if is_about_caller else (innermost,)


def _type_rule(value: ExceptionValue) -> _Rule:
    module = value.get("module")
    is_plain = module in (None, "", "builtins", "__builtin__", "exceptions")
    kind = value["type"] if is_plain else f"{module}.{value['type']}"
    return _Rule(("type", kind), ("type", kind), kind)


def _words_of(used: Sequence[Place]) -> str:
    called = used[-1].dotted
    return f"{called}, called by {used[0].dotted}" if len(used) > 1 else called


def _message_rule(event: Event) -> _Rule:
    entry = event.get("logentry", {})
    logger = event.get("logger", "")
    is_template = bool(entry.get("params")) and "message" in entry
    message = (
        entry["message"][:MAX_MESSAGE_LENGTH]
        if is_template
        else without_variables(_text_of(event))
    )
    key = ("message", logger, message)
    source = f" of the logger {logger}" if logger else ""
    return _Rule(key, key, f"the message {_cut(message)!r}{source}")


def _text_of(event: Event) -> str:
    entry = event.get("logentry", {})
    return entry.get("formatted") or entry.get("message") or ""


def _first_line(message: str) -> str:
    return next((line for line in map(str.strip, message.splitlines()) if line), "")


def _cut(line: str) -> str:
    return line if len(line) <= MAX_TITLE_LENGTH else line[: MAX_TITLE_LENGTH - 1] + "…"


def _hash(parts: Sequence[str]) -> str:
    # JSON keeps ["a", "b"] and ["a,b"] apart.
    text = json.dumps([f"v{VERSION}", *parts])
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
