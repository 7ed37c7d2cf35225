"""``errtrack serve`` with alerts: from an app's error to a mail."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

from tracker.alerts.receivers import mail_server
from waiting import wait_until

from flask_errtrack import Client

from .test_serve import serving


def wait_for_one(mails: list[EmailMessage]) -> EmailMessage:
    wait_until(lambda: mails)
    return mails[0]


def test_an_error_of_an_app_becomes_a_mail(tmp_path: Path) -> None:
    with mail_server() as (port, mails):
        config = tmp_path / "errtrack.toml"
        config.write_text(
            f'alerts = ["mailto://127.0.0.1:{port}'
            '?from=tracker@example.org&to=team@example.org"]\n'
        )
        with serving(tmp_path, ERRTRACK_CONFIG_FILE=str(config)) as told:
            client = Client(dsn=told["DSN"], environment="live", release="shop@2.1")
            client.capture_message("The till is empty", level="error")
            assert client.flush(20)
            client.close()
            mail = wait_for_one(mails)
    assert mail["subject"] == "New issue: The till is empty"
    body = mail.get_body(("plain",))
    assert body is not None
    assert "live · shop@2.1" in body.get_content()
