"""All that the tracker knows, a JSON object a line."""

from __future__ import annotations

import json
import random
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

from click.testing import Result
from conftest import MakeApp
from flask import Flask
from sqlalchemy import insert, true

from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.export import Export
from flask_errtrack.tracker.store import Store
from flask_errtrack.words import rfc3339

from .samples import NOW, hostile_event
from .stores import Clock, broken, item, report, row, stored


def exported(store: Store, where: Any = None) -> list[dict[str, Any]]:
    export = Export(store, true() if where is None else where)
    lines = list(export.lines())
    assert len(lines) == export.count()
    assert all(line.endswith("\n") and "\n" not in line[:-1] for line in lines)
    return [json.loads(line) for line in lines]


def of_type(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["type"] == kind]


def broken_at(function: str) -> Any:
    return {"values": [broken(function=function)]}


def test_an_empty_tracker_exports_its_project_without_the_key(store: Store) -> None:
    (line,) = exported(store)
    project = row(store, schema.project)
    assert line == {"type": "project", "id": 1, "name": project.name}
    assert project.public_key not in json.dumps(line)


def test_an_issue_has_its_counters_and_its_history(store: Store, clock: Clock) -> None:
    facts: dict[str, Any] = {"release": "1.0", "environment": "production"}
    store.record(item(user={"id": "7"}, tags={"shop": "north"}, **facts))
    clock.seconds += 3600
    store.record(item(user={"id": "8"}, tags={"shop": "north"}, **facts))
    store.record(item(user={"id": "8"}, tags={"shop": "south"}, **facts))
    (issue,) = of_type(exported(store), "issue")
    assert (issue["events"], issue["users"]) == (3, 2)
    assert (issue["first_seen"], issue["last_seen"]) == (
        rfc3339(NOW),
        rfc3339(NOW + 3600),
    )
    assert issue["title"] == "KeyError: 'EUR'"
    assert list(issue["hours"].values()) == [1, 2]
    assert issue["tags"]["shop"] == {"north": 2, "south": 1}
    assert issue["tags"]["release"] == {"1.0": 3}
    assert [one["kind"] for one in issue["history"]] == ["created"]


def test_an_event_comes_as_it_was_stored(store: Store) -> None:
    found = store.record(item(extra={"basket": [1, {"tea": None}]}))
    assert found is not None
    (line,) = of_type(exported(store), "event")
    assert line["event_id"] == found.event_id
    assert (line["issue_id"], line["project_id"]) == (found.issue_id, 1)
    assert [line["event"]] == stored(store)


def test_feedback_comes_with_its_issue(store: Store) -> None:
    found = store.record(item())
    assert found is not None
    store.record(report(found.event_id, name="Ada"))
    (line,) = of_type(exported(store), "feedback")
    assert (line["name"], line["comments"]) == ("Ada", "It broke.")
    assert (line["event_id"], line["issue_id"]) == (found.event_id, found.issue_id)


def test_hostile_text_stays_one_line(store: Store) -> None:
    store.record(item(**hostile_event() | {"extra": {"text": "a\nb\u2028c\r"}}))
    (line,) = of_type(exported(store), "event")
    assert line["event"]["extra"] == {"text": "a\nb\u2028c\r"}


def test_only_the_chosen_issues_and_what_is_theirs(store: Store) -> None:
    wanted = store.record(item(exception=broken_at("wanted")))
    other = store.record(item(exception=broken_at("other")))
    assert wanted is not None and other is not None
    store.record(report(wanted.event_id))
    store.record(report(other.event_id))
    lines = exported(store, schema.issue.c.id == wanted.issue_id)
    assert [line["type"] for line in lines] == [
        "project",
        "issue",
        "event",
        "feedback",
    ]
    assert {line["issue_id"] for line in lines[2:]} == {wanted.issue_id}


def test_what_was_thinned_out_is_in_the_counters_only(store: Store) -> None:
    for _ in range(20):
        store.record(item())
    lines = exported(store)
    (issue,) = of_type(lines, "issue")
    assert issue["events"] == 20
    assert len(of_type(lines, "event")) == len(stored(store)) < 20


def test_memory_stays_flat(store: Store) -> None:
    store.record(item())
    group = row(store, schema.group)
    text = random.Random(7).randbytes(20_000).hex()
    payload = zlib.compress(json.dumps({"extra": text}).encode())
    rows = [
        {
            "project_id": 1,
            "event_id": f"{number:032x}",
            "group_id": group.id,
            "received_at": NOW,
            "is_landmark": False,
            "payload": payload,
        }
        for number in range(1000)
    ]
    store.write(lambda connection: connection.execute(insert(schema.event), rows))
    tracemalloc.start()
    lines = sum(1 for _ in Export(store, true()).lines())
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert lines == 1003
    assert peak_bytes < 1000 * len(payload) / 2


def test_the_command_writes_to_the_standard_output(make_app: MakeApp) -> None:
    app = make_app()
    run(app, "test")
    lines = [json.loads(line) for line in run(app, "export").stdout.splitlines()]
    assert [line["type"] for line in lines] == ["project", "issue", "event"]


def test_the_command_writes_a_file_that_only_its_owner_reads(
    make_app: MakeApp, tmp_path: Path
) -> None:
    app, target = make_app(), tmp_path / "all.jsonl"
    run(app, "test")
    said = run(app, "export", "--output", str(target)).stdout
    assert said.startswith(f"{target} holds it, ")
    assert len(target.read_text().splitlines()) == 3
    assert target.stat().st_mode & 0o777 == 0o600


def test_the_command_takes_a_search(make_app: MakeApp) -> None:
    app = make_app()
    run(app, "test")
    for query, lines in (("errtrack:test", 3), ("errtrack:other", 1), ("", 3)):
        assert len(run(app, "export", "--query", query).stdout.splitlines()) == lines
    result = run(app, "export", "--query", "is:new", status=2)
    assert "is:new is not known" in result.output


def run(app: Flask, *arguments: str, status: int = 0) -> Result:
    result = app.test_cli_runner().invoke(args=["errtrack", *arguments])
    assert result.exit_code == status, result.output
    return result


def test_the_command_never_writes_over_the_database(
    make_app: MakeApp, tmp_path: Path
) -> None:
    database = tmp_path / "errtrack.db"
    app = make_app(database_url=f"sqlite:///{database}")
    run(app, "test")
    result = run(app, "export", "--output", str(database), status=1)
    assert "is the tracker's database itself" in result.output
    assert len(run(app, "export").stdout.splitlines()) == 3
