"""Make the pictures of the documentation anew, from the example app.

Needs a real Chromium: ``python3 dev.py pictures``. The app runs on loopback with a
database of its own, meets its bug beside errors of a made-up day, and is looked at.
"""

from __future__ import annotations

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
from flask_errtrack.tracker import Tracker  # noqa: E402
from flask_errtrack.transports import MemoryTransport  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
SIZE = ViewportSize(width=1180, height=740)
HOUR_SECONDS = 3600.0

# Errors of a made-up day: module, function, what it runs, events, users.
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


def make_a_day(database_url: str) -> None:
    """Record the errors of the made-up day, each at its time."""
    chance = random.Random(3)
    clock = [0.0]
    tracker = Tracker(database_url, now=lambda: clock[0])
    sent = MemoryTransport()
    client = Client(transport=sent, environment="production", release="1.4.0")
    ages = []
    for module, function, body, count, users in OTHERS:
        for _ in range(count):
            try:
                failing(module, function, body)()
            except Exception:  # noqa: BLE001 - whatever the day brings
                client.capture_exception(user={"id": str(chance.randint(1, users))})
            ages.append(min(chance.expovariate(1 / 6), 23) * HOUR_SECONDS)
    for age, envelope in sorted(zip(ages, sent.envelopes, strict=True), key=_age):
        clock[0] = time.time() - age
        tracker.transport.send(envelope)
    tracker.store.close()


def _age(pair: tuple[float, Any]) -> float:
    return -pair[0]


@contextmanager
def desktop(browser: Browser) -> Iterator[Page]:
    """Yield a page of a desktop browser."""
    context = browser.new_context(viewport=SIZE, device_scale_factor=1.5)
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
    """Take pictures of the list and of the issue."""
    page.goto(f"{url}/errtrack/")
    page.screenshot(path=PICTURES / "issues.png")
    page.get_by_role("main").get_by_role("link", name="TypeError").click()
    page.screenshot(path=PICTURES / "issue.png")


def main() -> None:
    """Make all pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        database_url = f"sqlite:///{folder}/errtrack.db"
        make_a_day(database_url)
        app = create_app(
            {
                "DEBUG": True,
                "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder}/todos.db",
                "ERRTRACK_DATABASE_URL": database_url,
                "ERRTRACK_OUTBOX": f"{folder}/outbox",
                "ERRTRACK_ENVIRONMENT": "production",
                "ERRTRACK_RELEASE": "1.4.0",
            }
        )
        with served(app) as url, chromium() as browser, desktop(browser) as page:
            meet_the_bug(page, url)
            with app.app_context():
                errtrack.flush(30)
            look_at_dashboard(page, url)
        with app.app_context():
            errtrack.close()
            db.engine.dispose()
    for picture in sorted(PICTURES.glob("*.png")):
        print(picture.relative_to(ROOT))


if __name__ == "__main__":
    main()
