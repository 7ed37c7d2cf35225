"""From the frames of an exception to the places that grouping looks at.

A place is a function of a module, in whatever file and at whatever line it
stands. Knows nothing of issues.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...event import ExceptionValue, Frame

MAX_SOURCE_LENGTH = 200

# Python 3.12 gives comprehensions no frame of their own any more.
_COMPREHENSION = re.compile(r"(?:(.+)\.<locals>\.|^)<(?:list|set|dict)comp>$")
# Names of files that are built for the web carry a digest of their content.
_DIGEST = re.compile(r"(?<=[.-])(?=[a-z]*\d)[0-9a-z]{6,64}(?=\.)", re.IGNORECASE)
_STRING = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
_PYTHON_COMMENT = re.compile(rf"({_STRING})|#.*")
_OTHER_COMMENT = re.compile(rf"({_STRING})|//.*|/\*.*?\*/")


@dataclass(frozen=True)
class Place:
    """A function of a module, and the line of source that it was at."""

    module: str
    function: str
    line: str

    @property
    def key(self) -> tuple[str, str]:
        return self.module, self.function

    @property
    def dotted(self) -> str:
        return f"{self.module}.{self.function}" if self.function else self.module

    @property
    def words(self) -> str:
        return f"{self.module} in {self.function}" if self.function else self.module


@dataclass(frozen=True)
class Places:
    """The places of a stack, the caller first.

    ``is_in_app`` tells whether they are the app's own; a stack without any has
    those of the libraries. ``is_from_library`` tells whether library code,
    called by the innermost place, raised. ``repeated`` is the first that was
    entered again.
    """

    places: tuple[Place, ...]
    is_in_app: bool
    is_from_library: bool
    repeated: Place | None


def places_of(value: ExceptionValue) -> Places:
    """Return the places of an exception's stack; recursion counts once."""
    frames = value.get("stacktrace", {"frames": []})["frames"]
    in_app = [frame for frame in frames if frame.get("in_app")]
    places: list[Place] = []
    first: dict[tuple[str, str], Place] = {}
    again: set[tuple[str, str]] = set()
    for frame in in_app or frames:
        place = _place_of(frame, places[-1] if places else None)
        if first.setdefault(place.key, place) is not place:
            again.add(place.key)
        if places and places[-1].key == place.key:
            places.pop()
        places.append(place)
    is_from_library = bool(in_app) and not frames[-1].get("in_app")
    repeated = next((first[key] for key in first if key in again), None)
    return Places(tuple(places), bool(in_app), is_from_library, repeated)


def source_key(line: str, platform: str) -> str:
    """Return a line of source without comments and white space."""
    comment = _PYTHON_COMMENT if platform == "python" else _OTHER_COMMENT
    code = comment.sub(r"\1", line[: MAX_SOURCE_LENGTH * 2])
    return "".join(code.split())[:MAX_SOURCE_LENGTH]


def _place_of(frame: Frame, caller: Place | None) -> Place:
    module = frame.get("module") or _file_name(frame)
    function = frame.get("function", "")
    if comprehension := _COMPREHENSION.search(function):
        function = comprehension[1] or (caller.function if caller else function)
    function = function.replace(".<locals>", "")
    return Place(module, function, frame.get("context_line", ""))


def _file_name(frame: Frame) -> str:
    path = frame.get("filename") or frame.get("abs_path") or "?"
    name = path.partition("?")[0].replace("\\", "/").rpartition("/")[2]
    return _DIGEST.sub("*", name.lower())
