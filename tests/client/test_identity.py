"""Which release, environment and server an event comes from."""

from __future__ import annotations

import platform
import socket
import zlib
from pathlib import Path
from typing import Any

import pytest

from flask_errtrack.client.identity import find_release, identity_of, machine_contexts
from flask_errtrack.settings.config import Config

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git(folder: Path, **files: str) -> Path:
    """Make a git folder of files named by their path with __ for slashes."""
    for name, text in files.items():
        path = folder / ".git" / name.replace("__", "/").replace("_", "-")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_what_an_option_names_wins(tmp_path: Path) -> None:
    config = Config(environment="e", release="r", server_name="s", dist="d")
    identity = identity_of(config, "production", str(tmp_path))
    sdk = identity.pop("sdk")
    assert identity == {
        "environment": "e",
        "release": "r",
        "server_name": "s",
        "dist": "d",
    }
    assert sdk["name"] and sdk["version"]


def test_what_nothing_tells_is_left_out(tmp_path: Path) -> None:
    identity = identity_of(Config(release=""), "production", str(tmp_path))
    assert identity["environment"] == "production"
    assert identity["server_name"] == socket.gethostname()
    assert "dist" not in identity


def test_the_contexts_tell_python_and_the_system() -> None:
    contexts = machine_contexts()
    assert contexts["runtime"]["version"] == platform.python_version()
    assert contexts["os"]["name"] == platform.system()


@pytest.mark.parametrize(
    "files",
    [
        {"HEAD": f"{COMMIT}\n"},
        {"HEAD": "ref: refs/heads/main\n", "refs__heads__main": f"{COMMIT}\n"},
        {
            "HEAD": "ref: refs/heads/main\n",
            "packed_refs": f"# pack-refs with: peeled\n{'f' * 40} refs/heads/mainly\n"
            f"{COMMIT} refs/heads/main\n^{'e' * 40}\n",
        },
    ],
)
def test_the_release_is_the_commit_of_the_checkout(
    tmp_path: Path, files: dict[str, str]
) -> None:
    below = git(tmp_path, **files) / "src" / "shop"
    below.mkdir(parents=True)
    assert find_release({}, below) == COMMIT


def test_the_commit_of_a_worktree_is_its_own(tmp_path: Path) -> None:
    main, tree = tmp_path / "main", tmp_path / "tree"
    git(
        main,
        HEAD="ref: refs/heads/main",
        refs__heads__main="f" * 40,
        refs__heads__topic=COMMIT,
        worktrees__tree__HEAD="ref: refs/heads/topic",
        worktrees__tree__commondir="../..\n",
    )
    tree.mkdir()
    (tree / ".git").write_text("gitdir: ../main/.git/worktrees/tree\n")
    assert find_release({}, tree) == COMMIT


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"HEAD": ""},
        {"HEAD": "ref: refs/heads/unborn"},
        {"description": "no head at all"},
    ],
)
def test_a_checkout_without_a_commit_has_no_release(
    tmp_path: Path, files: dict[str, Any]
) -> None:
    assert find_release({}, git(tmp_path, **files)) is None


def test_a_head_that_is_no_text_has_no_release(tmp_path: Path) -> None:
    git(tmp_path, HEAD="")
    (tmp_path / ".git" / "HEAD").write_bytes(zlib.compress(b"binary" * 9) + b"\xff")
    assert find_release({}, tmp_path) is None


def test_the_variable_of_a_host_wins_over_the_checkout(tmp_path: Path) -> None:
    git(tmp_path, HEAD=COMMIT)
    environ = {"HEROKU_SLUG_COMMIT": "", "SOURCE_VERSION": "abc"}
    assert find_release(environ, tmp_path) == "abc"
