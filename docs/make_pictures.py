"""Make the pictures of the documentation anew, from the example app.

Needs a real Chromium: ``python3 dev.py pictures``. The app runs on loopback with a
database of its own, meets its bug beside errors of a made-up week, and is looked at.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser import chromium, served  # noqa: E402

from example_app import create_app  # noqa: E402
from example_app.extensions import db, errtrack  # noqa: E402
from example_app.models import DEMO_USERS  # noqa: E402
from flask_errtrack import Client  # noqa: E402
from flask_errtrack.protocol.envelope import Item  # noqa: E402
from flask_errtrack.settings.alert_rules import rules_of  # noqa: E402
from flask_errtrack.tracker import Tracker, projects  # noqa: E402
from flask_errtrack.transports import MemoryTransport  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 1180, 740
HOUR_SECONDS = 3600.0
RELEASED_SECONDS = 30 * HOUR_SECONDS
RULES = ["new", "regressed", {"users": 20, "minutes": 60}]
BROWSERS = ("Firefox 145", "Chrome 142", "Safari 26")

# Errors of a made-up week: module, function, what it runs, events, users.
OTHERS = (
    (
        "example_app.mail",
        "send_reminder",
        "raise TimeoutError('mail.example.com did not answer within 5 s')",
        64,
        23,
    ),
    ("example_app.settings", "load", "{}['reminder_hour']", 17, 9),
    ("example_app.uploads", "read", "b'caf\\xe9'.decode()", 5, 2),
    (
        "example_app.uploads",
        "store",
        "raise PermissionError('attachments/7 cannot be written')",
        3,
        3,
    ),
)


def failing(module: str, function: str, body: str) -> Callable[[], Any]:
    """Return a function of a made-up module of the app."""
    path = f"example_app/{module.rpartition('.')[2]}.py"
    namespace: dict[str, Any] = {"__name__": module}
    exec(compile(f"def {function}():\n    {body}", path, "exec"), namespace)
    found: Callable[[], Any] = namespace[function]
    return found


def post_to_chat(alert: Any) -> None:
    """Stand for the chat that is told of issues."""


def make_a_week(database_url: str) -> None:
    """Record what happened in the made-up week, each at its time."""
    clock = [time.time() - 200 * HOUR_SECONDS]
    tracker = Tracker(
        database_url,
        alerts=[post_to_chat],
        alert_rules=rules_of(RULES),
        now=lambda: clock[0],
    )
    projects.add(tracker.store, "Shop (browser)")
    happened = [*errors(), *runs()]
    for age, project_id, item in sorted(happened, key=_age):
        clock[0] = time.time() - age
        tracker.store.report_overdue()
        tracker.store.record(item, project_id)
        tracker.watchman.round()
    tracker.close()
    tracker.store.close()


def errors() -> Iterator[tuple[float, int, Item]]:
    """Yield errors: how many seconds ago, in which project, and what came."""
    chance = random.Random(3)
    sent = MemoryTransport()
    clients = [
        Client(transport=sent, environment="production", release=release)
        for release in ("1.4.0", "1.3.2")
    ]
    for module, function, body, count, users in OTHERS:
        for _ in range(count):
            age = min(chance.expovariate(1 / 16), 120) * HOUR_SECONDS
            client = clients[age > RELEASED_SECONDS]
            try:
                failing(module, function, body)()
            except Exception:  # noqa: BLE001 - whatever the week brings
                client.capture_exception(
                    user={"id": str(chance.randint(1, users))},
                    tags={"browser": chance.choice(BROWSERS)},
                )
            (item,) = sent.envelopes[-1].items
            yield age, 1, item


def runs() -> Iterator[tuple[float, int, Item]]:
    """Yield check-ins of jobs, in the same way; one of them misses a run."""
    hourly = {"schedule": {"type": "interval", "value": 1, "unit": "hour"}}
    nightly = {"schedule": {"type": "crontab", "value": "0 3 * * *"}}
    for hour in range(26):
        if hour != 9:
            status = "error" if hour == 17 else "ok"
            age = (hour + 0.5) * HOUR_SECONDS
            yield age, 1, check_in("clear-todos", status, 4.0 + hour % 3, hourly)
    yield 10 * HOUR_SECONDS, 1, check_in("nightly-backup", "ok", 312.0, nightly)
    yield 60.0, 1, check_in("send-reminders", "in_progress", None, hourly)


def check_in(slug: str, status: str, seconds: float | None, config: Any) -> Item:
    """Return what a job tells of a run."""
    said = {"monitor_slug": slug, "status": status, "monitor_config": config}
    said |= {"environment": "production", "duration": seconds}
    return Item("check_in", json.dumps(said).encode())


def _age(happened: tuple[float, int, Item]) -> float:
    return -happened[0]


@contextmanager
def visitor(
    browser: Browser, width: int, height: int, scale: float = 1
) -> Iterator[Page]:
    """Yield a page of a browser in a window of this size."""
    size = ViewportSize(width=width, height=height)
    context = browser.new_context(viewport=size, device_scale_factor=scale)
    try:
        yield context.new_page()
    finally:
        context.close()


def meet_the_bug(page: Page, url: str) -> None:
    """Log in, add a todo without a due date, and say what happened."""
    page.goto(url)
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(DEMO_USERS["ada"])
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("What", exact=True).fill("Water the plants")
    page.get_by_role("button", name="Add").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What happened?").fill("I added a todo and left the date open.")
    page.screenshot(path=PICTURES / "feedback.png")
    dialog.get_by_role("button", name="Send").click()
    page.get_by_role("status").get_by_text("Thank you").wait_for()


def look_at_dashboard(page: Page, url: str) -> None:
    """Take a picture of each page that matters."""
    for name, path, height in (
        ("monitors", "monitors", 340),
        ("alerts", "alerts", 460),
        ("setup", "projects/2", HEIGHT),
        ("issues", "", HEIGHT),
    ):
        page.set_viewport_size(ViewportSize(width=WIDTH, height=height))
        page.goto(f"{url}/errtrack/{path}")
        page.screenshot(path=PICTURES / f"{name}.png")
    page.get_by_role("main").get_by_role("link", name="TypeError").click()
    page.screenshot(path=PICTURES / "issue.png")


def main() -> None:
    """Make all pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        database_url = f"sqlite:///{folder}/errtrack.db"
        make_a_week(database_url)
        app = create_app(
            {
                "DEBUG": True,
                "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder}/todos.db",
                "ERRTRACK_DATABASE_URL": database_url,
                "ERRTRACK_OUTBOX": f"{folder}/outbox",
                "ERRTRACK_ENVIRONMENT": "production",
                "ERRTRACK_RELEASE": "1.4.0",
                "ERRTRACK_ALERTS": [post_to_chat],
                "ERRTRACK_ALERT_RULES": RULES,
                "ERRTRACK_DASHBOARD_URL": "https://todo.example/errtrack",
            }
        )
        with served(app) as url, chromium() as browser:
            with visitor(browser, WIDTH, HEIGHT) as page:
                meet_the_bug(page, url)
                with app.app_context():
                    errtrack.flush(30)
                look_at_dashboard(page, url)
            with visitor(browser, 390, HEIGHT, 1.5) as page:
                page.goto(f"{url}/errtrack/")
                page.screenshot(path=PICTURES / "phone.png")
        with app.app_context():
            errtrack.close()
            db.engine.dispose()
    for picture in sorted(PICTURES.glob("*.png")):
        print(picture.relative_to(ROOT))


if __name__ == "__main__":
    main()
