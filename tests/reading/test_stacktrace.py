"""From tracebacks to frames: places, columns, source, variables, what is in-app."""

from __future__ import annotations

import gc
import importlib.util
import json
import linecache
import os
import sysconfig
import textwrap
import tracemalloc
import types
import weakref
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from jinja2 import DictLoader, Environment, FileSystemLoader

from flask_errtrack.event import Frame
from flask_errtrack.reading.serialize import VARIABLE_LIMITS, Serializer
from flask_errtrack.reading.stacktrace import (
    MAX_INNER_FRAMES,
    MAX_OUTER_FRAMES,
    MAX_VARIABLES,
    Stack,
    StackReader,
)


def stack_of(work: Callable[[], Any], **options: Any) -> Stack:
    """The stack of the exception that ``work`` raises, without this frame."""
    with pytest.raises(BaseException) as caught:
        work()
    traceback = caught.value.__traceback__
    assert traceback is not None
    return read(traceback.tb_next, **options)


def read(traceback: types.TracebackType | None, **options: Any) -> Stack:
    stack = StackReader(**options).read(traceback, Serializer(VARIABLE_LIMITS))
    json.dumps(stack.frames, allow_nan=False)
    assert len(stack.frames) == len(stack.ends)
    return stack


def load(path: Path, source: str, name: str = "written") -> types.ModuleType:
    """Write and import a module."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def failing(frame: Frame, end: Any) -> str:
    """The code that failed, cut out of the source by the frame's columns."""
    lines = Path(frame["abs_path"]).read_text(encoding="utf-8").splitlines()
    lines = lines[frame["lineno"] - 1 : end[0]]
    lines[-1] = lines[-1][: end[1] - 1]
    lines[0] = lines[0][frame["colno"] - 1 :]
    return "\n".join(lines)


def fails(divisor: int) -> float:
    above = "a line"
    return len(above) / divisor  # the failing line


def test_a_frame_says_where_it_is_and_what_it_knows() -> None:
    stack = stack_of(lambda: fails(0))
    caller, frame = stack.frames
    assert caller["function"].endswith(".<lambda>")
    assert frame["function"] == "fails" and frame["module"] == __name__
    assert frame["abs_path"] == __file__
    assert frame["filename"].endswith("test_stacktrace.py")
    assert (
        frame["context_line"] == "    return len(above) / divisor  # the failing line"
    )
    assert frame["pre_context"][-1] == '    above = "a line"'
    assert len(frame["pre_context"]) == len(frame["post_context"]) == 5
    assert frame["vars"] == {"divisor": 0, "above": "'a line'"}
    assert frame["in_app"] and stack.left_out == 0
    assert failing(frame, stack.ends[-1]) == "len(above) / divisor"


def test_without_a_traceback_there_are_no_frames() -> None:
    assert read(None) == Stack([], [], 0)


def test_variables_and_source_can_be_left_out() -> None:
    options = {"with_variables": False, "with_source": False}
    frame = stack_of(lambda: fails(0), **options).frames[-1]
    assert set(frame) == {
        *("filename", "abs_path", "module", "function", "lineno", "in_app"),
    }


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("x = 1 / 0", "1 / 0"),
        ('x = {}["key"]', '{}["key"]'),
        ("y = None; y.name.first", "y.name"),
        ('"é\U0001f600ü" + 1', '"é\U0001f600ü" + 1'),
        ('s = "日本語"; t = "é"; s[9]; t', "s[9]"),
        ("int(\n    'x'\n)", "int(\n    'x'\n)"),
        ("[\n  1,\n  1 / 0,\n]", "1 / 0"),
        ("f(1)(\n  'ü' +\n  1)", "'ü' +\n  1"),
        ("raise ValueError(\n 'é')", "raise ValueError(\n 'é')"),
    ],
)
def test_columns_point_at_the_code_that_failed(
    tmp_path: Path, source: str, code: str
) -> None:
    body = textwrap.indent(source, "    ")
    source = f"def f(x):\n    return f\ndef fails():\n{body}\n"
    module = load(tmp_path / "columns.py", source)
    stack = stack_of(module.fails)
    expected = textwrap.indent(code, "    ").removeprefix("    ")
    assert failing(stack.frames[-1], stack.ends[-1]) == expected


