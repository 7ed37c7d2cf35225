"""Commands: a failure is one event that says which it was, and other ends are none."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result
from flask import Blueprint, Flask
from flask.cli import AppGroup, FlaskGroup, ScriptInfo
from places import Broken, fail
from waiting import wait_until

from flask_errtrack import ErrTrack
from flask_errtrack.event import Event
from flask_errtrack.protocol.envelope import Envelope
from flask_errtrack.transports import MemoryTransport

Run = Callable[..., Result]


@pytest.fixture
def flask(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command as the program ``flask`` does."""
    # FlaskGroup sets it for its process.
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")
    program = FlaskGroup(name="flask", create_app=lambda: app)

    def run(*args: str, **options: Any) -> Result:
        return app.test_cli_runner().invoke(program, args, **options)

    return run


def types_of(sent: MemoryTransport) -> list[str]:
    """The type of the outermost exception of each event."""
    return [event["exception"]["values"][-1]["type"] for event in sent.events]


def command_in(sent: MemoryTransport) -> dict[str, Any]:
    """What the one event says of its command."""
    (event,) = sent.events
    command = dict(event["contexts"]["command"])
    assert command.pop("type") == "command"
    assert command.pop("name") == event["transaction"]
    assert event["transaction_info"] == {"source": "task"}
    params: dict[str, Any] = command.pop("params")
    assert command == {}
    return params


def in_app_command(app: Flask) -> None:
    app.cli.command("restock")(fail)


def in_app_command_without_context(app: Flask) -> None:
    app.cli.command("restock", with_appcontext=False)(fail)


def in_plain_command(app: Flask) -> None:
    app.cli.add_command(click.Command("restock", callback=fail))


def in_parameter(app: Flask) -> None:
    @app.cli.command("restock")
    @click.option("--count", default="3", callback=fail)
    def restock(count: str) -> None:
        raise AssertionError


def in_blueprint(app: Flask) -> None:
    blueprint = Blueprint("stock", __name__, cli_group=None)
    blueprint.cli.command("restock")(fail)
    app.register_blueprint(blueprint)


def in_chain(app: Flask) -> None:
    @app.cli.group("restock", chain=True)
    def restock() -> None:
        pass

    restock.command("count")(str)
    restock.command("fail")(fail)


def in_command_called_by_another(app: Flask) -> None:
    inner = click.Command("inner", callback=fail)

    @app.cli.command("restock")
    @click.pass_context
    def restock(context: click.Context) -> None:
        context.invoke(inner)


def in_async_function(app: Flask) -> None:
    async def restock() -> None:
        fail()

    app.cli.command("restock")(app.ensure_sync(restock))


def in_result(app: Flask) -> None:
    @app.cli.group("restock", invoke_without_command=True)
    def restock() -> None:
        pass

    restock.result_callback()(fail)


