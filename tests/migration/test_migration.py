"""From settings of raven and sentry-sdk to options, without running anything."""

from __future__ import annotations

import ast
import inspect
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from clients.test_clients import old_client
from sentry_sdk.consts import ClientConstructor

from flask_errtrack.migration.converting import (
    Change,
    as_python,
    as_rows,
    changes_of,
    merged,
    problems_of,
)
from flask_errtrack.migration.from_raven import RAVEN, SENTRY
from flask_errtrack.migration.from_sentry_sdk import CALLS, SENTRY_SDK
from flask_errtrack.migration.reading import (
    settings_of_config,
    settings_of_environ,
    settings_of_source,
    source_files,
)
from flask_errtrack.migration.rules import Code, Rule
from flask_errtrack.settings.config import Config

DSN = "https://public:secret@sentry.example/7"


def of_config(**config: Any) -> list[Change]:
    return changes_of(settings_of_config(config, "app.config"))


def of_source(text: str, **options: Any) -> list[Change]:
    return changes_of(settings_of_source(text.encode(), "shop.py", **options))


def of_environ(**environ: str) -> list[Change]:
    return changes_of(settings_of_environ(environ))


def notes_of(changes: list[Change]) -> str:
    return " ".join(note for change in changes for note in change.notes)


def pasted(changes: list[Change], **known: Any) -> dict[str, Any]:
    """What the printed text sets when it is pasted into a config."""
    text = as_python(changes, with_secrets=True)
    found = dict(known)
    exec(text, found)
    return {name: value for name, value in found.items() if name[:9] == "ERRTRACK_"}


# -- what the old packages know ------------------------------------------------------


def test_every_setting_of_raven_has_a_rule() -> None:
    raven = old_client("raven") / "raven"
    names = re.findall(r"getopt\('(\w+)'", (raven / "utils/conf.py").read_text())
    base = (raven / "base.py").read_text()
    names += re.findall(r"o\.get\('(\w+)'", base)
    (client,) = [
        node
        for node in ast.parse(base).body
        if isinstance(node, ast.ClassDef) and node.name == "Client"
    ]
    names += arguments_of(client, "__init__")
    assert len(set(names)) > 25
    assert set(names) - {"self"} <= RAVEN.keys()


def test_every_argument_of_ravens_flask_extension_has_a_rule() -> None:
    source = (old_client("raven") / "raven/contrib/flask.py").read_text()
    (extension,) = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == "Sentry"
    ]
    names = {*arguments_of(extension, "__init__"), *arguments_of(extension, "init_app")}
    assert names - {"self", "app"} == SENTRY.keys()


def arguments_of(kind: ast.ClassDef, function: str) -> list[str]:
    (found,) = [
        node
        for node in kind.body
        if isinstance(node, ast.FunctionDef) and node.name == function
    ]
    return [argument.arg for argument in (*found.args.args, *found.args.kwonlyargs)]


def test_every_option_of_sentry_sdk_has_a_rule() -> None:
    options = inspect.signature(ClientConstructor.__init__).parameters.keys()
    # Newer releases may know more; what is gone from it, older ones know.
    assert len(options & SENTRY_SDK.keys()) >= 70


@pytest.mark.parametrize("rules", [RAVEN, SENTRY, SENTRY_SDK, CALLS])
def test_rules_name_options_that_exist(rules: Mapping[str, Rule]) -> None:
    known = Config.__dataclass_fields__
    for old, rule in rules.items():
        for new in filter(None, rule.new.split(", ")):
            assert new in known, old


# -- raven ---------------------------------------------------------------------------


def test_settings_of_raven_become_options() -> None:
    changes = of_config(
        SENTRY_DSN=DSN,
        SENTRY_NAME="web-1",
        SENTRY_RELEASE="shop@1.2",
        SENTRY_ENVIRONMENT="staging",
        SENTRY_INCLUDE_PATHS=["shop_tools"],
        SENTRY_EXCLUDE_PATHS=["shop.vendored"],
        SENTRY_SANITIZE_KEYS=["iban"],
        SENTRY_USER_ATTRS=["email", "plan"],
        SENTRY_SAMPLE_RATE=0.5,
        DEBUG=True,
    )
    config = Config.load({}, pasted(changes), {})
    assert config.dsn is not None and config.dsn.secret_key == "secret"
    assert config == Config.load(
        {
            "dsn": DSN,
            "server_name": "web-1",
            "release": "shop@1.2",
            "environment": "staging",
            "include_paths": ["shop_tools"],
            "in_app_exclude": ["shop.vendored"],
            "scrub_keys": ["iban"],
            "user_attrs": ["email", "plan"],
            "sample_rate": 0.5,
        },
        {},
        {},
    )