def test_a_line_that_is_too_long_is_cut(tmp_path: Path) -> None:
    module = load(tmp_path / "long.py", f"def fails():\n    1 / 0  # {'x' * 2000}\n")
    (frame,) = stack_of(module.fails).frames
    assert len(frame["context_line"]) == 513 and frame["context_line"].endswith("x…")


def test_the_first_and_last_lines_of_a_file_have_less_around_them(
    tmp_path: Path,
) -> None:
    module = load(tmp_path / "short.py", "fails = lambda: 1 / 0\nlast = 1\n")
    (frame,) = stack_of(module.fails).frames
    assert frame["pre_context"] == [] and frame["post_context"] == ["last = 1"]


def test_generated_code_without_source_has_a_place_and_variables() -> None:
    namespace: dict[str, Any] = {"__name__": "generated"}
    exec(compile("def fails(a):\n    return a / 0\n", "<generated>", "exec"), namespace)
    stack = stack_of(lambda: namespace["fails"](7))
    frame = stack.frames[-1]
    assert frame["filename"] == frame["abs_path"] == "<generated>"
    assert (frame["function"], frame["lineno"]) == ("fails", 2)
    assert frame["vars"] == {"a": 7} and not frame["in_app"]
    assert "context_line" not in frame and stack.ends[-1] is None


def test_generated_code_never_shows_the_source_of_another_file() -> None:
    code = compile("\n\n\n1 / 0", "no/such/file.py", "exec")
    frame = stack_of(lambda: exec(code, globals())).frames[-1]
    assert frame["filename"].endswith("file.py") and "context_line" not in frame


def test_the_source_of_a_zipped_module_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("zipped_module.py", "def fails():\n    return 1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path / "app.zip"))
    module = importlib.import_module("zipped_module")
    frame = stack_of(module.fails).frames[-1]
    assert frame["context_line"] == "    return 1 / 0"


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_a_template_has_its_own_lines(tmp_path: Path, is_on_disk: bool) -> None:
    source = "<p>\n{{ 1 // zero }}\n</p>"
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "page.html").write_text(source)
    loader = (
        FileSystemLoader(tmp_path)
        if is_on_disk
        else DictLoader({"shop/page.html": source})
    )
    template = Environment(loader=loader).get_template("shop/page.html")
    frame = stack_of(lambda: template.render(zero=0)).frames[-1]
    assert frame["lineno"] == 2 and frame["module"] is None
    if is_on_disk:
        assert frame["filename"] == "shop/page.html" and frame["in_app"]
        assert frame["context_line"] == "{{ 1 // zero }}"


def test_a_relative_file_name_is_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("script.py").write_text("1 / 0\n")
    code = compile("1 / 0\n", "script.py", "exec")
    frame = stack_of(lambda: exec(code, {"__name__": "__main__"})).frames[-1]
    assert frame["abs_path"] == str(tmp_path / "script.py")
    assert frame["filename"] == "script.py" and frame["in_app"]
    assert frame["context_line"] == "1 / 0"


def test_a_file_name_begins_where_its_module_was_imported_from(tmp_path: Path) -> None:
    source = "def fails():\n    1 / 0\n"
    for path, name, expected in [
        ("a/b/c.py", "a.b.c", "a/b/c.py"),
        ("a/b/__init__.py", "a.b", "a/b/__init__.py"),
        ("a/b/c.py", "c", "c.py"),
        ("a/b/c.py", "__main__", "c.py"),
    ]:
        module = load(tmp_path / path, source, name)
        assert stack_of(module.fails).frames[-1]["filename"] == expected


def test_module_level_code_shows_its_variables_but_no_imports(tmp_path: Path) -> None:
    imports = "\n".join(f"import os as os{n}" for n in range(MAX_VARIABLES + 9))
    source = f"{imports}\ndef helper(): pass\nclass Kind: pass\nlimit = 0\n1 / limit\n"
    stack = stack_of(lambda: load(tmp_path / "settings.py", source))
    frame = stack.frames[-1]
    assert frame["function"] == "<module>" and frame["vars"] == {"limit": 0}


