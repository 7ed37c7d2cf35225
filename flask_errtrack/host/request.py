"""What Flask, or an ASGI server, knows of the running request, for an event.

Everything is what Flask sees: right behind ``ProxyFix``. Nothing is caused: no
body is read that the app has not read, no user is loaded, no session is marked
as used, no attribute is fetched from a database.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

import flask
from werkzeug.datastructures import MultiDict
from werkzeug.sansio.request import Request

from ..errors import guard, silence
from ..event import Event, User
from ..notes import attempt
from ..reading.serialize import DATA_LIMITS, Serializer, safe_text
from ..scopes.scope import user_from_mapping
from ..scopes.scope_home import request_context, session_of
from ..settings.config import Config
from .asgi_request import AsgiRequest

# Where proxies write the address of the client.
ADDRESS_HEADERS = {
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "fastly-client-ip",
    "fly-client-ip",
    "forwarded",
    "forwarded-for",
    "true-client-ip",
    "x-appengine-user-ip",
    "x-azure-clientip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "x-forwarded",
    "x-forwarded-for",
    "x-original-forwarded-for",
    "x-real-ip",
}
#: Never sent, or only with ``send_default_pii``: who is asking, and by what right.
PRIVATE_HEADERS = {
    "authorization",
    "cookie",
    "proxy-authorization",
    *ADDRESS_HEADERS,
}
_LOGIN_KEY = "flask_errtrack.login"
#: A request of Flask, or what is known of any other.
AnyRequest = flask.Request | AsgiRequest
BODY_SIZES_BYTES = {"never": 0, "small": 1_000, "medium": 10_000, "always": 1_000_000}


def describe_request(event: Event, request: AnyRequest, config: Config) -> None:
    """Add the request to an event; a part that fails leaves a note instead."""
    made: dict[str, Any] = {}
    kind = "asgi" if isinstance(request, AsgiRequest) else "flask"
    facts: dict[str, Any] = {"type": kind}
    parts: list[tuple[str, Callable[[], Any]]] = [
        ("method", lambda: made.update(method=request.method)),
        ("url", lambda: made.update(url=request.base_url)),
        ("query_string", lambda: made.update(_query_string(request))),
        ("headers", lambda: made.update(headers=_headers(request, config))),
        ("data", lambda: _add_body(made, facts, request, config)),
        ("route", lambda: _add_route(event, facts, request, config)),
    ]
    if config.send_default_pii:
        parts.append(("cookies", lambda: made.update(cookies=dict(request.cookies))))
        parts.append(("env", lambda: made.update(_address(request))))
    for name, add in parts:
        attempt(event, f"request.{name}", add)
    event["request"] = cast("Any", made)
    event.setdefault("contexts", {})[kind] = facts


def describe_user(event: Event, request: AnyRequest, config: Config) -> None:
    """Add the user of the request to an event, unless it has one."""
    if "user" not in event:
        user = User()
        if config.user_callback is not None:
            attempt(event, "user_callback", lambda: _ask(user, request, config))
        else:
            add = partial(_add_login_user, event, user, request, config)
            attempt(event, "user", add)
        if config.send_default_pii and request.remote_addr:
            user.setdefault("ip_address", request.remote_addr)
        if user:
            event["user"] = user


def keep_login(request: flask.Request) -> None:
    """Keep who is logged in for when the request's contexts are gone."""
    request.environ[_LOGIN_KEY] = _login(request)


def secrets_of_request(request: Request, with_address: bool) -> set[str]:
    """Return the request's own credentials, to be redacted wherever they occur.

    :param with_address: False adds the address of the client.
    """
    found = set(request.cookies.values())
    for name in ("Authorization", "Proxy-Authorization"):
        header = request.headers.get(name, "")
        found |= {header, header.partition(" ")[2].strip()}
    if request.authorization is not None and request.authorization.password:
        found.add(request.authorization.password)
    if not with_address:
        # On the developer's own machine it is the address of the server, too.
        found |= {one for one in _addresses(request) if one not in request.host}
    return {value for value in found if value}


def _addresses(request: Request) -> set[str]:
    headers = (request.headers.get(name, "") for name in ADDRESS_HEADERS)
    found = {one.strip() for header in headers for one in header.split(",")}
    return found | {request.remote_addr or ""}


def person_of() -> tuple[str, str]:
    """Return name and mail of the loaded Flask-Login user, as far as stored."""
    user = flask.g.get("_login_user")
    if user is None or not _truth_of(user, "is_authenticated", True):
        return "", ""
    names = (_stored(user, key) for key in ("name", "username"))
    name = next((found for found in names if isinstance(found, str)), "")
    email = _stored(user, "email")
    return name, email if isinstance(email, str) else ""


def _query_string(request: Request) -> dict[str, str]:
    query = request.query_string.decode("utf-8", "replace")
    return {"query_string": query} if query else {}


def _headers(request: Request, config: Config) -> list[list[str]]:
    return [
        [name, value]
        for name, value in request.headers
        if config.send_default_pii
        and name.lower() != "cookie"
        or name.lower() not in PRIVATE_HEADERS
    ]


def _address(request: Request) -> dict[str, Any]:
    address = request.remote_addr
    return {"env": {"REMOTE_ADDR": address}} if address else {}


def _add_route(
    event: Event, facts: dict[str, Any], request: AnyRequest, config: Config
) -> None:
    rule = request.url_rule
    if rule is not None:
        facts.update(endpoint=rule.endpoint, rule=rule.rule)
        if request.blueprint:
            facts["blueprint"] = request.blueprint
        if request.view_args:
            facts["view_args"] = Serializer(DATA_LIMITS)(request.view_args)
    if "transaction" in event:
        return
    if rule is None:
        event["transaction"], source = request.path, "url"
    elif config.transaction_style == "url":
        event["transaction"], source = rule.rule, "route"
    else:
        event["transaction"], source = rule.endpoint, "component"
    event["transaction_info"] = {"source": source}


