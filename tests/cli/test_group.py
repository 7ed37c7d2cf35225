"""What holds for the output of all commands, whatever it is written to."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import BytesIO, TextIOWrapper

import click
from click.testing import CliRunner

from flask_errtrack.cli.group import CommandGroup

commands = CommandGroup("errtrack")


@commands.command(with_appcontext=False)
def title() -> None:
    click.echo("Zürich → Genève")


@commands.command(with_appcontext=False)
def full() -> None:
    raise OSError(28, "No space left on device")


@commands.command(with_appcontext=False)
def colors() -> None:
    click.secho("ok", fg="green")


@commands.command(with_appcontext=False)
def closed() -> None:
    raise BrokenPipeError(32, "Broken pipe")


def test_what_the_encoding_does_not_have_is_escaped() -> None:
    written = BytesIO()
    output = TextIOWrapper(written, encoding="latin-1")
    with redirect_stdout(output):
        commands.main(["title"], standalone_mode=False)
    assert written.getvalue() == b"Z\xfcrich \\u2192 Gen\xe8ve\n"
    assert output.errors == "strict"


def test_an_output_that_cannot_be_written_is_told_in_a_sentence() -> None:
    result = CliRunner().invoke(commands, ["full"])
    expected = "Error: the output cannot be used: No space left on device\n"
    assert (result.exit_code, result.output) == (1, expected)


def test_a_reader_that_has_left_is_not_spoken_to() -> None:
    result = CliRunner().invoke(commands, ["closed"])
    assert (result.exit_code, result.output) == (1, "")


def test_who_wants_no_colors_gets_none() -> None:
    for environ, expected in (({}, "\x1b[32mok\x1b[0m\n"), ({"NO_COLOR": "1"}, "ok\n")):
        runner = CliRunner(env={"NO_COLOR": None, **environ})
        # As a terminal would show it.
        assert runner.invoke(commands, ["colors"], color=True).output == expected