def test_the_dict_of_raven_is_opened() -> None:
    changes = of_config(SENTRY_CONFIG={"release": "1.2", "tags": {"team": "till"}})
    assert pasted(changes) == {
        "ERRTRACK_RELEASE": "1.2",
        "ERRTRACK_TAGS": {"team": "till"},
    }
    assert changes[0].setting.name == "SENTRY_CONFIG['release']"


def test_site_and_tags_are_tags() -> None:
    changes = of_config(SENTRY_SITE="blue", SENTRY_TAGS={"team": "till"})
    assert merged(changes) == {"tags": {"site": "blue", "team": "till"}}


def test_transport_and_options_are_taken_out_of_a_dsn() -> None:
    old = "threaded+https://key@sentry.example/7?timeout=3&verify_ssl=0&pool=2"
    changes = of_config(SENTRY_DSN=old)
    assert merged(changes) == {
        "dsn": "https://key@sentry.example/7",
        "timeout_seconds": 3,
    }
    notes = notes_of(changes)
    assert "threaded+" in notes and "verify_ssl" in notes and "pool" in notes


def test_exceptions_are_ignored_by_their_names() -> None:
    changes = of_config(SENTRY_IGNORE_EXCEPTIONS=[KeyError, "shop.NotOurs", "kombu.*"])
    assert merged(changes) == {
        "ignore_exceptions": ["builtins.KeyError", "shop.NotOurs"]
    }
    assert "`kombu.*`" in notes_of(changes)


def test_the_older_name_of_ignored_exceptions_is_known() -> None:
    changes = of_config(RAVEN_IGNORE_EXCEPTIONS=["shop.NotOurs"])
    assert merged(changes) == {"ignore_exceptions": ["shop.NotOurs"]}


def test_processors_are_options_or_work_for_a_person() -> None:
    changes = of_config(
        SENTRY_PROCESSORS=(
            "raven.processors.SanitizePasswordsProcessor",
            "raven.processors.RemovePostDataProcessor",
            "raven.processors.RemoveStackLocalsProcessor",
            "shop.Anonymous",
        )
    )
    assert merged(changes) == {
        "max_request_body_size": "never",
        "include_local_variables": False,
    }
    assert "Rewrite 'shop.Anonymous' as `before_send" in notes_of(changes)


def test_switches_of_raven_that_were_off_stay_off() -> None:
    hooks = ("enable_breadcrumbs", "install_logging_hook", "install_sys_hook")
    off = dict.fromkeys(hooks, False)
    assert merged(of_config(SENTRY_CONFIG=off)) == {
        "max_breadcrumbs": 0,
        "breadcrumb_level": None,
        "uncaught_errors": False,
    }
    assert merged(of_config(SENTRY_CONFIG=dict.fromkeys(off, True))) == {}


def test_what_has_no_counterpart_says_why() -> None:
    for change in of_config(SENTRY_STRING_MAX_LENGTH=400, SENTRY_REPOS={"a": {}}):
        assert not change.options and change.notes


def test_what_nobody_set_is_not_told() -> None:
    assert of_config(SENTRY_DSN=None, SENTRY_TAGS=None) == []


def test_a_setting_that_neither_package_reads_is_named_without_its_value() -> None:
    changes = of_config(SENTRY_WEBHOOK="the-value")
    text = as_python(changes, with_secrets=True)
    assert "SENTRY_WEBHOOK: Neither raven nor sentry-sdk reads it" in text
    assert "the-value" not in text


def test_the_arguments_of_the_extension_are_read() -> None:
    changes = of_source(
        "import logging\n"
        "from raven.contrib.flask import Sentry\n"
        "sentry = Sentry(app, logging=True, level=logging.WARNING, wrap_wsgi=False,\n"
        "                logging_exclusions=('a', 'b'))\n"
        "sentry.init_app(app, dsn='https://key@sentry.example/7')\n"
        "db.init_app(app, dsn='postgresql://')\n"
    )
    assert merged(changes) == {
        "event_level": Code("logging.WARNING"),
        "logging_exclusions": ["a", "b"],
        "dsn": "https://key@sentry.example/7",
    }


