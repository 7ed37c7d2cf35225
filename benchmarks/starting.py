"""Start with a contestant in a fresh process: ``python -m benchmarks.starting``.

It prints what that took, as JSON. Nothing but Flask is imported before.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module

from flask import Flask

from .alone import hide_others
from .peers import CONTESTANTS, Setting
from .process import resident_bytes, thread_count


def main() -> None:
    """Import it, set it up, and answer a request."""
    name, folder, address = sys.argv[1:]
    hide_others()
    app = Flask(__name__, instance_path=folder)
    app.secret_key = "a secret key for the benchmark"
    app.add_url_rule("/", view_func=lambda: "fine", endpoint="healthy")
    contestant = CONTESTANTS[name]
    before = resident_bytes()
    started = time.perf_counter()
    for module in contestant.modules:
        import_module(module)
    imported = time.perf_counter()
    contestant.set_up(Setting(app, address, ZeroDivisionError))
    is_set_up = time.perf_counter()
    held = resident_bytes() - before
    app.test_client().get("/")
    found = {
        "import_seconds": imported - started,
        "set_up_seconds": is_set_up - imported,
        "resident_bytes": held,
        "threads": thread_count() - 1,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
