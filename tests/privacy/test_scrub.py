"""What leaves an event, by name and by value, and what has to stay."""

from __future__ import annotations

import copy
import json
import re
import sys
import time
import tracemalloc
from html import escape
from typing import Any, cast
from urllib.parse import quote, quote_plus

import pytest

from flask_errtrack.event import Event
from flask_errtrack.privacy.rule import REDACTED
from flask_errtrack.privacy.scrub import Scrubber
from flask_errtrack.privacy.secret_names import is_secret_name, secrets_of_settings
from flask_errtrack.reading.serialize import CUT_MARK

SECRET = "s3cret-value/with+signs"
PEM = "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----"
KEY_LINE = "MIIEowIBAAKCAQEAx3fZ" + "aB3/" * 11
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLi4u"


def event(**fields: Any) -> Event:
    made = {"event_id": "ab" * 16, "timestamp": "now", "platform": "python", **fields}
    return cast("Event", made)


def scrubbed(value: Any, *secrets: str, scrubber: Scrubber | None = None) -> Any:
    """What becomes of a value in the extra data of an event."""
    made = (scrubber or Scrubber()).scrub(event(extra={"value": value}), secrets)
    return made["extra"]["value"]


def in_source(line: str, *secrets: str) -> str:
    frame: Any = {"context_line": line}
    values: Any = [{"type": "E", "stacktrace": {"frames": [frame]}}]
    made = Scrubber().scrub(event(exception={"values": values}), secrets)
    return made["exception"]["values"][0]["stacktrace"]["frames"][0]["context_line"]


# By name


@pytest.mark.parametrize(
    "name",
    [
        *("password", "PASSWORD", "db_password", "passwordHash", "user-password"),
        *("passwd", "pwd", "passphrase", "passcode", "dbpass", "smtp_pass"),
        *("secret", "client_secret", "clientSecret", "SECRET_KEY", "secrets"),
        *("token", "access_token", "accessToken", "X-Auth-Token", "refresh_tokens"),
        *("csrfmiddlewaretoken", "csrf_token", "XSRF-TOKEN", "authtoken"),
        *("api_key", "apiKey", "APIKey", "X-Api-Key", "apikey", "access_key"),
        *("authorization", "Authorization", "Proxy-Authorization", "auth", "bearer"),
        *("private_key", "signingKey", "credentials", "AWS_SECRET_ACCESS_KEY"),
        *("Set-Cookie", "cookie", "sessionid", "session_id", "PHPSESSID", "sid"),
        *("jwt", "otp", "totp", "pin", "cvv", "cvc", "ssn", "card_number", "sig"),
        *("X-Amz-Signature", "SENTRY_DSN", "connectionString", "'password'"),
    ],
)
def test_what_has_the_name_of_a_secret_is_redacted(name: str) -> None:
    assert is_secret_name(name)
    assert scrubbed({name: "x"}) == {name: REDACTED}


@pytest.mark.parametrize(
    "name",
    [
        *("tokenizer", "max_tokens", "prompt_tokens", "tokenize", "tokens"),
        *("author", "authority", "authors", "secretary", "secretariat", "compass"),
        *("bypass", "passenger", "passed", "key", "keyword", "monkey", "pinned"),
        *("spinner", "opinion", "assigned", "design", "signal", "sidebar", "inside"),
        *("residue", "session", "sessions", "basic", "message", "username", "email"),
    ],
)
def test_what_only_looks_like_such_a_name_stays(name: str) -> None:
    assert not is_secret_name(name)
    assert scrubbed({name: "x"}) == {name: "x"}


def test_names_count_at_any_depth() -> None:
    deep: Any = {"password": "x"}
    for _ in range(15):
        deep = [{"level": deep}]
    assert json.dumps(scrubbed(deep)).count(REDACTED) == 1


def test_pairs_count_as_names_and_values() -> None:
    pairs = [["Authorization", "x"], ("api_key", "y"), ["Accept", "z"]]
    assert scrubbed(pairs) == [
        ["Authorization", REDACTED],
        ["api_key", REDACTED],
        ["Accept", "z"],
    ]
    assert scrubbed(["password", "username", "x"]) == ["password", "username", "x"]


