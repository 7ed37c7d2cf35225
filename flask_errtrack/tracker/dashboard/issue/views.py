"""The routes of one issue, and those that change issues, one or many at once.

Read the form, ask ``actions`` or ``merging``, go back to where the form was. Know no
SQL, and no look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from ....errors import ActionError
from ....web.access import Access
from ... import actions, merging
from ...database.rows import ID_IN_RULE
from ...queries.reads import merged_into
from ...store import Store
from ..answers import guarded, message, rendered, way_back
from . import pages

ISSUE_URL = f"/issues/<{ID_IN_RULE}:issue_id>"

Act = Callable[[Store, list[int], str], Any]

#: Until when an issue is muted, by the name of the button.
_MUTES: Mapping[str, dict[str, int]] = {
    "mute": {},
    "mute-1-hour": {"seconds": 3600},
    "mute-1-day": {"seconds": 86400},
    "mute-1-week": {"seconds": 7 * 86400},
    "mute-10-events": {"events": 10},
    "mute-100-events": {"events": 100},
    "mute-1000-events": {"events": 1000},
    "mute-10-people": {"users": 10},
    "mute-100-people": {"users": 100},
}


def add_issues(blueprint: Blueprint, store: Store, access: Access) -> None:
    """Add the page of an issue, and what can be done with issues."""

    @blueprint.get(ISSUE_URL, endpoint="issue")
    @guarded(access)
    def issue(issue_id: int) -> ResponseReturnValue:
        page = pages.issue_page(store, issue_id, store.now())
        if page is not None:
            return rendered("errtrack/issue.html", access, page)
        with store.reading() as connection:
            target_id = merged_into(connection, issue_id)
        if target_id is None:
            return _no_issue(issue_id)
        done = request.args.get("done")
        return redirect(url_for(".issue", issue_id=target_id, done=done))

    _add_changes(blueprint, store, access)
    _add_note(blueprint, store, access)
    _add_unmerge(blueprint, store, access)


def _add_changes(blueprint: Blueprint, store: Store, access: Access) -> None:
    @blueprint.post("/issues/change", endpoint="change_issues")
    @guarded(access, "change")
    def change_issues() -> ResponseReturnValue:
        issue_ids = request.form.getlist("issue", type=int)
        action = request.form.get("action", "")
        if not issue_ids:
            return message(400, "Not changed", "No issue was chosen. Tick some first.")
        found = _action(action)
        if found is None:
            return message(400, "Not changed", f"There is no action {action!r:.40}.")
        act, done = found
        changed = act(store, issue_ids, access.actor())
        if isinstance(changed, actions.Changed) and not changed.issue_ids:
            return _no_issue(*changed.missing_ids)
        home = url_for(".issue_list")
        if done != "deleted":
            one = url_for(".issue", issue_id=issue_ids[0])
            return redirect(way_back(one if len(issue_ids) == 1 else home, done), 303)
        # The page of an issue is gone with it.
        is_of_list = way_back(home).partition("?")[0] == home
        return redirect(
            way_back(home, done) if is_of_list else f"{home}?done={done}", 303
        )


def _action(name: str) -> tuple[Act, str] | None:
    """Return what a button does, and the code that says so afterwards."""
    if name in _MUTES:
        until = _MUTES[name]
        return lambda store, ids, who: actions.mute(store, ids, who, **until), "muted"
    known: Mapping[str, tuple[Act, str]] = {
        "resolve": (actions.resolve, "resolved"),
        "resolve-next": (actions.resolve_in_next_release, "resolved-next"),
        "reopen": (actions.reopen, "reopened"),
        "delete": (_delete_if_sure, "deleted"),
        "merge": (_merge, "merged"),
    }
    return known.get(name)


def _delete_if_sure(store: Store, issue_ids: list[int], who: str) -> actions.Changed:
    if request.form.get("sure") != "yes":
        raise ActionError(
            "Nothing was deleted. To delete with all events, tick that you are sure."
        )
    return actions.delete_issues(store, issue_ids, who)


def _merge(store: Store, issue_ids: list[int], who: str) -> int:
    into = request.form.get("into", type=int)
    return merging.merge(store, issue_ids, who, into)


def _add_note(blueprint: Blueprint, store: Store, access: Access) -> None:
    @blueprint.post(f"{ISSUE_URL}/note", endpoint="note_issue")
    @guarded(access, "change")
    def note_issue(issue_id: int) -> ResponseReturnValue:
        text = request.form.get("text", "")
        if actions.note(store, [issue_id], text, access.actor()).missing_ids:
            return _no_issue(issue_id)
        return redirect(way_back(url_for(".issue", issue_id=issue_id), "noted"), 303)


def _add_unmerge(blueprint: Blueprint, store: Store, access: Access) -> None:
    @blueprint.post("/issues/unmerge", endpoint="unmerge_group")
    @guarded(access, "change")
    def unmerge_group() -> ResponseReturnValue:
        group_id = request.form.get("group", type=int)
        if group_id is None:
            return message(400, "Not changed", "No group of events was chosen.")
        new_id = merging.unmerge(store, group_id, access.actor())
        new = url_for(".issue", issue_id=new_id, done="unmerged")
        return redirect(new, 303)


def _no_issue(*issue_ids: int) -> ResponseReturnValue:
    numbers = ", ".join(map(str, issue_ids))
    return message(404, "No such issue", f"There is no issue {numbers} here.")
