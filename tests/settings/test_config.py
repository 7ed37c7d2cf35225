"""Options: where they come from, which wins, and what is refused."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from flask_errtrack.errors import BadDsn, ConfigError
from flask_errtrack.settings.config import Config
from flask_errtrack.settings.dsn import Dsn
from flask_errtrack.settings.options import option, options_as_rst
from flask_errtrack.transports import outbox_folder

DSN = "https://public:verysecret@errors.example.com/1"


def load(
    app_config: dict[str, Any] | None = None,
    environ: dict[str, str] | None = None,
    **keywords: Any,
) -> Config:
    return Config.load(keywords, app_config or {}, environ or {})


def problem_of(
    app_config: dict[str, Any] | None = None,
    environ: dict[str, str] | None = None,
    **keywords: Any,
) -> str:
    with pytest.raises(ConfigError) as caught:
        load(app_config, environ, **keywords)
    return str(caught.value)


def test_without_any_source_the_defaults_count() -> None:
    config = load()
    assert config.dsn is None and config.database_url is None
    assert (config.enabled, config.outbox, config.url_prefix) == (
        *(True, True),
        "/errtrack",
    )
    assert (config.sample_rate, config.max_breadcrumbs) == (1.0, 100)
    assert (config.breadcrumb_level, config.event_level) == (
        logging.INFO,
        logging.ERROR,
    )


def test_each_source_wins_over_the_one_before() -> None:
    environ = {"ERRTRACK_RELEASE": "environ"}
    in_dict = {"ERRTRACK_CONFIG": {"release": "dict"}}
    in_key = {**in_dict, "ERRTRACK_RELEASE": "key"}
    assert load(environ=environ).release == "environ"
    assert load(in_dict, environ).release == "dict"
    assert load(in_key, environ).release == "key"
    assert load(in_key, environ, release="keyword").release == "keyword"


def test_the_sources_add_up() -> None:
    config = load(
        {"ERRTRACK_CONFIG": {"sample_rate": 0.5}, "ERRTRACK_SERVER_NAME": "web-1"},
        {"ERRTRACK_ENVIRONMENT": "staging"},
        max_breadcrumbs=7,
    )
    assert (config.sample_rate, config.server_name) == (0.5, "web-1")
    assert (config.environment, config.max_breadcrumbs) == ("staging", 7)


def test_only_three_options_come_from_the_environment() -> None:
    environ = {
        "ERRTRACK_DSN": DSN,
        "ERRTRACK_RELEASE": "1",
        "ERRTRACK_ENVIRONMENT": "e",
        "ERRTRACK_URL_PREFIX": "not a prefix",
        "ERRTRACK_NONSENSE": "1",
    }
    config = load(environ=environ)
    assert isinstance(config.dsn, Dsn)
    assert (config.release, config.environment) == ("1", "e")
    assert config.url_prefix == "/errtrack"


def test_later_changes_of_the_apps_config_do_nothing() -> None:
    app_config: dict[str, Any] = {"ERRTRACK_TAGS": {"team": "shop"}}
    config = load(app_config)
    app_config["ERRTRACK_TAGS"]["team"] = "other"
    assert config.tags == {"team": "shop"}


@pytest.mark.parametrize("empty", ["", "  ", None])
def test_an_empty_dsn_means_none_and_wins_over_an_earlier_one(empty: Any) -> None:
    assert load(environ={"ERRTRACK_DSN": DSN}, dsn=empty).dsn is None


@pytest.mark.parametrize(
    ("sources", "where"),
    [
        ({"app_config": {"ERRTRACK_SAMPLE_RAET": 1}}, "app.config"),
        ({"app_config": {"ERRTRACK_CONFIG": {"sample_raet": 1}}}, "ERRTRACK_CONFIG"),
        ({"sample_raet": 1}, "option sample_raet"),
    ],
)
def test_a_misspelt_option_is_refused_with_the_nearest_name(
    sources: dict[str, Any], where: str
) -> None:
    problem = problem_of(**sources)
    assert where in problem and "did you mean sample_rate?" in problem


def test_an_option_that_is_near_to_none_is_refused_with_all_names() -> None:
    problem = problem_of(xyzzy=1)
    assert "option xyzzy is not an option" in problem
    assert "dsn" in problem and "retention_days" in problem


def test_a_lower_case_key_of_the_app_is_not_taken_for_an_option() -> None:
    assert "ERRTRACK_Sample_rate" in problem_of({"ERRTRACK_Sample_rate": 1})


def test_errtrack_config_has_to_be_a_dict() -> None:
    problem = problem_of({"ERRTRACK_CONFIG": ["sample_rate"]})
    assert "ERRTRACK_CONFIG is a list; expected a dict" in problem


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("enabled", "yes", "True or False"),
        ("enabled", 1, "True or False"),
        ("outbox", 3, "the path of a folder"),
        ("outbox_max_bytes", 0, "a whole number of 1 or more"),
        ("outbox_max_bytes", 1.5, "a whole number of 1 or more"),
        ("proxies", "http://p:1", "a dict such as"),
        ("ca_certs", True, "the path of a file with certificates"),
        ("timeout_seconds", 0, "a number of 0.1 or more"),
        ("timeout_seconds", float("inf"), "a number of 0.1 or more"),
        ("shutdown_timeout_seconds", -1, "a number of 0.0 or more"),
        ("shutdown_timeout_seconds", True, "a number of 0.0 or more"),
        ("release", 7, "a text"),
        ("tags", ["a"], "a dict of tag names and values"),
        ("ignore_exceptions", KeyError, "a list of exception classes or dotted names"),
        ("ignore_exceptions", "KeyError", "a list of exception classes"),
        ("ignore_exceptions", [int], "a list of exception classes"),
        ("sample_rate", 1.1, "a number from 0.0 to 1.0, or a callable"),
        ("sample_rate", float("nan"), "a number from 0.0 to 1.0"),
        ("sample_rate", "0.5", "a number from 0.0 to 1.0"),
        ("before_send", "shop.hook", "a callable"),
        ("include_paths", "shop", "a list of names"),
        ("max_breadcrumbs", -1, "a whole number of 0 or more"),
        ("max_request_body_size", "huge", "one of 'never', 'small'"),
        ("transaction_style", "path", "one of 'endpoint', 'url'"),
        (
            "scrub_patterns",
            ["x", "("],
            "a list of regular expressions; number 2 is not a regular "
            "expression (missing )",
        ),
        ("event_level", "LOUD", "a logging level"),
        ("event_level", True, "a logging level"),
        ("url_prefix", "errtrack", "a path below the root"),
        ("url_prefix", "/", "a path below the root"),
        ("max_events_per_issue", 1, "a whole number of 2 or more"),
    ],
)
def test_a_wrong_value_is_refused_with_what_came_and_was_expected(
    name: str, value: Any, expected: str
) -> None:
    problem = problem_of(**{name: value})
    assert problem.startswith(f"option {name} is ")
    assert expected in problem.partition("; expected ")[2]
    assert f"({type(value).__name__})" in problem


def test_a_long_wrong_value_is_shown_in_part() -> None:
    assert len(problem_of(sample_rate="x" * 10_000)) < 300


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("event_level", "warning", logging.WARNING),
        ("event_level", None, None),
        ("url_prefix", "/a/b/", "/a/b"),
        ("tags", {"build": 7}, {"build": "7"}),
        ("ignore_exceptions", ["KeyError", OSError], ("KeyError", OSError)),
        ("max_request_body_size", 5, 5),
        ("outbox", "/var/spool/x", "/var/spool/x"),
        ("sample_rate", 0, 0),
        ("database_url", "postgresql://u:p@h/d", "postgresql://u:p@h/d"),
    ],
)
def test_a_good_value_is_kept_in_one_form(name: str, value: Any, kept: Any) -> None:
    assert getattr(load(**{name: value}), name) == kept


def test_patterns_are_compiled() -> None:
    (pattern,) = load(scrub_patterns=[r"K-\d+"]).scrub_patterns
    assert pattern.search("K-12")


@pytest.mark.parametrize(
    "dsn",
    [
        "public:verysecret@errors.example.com/1",
        "https://public:verysecret@/1",
        "https://public:verysecret@errors.example.com/",
        "https://public:verysecret@[errors.example.com/1",
        "https://public:verysecret@errors.example.com:port/1",
        "https://public:verysecret@errors℀.example.com/1",
        "ftp://public:verysecret@errors.example.com/1",
        "https://public:verysecret@errors.example.com/1?x",
    ],
)
def test_a_malformed_dsn_is_refused_without_its_keys(dsn: str) -> None:
    with pytest.raises(BadDsn) as caught:
        load({"ERRTRACK_DSN": dsn})
    assert "app.config['ERRTRACK_DSN']: the DSN " in str(caught.value)
    assert "expected https://public_key@errors.example.com/1" in str(caught.value)
    error: BaseException | None = caught.value
    while error is not None:
        assert "verysecret" not in str(error) and "public:" not in str(error)
        error = error.__cause__


@pytest.mark.parametrize(
    "wrong",
    [
        {"database_url": "mysql://u:verysecret@h/d"},
        {"dsn": b"https://public:verysecret@h/1"},
        {"proxies": [("https", "http://u:verysecret@h")]},
    ],
)
def test_a_message_never_repeats_a_confidential_value(wrong: dict[str, Any]) -> None:
    problem = problem_of(**wrong)
    assert "***" in problem and "verysecret" not in problem


def test_repr_shows_what_differs_and_hides_what_is_confidential() -> None:
    config = load(
        dsn=DSN,
        database_url="postgresql://u:verysecret@h/d",
        proxies={"https": "http://u:verysecret@h"},
        release="7",
    )
    assert repr(config) == (
        "Config(dsn='***', database_url='***', proxies='***', release='7')"
    )


def test_a_transport_is_a_keyword_argument_with_a_method_send() -> None:
    class Sender:
        def send(self, envelope: Any) -> None: ...

    sender = Sender()
    assert load(transport=sender).transport is sender
    assert "send(envelope)" in problem_of(transport=print)
    for app_config in (
        {"ERRTRACK_TRANSPORT": sender},
        {"ERRTRACK_CONFIG": {"transport": sender}},
    ):
        assert "ErrTrack(app, transport=…)" in problem_of(app_config)


def test_what_waits_for_one_place_never_goes_to_another() -> None:
    urls = ("sqlite:////srv/a.db", "sqlite:////srv/b.db")
    dsns = (DSN, DSN.replace("/1", "/2"), DSN.replace("example", "example2"))
    folder = Path("/srv")
    trackers = {outbox_folder(load(), folder, url) for url in urls}
    servers = {outbox_folder(load(dsn=dsn), folder, urls[0]) for dsn in dsns}
    assert len(trackers | servers) == 5
    assert servers == {outbox_folder(load(dsn=dsn), folder, urls[1]) for dsn in dsns}
    assert not any("verysecret" in str(folder) for folder in servers)


def test_what_waits_goes_on_with_a_new_key_and_with_https() -> None:
    folder = Path("/srv")
    found = {
        outbox_folder(load(dsn=f"{scheme}://{key}@errors.example.com/1"), folder)
        for scheme in ("http", "https")
        for key in ("old", "new", "new:secret")
    }
    assert len(found) == 1


def test_the_outbox_is_in_the_instance_folder_or_where_an_option_says() -> None:
    instance = Path("/srv/app")
    for outbox, expected in (
        (True, "/srv/app/errtrack-outbox"),
        ("waiting", "/srv/app/waiting"),
        ("/var/spool/shop", "/var/spool/shop"),
    ):
        found = outbox_folder(load(dsn=DSN, outbox=outbox), instance)
        assert found is not None and found.parent == Path(expected)
    assert outbox_folder(load(dsn=DSN, outbox=False), instance) is None


def test_without_an_app_only_an_outbox_with_a_name_is_on_disk() -> None:
    assert outbox_folder(load(dsn=DSN)) is None
    found = outbox_folder(load(dsn=DSN, outbox="/var/spool/job"))
    assert found is not None and found.parent == Path("/var/spool/job")


def test_certificates_that_cannot_be_read_stop_the_set_up(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("no certificate")
    for wrong in (str(tmp_path / "missing.pem"), str(tmp_path / "none.pem"), 7, ""):
        assert "certificates in PEM format" in problem_of(ca_certs=wrong)
    assert load(ca_certs=DEFAULT_CA_BUNDLE_PATH).ca_certs == DEFAULT_CA_BUNDLE_PATH


def test_the_scheme_that_many_hosts_hand_out_is_postgresql() -> None:
    url = "postgres://user:password@host/database"
    assert load(database_url=url).database_url == url.replace(
        "postgres:", "postgresql:"
    )


def test_the_option_tables_have_a_row_an_option() -> None:
    tables = options_as_rst(Config)
    for name in vars(load()):
        assert tables.count(f"    * - ``{name}``\n") == 1
    assert ".. list-table:: Privacy\n" in tables
    assert "``sqlite:///<instance>/errtrack.db``" in tables


def test_a_default_dict_is_not_shared() -> None:
    declared = option("G", {}, lambda value: value, "help")
    assert declared.default_factory() is not declared.default_factory()