@pytest.mark.parametrize("value", [["a", "b"], {"a": {"b": "c"}}, 7, 1.5, b"x", "x"])
def test_whatever_a_secret_name_holds_is_redacted(value: Any) -> None:
    assert scrubbed({"credentials": value}) == {"credentials": REDACTED}


@pytest.mark.parametrize("value", [None, True, False, "", "''", [], {}])
def test_that_a_secret_is_missing_or_is_set_may_be_seen(value: Any) -> None:
    assert scrubbed({"password": value}) == {"password": value}


def test_cookies_keep_their_names() -> None:
    request: Any = {"url": "/", "cookies": {"session": "abc", "theme": "dark"}}
    made = Scrubber().scrub(event(request=request))
    assert made["request"]["cookies"] == {"session": REDACTED, "theme": REDACTED}


def test_a_secret_by_name_is_redacted_by_value_too() -> None:
    value = {
        "form": {"password": "hunter2222"},
        "vars": {"api_key": "'it\\'s-a-key'", "token": "b'bytes-token'"},
        "message": "no hunter2222, no it's-a-key, no bytes-token",
    }
    assert scrubbed(value)["message"] == f"no {REDACTED}, no {REDACTED}, no {REDACTED}"


@pytest.mark.parametrize(
    "value",
    [
        {"names": ["password", "username"], "text": "the username is missing"},
        {"password": "required", "text": "this field is required"},
        {"password": "short", "text": "a short text"},
    ],
)
def test_a_common_word_after_a_name_does_not_eat_the_event(value: Any) -> None:
    assert scrubbed(value)["text"] == value["text"]


def test_keys_of_the_app_count_in_every_spelling() -> None:
    scrubber = Scrubber(keys=["customer_number", "Tax-ID"])
    value = {"customerNumber": "1", "tax_id": "2", "customer": "3"}
    assert scrubbed(value, scrubber=scrubber) == {
        "customerNumber": REDACTED,
        "tax_id": REDACTED,
        "customer": "3",
    }
    text = "customer-number=K17, taxId='9'"
    assert scrubbed(text, scrubber=scrubber) == (
        f"customer-number={REDACTED}, taxId='{REDACTED}'"
    )


def test_keys_of_the_app_may_be_of_any_script() -> None:
    scrubber = Scrubber(keys=["пароль", "__"])
    value = {"Пароль": "1", "имя": "2", "__": "3", "_": "4"}
    assert scrubbed(value, scrubber=scrubber) == {
        "Пароль": REDACTED,
        "имя": "2",
        "__": REDACTED,
        "_": "4",
    }
    assert scrubbed("пароль=K17x", scrubber=scrubber) == f"пароль={REDACTED}"


# By value


@pytest.mark.parametrize(
    "secret",
    [
        SECRET,
        "with spaces & <signs> 100%",
        'it\'s "quoted"',
        "back\\slash\\es",
        "line one\nline two",
        "Zürich-geheim-ñ",
        "tab\tand\0nul",
        "=?&;:@/ all of them",
    ],
)
def test_a_secret_is_found_in_every_form(secret: str) -> None:
    forms = {
        secret,
        repr(secret),
        repr([secret, "both \"' quotes"]),
        repr({"a": {"b": secret}}),
        repr(secret.encode()),
        json.dumps({"a": secret}),
        json.dumps(json.dumps(secret)),
        repr(json.dumps(secret)),
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        escape(secret),
        f"https://h/?a={quote_plus(secret)}&b=1",
    }
    for form in forms:
        assert REDACTED in scrubbed(f"before {form} after", secret), form
    text = json.dumps(scrubbed([*forms], secret))
    assert secret[:6] not in text and quote(secret)[:8] not in text


