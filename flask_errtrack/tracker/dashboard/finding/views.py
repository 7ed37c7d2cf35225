"""The routes that find: the list of issues, a user, a release and all releases.

Read the arguments, ask for the page, render. Know no SQL, and no look.
"""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from ....web.access import Access
from ...database.rows import ID_IN_RULE
from ...store import Store
from ..answers import guarded, message, rendered
from .asked import USUAL_QUERY
from .issue_list import issue_list_page
from .people import user_page
from .releases import release_list_page, release_page

_PROJECT = f"<{ID_IN_RULE}:project_id>"
_USER_HASH = "<string(length=40):user_hash>"


def add_finding(blueprint: Blueprint, store: Store, access: Access) -> None:
    """Add the list of issues, and the pages of people and of releases."""
    _add_issue_list(blueprint, store, access)
    _add_releases(blueprint, store, access)

    @blueprint.get(f"/users/{_PROJECT}/{_USER_HASH}", endpoint="user")
    @guarded(access)
    def user(project_id: int, user_hash: str) -> ResponseReturnValue:
        asked = request.args.get("page", 1, type=int)
        page = user_page(store, project_id, user_hash, page=asked, now=store.now())
        if page is None:
            return message(404, "No such user", "No event of this user has come.")
        return rendered("errtrack/user.html", access, page)


def _add_issue_list(blueprint: Blueprint, store: Store, access: Access) -> None:
    @blueprint.get("/", endpoint="issue_list")
    @guarded(access)
    def issue_list() -> ResponseReturnValue:
        page = issue_list_page(
            store,
            search=request.args.get("q", USUAL_QUERY),
            period=request.args.get("period", ""),
            sort=request.args.get("sort", "now"),
            page=request.args.get("page", 1, type=int),
            project=request.args.get("project", type=int),
            now=store.now(),
        )
        answer = rendered("errtrack/issue_list.html", access, page)
        return answer, 400 if page.problem else 200


def _add_releases(blueprint: Blueprint, store: Store, access: Access) -> None:
    @blueprint.get("/releases", endpoint="release_list")
    @guarded(access)
    def release_list() -> ResponseReturnValue:
        page = release_list_page(
            store,
            project=request.args.get("project", type=int),
            page=request.args.get("page", 1, type=int),
            now=store.now(),
        )
        return rendered("errtrack/release_list.html", access, page)

    # The version is no part of the path: "../../logout" could be one.
    @blueprint.get(f"/releases/{_PROJECT}", endpoint="release")
    @guarded(access)
    def release(project_id: int) -> ResponseReturnValue:
        version = request.args.get("version", "")
        page = release_page(store, project_id, version, now=store.now())
        if page is None:
            missing = "No event of such a release has come."
            return message(404, "No such release", missing)
        return rendered("errtrack/release.html", access, page)