def test_variables_are_limited() -> None:
    names = [f"v{number}" for number in range(MAX_VARIABLES + 9)]
    body = "; ".join(f"{name} = 1" for name in names)
    namespace: dict[str, Any] = {}
    exec(f"def fails(): {body}; 1 / 0", namespace)
    assert len(stack_of(namespace["fails"]).frames[-1]["vars"]) == MAX_VARIABLES


def test_a_namespace_of_its_own_making_is_not_looked_into() -> None:
    class Namespace(dict[str, Any]):
        def items(self) -> Any:
            pytest.fail("code of the namespace was run")

    frame = stack_of(lambda: exec("1 / 0", {}, Namespace())).frames[-1]
    assert frame["vars"] == {}


def test_globals_may_hold_anything_as_names() -> None:
    for name in (None, 7, object(), "", "a b", "/srv/templates/a.html"):
        namespace = {"__name__": name}
        frame = stack_of(partial(exec, "1 / 0", namespace)).frames[-1]
        assert frame["module"] is None


def test_the_innermost_variables_are_there_when_the_budget_is_used_up() -> None:
    class Slow:
        def __repr__(self) -> str:
            serializer._deadline = 0
            return "asked"

    def inner(value: Any) -> None:
        1 / 0  # noqa: B018

    def outer(value: Any) -> None:
        inner(Slow())

    serializer = Serializer(VARIABLE_LIMITS)
    with pytest.raises(ZeroDivisionError) as caught:
        outer(Slow())
    stack = StackReader().read(caught.value.__traceback__, serializer)
    assert stack.frames[-1]["vars"]["value"] == "asked"
    assert stack.frames[-2]["vars"]["value"].endswith("not shown, out of time>")


def recurse(depth: int) -> int:
    return recurse(depth - 1) if depth else 1 // depth


def test_of_a_deep_stack_the_ends_are_kept() -> None:
    stack = stack_of(lambda: recurse(500))
    assert len(stack.frames) == MAX_OUTER_FRAMES + MAX_INNER_FRAMES
    assert stack.left_out == 502 - len(stack.frames)
    assert stack.frames[-1]["vars"] == {"depth": 0}
    assert stack.frames[1]["vars"] == {"depth": 500}
    inner = stack.frames[-MAX_INNER_FRAMES]["vars"]["depth"]
    outer = stack.frames[MAX_OUTER_FRAMES - 1]["vars"]["depth"]
    assert outer - inner - 1 == stack.left_out


@pytest.mark.parametrize(
    ("path", "module", "expected"),
    [
        ("/srv/shop/views.py", "shop.views", True),
        ("/srv/shop/views.py", "__main__", True),
        ("/srv/v/lib/python3.12/site-packages/lib/a.py", "lib.a", False),
        ("/usr/lib/python3/dist-packages/lib/a.py", "lib.a", False),
        ("/srv/site-packages-of-ours/a.py", "a", True),
        (
            os.path.join(sysconfig.get_path("stdlib"), "json", "decoder.py"),
            "json",
            False,
        ),
        (
            os.path.join(sysconfig.get_path("purelib"), "flask", "app.py"),
            "flask",
            False,
        ),
        (os.path.join(sysconfig.get_path("scripts"), "gunicorn"), "__main__", False),
        ("<string>", "", False),
        ("<frozen importlib._bootstrap>", "importlib._bootstrap", False),
    ],
)
def test_what_is_installed_is_not_in_app(
    path: str, module: str, expected: bool
) -> None:
    reader = StackReader()
    assert reader.is_in_app(path, module) is expected
    assert reader.is_in_app(path, module) is expected


SITE = "/srv/v/lib/python3.12/site-packages"