def test_a_secret_is_found_everywhere_in_an_event() -> None:
    frame: Any = {
        "function": "f",
        "context_line": f"    key = '{SECRET}'",
        "pre_context": [f"# {SECRET}"],
        "post_context": [SECRET],
        "vars": {"a": repr(SECRET), SECRET: "b", "c": {"d": [SECRET]}},
    }
    value: Any = {"type": "E", "value": f"bad {SECRET}"}
    value["stacktrace"] = {"frames": [frame]}
    made = Scrubber().scrub(
        event(
            exception={"values": [value]},
            logentry={"message": SECRET, "params": [SECRET], "formatted": SECRET},
            request={
                "url": f"http://h/{quote(SECRET, safe='')}",
                "query_string": f"q={quote_plus(SECRET)}",
                "headers": [["X-Custom", SECRET]],
                "data": {"a": SECRET},
            },
            breadcrumbs={"values": [{"message": SECRET, "data": {"a": SECRET}}]},
            tags={"a": SECRET},
            user={"id": "1", "data": {"a": SECRET}},
            transaction=SECRET,
            fingerprint=[SECRET],
            extra={"a": SECRET},
            contexts={"a": {"b": SECRET}},
        ),
        {SECRET},
    )
    text = json.dumps(made)
    assert SECRET not in text and quote(SECRET, safe="") not in text
    assert text.count(REDACTED) == 22


def test_a_secret_that_holds_another_goes_whole() -> None:
    assert scrubbed("x abcdefgh-longer x", "abcdefgh", "abcdefgh-longer") == (
        f"x {REDACTED} x"
    )


@pytest.mark.parametrize(
    "text",
    [
        "cut: s3cret-value/wi…",
        "cut: 's3cret-v'…",
        "cut: s3cret-value/with+sign…\na note behind it",
        "whole s3cret-value/with+signs and cut s3cret-value/…",
    ],
)
def test_the_beginning_of_a_secret_before_a_cut_goes_too(text: str) -> None:
    made = scrubbed(text, SECRET)
    assert "s3cret" not in made and CUT_MARK in made and REDACTED in made


def test_short_values_are_not_looked_for() -> None:
    assert scrubbed("admin has 1234567", "admin", "1234567", "", " " * 9) == (
        "admin has 1234567"
    )


def test_the_shape_of_the_event_stays_whatever_a_secret_is() -> None:
    secrets = {"exception", "stacktrace", "function", "filename", "breadcrumbs"}
    frame: Any = {"function": "f", "filename": "a.py", "vars": {"filename": "x"}}
    values: Any = [{"type": "E", "stacktrace": {"frames": [frame]}}]
    before = event(exception={"values": values}, breadcrumbs={"values": []})
    assert Scrubber().scrub(before, secrets) == before


def test_identity_and_time_are_never_touched() -> None:
    before = event(level="error", sdk={"name": "flask-errtrack", "version": "1.0"})
    secrets = {before["event_id"], "flask-errtrack", "python", "timestamp"}
    assert Scrubber().scrub(before, secrets) == before


def test_secrets_of_settings_are_those_of_names_and_urls() -> None:
    settings: dict[Any, Any] = {
        "SECRET_KEY": "the-secret-key",
        "SECRET_KEY_FALLBACKS": ["an-older-key", b"a-key-of-bytes"],
        "MAIL_PASSWORD": "mail-password",
        "STRIPE_KEY": "stripe-key-1",
        "GITHUB_TOKEN": "github-token",
        "SQLALCHEMY_DATABASE_URI": "postgresql://shop:db%2Fpassword@h/shop",
        "SQLALCHEMY_BINDS": {"other": "mysql://u:p@ss/w0rd!@h/d"},
        "REDIS": "redis://:redis-password@h:6379/0",
        "OAUTH": {"google": {"client_secret": "google-secret"}},
        "SHORT_KEY": "short",
        "SESSION_COOKIE_NAME": "session-cookie",
        "JWT_TOKEN_LOCATION": ["headers-of-request"],
        "SECURITY_MSG_INVALID_PASSWORD": ("Invalid password", "error"),
        "API_KEY_HEADER_NAME": "X-Our-Header",
        "SERVER_NAME": "shop.example.com",
        "HOME_URL": "https://shop.example.com:8000/a@b",
        "KEY_NUMBER": 12345678,
        7: "no name",
    }
    assert secrets_of_settings(settings) == {
        *("the-secret-key", "an-older-key", "a-key-of-bytes", "mail-password"),
        *("stripe-key-1", "github-token", "db%2Fpassword", "db/password"),
        *("p@ss/w0rd!", "redis-password", "google-secret"),
    }