@pytest.mark.parametrize(
    ("define", "args"),
    [
        (in_app_command, ["restock"]),
        (in_app_command_without_context, ["restock"]),
        (in_plain_command, ["restock"]),
        (in_parameter, ["restock"]),
        (in_blueprint, ["restock"]),
        (in_chain, ["restock", "count", "fail", "count"]),
        (in_command_called_by_another, ["restock"]),
        (in_async_function, ["restock"]),
        (in_result, ["restock"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_failing_command_keeps_its_status_and_is_one_event_with_its_name(
    app: Flask,
    flask: Run,
    sent: MemoryTransport,
    define: Callable[[Flask], None],
    args: list[str],
) -> None:
    define(app)
    result = flask(*args)
    assert result.exit_code == 1
    assert isinstance(result.exception, Broken)
    assert types_of(sent) == ["Broken"]
    (event,) = sent.events
    assert event["transaction"] == " ".join(args).removesuffix(" count").replace(
        "restock count fail", "restock fail"
    )
    assert event["exception"]["values"][0]["mechanism"]["handled"] is False


def test_a_command_has_the_same_name_however_it_is_called(
    app: Flask, flask: Run, sent: MemoryTransport
) -> None:
    shop = AppGroup("shop")
    shop.command("restock")(fail)
    app.cli.add_command(shop)
    flask("shop", "restock")
    flask("shop", "restock", prog_name="python -m flask")
    app.test_cli_runner().invoke(args=["shop", "restock"])
    assert [event["transaction"] for event in sent.events] == ["shop restock"] * 3


def test_a_program_that_is_one_command_has_the_name_of_the_program(
    app: Flask, sent: MemoryTransport
) -> None:
    @click.command()
    def main() -> None:
        with app.app_context():
            fail()

    with suppress(Broken):
        main.main([], prog_name="restock.py")
    assert [event["transaction"] for event in sent.events] == ["restock.py"]


def test_the_parameters_of_a_command_and_of_its_groups_go_with_the_event(
    app: Flask, flask: Run, sent: MemoryTransport
) -> None:
    @app.cli.group()
    @click.option("--region")
    def shop(region: str) -> None:
        pass

    @shop.command()
    @click.option("--count", type=int, default=3)
    @click.option("--on", type=click.DateTime())
    @click.option("--from", "source", type=click.File())
    @click.option("--api-token")
    @click.argument("shelves", nargs=-1)
    def restock(**params: Any) -> None:
        fail()

    day = "2026-05-04"
    token = "--api-token=abc"
    flask("shop", "--region=eu", "restock", "--on", day, token, "A", "https://u:pw@x/")
    assert command_in(sent) == {
        "region": "eu",
        "count": 3,
        "on": "2026-05-04 00:00:00",
        "source": None,
        "api_token": "[redacted]",
        "shelves": ["A", "https://u:[redacted]@x/"],
    }


@pytest.mark.parametrize("secret", ["q-7z", "correct-horse"])
@pytest.mark.parametrize("is_typed", [True, False])
def test_what_is_typed_where_nobody_sees_it_is_nowhere_in_the_event(
    app: Flask, flask: Run, sent: MemoryTransport, secret: str, is_typed: bool
) -> None:
    @app.cli.command()
    @click.option("--code", prompt=True, hide_input=True)
    @click.option("--password")
    def enter(code: str, password: str) -> None:
        kept = {"inside": [{"code": code}]}
        if len(code) > 8:
            raise Broken(f"no door for {code}: {password} {len(kept)}")
        fail(code=code)

    if is_typed:
        flask("enter", "--password", "short", input=f"{secret}\n")
    else:
        flask("enter", "--code", secret, "--password", "short")
    assert command_in(sent)["code"] == "[redacted]"
    text = str(sent.events)
    assert secret not in text and "'short'" not in text
    assert "raise Broken" in text or "broken on purpose" in text


def test_what_was_typed_and_not_understood_is_not_in_the_event(
    app: Flask, flask: Run, sent: MemoryTransport
) -> None:
    lenient = {"ignore_unknown_options": True, "allow_extra_args": True}

    @app.cli.command(context_settings=lenient)
    @click.pass_context
    def restock(context: click.Context) -> None:
        assert len(context.args) == 3
        fail(context)

    # Not as text, which the lines of source would show.
    typed = "q" + "-7z"
    flask("restock", "--pin", typed, "top")
    assert types_of(sent) == ["Broken"]
    assert typed not in str(sent.events)


def test_a_message_in_a_command_has_its_name_too(
    app: Flask, flask: Run, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    @app.cli.command()
    @click.option("--count", type=int)
    def restock(count: int) -> None:
        errtrack.set_tag("shelf", "top")
        errtrack.capture_message("half done")

    flask("restock", "--count", "5")
    assert command_in(sent) == {"count": 5}
    assert sent.events[0]["tags"] == {"shelf": "top"}


def test_a_name_that_was_set_is_kept_and_the_parameters_too(
    app: Flask, flask: Run, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    @app.cli.command()
    @click.argument("shelf")
    def restock(shelf: str) -> None:
        errtrack.set_transaction("nightly")
        fail()

    flask("restock", "top")
    (event,) = sent.events
    assert event["transaction"] == "nightly"
    assert event["contexts"]["command"]["name"] == "restock"
    assert event["contexts"]["command"]["params"] == {"shelf": "top"}


@pytest.mark.parametrize("source", ["task", "route"])
def test_what_a_worker_or_server_is_for_is_not_its_command(
    app: Flask, flask: Run, sent: MemoryTransport, source: str
) -> None:
    @app.cli.command()
    def serve() -> None:
        client = app.extensions["errtrack"]
        with client.work("buy", source):
            client.capture_exception(Broken())

    assert flask("serve").exit_code == 0
    (event,) = sent.events
    assert event["transaction"] == "buy"
    assert "command" not in event["contexts"]


@pytest.mark.swallows_errors
def test_parameters_that_break_when_looked_at_cost_the_event_nothing(
    app: Flask, flask: Run, sent: MemoryTransport
) -> None:
    class Odd(str):
        __slots__ = ()

        def __repr__(self) -> str:
            raise Broken

        __str__ = __hash__ = __eq__ = __repr__  # type: ignore[assignment]

    def odd(context: Any, param: Any, value: str) -> Odd:
        return Odd(value)

    @app.cli.command()
    @click.option("--odd", callback=odd, hide_input=True)
    @click.option("--even", callback=odd)
    def restock(odd: Any, even: Any) -> None:
        fail()

    assert flask("restock", "--odd", "1", "--even", "2").exit_code == 1
    assert types_of(sent) == ["Broken"]


@pytest.mark.parametrize(
    ("way_out", "status"),
    [
        (click.UsageError("no such shelf"), 2),
        (click.BadParameter("no such shelf"), 2),
        (click.ClickException("closed"), 1),
        (click.Abort(), 1),
        (click.exceptions.Exit(3), 3),
        (SystemExit(4), 4),
    ],
    ids=repr,
)
def test_the_ways_to_end_a_command_are_no_events(
    app: Flask, sent: MemoryTransport, way_out: BaseException, status: int
) -> None:
    @app.cli.command()
    def restock() -> None:
        raise way_out

    result = app.test_cli_runner().invoke(args=["restock"])
    assert result.exit_code == status
    assert sent.events == []


@pytest.mark.parametrize("is_read", [True, False])
def test_a_command_whose_reader_has_left_is_no_event(
    app: Flask, sent: MemoryTransport, is_read: bool
) -> None:
    @app.cli.command()
    def restock() -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    reader, writer = os.pipe()
    if not is_read:
        os.close(reader)
    with os.fdopen(writer, "w") as pipe, redirect_stdout(pipe):
        script = ScriptInfo(create_app=lambda: app)
        # What click does itself, but on a standard output of ours.
        with (
            suppress(BrokenPipeError),
            restock.make_context("restock", [], obj=script) as context,
        ):
            restock.invoke(context)
    assert types_of(sent) == (["BrokenPipeError"] if is_read else [])
    if is_read:
        os.close(reader)


def test_an_error_that_a_command_handles_is_no_event(
    app: Flask, sent: MemoryTransport
) -> None:
    @app.cli.command()
    def restock() -> None:
        try:
            fail()
        except Broken:
            with app.app_context():
                pass

    assert app.test_cli_runner().invoke(args=["restock"]).exit_code == 0
    assert sent.events == []


def test_a_command_called_wrongly_is_no_event(
    app: Flask, sent: MemoryTransport
) -> None:
    @app.cli.command()
    @click.argument("shelf", type=int)
    def restock(shelf: int) -> None:
        pass

    result = app.test_cli_runner().invoke(args=["restock", "top"])
    assert result.exit_code == 2
    assert sent.events == []


APP = """
import os, sys
import click
from flask import Flask
from flask.cli import FlaskGroup
from flask_errtrack import ErrTrack

class Kept:
    def send(self, envelope):
        with open("sent", "ab") as file:
            file.write(envelope.encode())

app = Flask("shop", instance_path=os.path.abspath("instance"))
if "ERRTRACK" in os.environ:
    ErrTrack(app, transport=Kept())

@app.cli.command()
@click.argument("how")
def end(how):
    if how == "status":
        sys.exit(3)
    if how == "text":
        sys.exit("no shelf")
    try:
        raise ValueError("no shelf")
    except ValueError as error:
        raise RuntimeError("no stock") from error

@click.command()
@click.option("--code", hide_input=True)
def plain(code):
    raise RuntimeError("no stock")

program = FlaskGroup(create_app=lambda: app)
program.add_command(plain)

def broken():
    raise RuntimeError("no database")

if __name__ == "__main__":
    program()
elif "PUSHED" in os.environ:
    app.app_context().push()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the app is, as a program."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "app.py").write_text(APP)
    return folder


def run(folder: Path, *args: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """Run Python in a process of its own, with nothing that was sent before."""
    (folder / "sent").unlink(missing_ok=True)
    return subprocess.run(
        [sys.executable, *args],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), **more.pop("env", {})},
        capture_output=True,
        check=False,
        **more,
    )


def events_from(folder: Path) -> list[Event]:
    path = folder / "sent"
    return list(Envelope.parse(path.read_bytes()).events) if path.exists() else []


@pytest.mark.parametrize(
    ("how", "status", "types"),
    [("error", 1, ["ValueError", "RuntimeError"]), ("status", 3, []), ("text", 1, [])],
)
def test_a_process_ends_with_the_same_status_and_output_to_the_byte(
    folder: Path, how: str, status: int, types: list[str]
) -> None:
    command = ("-m", "flask", "end", how)
    without, with_us = (
        run(folder, *command, env=env) for env in ({}, {"ERRTRACK": "1"})
    )
    assert without.returncode == with_us.returncode == status
    assert (without.stdout, without.stderr) == (with_us.stdout, with_us.stderr)
    told = [
        value["type"]
        for event in events_from(folder)
        for value in event["exception"]["values"]
    ]
    assert told == types


@pytest.mark.parametrize(
    ("args", "env", "transaction"),
    [
        (["-m", "flask", "--app", "app:broken", "routes"], {}, "routes"),
        (["app.py", "plain", "--code", "q-7z"], {}, "plain"),
        (["-m", "flask", "end", "error"], {"PUSHED": "1"}, "end"),
    ],
    ids=["loading", "without a context", "in a context of its own"],
)
def test_what_fails_where_flask_does_not_tell_of_it_is_one_event_too(
    folder: Path, args: list[str], env: dict[str, str], transaction: str
) -> None:
    done = run(folder, *args, env={"ERRTRACK": "1", **env})
    assert done.returncode == 1 and b"RuntimeError: no " in done.stderr
    (event,) = events_from(folder)
    assert event["transaction"] == transaction
    assert event["contexts"]["command"]["name"] == transaction
    assert "q-7z" not in str(event)


def test_what_is_tried_in_the_shell_is_no_event(folder: Path) -> None:
    done = run(
        folder, "-m", "flask", "shell", env={"ERRTRACK": "1"}, input=b"1/0\n6 * 7\n"
    )
    assert done.returncode == 0
    assert b"ZeroDivisionError" in done.stderr and b"42" in done.stdout
    assert events_from(folder) == []


def test_what_is_logged_and_then_raised_in_a_command_is_one_event(
    app: Flask, flask: Run, sent: MemoryTransport
) -> None:
    @app.cli.command()
    def restock() -> None:
        try:
            fail()
        except Broken as error:
            app.logger.exception("no stock")
            raise KeyError("shelf") from error

    flask("restock")
    assert types_of(sent) == ["KeyError"]
    assert command_in(sent) == {}


def test_a_command_without_an_end_tells_of_its_errors_meanwhile(
    app: Flask, flask: Run, sent: MemoryTransport
) -> None:
    @app.cli.command()
    def work() -> None:
        app.logger.error("no stock", exc_info=Broken("logged"))
        wait_until(lambda: sent.events)

    assert flask("work").exit_code == 0
    assert types_of(sent) == ["Broken"]