def _add_body(
    made: dict[str, Any], facts: dict[str, Any], request: AnyRequest, config: Config
) -> None:
    if isinstance(request, AsgiRequest):
        # The framework has it, if anybody has.
        return
    limit = config.max_request_body_size
    limit = BODY_SIZES_BYTES[limit] if isinstance(limit, str) else limit
    if not limit or request.method in ("GET", "HEAD", "OPTIONS"):
        return
    size, body = _cached_body(request)
    if size is None:
        length = request.content_length
        if length or "Transfer-Encoding" in request.headers:
            facts["request_body"] = "not read by the app"
            if "stream" in request.__dict__:
                facts["request_body"] = "read by the app as a stream"
    elif size > limit:
        facts["request_body"] = f"left out: {size} bytes, more than {limit}"
    else:
        made["data"] = body


def _cached_body(request: flask.Request) -> tuple[int | None, Any]:
    """What the app has parsed or kept of the body: its size in bytes, and it.

    These are the places where Werkzeug caches; to look there reads nothing.
    """
    stored = request.__dict__
    form = stored.get("form")
    if isinstance(form, MultiDict) and (form or stored.get("files")):
        return _form(form, stored.get("files") or MultiDict())
    data = stored.get("_cached_data")
    if not isinstance(data, bytes) or not data:
        return None, None
    if request.is_json:
        with contextlib.suppress(ValueError, RecursionError):
            return len(data), json.loads(data)
    return len(data), data.decode("utf-8", "replace")


def _form(form: Any, files: Any) -> tuple[int, dict[str, Any]]:
    size = sum(len(key) + len(value) for key, value in form.items(multi=True))
    made: dict[str, Any] = {key: _one_or_all(values) for key, values in form.lists()}
    for key, uploads in files.lists():
        names = [f"<file {one.filename!r}, {one.mimetype}>" for one in uploads]
        made[key] = _one_or_all(names)
    return size, made


def _one_or_all(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _ask(user: User, request: AnyRequest, config: Config) -> None:
    assert config.user_callback is not None
    # What it captures would ask it again.
    with silence():
        answer = config.user_callback(request)
    if answer is not None:
        user.update(user_from_mapping(answer))


def _add_login_user(
    event: Event, user: User, request: AnyRequest, config: Config
) -> None:
    loaded, stored_id = _login(request)
    if loaded is None and stored_id is None:
        return
    is_authenticated = _truth_of(loaded, "is_authenticated", True)
    is_anonymous = _truth_of(loaded, "is_anonymous", not is_authenticated)
    if is_authenticated and not is_anonymous:
        user_id = user_id_of(loaded) if stored_id is None else stored_id
        if user_id is not None:
            user["id"] = safe_text(user_id)
    user["data"] = {
        "is_authenticated": is_authenticated,
        "is_anonymous": is_anonymous,
    }
    if loaded is not None:
        _add_user_attributes(event, user, loaded, config.user_attrs)


def _add_user_attributes(
    event: Event, user: User, loaded: Any, names: Iterable[str]
) -> None:
    for name in names:
        add = partial(_add_user_attribute, user, loaded, name)
        attempt(event, f"user_attrs.{name}", add)


def _add_user_attribute(user: User, loaded: Any, name: str) -> None:
    value = _stored(loaded, name)
    if name in ("email", "username") and value is not None:
        user[name] = safe_text(value)  # type: ignore[literal-required]
    elif value is not None:
        user["data"][name] = Serializer(DATA_LIMITS)(value)


def _login(request: AnyRequest) -> tuple[Any, Any]:
    """The user that is loaded in a request, and the id in Flask-Login's session."""
    if isinstance(request, AsgiRequest):
        return request.user, None
    context = request_context()
    if context is None or context.request is not request:
        kept: tuple[Any, Any] = request.environ.get(_LOGIN_KEY, (None, None))
        return kept
    session = session_of(context)
    stored_id = dict.get(session, "_user_id") if isinstance(session, dict) else None
    return flask.g.get("_login_user"), stored_id


def user_id_of(user: Any) -> Any:
    """Return the id of a user of Flask-Login, without a query."""
    state = _mapped_state(user)
    if state is not None:
        if "fs_uniquifier" in user.__dict__:
            # A user of Flask-Security, who has this id in the session, too.
            return user.__dict__["fs_uniquifier"]
        # The primary key as the object was loaded; asking it might query.
        key = getattr(state, "key", None)
        return key[1][0] if key else user.__dict__.get("id")
    if hasattr(user, "get_id"):
        return user.get_id()
    # Starlette's users have this; those of an app need not.
    with contextlib.suppress(AttributeError, NotImplementedError):
        return user.identity
    return None


def _truth_of(user: Any, name: str, default: bool) -> bool:
    if user is None:
        return default
    value = None
    with guard(f"reading {name} of the user"):
        value = _stored(user, name)
    return default if value is None else bool(value)


def _stored(user: Any, name: str) -> Any:
    """An attribute of a user; of a mapped one only what is loaded.

    Any other might run a query, in the session that may be what failed.
    """
    if _mapped_state(user) is not None:
        return user.__dict__.get(name)
    return getattr(user, name, None)


def _mapped_state(user: Any) -> Any:
    """The SQLAlchemy state of a mapped object, else None."""
    return getattr(user, "__dict__", {}).get("_sa_instance_state")