def test_an_extension_from_another_file_is_known_by_its_name() -> None:
    source = "from shop.extensions import sentry\nsentry.init_app(app, level=40)\n"
    assert merged(of_source(source)) == {"event_level": 40}


def test_an_extension_that_took_no_log_records_takes_none() -> None:
    source = "import raven.contrib.flask\nraven.contrib.flask.Sentry(logging=False)\n"
    assert merged(of_source(source)) == {"event_level": None}


def test_the_release_that_raven_read_from_git_is_found_without_it() -> None:
    source = "import raven\nSENTRY_CONFIG = {'release': raven.fetch_git_sha('.')}\n"
    changes = of_source(source)
    assert merged(changes) == {}
    assert "found without it" in notes_of(changes)


# -- sentry-sdk ----------------------------------------------------------------------


def test_options_of_sentry_sdk_become_options() -> None:
    changes = of_source(
        "import sentry_sdk\n"
        "sentry_sdk.init(\n"
        "    'https://key@sentry.example/7',\n"
        "    environment='staging', release='1.2', dist='7', server_name='web-1',\n"
        "    sample_rate=0.5, ignore_errors=['shop.NotOurs', KeyError],\n"
        "    max_breadcrumbs=50, send_default_pii=True,\n"
        "    in_app_include=['shop_tools'], in_app_exclude=['shop.vendored'],\n"
        "    max_request_body_size='small', include_local_variables=False,\n"
        "    include_source_context=False, shutdown_timeout=3,\n"
        "    send_client_reports=False, before_send=clean,\n"
        "    before_breadcrumb=hooks.quiet, http_proxy='http://proxy:3128',\n"
        "    https_proxy='http://proxy:3129',\n"
        ")\n"
    )
    assert problems_of(changes) == []
    assert merged(changes) == {
        "dsn": "https://key@sentry.example/7",
        "environment": "staging",
        "release": "1.2",
        "dist": "7",
        "server_name": "web-1",
        "sample_rate": 0.5,
        "ignore_exceptions": ["shop.NotOurs", Code("KeyError")],
        "max_breadcrumbs": 50,
        "send_default_pii": True,
        "include_paths": ["shop_tools"],
        "in_app_exclude": ["shop.vendored"],
        "max_request_body_size": "small",
        "include_local_variables": False,
        "include_source_context": False,
        "shutdown_timeout_seconds": 3,
        "send_client_reports": False,
        "before_send": Code("clean"),
        "before_breadcrumb": Code("hooks.quiet"),
        "proxies": {"http": "http://proxy:3128", "https": "http://proxy:3129"},
    }


def test_names_of_an_import_are_followed() -> None:
    source = "from sentry_sdk import init as start\nstart(release='1.2')\n"
    assert merged(of_source(source)) == {"release": "1.2"}
    source = "import sentry_sdk as sentry\nsentry.init(release='1.2')\n"
    assert merged(of_source(source)) == {"release": "1.2"}
    assert of_source("from shop import init\ninit(release='1.2')\n") == []


def test_integrations_are_options_or_lines_of_code() -> None:
    changes = of_source(
        "import sentry_sdk\n"
        "sentry_sdk.init(integrations=[\n"
        "    FlaskIntegration(transaction_style='url'), CeleryIntegration(),\n"
        "    LoggingIntegration(level=logging.DEBUG, event_level=None),\n"
        "    DjangoIntegration(),\n"
        "])\n"
    )
    assert merged(changes) == {
        "transaction_style": "url",
        "breadcrumb_level": Code("logging.DEBUG"),
        "event_level": None,
    }
    line = "a line of code: `init_celery` of `flask_errtrack.contrib.celery`"
    assert f"CeleryIntegration is {line}" in notes_of(changes)
    assert "DjangoIntegration has no counterpart" in notes_of(changes)


def test_integrations_that_were_switched_off_stay_off() -> None:
    source = (
        "import sentry_sdk\nsentry_sdk.init(disabled_integrations=[\n"
        "    LoggingIntegration(), ExcepthookIntegration, RedisIntegration])\n"
    )
    assert merged(of_source(source)) == {"logging": False, "uncaught_errors": False}


