"""``flask errtrack outbox``: what waits and why, sending it, dropping it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click import ClickException
from click.testing import Result
from conftest import MakeApp
from flask import Flask

from flask_errtrack.cli.outbox import refuse_another_user
from flask_errtrack.errors import Refused, TransportError
from flask_errtrack.protocol.envelope import Envelope, Item, encode_json
from flask_errtrack.transports import MemoryTransport
from flask_errtrack.transports.errand import Busy, drop, send_now
from flask_errtrack.transports.ledger import ALL, Page, Pause
from flask_errtrack.transports.outbox import FolderOutbox
from flask_errtrack.transports.stock import entries_of

NOBODY = "http://verysecretkey@127.0.0.1:9/1"


class Receiver:
    """Answers as told, and keeps what passes."""

    def __init__(self, answer: Callable[[str], None] = lambda event_id: None) -> None:
        self.answer = answer
        self.passed: list[str] = []

    def send(self, envelope: Envelope) -> None:
        event_id = envelope.event_id or ""
        self.answer(event_id)
        self.passed.append(event_id)


def event(event_id: str, **fields: Any) -> Envelope:
    payload = encode_json({"event_id": event_id, **fields})
    return Envelope((Item("event", payload),), {"event_id": event_id})


def failing(error: Exception, *event_ids: str) -> Callable[[str], None]:
    """Raise for some events, or for all."""

    def answer(event_id: str) -> None:
        if not event_ids or event_id in event_ids:
            raise error

    return answer


@pytest.fixture
def outbox(tmp_path: Path) -> FolderOutbox:
    """An outbox with two events, and one that was set aside."""
    outbox = FolderOutbox(tmp_path / "outbox", 100_000)
    fill(outbox)
    return outbox


def fill(outbox: FolderOutbox) -> None:
    for event_id in ("a" * 32, "b" * 32, "c" * 32):
        outbox.put(event(event_id, message="late").encode(), "error")
    name = outbox.names()[-1]
    outbox.set_aside(name)
    page = Page(set_aside={name: "it was poison"})
    page.count({("set_aside", "error"): 1})
    outbox.ledger.write(page)


def pause(outbox: FolderOutbox, key: str = ALL, is_asked: bool = False) -> None:
    now = time.time()
    page = outbox.ledger.read()
    page.pauses[key] = Pause(now + 3600, now - 300, "the server is down", 4, is_asked)
    outbox.ledger.write(page)


def outbox_of(app: Flask) -> FolderOutbox:
    found: FolderOutbox = app.extensions["errtrack"].transport.outbox
    return found


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["errtrack", "outbox", *arguments])


def listed(app: Flask, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        run(app, "--format", "json", *arguments).output
    )
    return found


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """An app whose server is down, with a filled outbox."""
    app = make_app(dsn=NOBODY, timeout_seconds=0.5, shutdown_timeout_seconds=0)
    fill(outbox_of(app))
    return app


def test_an_empty_outbox_says_so(make_app: MakeApp) -> None:
    app = make_app(dsn=NOBODY)
    assert run(app).output == "Nothing waits.\n"
    assert run(app, "--set-aside").output == "Nothing was set aside.\n"
    assert run(app, "--send").output == "There is nothing to send.\n"
    assert run(app, "--drop").output == "There is nothing to drop.\n"
    assert listed(app) == []
    assert not outbox_of(app).folder.exists(), "to look makes no folder"


def test_a_list_in_json_has_the_promised_fields(app: Flask) -> None:
    pause(outbox_of(app), is_asked=True)
    first, _, third = listed(app)
    assert list(first) == [
        "name",
        "state",
        "category",
        "event_id",
        "title",
        "size_bytes",
        "since",
        "why",
        "until",
    ]
    assert (first["state"], third["state"]) == ("waiting", "set aside")
    assert (first["event_id"], first["category"]) == ("a" * 32, "error")
    assert first["why"] == "the server is down" and third["why"] == "it was poison"
    assert first["until"] > first["since"] and third["until"] is None
    assert first["size_bytes"] == len(event("a" * 32, message="late").encode())


def test_the_list_says_what_waits_since_when_and_why(app: Flask) -> None:
    pause(outbox_of(app), is_asked=True)
    lines = run(app).output.splitlines()
    assert lines[0].startswith("2 waiting, the oldest for ")
    assert lines[0].endswith(" of 64 MiB used.")
    assert lines[1].startswith("Nothing has passed for 5 min: the server is down; ")
    assert lines[1].endswith("the next try is due in 59 min.")
    assert lines[2] == "1 envelope set aside."
    (heading,) = [line for line in lines if line.startswith("AGE ")]
    assert heading.split() == "AGE STATE CATEGORY SIZE EVENT ID WHAT WHY".split()
    assert "it was poison" in lines[-1]


def test_a_pause_of_one_category_is_told_as_one(app: Flask) -> None:
    pause(outbox_of(app), "feedback", is_asked=True)
    assert "Nothing of the category feedback has passed" in run(app).output
    assert {entry["why"] for entry in listed(app)} == {"", "it was poison"}


def test_a_pause_that_was_asked_for_is_told_no_more_when_it_is_over(app: Flask) -> None:
    page = outbox_of(app).ledger.read()
    now = time.time()
    page.pauses[ALL] = Pause(now - 1, now - 60, "quiet, please", 1, True)
    outbox_of(app).ledger.write(page)
    assert "quiet, please" not in run(app).output.split("AGE")[0]


def test_what_was_set_aside_can_be_listed_alone(app: Flask) -> None:
    (entry,) = listed(app, "--set-aside")
    assert entry["event_id"] == "c" * 32
    assert "waiting" not in run(app, "--set-aside").output


def test_the_limit_bounds_the_list_and_says_so(app: Flask) -> None:
    assert [entry["event_id"] for entry in listed(app, "--limit", "1")] == ["a" * 32]
    assert run(app, "--limit", "1").output.endswith(
        "… and 2 more: --limit shows them.\n"
    )


def title_of(outbox: FolderOutbox, payload: bytes, kind: str = "event") -> str:
    outbox.put(Envelope((Item(kind, payload),)).encode(), "error")
    return entries_of(outbox, 1000)[-2].title


@pytest.mark.parametrize(
    ("payload", "title"),
    [
        ({"logentry": {"message": "late %s", "formatted": "late 3"}}, "late 3"),
        ({"logentry": {"message": "late"}}, "late"),
        (
            {"exception": {"values": [{}, {"type": "KeyError", "value": "'due'"}]}},
            "KeyError: 'due'",
        ),
        ({"exception": {"values": [{"type": "KeyError"}]}}, "KeyError"),
        ({"exception": {"values": []}}, ""),
        ({"exception": {"values": "no"}}, ""),
        ({"exception": [{"type": 3}], "logentry": 5}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_an_event_is_told_by_what_it_is_about(
    outbox: FolderOutbox, payload: Any, title: str
) -> None:
    assert title_of(outbox, encode_json(payload)) == title


def test_what_is_no_event_is_told_by_its_kind(outbox: FolderOutbox) -> None:
    assert title_of(outbox, b"{}", "user_report") == "user_report"


def put_cut(folder: Path) -> None:
    data = event("d" * 32, message="late").encode()
    (folder / "1.error.envelope").write_bytes(data[:-9])


def put_foreign_names(folder: Path) -> None:
    for name in ("x", "99999999999999999999-1-1.error", "a.b.c.d", "\x1b[2J", "-"):
        (folder / f"{name}.envelope").write_bytes(event("d" * 32).encode())
    os.mkdir(os.fsencode(folder) + b"/\xff\xfe.envelope")


def put_no_files(folder: Path) -> None:
    os.mkfifo(folder / "fifo.envelope")
    (folder / "link.envelope").symlink_to("/etc/passwd")
    (folder / "nowhere.envelope").symlink_to("nowhere")


def put_deep_json(folder: Path) -> None:
    payload = b'{"exception":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    data = Envelope((Item("event", payload),)).encode()
    (folder / "1.error.envelope").write_bytes(data)


def put_escapes(folder: Path) -> None:
    evil = "\x1b[2J\x07\u202e"
    data = event(evil, message=evil, exception={"values": [{"type": evil}]}).encode()
    (folder / f"1.{evil}.envelope").write_bytes(data)


@pytest.mark.parametrize(
    "put", [put_cut, put_foreign_names, put_no_files, put_deep_json, put_escapes]
)
def test_any_file_can_be_listed_and_dropped(
    app: Flask, put: Callable[[Path], None]
) -> None:
    put(outbox_of(app).folder)
    result = run(app)
    assert result.exit_code == 0
    assert not {"\x1b", "\x07", "\u202e", "\ufffd"} & {*result.output}
    assert "root:" not in result.output
    assert len(listed(app)) == len(outbox_of(app).names()) + 1
    run(app, "--drop", "--yes")
    assert not [path for path in outbox_of(app).folder.iterdir() if path.is_symlink()]
    assert [path for path in outbox_of(app).folder.glob("*.envelope*")] == [
        path for path in outbox_of(app).folder.iterdir() if path.is_dir()
    ]


@pytest.mark.parametrize("number", ["nan", "1e999", "-1", '"x"', "1e30"])
def test_a_ledger_with_impossible_times_is_none(app: Flask, number: str) -> None:
    pause(outbox_of(app))
    path = outbox_of(app).folder / "ledger.json"
    found = json.loads(path.read_text())
    found["pauses"][""]["since"] = "SINCE"
    path.write_text(json.dumps(found).replace('"SINCE"', number))
    assert run(app).exit_code == 0
    assert "Nothing has passed" not in run(app).output


def test_an_age_is_never_less_than_nothing(outbox: FolderOutbox) -> None:
    name = outbox.names()[0]
    ahead = time.time() + 1e6
    os.utime(outbox.folder / name, (ahead, ahead))
    os.rename(outbox.folder / name, outbox.folder / f"x.{name}")
    assert all(entry.since <= time.time() for entry in entries_of(outbox, 10))


def test_a_memory_outbox_cannot_be_looked_at(make_app: MakeApp) -> None:
    for arguments in ([], ["--send"], ["--drop", "--yes"]):
        result = run(make_app(dsn=NOBODY, outbox=False), *arguments)
        assert result.exit_code == 1
        assert "each process of this app keeps what waits" in result.output


def test_an_app_with_its_own_transport_has_no_outbox(make_app: MakeApp) -> None:
    result = run(make_app(transport=MemoryTransport()))
    assert result.exit_code == 1
    assert "go straight to the transport MemoryTransport" in result.output


def test_what_waits_is_sent_though_there_is_a_pause(outbox: FolderOutbox) -> None:
    pause(outbox, is_asked=True)
    pause(outbox, "error", is_asked=True)
    receiver = Receiver()
    sent = send_now(outbox, lambda: receiver)
    assert sorted(receiver.passed) == ["a" * 32, "b" * 32, "c" * 32]
    assert (sent.delivered, sent.is_complete, sent.problem) == (3, True, "")
    assert outbox.names() == outbox.set_aside_names() == []
    page = outbox.ledger.read()
    assert page.pauses == {} and page.set_aside == {}
    assert page.dropped.total() == 0, "what was set aside is not lost after all"


def test_only_what_was_set_aside_is_sent_if_that_is_wanted(
    outbox: FolderOutbox,
) -> None:
    receiver = Receiver()
    assert send_now(outbox, lambda: receiver, only_set_aside=True).delivered == 1
    assert receiver.passed == ["c" * 32]
    assert len(outbox.names()) == 2


def test_what_comes_meanwhile_is_left_to_the_worker(outbox: FolderOutbox) -> None:
    def put_more(event_id: str) -> None:
        outbox.put(event("d" * 32).encode(), "error")

    receiver = Receiver(put_more)
    assert send_now(outbox, lambda: receiver).is_complete
    assert len(receiver.passed) == 3 and len(outbox.names()) == 3


def test_sending_tells_how_far_it_is(outbox: FolderOutbox) -> None:
    told: list[int] = []
    send_now(outbox, Receiver, lambda: told.append(1))
    assert told == [1, 1, 1]


def test_sending_stops_where_the_receiver_does_not_work(outbox: FolderOutbox) -> None:
    pause(outbox)
    since = outbox.ledger.read().pauses[ALL].since
    for _ in range(10):
        outbox.put(event("d" * 32).encode(), "error")
    tried: list[str] = []

    def answer(event_id: str) -> None:
        tried.append(event_id)
        raise TransportError("the server is still down")

    sent = send_now(outbox, lambda: Receiver(answer))
    assert len(tried) == 2
    assert (sent.delivered, sent.remaining) == (0, 13)
    assert sent.problem == "the server is still down"
    page = outbox.ledger.read()
    assert page.left_seconds(ALL, time.time()) > 0, "the workers keep to a new pause"
    assert page.pauses[ALL].since == since, "and it is the old problem"


def test_one_bad_envelope_does_not_keep_the_others(outbox: FolderOutbox) -> None:
    receiver = Receiver(failing(TransportError("poison"), "a" * 32))
    sent = send_now(outbox, lambda: receiver)
    assert (sent.delivered, sent.remaining, sent.problem) == (2, 1, "poison")


def test_what_is_refused_is_dropped_and_counted(outbox: FolderOutbox) -> None:
    receiver = Receiver(failing(Refused("too large"), "a" * 32))
    sent = send_now(outbox, lambda: receiver)
    assert (sent.delivered, sent.refused, sent.remaining) == (2, 1, 0)
    assert not sent.is_complete and sent.problem == "too large"
    assert outbox.ledger.read().dropped == {("send_error", "error"): 1}


def test_what_is_no_envelope_is_set_aside_again(outbox: FolderOutbox) -> None:
    (outbox.folder / "1.error.envelope").write_bytes(b"cut")
    sent = send_now(outbox, Receiver)
    assert (sent.delivered, sent.set_aside, sent.remaining) == (3, 1, 0)
    assert not sent.is_complete
    assert list(outbox.ledger.read().set_aside) == ["1.error.envelope"]


def test_neither_is_done_while_another_has_the_turn(outbox: FolderOutbox) -> None:
    with outbox.turn() as has_turn:
        assert has_turn
        with pytest.raises(Busy, match="another process of this host is delivering"):
            send_now(outbox, Receiver, patience_seconds=0)
        with pytest.raises(Busy):
            drop(outbox, patience_seconds=0)
    assert len(outbox.names()) == 2
    assert send_now(outbox, Receiver).is_complete


def test_a_turn_is_given_back_after_a_fault(outbox: FolderOutbox) -> None:
    def step() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send_now(outbox, Receiver, step)
    assert send_now(outbox, Receiver, patience_seconds=0).delivered == 3


@pytest.mark.swallows_errors
def test_a_failure_to_send_is_explained(app: Flask) -> None:
    result = run(app, "--send")
    assert result.exit_code == 1
    assert "3 envelopes still waiting" in result.output
    assert "could not be reached" in result.output
    assert "`flask errtrack doctor` tells more" in result.output
    assert "verysecretkey" not in result.output
    assert len(outbox_of(app).names()) == 3


def test_the_embedded_tracker_gets_what_waits_too(make_app: MakeApp) -> None:
    app = make_app()
    for event_id in ("a" * 32, "b" * 32):
        outbox_of(app).put(event(event_id, message="late").encode(), "error")
    result = run(app, "--send")
    assert (result.exit_code, result.output) == (0, "2 envelopes delivered.\n")
    issues = app.test_cli_runner().invoke(args="errtrack issues --format json".split())
    assert [issue["events"] for issue in json.loads(issues.output)] == [2]


def test_everything_is_dropped_and_counted(app: Flask) -> None:
    result = run(app, "--drop", "--yes")
    assert (result.exit_code, result.output) == (0, "3 envelopes dropped.\n")
    assert listed(app) == []
    page = outbox_of(app).ledger.read()
    # What was set aside was counted then.
    assert page.dropped == {("discarded", "error"): 2, ("set_aside", "error"): 1}
    assert page.set_aside == {}


def test_only_what_was_set_aside_is_dropped_if_that_is_wanted(app: Flask) -> None:
    assert run(app, "--drop", "--yes", "--set-aside").exit_code == 0
    assert [entry["state"] for entry in listed(app)] == ["waiting", "waiting"]


def test_nothing_is_dropped_unasked(app: Flask) -> None:
    result = run(app, "--drop")
    assert result.exit_code == 1
    assert "3 envelopes" in result.output and "--yes" in result.output
    assert len(listed(app)) == 3


def test_what_cannot_be_deleted_is_told(app: Flask) -> None:
    (outbox_of(app).folder / "1.error.envelope").mkdir()
    result = run(app, "--drop", "--yes")
    assert result.exit_code == 1
    assert "3 envelopes dropped." in result.output
    assert "not all was dropped" in result.output


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("n", 1)])
def test_on_a_terminal_it_is_asked_first(
    tmp_path: Path, answer: str, left: int
) -> None:
    (tmp_path / "shop.py").write_text(
        "from flask import Flask\n"
        "from flask_errtrack import ErrTrack\n"
        f"app = Flask('shop', instance_path={str(tmp_path)!r})\n"
        f"ErrTrack(app, dsn={NOBODY!r})\n"
        "outbox = app.extensions['errtrack'].transport.outbox\n"
        "outbox.put(b'', 'error')\n"
    )
    ours, theirs = os.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "shop", *"errtrack outbox".split()]
        + ["--drop"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=theirs,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert "Delete 1 envelope?" in done.stdout
    assert done.returncode == (1 if left else 0)
    assert len([*tmp_path.rglob("*.envelope")]) == left


def test_only_who_owns_the_outbox_may_write_into_it(outbox: FolderOutbox) -> None:
    refuse_another_user(outbox.folder, outbox.folder.stat().st_uid)
    with pytest.raises(ClickException, match="run this as that user"):
        refuse_another_user(outbox.folder, outbox.folder.stat().st_uid + 1)


def test_sending_and_dropping_exclude_each_other(app: Flask) -> None:
    result = run(app, "--send", "--drop", "--yes")
    assert result.exit_code == 2
    assert len(listed(app)) == 3
