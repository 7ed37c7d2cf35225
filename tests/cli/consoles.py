"""The console script ``errtrack``, as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
# apprise imports it before Python 3.13.
NO_MATTER = "ignore:'imghdr' is deprecated:DeprecationWarning"
CODE = "from flask_errtrack.console import main; main(prog_name='errtrack')"


def started(
    folder: Path, *arguments: str, environ: dict[str, str] | None = None, **more: Any
) -> subprocess.Popen[str]:
    """Start ``errtrack`` in a folder; warnings are errors."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ERRTRACK_", "FLASK_"))
    }
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-W", NO_MATTER, "-c", CODE, *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), **(environ or {})},
        text=True,
        stderr=subprocess.PIPE,
        **more,
    )
