"""From a traceback to the frames of a stack trace.

Owns what is in-app, source lines, columns and local variables. Columns come
from the positions that CPython keeps for each instruction (PEP 657).
"""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from traceback import walk_stack
from types import CodeType, FrameType, ModuleType, TracebackType
from typing import Any, NamedTuple

from ..event import Frame
from ..settings.config import Config
from .serialize import Serializer, cut

#: Of a deeper stack the outer and the inner frames are kept.
MAX_OUTER_FRAMES = 30
MAX_INNER_FRAMES = 70
MAX_VARIABLES = 50
CONTEXT_LINES = 5
MAX_LINE_LENGTH = 512
# Of so many places in the code it is remembered how a frame there looks.
_MAX_PLACES = 1024

_OWN_PACKAGE = __name__.partition(".")[0]
_PATHS = sysconfig.get_paths()
_LIBRARY_PATHS = tuple(
    os.path.join(os.path.normcase(path), "")
    for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    if (path := _PATHS.get(name))
)
# A dict, and since Python 3.13 a view of a function's variables.
_KINDS_OF_LOCALS = (dict, type((lambda: sys._getframe().f_locals)()))
_LIBRARY_FOLDERS = ("site-packages", "dist-packages")

#: A frame, its line, and its instruction.
Step = tuple[FrameType, int, int]
#: Where a frame stopped: the end of the failing code, line and column from 1.
End = tuple[int, int] | None


class Stack(NamedTuple):
    """The frames of a traceback, the caller first.

    ``ends`` has an entry a frame: the line, and the column behind the last
    character, of the code that failed. ``left_out`` counts frames that were
    too many.
    """

    frames: list[Frame]
    ends: list[End]
    left_out: int


class _Place(NamedTuple):
    """What the frames that stop at one instruction have in common.

    ``code`` and ``lines`` are those from which it was made: as long as they are the
    same objects, it is true.
    """

    code: CodeType
    lines: list[str]
    frame: Frame
    end: End


@dataclass(frozen=True)
class StackReader:
    """Reads tracebacks as an app's options want them read.

    :param app_packages: packages that are in-app wherever they are installed.
    :param excluded_packages: packages that are not; they win.
    """

    app_packages: Sequence[str] = ()
    excluded_packages: Sequence[str] = ()
    with_variables: bool = True
    with_source: bool = True
    _in_app: dict[tuple[str, str], bool] = field(default_factory=dict, repr=False)
    _places: dict[tuple[int, int, int, str], _Place] = field(
        default_factory=dict, repr=False
    )

    @classmethod
    def of_options(cls, config: Config, packages: Sequence[str]) -> StackReader:
        """Return a reader for a client.

        :param packages: those of the client's app.
        """
        return cls(
            (*packages, *config.include_paths),
            tuple(config.in_app_exclude),
            config.include_local_variables,
            config.include_source_context,
        )

    def read(self, traceback: TracebackType | None, serialize: Serializer) -> Stack:
        """Return the stack of a traceback.

        :param serialize: turns local variables into JSON values.
        """
        return self._read(_steps(traceback), serialize)

    def read_calls(self, frame: FrameType, serialize: Serializer) -> Stack:
        """Return the stack of running code, down to a frame of it."""
        calls = [(one, line, one.f_lasti) for one, line in walk_stack(frame)]
        return self._read(calls[::-1], serialize)

    def _read(self, steps: list[Step], serialize: Serializer) -> Stack:
        steps = [step for step in steps if not _is_own(step[0])]
        left_out = len(steps) - MAX_OUTER_FRAMES - MAX_INNER_FRAMES
        if left_out > 0:
            steps[MAX_OUTER_FRAMES:-MAX_INNER_FRAMES] = []
        # The innermost first: what is left of the serializer's budget is for the rest.
        made = [self._frame(*step, serialize) for step in reversed(steps)][::-1]
        frames, ends = [frame for frame, _ in made], [end for _, end in made]
        return Stack(frames, ends, max(left_out, 0))

    def is_in_app(self, path: str, module: str) -> bool:
        """Tell whether code at ``path`` belongs to the app, not to a library."""
        known = self._in_app.get((path, module))
        if known is None:
            if len(self._in_app) >= _MAX_PLACES:
                self._in_app.clear()
            known = self._in_app[path, module] = self._decide(path, module)
        return known

    def _decide(self, path: str, module: str) -> bool:
        if _is_inside(module, self.excluded_packages):
            return False
        if _is_inside(module, self.app_packages):
            return True
        if path.startswith("<"):
            return False
        path = os.path.normcase(_absolute(path))
        if any(folder in path.split(os.sep) for folder in _LIBRARY_FOLDERS):
            return False
        return not path.startswith(_LIBRARY_PATHS)

    def _frame(
        self, frame: FrameType, lineno: int, instruction: int, serialize: Serializer
    ) -> tuple[Frame, End]:
        place = self._place(frame, lineno, instruction)
        made = place.frame.copy()
        if "pre_context" in made:
            made["pre_context"] = made["pre_context"].copy()
            made["post_context"] = made["post_context"].copy()
        if self.with_variables:
            made["vars"] = _variables(frame, serialize)
        return made, place.end

    def _place(self, frame: FrameType, lineno: int, instruction: int) -> _Place:
        """What is the same each time a frame stops here."""
        code, module = frame.f_code, _module_of(frame)
        lines = _source(code.co_filename, frame) if self.with_source else []
        # To hash a code object is to hash all that it consists of.
        key = (id(code), lineno, instruction, module)
        known = self._places.get(key)
        if known is not None and known.code is code:
            # The source of a file is another list once it was read again.
            if known.lines is lines or not (known.lines or lines):
                return known
        made = self._static(code, module, lineno)
        end: End = None
        if 0 < lineno <= len(lines):
            made["context_line"] = _line(lines[lineno - 1])
            made["pre_context"] = _lines(lines, lineno - 1 - CONTEXT_LINES, lineno - 1)
            made["post_context"] = _lines(lines, lineno, lineno + CONTEXT_LINES)
            end = _add_columns(made, code, instruction, lines)
        if len(self._places) >= _MAX_PLACES:
            self._places.clear()
        place = self._places[key] = _Place(code, lines, made, end)
        return place

    def _static(self, code: CodeType, module: str, lineno: int) -> Frame:
        path = code.co_filename
        return Frame(
            filename=_short_path(path, module),
            abs_path=_absolute(path),
            module=module or None,
            function=code.co_qualname,
            lineno=lineno,
            in_app=self.is_in_app(path, module),
        )