# By shape


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("password=hunter2&x=1", "password=#&x=1"),
        ("?q=1&access_token=abc#top", "?q=1&access_token=#"),
        (
            "https%3A%2F%2Fh%3Ftoken%3Dabc%26x%3D1",
            "https%3A%2F%2Fh%3Ftoken%3D#%26x%3D1",
        ),
        ("DB_PASSWORD=abc\nDB_HOST=h", "DB_PASSWORD=#\nDB_HOST=h"),
        (r"'DB_PASSWORD=abc\nDB_HOST=h'", r"'DB_PASSWORD=#\nDB_HOST=h'"),
        ("login --password=abc --user=joe", "login --password=# --user=joe"),
        ("User(name='joe', password='hun ter2')", "User(name='joe', password='#')"),
        ('User(password="it\'s me", age=7)', 'User(password="#", age=7)'),
        (r"{'password': 'it\'s \"me\"'}", "{'password': '#'}"),
        ("{'password': b'hunter2'}", "{'password': b'#'}"),
        ("{'password': 12345678}", "{'password': #}"),
        ("{'password': ['a', 'b'], 'c': 1}", "{'password': #, 'c': 1}"),
        ("[('password', 'x1'), ('b', 2)]", "[('password', '#'), ('b', 2)]"),
        ("('api_key', b'x1')", "('api_key', b'#')"),
        ('{"password": "hun, ter2"}', '{"password": "#"}'),
        ('{"a": {"token":"abc"}}', '{"a": {"token":"#"}}'),
        (r'"{\"password\": \"hunter2\"}"', r'"{\"password\": \"#\"}"'),
        (r"\\\"password\\\": \\\"hun\\\\\\\"2\\\"", r"\\\"password\\\": \\\"#\\\""),
        ("form['password'] = 'hunter2'", "form['password'] = '#'"),
        ("password: hunter2", "password: #"),
        ("api key is bad: api_key: 'abcd'", "api key is bad: api_key: '#'"),
        ("password='cut off in the mid…", "password='#"),
        ("X-Api-Key: 0123456789abcdef", "X-Api-Key: #"),
        ("pw = 'abcd'", "pw = '#'"),
    ],
)
def test_a_value_behind_its_name_is_redacted_in_texts(text: str, redacted: str) -> None:
    assert scrubbed(text) == redacted.replace("#", REDACTED)