def test_only_names_that_are_not_redacted_anyway_are_kept_of_a_scrubber() -> None:
    changes = of_source(
        "import sentry_sdk\n"
        "sentry_sdk.init(event_scrubber=EventScrubber(denylist=['password', 'iban']))\n"
    )
    assert merged(changes) == {"scrub_keys": ["iban"]}


def test_a_scrubber_of_unknown_names_is_work_for_a_person() -> None:
    changes = of_source(
        "import sentry_sdk\n"
        "sentry_sdk.init(event_scrubber=EventScrubber(denylist=names))\n"
    )
    assert merged(changes) == {}
    assert "Set `scrub_keys` by hand" in notes_of(changes)


def test_ignored_loggers_are_excluded() -> None:
    changes = of_source(
        "from sentry_sdk.integrations.logging import ignore_logger\n"
        "ignore_logger('noisy')\n"
    )
    assert merged(changes) == {"logging_exclusions": ["noisy"]}


def test_the_names_that_options_had_in_sentry_sdk_1_are_known() -> None:
    changes = of_source(
        "import sentry_sdk\n"
        "sentry_sdk.init(with_locals=False, request_bodies='small')\n"
    )
    assert merged(changes) == {
        "include_local_variables": False,
        "max_request_body_size": "small",
    }


def test_what_has_to_go_beside_the_settings_is_named_once_where_it_stands() -> None:
    changes = of_source(
        "from raven.contrib.celery import register_signal\n"
        "from sentry_asgi import SentryMiddleware\n"
        "app.add_middleware(SentryMiddleware)\n"
        "HANDLER = {'class': 'raven.handlers.logging.SentryHandler'}\n"
    )
    text = as_python(changes, with_secrets=False)
    assert "# shop.py:1\n# raven.contrib.celery.register_signal: Use `init_c" in text
    assert "# shop.py:2\n# sentry_asgi.SentryMiddleware: Use `ErrTrackMid" in text
    assert "# shop.py:4\n# raven.handlers.logging.SentryHandler: Take it out" in text
    assert text.count("SentryMiddleware:") == 1


def test_traces_have_no_counterpart_and_it_says_why() -> None:
    changes = of_source("import sentry_sdk\nsentry_sdk.init(traces_sample_rate=1.0)\n")
    assert merged(changes) == {}
    assert "no traces" in notes_of(changes)


# -- source --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "SENTRY_RELEASE = '1.2'",
        "SENTRY_RELEASE: str = '1.2'",
        "app.config['SENTRY_RELEASE'] = '1.2'",
        "app.config.update(SENTRY_RELEASE='1.2')",
        "app.config.from_mapping({'SENTRY_RELEASE': '1.2'})",
        "class Config:\n    SENTRY_RELEASE = '1.2'",
        "def config():\n    if True:\n        return dict(SENTRY_RELEASE='1.2')",
        "SENTRY_CONFIG = {'release': '1.2'}",
        "SENTRY_CONFIG = dict(release='1.2')",
    ],
    ids=range(9),
)
def test_a_setting_is_found_wherever_it_is_set(source: str) -> None:
    assert merged(of_source(source)) == {"release": "1.2"}


def test_an_expression_stays_as_it_is() -> None:
    changes = of_source("SENTRY_DSN = os.environ['SENTRY_DSN']\n")
    text = as_python(changes, with_secrets=False)
    assert "ERRTRACK_DSN = os.environ['SENTRY_DSN']" in text.splitlines()
    assert "have to be imported" in text


def test_classes_of_settings_stay_apart() -> None:
    changes = of_source(
        "class Staging:\n    SENTRY_RELEASE = 'a'\n"
        "class Live:\n    SENTRY_RELEASE = 'b'\n"
    )
    text = as_python(changes, with_secrets=False)
    assert text.index("class Staging") < text.index("'a'")
    assert text.index("'a'") < text.index("class Live") < text.index("'b'")


def test_source_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    assert of_source(f"open({str(mark)!r}, 'w')\nSENTRY_NAME = open({str(mark)!r})\n")
    assert not mark.exists()


