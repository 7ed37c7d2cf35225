"""Tokens and the key that signs them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from flask_errtrack.web.signing import BadToken, key_from_file, make_token, read_token


def test_a_token_gives_its_value_back() -> None:
    token = make_token(["key"], "feedback", "é" * 32)
    assert read_token(["key"], "feedback", token, 60) == "é" * 32
    assert token.isascii()


def test_a_key_may_be_bytes_or_text() -> None:
    assert read_token([b"key"], "a", make_token(["key"], "a", "v"), 60) == "v"


@pytest.mark.parametrize(
    ("keys", "purpose", "token"),
    [
        (["other"], "feedback", None),
        (["key"], "login", None),
        (["key"], "feedback", ""),
        (["key"], "feedback", "a.b.c"),
        (["key"], "feedback", "\0é"),
    ],
)
def test_a_token_that_was_not_made_for_this_is_refused(
    keys: list[str], purpose: str, token: str | None
) -> None:
    made = make_token(["key"], "feedback", "value")
    with pytest.raises(BadToken) as caught:
        read_token(keys, purpose, made if token is None else token, 60)
    assert not caught.value.is_expired


def test_every_changed_character_breaks_a_token() -> None:
    token = make_token(["key"], "feedback", "value")
    for at in range(len(token) - 1):
        changed = f"{token[:at]}{'A' if token[at] != 'A' else 'B'}{token[at + 1 :]}"
        with pytest.raises(BadToken):
            read_token(["key"], "feedback", changed, 60)


def test_an_old_token_is_refused_and_says_so() -> None:
    token = make_token(["key"], "feedback", "value")
    with pytest.raises(BadToken, match="expired") as caught:
        read_token(["key"], "feedback", token, -1)
    assert caught.value.is_expired


def test_a_token_of_an_older_key_is_good_while_that_key_is_kept() -> None:
    token = make_token(["old"], "feedback", "value")
    assert read_token(["old", "new"], "feedback", token, 60) == "value"
    newer = make_token(["old", "new"], "feedback", "value")
    assert read_token(["new"], "feedback", newer, 60) == "value"


def test_the_key_of_a_file_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "instance" / "errtrack.key"
    key = key_from_file(path)
    assert len(key) == 64 and key_from_file(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["errtrack.key"]


def test_to_read_a_key_that_is_there_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "errtrack.key"
    path.write_text("k" * 40 + "\n")
    os.utime(tmp_path, (1, 1))
    assert key_from_file(path) == "k" * 40
    assert tmp_path.stat().st_mtime == 1


@pytest.mark.parametrize("content", ["", "short"])
def test_a_key_file_without_a_key_in_it_is_not_used(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "errtrack.key"
    path.write_text(content)
    assert len(key_from_file(path)) == 64
    assert f"it holds {len(content)} characters" in caplog.text


def test_without_a_place_for_it_the_key_lives_as_long_as_the_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "errtrack.key"
    assert key_from_file(path) != key_from_file(path)
    assert "Set SECRET_KEY" in caplog.text