@pytest.mark.parametrize(
    "text",
    [
        "invalid token: }",
        "unexpected token: ';' in line 7",
        "token: expired",
        "pass 3 of 4",
        "pass: 3",
        "passed=3, failed=4",
        "max_tokens=400",
        "author=joe, secretary='Jane', tokenizer=fast",
        "password must be at least 8 characters",
        "the password is wrong",
        "KeyError: 'password'",
        "password: required",
        "password=None, token=null, secret=''",
        "token == other",
        "('password', 'username', 'email')",
        "WHERE users.password = %(password_1)s",
        "WHERE users.password = :password_1",
        "token = get_token()",
        "session=<Session 7>",
        "basic authentication failed",
        "Bearer token required",
        'Bearer realm="shop"',
        "digest mismatch of sha256",
        "https://shop.example.com:8080/a?mail=joe@example.com",
        "mail joe@example.com at 10:30",
        "sk-learn-estimators-and-others",
        "npm_config_registry_of_the_host",
        "task-management-of-everything",
        "keyJson.parse_everything",
    ],
)
def test_an_ordinary_text_stays_as_it_is(text: str) -> None:
    assert scrubbed(text) == text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("got Bearer abcdefgh12345678!", "got Bearer #!"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic #"),
        (
            "authorization: token abcdefghij\r\nHost: h",
            "authorization: token #\r\nHost: h",
        ),
        (
            'Authorization: Digest username="u", response="6629fa"\nHost: h',
            "Authorization: Digest #\nHost: h",
        ),
        (
            "curl -H 'Authorization: Bearer abc' h",
            "curl -H 'Authorization: Bearer #' h",
        ),
        ("{'Authorization': 'Bearer abcdefgh'}", "{'Authorization': '#'}"),
        (r"{\"Authorization\": \"Bearer abc\"}", r"{\"Authorization\": \"#\"}"),
        ("Set-Cookie: session=abc; HttpOnly\nA: b", "Set-Cookie: #\nA: b"),
        ("Cookie: a=b; session=abc", "Cookie: #"),
        ("{'Set-Cookie': 'session=abc; Path=/'}", "{'Set-Cookie': '#'}"),
        (f"jwt {JWT} end", "jwt # end"),
        (f"?next={JWT}", "?next=#"),
        (f"%3Fnext%3D{JWT}", "%3Fnext%3D#"),
        (f"cut {JWT[:30]}…", "cut #…"),
        ("eyJ1c2VyIjoxfQ.ZxY1Aw.c2lnbmF0dXJl", "#"),
        (".eJwVzDEKgDAM.ZxY1Aw.c2lnbmF0dXJl", "#"),
        ("postgresql://u:p%40ss@h/d", "postgresql://u:#@h/d"),
        ("postgresql://u:p@ss@h/d", "postgresql://u:#@h/d"),
        ("amqp://u:pa/ss@h", "amqp://u:#@h"),
        ("redis://:abc@h:6379/0 is down", "redis://:#@h:6379/0 is down"),
        ("sk_live_abcdefghijkl1234", "#"),
        ("key AKIAIOSFODNN7EXAMPLE.", "key #."),
        ("ghp_abcdefghijklmnopqrst", "#"),
        ("xoxb-1234-abcdefgh", "#"),
        ("SG.abcdefghijklmnop.qrstuvwxyz0123456789", "#"),
    ],
)
def test_a_secret_is_known_by_its_shape(text: str, redacted: str) -> None:
    assert scrubbed(text) == redacted.replace("#", REDACTED)


@pytest.mark.parametrize(
    "text",
    [
        PEM.format(KEY_LINE),
        repr(PEM.format(KEY_LINE)),
        json.dumps({"k": PEM.format(KEY_LINE)}),
        PEM.format(KEY_LINE)[:70],
        repr(PEM.format(KEY_LINE)[:70]) + CUT_MARK,
        PEM.format(KEY_LINE).replace("RSA ", ""),
        PEM.format(KEY_LINE).replace("KEY", "KEY BLOCK").replace("RSA", "PGP"),
    ],
)
def test_a_private_key_goes_also_when_it_was_cut(text: str) -> None:
    made = scrubbed(f"before {text} after")
    assert made.startswith("before ") and REDACTED in made and "MII" not in made


def test_a_private_key_goes_from_source_line_by_line() -> None:
    assert in_source(f"{KEY_LINE}") == REDACTED
    assert in_source(f'    "{KEY_LINE}\\n"') == f'    "{REDACTED}\\n"'
    checksum = f"{'0123456789abcdef' * 4}"
    assert in_source(checksum) == checksum


@pytest.mark.parametrize(
    "card",
    [
        *("4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111"),
        *("5500000000000004", "378282246310005", "3782 822463 10005"),
        *("6011111111111117", "2223003122003222", "30569309025904"),
    ],
)
def test_card_numbers_go(card: str) -> None:
    for text in ("card {}.", "({})", "n={}&x=1", r"'a\n{}'", "n%3D{}", "_{}_"):
        assert scrubbed(text.format(card)) == text.format(REDACTED)