def test_only_the_apps_own_files_are_read(tmp_path: Path) -> None:
    for name in ("a.py", "b/c.py", ".git/d.py", "venv/lib/e.py", "node_modules/f.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "venv/pyvenv.cfg").touch()
    (tmp_path / "readme.txt").touch()
    (tmp_path / "folder.py").mkdir()
    if hasattr(os, "mkfifo"):
        # To read it would wait for ever.
        os.mkfifo(tmp_path / "pipe.py")
    found = [path.relative_to(tmp_path).as_posix() for path in source_files(tmp_path)]
    assert found == ["a.py", "b/c.py"]


# -- what is printed -----------------------------------------------------------------


def test_keys_and_passwords_are_printed_only_when_asked_for() -> None:
    changes = [
        *of_config(SENTRY_DSN=DSN, SENTRY_TAGS={"team": "till", "api_token": "geheim"}),
        *of_source(
            "import sentry_sdk\n"
            "sentry_sdk.init(http_proxy='http://ada:geheim@proxy',\n"
            f"    dsn=os.environ.get('X', '{DSN}'))\n"
        ),
        *of_environ(SENTRY_DSN=DSN, SENTRY_AUTH_TOKEN="geheim"),
    ]
    for shown in (
        as_python(changes, with_secrets=False),
        str(as_rows(changes, with_secrets=False)),
    ):
        assert "https://***@sentry.example/7" in shown
        assert "public" not in shown and "geheim" not in shown
    shown = as_python(changes, with_secrets=True)
    assert shown.count(DSN) == 3 and "http://ada:geheim@proxy" in shown
    # Nothing of ours would take it.
    assert "SENTRY_AUTH_TOKEN" in shown and shown.count("geheim") == 2


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("os.environ['SENTRY_DSN']", "os.environ['SENTRY_DSN']"),
        ("f'https://{KEY}@sentry.example/7'", "f'https://{KEY}***'"),
        ("'https://%s@h/7' % 'geheim'", "'https://***@h/7' % '***'"),
        ("'https://' + 'geheim' + '@h/7'", "'https://' + '***' + '***'"),
        ("getenv('DSN', 'https://geheim@h/7')", "getenv('DSN', 'https://***@h/7')"),
    ],
    ids=range(5),
)
def test_an_expression_shows_no_key_either(code: str, shown: str) -> None:
    changes = of_source(f"SENTRY_DSN = {code}\n")
    text = as_python(changes, with_secrets=False)
    assert f"ERRTRACK_DSN = {shown}" in text.splitlines()
    text = as_python(changes, with_secrets=True)
    assert f"ERRTRACK_DSN = {ast.unparse(ast.parse(code))}" in text.splitlines()


def test_the_dict_of_raven_wins_as_it_did() -> None:
    changes = of_config(SENTRY_CONFIG={"release": "b"}, SENTRY_RELEASE="a")
    assert merged(changes) == {"release": "b"}


def test_the_environment_stays_the_environment() -> None:
    changes = of_environ(SENTRY_RELEASE="1.2", SENTRY_NAME="web-1", HOME="/")
    text = as_python(changes, with_secrets=False)
    assert "# ERRTRACK_RELEASE=1.2" in text
    # Only three options are read from there.
    assert "\nERRTRACK_SERVER_NAME = 'web-1'" in text
    assert "HOME" not in text


def test_the_outcome_is_python_whatever_comes() -> None:
    changes = of_config(
        SENTRY_RELEASE="a'b\"c\n# d",
        SENTRY_TAGS={"x": object(), "y\n": lambda: None},
        SENTRY_PROCESSORS=[object()],
        SENTRY_IGNORE_EXCEPTIONS=5,
        SENTRY_DSN=b"bytes",
        SENTRY_SITE=object(),
        **{"SENTRY_A\nB": 1},
    )
    found = pasted(changes, test_migration=ast)
    assert found["ERRTRACK_RELEASE"] == "a'b\"c\n# d"
    assert problems_of(changes)


def test_what_would_not_be_taken_is_a_problem() -> None:
    changes = of_config(SENTRY_SAMPLE_RATE="0.5", SENTRY_DSN="https://sentry.example/7")
    (rate, dsn) = sorted(problems_of(changes), reverse=True)
    assert "ERRTRACK_SAMPLE_RATE is '0.5' (str); expected a number" in rate
    assert "no public key" in dsn and "sentry.example" not in dsn.partition("(")[0]