def _steps(traceback: TracebackType | None) -> list[Step]:
    steps = []
    while traceback is not None:
        frame = traceback.tb_frame
        # Code that was built by hand may have no line numbers.
        known: int | None = traceback.tb_lineno
        lineno = frame.f_code.co_firstlineno if known is None else known
        steps.append((frame, lineno, traceback.tb_lasti))
        traceback = traceback.tb_next
    return steps


def _is_own(frame: FrameType) -> bool:
    """Our wrappers around the app say nothing about its error."""
    return _is_inside(_module_of(frame), (_OWN_PACKAGE,))


def _module_of(frame: FrameType) -> str:
    """The module's dotted name, or "": Jinja has the path of a template there."""
    name = frame.f_globals.get("__name__")
    return name if type(name) is str and _is_module_name(name) else ""


@lru_cache(maxsize=2048)
def _is_module_name(name: str) -> bool:
    return all(map(str.isidentifier, name.split(".")))


def _source(path: str, frame: FrameType) -> list[str]:
    # A module's loader gives that module's source, whatever path it is asked for.
    is_of_module = frame.f_globals.get("__file__") == path
    return linecache.getlines(path, frame.f_globals if is_of_module else None)


def _is_inside(module: str, packages: Sequence[str]) -> bool:
    return any(
        module == package or module.startswith(f"{package}.") for package in packages
    )


@lru_cache(maxsize=2048)
def _absolute(path: str) -> str:
    return path if path.startswith("<") else os.path.abspath(path)


@lru_cache(maxsize=2048)
def _short_path(path: str, module: str) -> str:
    """The path from the folder that the module was imported from."""
    if path.startswith("<"):
        return path
    # Of a template, and other things without a module, the folder says something.
    depth = module.count(".") if module else 1
    if os.path.basename(path) == "__init__.py":
        depth += 1
    if module == "__main__":
        return os.path.basename(path)
    return "/".join(path.replace(os.sep, "/").split("/")[-depth - 1 :])


def _line(line: str) -> str:
    return cut(line.rstrip("\r\n"), MAX_LINE_LENGTH)


def _lines(lines: Sequence[str], start: int, stop: int) -> list[str]:
    return [
        line.rstrip("\r\n") if len(line) <= MAX_LINE_LENGTH else _line(line)
        for line in lines[max(start, 0) : stop]
    ]


def _add_columns(
    frame: Frame, code: CodeType, instruction: int, lines: Sequence[str]
) -> End:
    # Code objects that a task queue rebuilds by hand have no positions.
    positions = getattr(code, "co_positions", None)
    if positions is None or instruction < 0:
        return None
    position = next(islice(positions(), instruction // 2, None), None)
    if position is None:
        return None
    line, end_line, start, end = position
    if line != frame["lineno"] or start is None or end is None or not end_line:
        return None
    if end_line > len(lines):
        return None
    frame["colno"] = _characters(lines[line - 1], start) + 1
    return end_line, _characters(lines[end_line - 1], end) + 1


def _characters(line: str, utf8_offset: int) -> int:
    """Positions count bytes of UTF-8; columns count characters."""
    if line.isascii():
        return utf8_offset
    return len(line.encode()[:utf8_offset].decode(errors="ignore"))


def _variables(frame: FrameType, serialize: Serializer) -> dict[str, Any]:
    found = frame.f_locals
    if type(found) not in _KINDS_OF_LOCALS:
        # Code that runs in a namespace of its own making: it may do anything.
        return {}
    items = found.items()
    if frame.f_code.co_name == "<module>":
        items = {
            name: one for name, one in items if not _is_definition(name, one)
        }.items()
    return {
        name: serialize.shared(value)
        for name, value in islice(items, MAX_VARIABLES)
        if type(name) is str
    }


def _is_definition(name: str, value: Any) -> bool:
    """A module's locals are its globals: mostly imports, and not what failed."""
    is_dunder = type(name) is str and name.startswith("__")
    return is_dunder or issubclass(type(value), ModuleType) or callable(value)