@pytest.mark.parametrize(
    ("path", "module", "expected"),
    [
        (f"{SITE}/app/views.py", "app.views", True),
        (f"{SITE}/app/__init__.py", "app", True),
        (f"{SITE}/apple/core.py", "apple.core", False),
        (f"{SITE}/lib/app.py", "lib.app", False),
        ("<string>", "app.models", True),
        (f"{SITE}/app/vendor/x.py", "app.vendor.x", False),
        ("/srv/other/tasks.py", "other.tasks", False),
        ("/srv/otherwise/tasks.py", "otherwise.tasks", True),
    ],
)
def test_the_packages_of_the_options_decide_first(
    path: str, module: str, expected: bool
) -> None:
    reader = StackReader(("app",), ("app.vendor", "other"))
    assert reader.is_in_app(path, module) is expected


def test_the_frames_of_our_own_wrappers_are_left_out() -> None:
    namespace: dict[str, Any] = {"__name__": "flask_errtrack.hooks", "fails": fails}
    exec("def wrapped(): return fails(0)", namespace)
    functions = [frame["function"] for frame in stack_of(namespace["wrapped"]).frames]
    assert functions == ["fails"]
    namespace["__name__"] = "flask_errtracker"
    assert len(stack_of(namespace["wrapped"]).frames) == 2


@pytest.fixture
def edited(tmp_path: Path) -> Iterator[types.ModuleType]:
    """A module whose file became shorter after it was imported."""
    path = tmp_path / "edited.py"
    module = load(path, "\n" * 50 + "def fails():\n    1 / 0\n")
    path.write_text("# short\n")
    linecache.clearcache()
    yield module
    linecache.clearcache()


def test_a_file_that_was_edited_meanwhile_costs_only_its_lines(
    edited: types.ModuleType,
) -> None:
    stack = stack_of(edited.fails)
    assert stack.frames[-1]["lineno"] == 52
    assert "context_line" not in stack.frames[-1] and stack.ends == [None]


def test_code_without_a_line_table_has_the_line_of_its_function() -> None:
    code = fails.__code__.replace(co_linetable=b"")
    rebuilt = types.FunctionType(code, globals())
    stack = stack_of(lambda: rebuilt(0))
    assert stack.frames[-1]["lineno"] == fails.__code__.co_firstlineno
    assert "colno" not in stack.frames[-1] and stack.ends[-1] is None


def test_what_is_remembered_of_a_place_is_true_for_each_event() -> None:
    reader, stacks = StackReader(), []
    for divisor in (0, 0.0):
        with pytest.raises(ZeroDivisionError) as caught:
            fails(divisor)  # type: ignore[arg-type]
        stacks.append(
            reader.read(caught.value.__traceback__, Serializer(VARIABLE_LIMITS))
        )
    first, second = (stack.frames[-1] for stack in stacks)
    assert second == {**first, "vars": {"divisor": 0.0, "above": "'a line'"}}
    assert stacks[0].ends == stacks[1].ends
    second["pre_context"].clear()
    assert len(first["pre_context"]) == 5


def test_source_that_was_read_again_is_shown_as_it_is_now(tmp_path: Path) -> None:
    module = load(tmp_path / "edited.py", "def f():\n    return 1 / 0\n")
    reader = StackReader()

    def line() -> str:
        with pytest.raises(ZeroDivisionError) as caught:
            module.f()
        stack = reader.read(caught.value.__traceback__, Serializer(VARIABLE_LIMITS))
        return stack.frames[-1]["context_line"]

    assert line() == line() == "    return 1 / 0"
    (tmp_path / "edited.py").write_text("def f():\n    return 1 / zero()\n")
    linecache.checkcache(module.__file__)
    assert line() == "    return 1 / zero()"


def test_code_that_is_made_again_and_again_is_not_kept() -> None:
    reader, made = StackReader(), []
    for number in range(1200):
        code = compile("1 / 0", f"<made {number}>", "exec")
        with pytest.raises(ZeroDivisionError) as caught:
            exec(code, {})
        made.append(weakref.ref(code))
        reader.read(caught.value.__traceback__, Serializer(VARIABLE_LIMITS))
    del code, caught
    gc.collect()
    assert sum(one() is not None for one in made) < 600


def test_names_without_end_are_not_remembered_without_end() -> None:
    reader = StackReader()
    tracemalloc.start()
    for number in range(3000):
        reader.is_in_app(f"<made {number} {'x' * 1000}>", "")
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept_bytes < 2_000_000
