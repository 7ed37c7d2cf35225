"""The rules of alerts, and the options for them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from flask_errtrack.errors import ConfigError
from flask_errtrack.settings.alert_rules import Rule, rules_of
from flask_errtrack.settings.config import Config


def load(**options: Any) -> Config:
    return Config.load(options, {}, {})


def test_new_issues_and_those_that_come_back_are_told_unless_said_otherwise() -> None:
    assert load().alert_rules == (Rule("new"), Rule("regressed"))


def test_rules_are_read_once_each_and_have_words() -> None:
    given = ["new", {"users": 10, "minutes": 60}, {"spike": 2.5}, "new"]
    given += ["regressed", {"minutes": 5, "events": 100}]
    assert [rule.words for rule in rules_of(given)] == [
        "new issue",
        "10 users in 60 min",
        "2.5 times the usual",
        "came back",
        "100 events in 5 min",
    ]


@pytest.mark.parametrize(
    "rule",
    [
        "old",
        7,
        None,
        {},
        {"users": 10},
        {"users": 0, "minutes": 5},
        {"users": True, "minutes": 5},
        {"users": 10, "minutes": 0},
        {"users": 10, "minutes": 100_000},
        {"users": 1.5, "minutes": 5},
        {"cats": 10, "minutes": 5},
        {"users": 10, "events": 3, "minutes": 5},
        {"spike": 1},
        {"spike": "5"},
        {"spike": True},
        {"spike": float("nan")},
        {"spike": 5, "minutes": 5},
    ],
)
def test_a_wrong_rule_stops_the_set_up(rule: Any) -> None:
    with pytest.raises(ConfigError, match="alert_rules is .*expected a list of"):
        load(alert_rules=[rule])


@pytest.mark.parametrize("rules", ["new", {"users": 3, "minutes": 5}, 7, None])
def test_rules_are_a_list(rules: Any) -> None:
    with pytest.raises(ConfigError, match="expected a list of"):
        load(alert_rules=rules)


@pytest.mark.parametrize("target", ["", "team@example.org", "mailto:", 7, None])
def test_a_wrong_target_stops_the_set_up_and_is_not_repeated(target: Any) -> None:
    with pytest.raises(ConfigError, match="a list of apprise URLs and callables") as it:
        load(alerts=[target])
    assert "team" not in str(it.value)


@pytest.mark.parametrize(
    "url",
    ["slack://s3cr3t/xx", "mailto://s3cr3t@", "pigeon://s3cr3t", "tgram://s3cr3t"],
)
def test_a_url_that_apprise_cannot_read_stops_the_set_up_without_its_secret(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    kind = url.partition(":")[0]
    with pytest.raises(ConfigError, match=f"begins with .{kind}://") as found:
        load(alerts=[print, url])
    assert "s3cr3t" not in str(found.value) + caplog.text
    assert found.value.__suppress_context__


def test_targets_are_urls_and_callables_and_no_repr_has_them() -> None:
    config = load(alerts=["json://hooks.example/t0ken", print])
    assert config.alerts == ("json://hooks.example/t0ken", print)
    assert "t0ken" not in repr(config)


@pytest.mark.parametrize(
    "url", ["", "shop.example", "javascript:alert(1)", "https:///"]
)
def test_a_wrong_dashboard_url_stops_the_set_up(url: str) -> None:
    with pytest.raises(ConfigError, match=re.escape("https://shop.example/errtrack")):
        load(dashboard_url=url)


@pytest.mark.parametrize(
    ("in_hour", "before", "hours_before", "is_spike"),
    [
        (9, 0, 24, False),
        (10, 0, 24, True),
        (49, 240, 24, False),
        (50, 240, 24, True),
        (50, 240, 100, True),
        (50, 10, 1.0, True),
        (49, 10, 1.0, False),
        (5000, 0, 0.5, False),
    ],
)
def test_a_spike_is_so_many_times_the_usual_hour(
    in_hour: int, before: int, hours_before: float, is_spike: bool
) -> None:
    assert Rule("spike", 5).is_spike(in_hour, before, hours_before) is is_spike