@pytest.mark.parametrize(
    "text",
    [
        *("4111111111111112", "1234567890123452", "0000000000000000"),
        *("1700000000000", "1700000000.4111111111111111", "0.4111111111111111"),
        *("4111111111111111.25", "a4111111111111111", "4111111111111111f"),
        *("41111111111111111111", "1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6", "4006381333931"),
        "550e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert scrubbed(text) == text


def test_card_numbers_go_as_numbers_too() -> None:
    numbers = [4111111111111111, 4111111111111112, 1700000000000000, 7, -1, 1.5]
    assert scrubbed(numbers) == [REDACTED, *numbers[1:]]


def test_patterns_of_the_app_are_redacted_where_they_match() -> None:
    patterns = [re.compile(r"K-\d+"), re.compile("^whole$"), re.compile("x*")]
    scrubber = Scrubber(patterns=patterns)
    value = ["order K-17 and K-18", "whole", "not whole", "a\nK-1", {"K-2": 1}]
    assert scrubbed(value, scrubber=scrubber) == [
        f"order {REDACTED} and {REDACTED}",
        REDACTED,
        "not whole",
        f"a\n{REDACTED}",
        {REDACTED: 1},
    ]


# Source code


@pytest.mark.parametrize(
    "line",
    [
        'password = form["password"]',
        "token = get_token(password=password)",
        'if request.args.get("token") == session["token"]:',
        'raise BadToken("the token: is bad")',
        'flash("password: required")',
        'url = f"https://{user}:{password}@{host}"',
        'url = f"{host}/?token={token}&key={keys[1234567]}"',
        'PASSWORD_FIELD = "password"',
    ],
)
def test_source_that_names_secrets_is_code(line: str) -> None:
    assert in_source(line) == line


@pytest.mark.parametrize(
    ("line", "redacted"),
    [
        (f'key = "{SECRET}"', 'key = "#"'),
        ('API_KEY = "0123456789abcdef"', 'API_KEY = "#"'),
        ('login("joe", password="hunter2222")', 'login("joe", password="#")'),
        ('get(f"{base}/?token=abcdefgh12345&n=1")', 'get(f"{base}/?token=#&n=1")'),
        ('engine = create("mysql://u:pw@h/d")', 'engine = create("mysql://u:#@h/d")'),
        (f'client(token="{JWT}")', 'client(token="#")'),
    ],
)
def test_a_secret_in_source_goes(line: str, redacted: str) -> None:
    assert in_source(line, SECRET) == redacted.replace("#", REDACTED)


# A copy, safe to send


def test_the_event_itself_stays_as_it_was() -> None:
    before = event(extra={"password": "hunter2222", "a": ["hunter2222", {"b": "\0"}]})
    kept = copy.deepcopy(before)
    made = Scrubber().scrub(before, {"hunter2222"})
    assert before == kept and made != before
    made["extra"]["a"].append("more")
    assert before == kept


def test_a_text_that_was_harmless_before_is_looked_at_for_the_secrets_of_today() -> (
    None
):
    scrubber, text = Scrubber(), "the value is hunter2222"
    assert scrubbed(text, scrubber=scrubber) == text
    assert scrubbed(text, "hunter2222", scrubber=scrubber) == f"the value is {REDACTED}"
    named = {"message": text, "password": "hunter2222"}
    assert scrubbed(named, scrubber=scrubber)["message"] == f"the value is {REDACTED}"
    assert scrubbed(text, scrubber=scrubber) == text


def test_secrets_of_each_event_are_redacted_also_when_they_change() -> None:
    scrubber, texts = Scrubber(), ["a hunter2222", "b swordfish", "c"]

    def made(*lasting: str, secrets: tuple[str, ...] = ()) -> Any:
        event_of_texts = event(extra={"value": texts})
        return scrubber.scrub(event_of_texts, secrets, lasting)["extra"]["value"]

    for _ in range(2):
        assert made() == texts
        assert made("hunter2222") == [f"a {REDACTED}", "b swordfish", "c"]
        assert made("swordfish") == ["a hunter2222", f"b {REDACTED}", "c"]
        hidden = [f"a {REDACTED}", f"b {REDACTED}", "c"]
        assert made("hunter2222", "swordfish") == hidden
        assert made("hunter2222", secrets=("swordfish",)) == hidden


@pytest.mark.parametrize("is_longer_lasting", [True, False])
def test_of_two_secrets_the_longer_goes_first_whichever_lasts(
    is_longer_lasting: bool,
) -> None:
    longer, shorter = ["hunter2222-and-more"], ["hunter2222"]
    given = (shorter, longer) if is_longer_lasting else (longer, shorter)
    scrubber = Scrubber()
    for _ in range(2):
        made = scrubber.scrub(event(extra={"value": f"x {longer[0]} y"}), *given)
        assert made["extra"]["value"] == f"x {REDACTED} y"


def test_a_secret_is_redacted_each_time_it_comes() -> None:
    scrubber, text = Scrubber(), f"token={JWT}"
    assert [scrubbed(text, scrubber=scrubber) for _ in range(3)] == [
        f"token={REDACTED}"
    ] * 3


def test_what_is_harmless_as_source_may_be_none_as_text() -> None:
    scrubber, line = Scrubber(), 'password = "hunter"'
    frame: Any = {"context_line": line}
    values: Any = [{"type": "E", "stacktrace": {"frames": [frame]}}]
    made: Any = scrubber.scrub(event(exception={"values": values}))
    assert made["exception"]["values"][0]["stacktrace"]["frames"] == [frame]
    assert scrubbed(line, scrubber=scrubber) == f'password = "{REDACTED}"'


def test_a_long_name_of_a_secret_hides_it_not() -> None:
    name = "password_" + "of_somebody_" * 5
    assert scrubbed(f"{name}=hunter") == f"{name}={REDACTED}"


def test_a_letter_that_grows_in_lower_case_hides_no_secret() -> None:
    grows = "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}"
    made = scrubbed([f"{grows}stanbul", f"{grows} PASSWORD=hunter", "TOKEN=abc"])
    assert made == [
        f"{grows}stanbul",
        f"{grows} PASSWORD={REDACTED}",
        f"TOKEN={REDACTED}",
    ]
    grown = [one for one in map(chr, range(sys.maxunicode)) if len(one.lower()) > 1]
    assert grown == [grows]


def test_objects_of_odd_classes_cost_no_event() -> None:
    class Odd(type):
        __hash__ = None  # type: ignore[assignment]

        def __eq__(cls, other: object) -> bool:
            raise AssertionError("compared")

    class Strange(metaclass=Odd):
        pass

    assert "Strange" in str(scrubbed({"a": [Strange(), "b"], "c": Strange()}))


def test_memory_of_harmless_texts_is_bounded() -> None:
    scrubber = Scrubber()
    scrubber.scrub(event(extra={"first": "seen before"}))
    tracemalloc.start()
    for number in range(100):
        texts = [f"a text of some length {number}-{one}" for one in range(300)]
        scrubber.scrub(event(extra={"texts": texts}))
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept_bytes < 2_000_000


def test_one_huge_event_is_not_remembered() -> None:
    scrubber = Scrubber()
    scrubber.scrub(event(extra={"first": "seen before"}))
    tracemalloc.start()
    texts = [f"{one} " + "so " * 600 for one in range(3000)]
    scrubber.scrub(event(extra={"texts": texts}))
    del texts
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept_bytes < 2_000_000


def test_scrubbing_again_changes_nothing() -> None:
    value = [
        *("password=abc", "{'token': 'abc'}", PEM, JWT, "a://u:p@h", "Cookie: a=b"),
        *("Bearer abcdefgh1234", "4111111111111111", {"password": "hunter2222"}),
    ]
    once = scrubbed(value)
    assert scrubbed(once) == once


def test_what_cannot_be_sent_is_replaced() -> None:
    value = {"a\0": "\ud800 and \0 and \udfff", "é": "\U0001f600"}
    made = scrubbed(value)
    assert made == {"a\ufffd": "\ufffd and \ufffd and \ufffd", "é": "\U0001f600"}
    json.dumps(made, ensure_ascii=False).encode()


class Hostile:
    """What a hook might put into an event."""

    def __str__(self) -> str:
        raise ValueError

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        raise ValueError

    __hash__ = None  # type: ignore[assignment]


def test_whatever_a_hook_put_into_the_event_becomes_json() -> None:
    cyclic: list[Any] = []
    cyclic += [cyclic, cyclic]
    many: list[Any] = []
    for _ in range(60):
        many = [many, many]
    value = {
        7: {None: {(1, 2): 3}},
        "set": {1},
        "bytes": b"x",
        "tuple": (1, 2, 3),
        "nan": float("nan"),
        "huge": 10**5000,
        "object": Hostile(),
        "password": Hostile(),
        "cyclic": cyclic,
        "many": many,
    }
    started = time.thread_time()
    made = scrubbed(value)
    assert time.thread_time() - started < 10
    json.dumps(made, allow_nan=False)
    assert made["password"] == REDACTED and made["tuple"] == [1, 2, 3]
    assert made["7"] == {"None": {"(1, 2)": 3}}


@pytest.mark.parametrize(
    "trigger",
    [
        *("-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "eyJ", "eyJaaaaaaaa.", ".eJ"),
        *("bearer ", "Bearer a", "basic  ", "authorization: digest ", "Cookie: a="),
        *("://", "a://", "http://a:b", "a+b.c-", "sk-", "sk_live_", "xoxb-", "SG."),
        *("password", "password=", "password='", 'token="\\', "pass:", "token:token"),
        *("'password', '", "('password', ", "api_key", "secret\\", "\\\\\\'", "[({<"),
        *("1 ", "4111 ", "12-", "4111 1111 1111 1111 ", "\0", "\ud800", "é", "İ"),
        *("aA1/", "password%3D", "sid", "session_", "\n", " "),
    ],
)
def test_no_text_takes_long(trigger: str) -> None:
    texts = [trigger * (100_000 // len(trigger)), trigger + "a" * 100_000]
    texts += [trigger + " " * 100_000, "a" * 100_000 + trigger]
    scrubber = Scrubber()
    for text in texts:
        started = time.thread_time()
        scrubbed(text, scrubber=scrubber)
        scrubbed(text[:1000], text, scrubber=scrubber)
        assert time.thread_time() - started < 2


def cost(value: Any) -> float:
    """How long the processor works on a value, in seconds; the least of three."""
    made = event(extra={"value": value})
    times = []
    for _ in range(3):
        started = time.thread_time()
        Scrubber().scrub(made)
        times.append(time.thread_time() - started)
    return min(times)


@pytest.mark.parametrize(
    "text",
    ["", "no secret at all", "aaaaaaaa" * 50, "aaaaaaaa" + CUT_MARK * 2000],
)
def test_secrets_without_number_cost_no_more_each_than_some(text: str) -> None:
    def many(number: int) -> Any:
        texts = [f"{text} {n}" for n in range(50)]
        return [{f"password{n}": f"aaaaaaaa{n:09}" for n in range(number)}, texts]

    assert cost(many(8000)) < 10 * cost(many(1000)) + 0.1


def test_however_many_secrets_there_are_each_is_redacted_by_its_name() -> None:
    made = scrubbed([{"password": f"secret-{n:09}"} for n in range(5000)])
    assert made == [{"password": REDACTED}] * 5000


def test_what_looks_like_urls_without_end_costs_no_more_than_urls_do() -> None:
    for hostile in ("http://a:", "http://a:@", "http://a:b@@", "http://a:b@ "):
        text = hostile * 10_000
        assert cost(text) < 10 * cost("http://a/" * 10_000), hostile


@pytest.mark.parametrize(
    "value",
    ["b" + "-" * 8000 + "1", "b" + ".a" * 4000, "b" + "(" * 8000, "'\\U00110000'"]
    + ["'secret'('x')", "'secret\\d'", "'secret-\0'", "b'größer-als'"],
)
def test_a_secret_that_only_begins_like_a_repr_is_a_text(value: str) -> None:
    made = scrubbed({"password": value, "text": f"it was {value} then"})
    assert made["password"] == REDACTED and value not in made["text"]


def test_an_argument_of_a_log_line_is_a_secret_by_the_words_before_it() -> None:
    event: Any = {}
    event["logentry"] = {
        "message": "%s: password=%s pin: %d at https://%s:%s@shop",
        "params": ["bob", "hunter2!", 4711, "me", "opensesame"],
        "formatted": "bob: password=hunter2! pin: 4711 at https://me:opensesame@shop",
    }
    made: Any = Scrubber(keys=["pin"]).scrub(event)
    assert made["logentry"]["params"] == ["bob", REDACTED, REDACTED, "me", REDACTED]
