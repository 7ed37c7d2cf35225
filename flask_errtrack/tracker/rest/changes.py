"""The routes of the API that change issues, for tokens that may.

``docs/api_json.rst`` describes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response

from .. import actions, merging
from ..database.rows import MAX_ID, can_be_id
from ..shapes import Shape
from ..store import Store
from .answers import Fault, Keys, answering, body, expect, known_issue

#: Changes an issue as a script has said, in the name of an actor; returns the number of
#: another one, if that is what the script wants to see.
Work = Callable[[Store, int, dict[str, Any], str], int | None]


def add_changes(blueprint: Blueprint, store: Store, keys: Keys, issue_url: str) -> None:
    """Add the routes to a blueprint; each answers with the issue as it is then."""
    for name, work in _WORKS.items():
        _add_change(blueprint, store, keys, f"{issue_url}/{name}", name, work)

    @blueprint.delete(issue_url, endpoint="api_delete")
    @answering(keys, store, "change")
    def api_delete(issue_id: int, actor: str) -> Response:
        known_issue(store, issue_id)
        actions.delete_issues(store, [issue_id], actor)
        return Response(status=204)


def _add_change(
    blueprint: Blueprint, store: Store, keys: Keys, url: str, name: str, work: Work
) -> None:
    @blueprint.post(url, endpoint=f"api_{name}")
    @answering(keys, store, "change")
    def change(issue_id: int, actor: str) -> Shape:
        said = body()
        known_issue(store, issue_id)
        return known_issue(store, work(store, issue_id, said, actor) or issue_id)


def _resolve(store: Store, issue_id: int, said: dict[str, Any], actor: str) -> None:
    expect(said, "in")
    if "in" not in said:
        actions.resolve(store, [issue_id], actor)
    elif said["in"] == "next_release":
        actions.resolve_in_next_release(store, [issue_id], actor)
    else:
        raise Fault(400, f"in is {said['in']!r:.60}; expected next_release")


def _reopen(store: Store, issue_id: int, said: dict[str, Any], actor: str) -> None:
    expect(said)
    actions.reopen(store, [issue_id], actor)


def _mute(store: Store, issue_id: int, said: dict[str, Any], actor: str) -> None:
    expect(said, "seconds", "events", "users")
    until = {name: _number(said[name], name) for name in said}
    actions.mute(store, [issue_id], actor, **until)


def _merge(store: Store, issue_id: int, said: dict[str, Any], actor: str) -> None:
    expect(said, "issues")
    others = said.get("issues")
    if not isinstance(others, list) or not others:
        raise Fault(400, f"issues is {others!r:.60}; expected a list of their numbers")
    numbers = [_number(one, "issues") for one in others]
    merging.merge(store, numbers, actor, into=issue_id)


def _unmerge(store: Store, issue_id: int, said: dict[str, Any], actor: str) -> int:
    expect(said, "group")
    group_id = _number(said.get("group"), "group")
    return merging.unmerge(store, group_id, actor, out_of=issue_id)


def _note(store: Store, issue_id: int, said: dict[str, Any], actor: str) -> None:
    expect(said, "text")
    text = said.get("text")
    if not isinstance(text, str):
        raise Fault(400, f"text is {text!r:.60}; expected what the note says")
    actions.note(store, [issue_id], text, actor)


_WORKS: dict[str, Work] = {
    "resolve": _resolve,
    "reopen": _reopen,
    "mute": _mute,
    "merge": _merge,
    "unmerge": _unmerge,
    "note": _note,
}


def _number(given: Any, name: str) -> int:
    # True is an int, too.
    if isinstance(given, bool) or not isinstance(given, int):
        raise Fault(400, f"{name} has {given!r:.60}; expected a whole number from 1 on")
    if not can_be_id(given):
        raise Fault(400, f"{name} has {given!r:.60}; expected 1 to {MAX_ID}")
    return given
