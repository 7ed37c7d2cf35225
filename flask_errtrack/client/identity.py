"""Who sends an event: environment, release, server and runtime.

The release comes from an option, the host's environment or the git checkout.
Git's files are read without a subprocess, as git documents them in
gitrepository-layout.
"""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..settings.config import Config
from ..version import NAME, VERSION

#: Set by hosts that build from a commit or version.
HOST_VARIABLES = (
    "HEROKU_BUILD_COMMIT",
    "HEROKU_SLUG_COMMIT",
    "RENDER_GIT_COMMIT",
    "SOURCE_VERSION",
    "CODEBUILD_RESOLVED_SOURCE_VERSION",
    "CIRCLE_SHA1",
    "GAE_VERSION",
    "K_REVISION",
)


def identity_of(config: Config, environment: str, root_path: str) -> dict[str, Any]:
    """Return the fields of every event of a program.

    :param environment: what to say where no option names it.
    :param root_path: a folder of the program's code.
    """
    release = config.release
    if release is None:
        release = find_release(os.environ, Path(root_path))
    found = {
        "environment": config.environment or environment,
        "release": release,
        "dist": config.dist,
        "server_name": config.server_name or socket.gethostname(),
        "sdk": {"name": NAME, "version": VERSION},
    }
    return {key: value for key, value in found.items() if value is not None}


def machine_contexts() -> dict[str, dict[str, Any]]:
    """Return the contexts that tell Python's version and the operating system."""
    return {
        "runtime": {
            "type": "runtime",
            "name": platform.python_implementation(),
            "version": platform.python_version(),
        },
        "os": {
            "type": "os",
            "name": platform.system(),
            "version": platform.release(),
        },
    }


def find_release(environ: Mapping[str, str], folder: Path) -> str | None:
    """Return the release of the app in ``folder``, or None if nothing tells it."""
    for name in HOST_VARIABLES:
        if environ.get(name):
            return environ[name]
    try:
        return _commit(folder.resolve()) or None
    except (OSError, ValueError):
        return None


def _commit(folder: Path) -> str | None:
    for parent in (folder, *folder.parents):
        git = parent / ".git"
        if git.is_file():
            # A worktree or submodule: the file says where the folder is.
            git = (parent / git.read_text().removeprefix("gitdir:").strip()).resolve()
        if git.is_dir():
            return _head(git)
    return None


def _head(git: Path) -> str | None:
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref: "):
        return head
    reference = head.removeprefix("ref: ")
    common_file = git / "commondir"
    common = git / common_file.read_text().strip() if common_file.is_file() else git
    for place in (git, common):
        if (place / reference).is_file():
            return (place / reference).read_text().strip()
    packed = common / "packed-refs"
    if packed.is_file():
        for line in packed.read_text().splitlines():
            commit, _, name = line.partition(" ")
            if name == reference:
                return commit
    return None
