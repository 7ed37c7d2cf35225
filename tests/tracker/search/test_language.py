"""The language of searches: what a text means, and what it answers to nonsense."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_errtrack.errors import SearchError
from flask_errtrack.tracker.search.language import (
    MAX_LENGTH,
    MAX_TERMS,
    parse,
    tag_key,
)
from flask_errtrack.tracker.search.terms import (
    BegunIn,
    HasLevel,
    HasTag,
    Is,
    Meaning,
    Pattern,
    Query,
    Seen,
    Tag,
    User,
    Words,
    term_text,
)


def tag(key: str, *parts: str) -> Tag:
    return Tag(key, Pattern(parts))


def words(*parts: str) -> Words:
    return Words(Pattern(("", *parts, "")))


@pytest.mark.parametrize(
    ("text", "meanings"),
    [
        ("", []),
        ("  \t ", []),
        ("is:unresolved", [Is("unresolved")]),
        ("is:Muted is:ignored is:archived", [Is("muted")] * 3),
        ("level:error level:WARN", [HasLevel("error"), HasLevel("warning")]),
        ("cron-job:clear_todos", [tag("cron-job", "clear_todos")]),
        ("release:shop@2.4.1+b7", [tag("release", "shop@2.4.1+b7")]),
        ('release:"1.0 final"', [tag("release", "1.0 final")]),
        ("url:http://a/b?c=d:e", [tag("url", "http://a/b?c=d:e")]),
        ("release:2.*", [tag("release", "2.", "")]),
        ("browser:*fox", [tag("browser", "", "fox")]),
        ("browser:*fo*x*", [tag("browser", "", "fo", "x", "")]),
        ('browser:"fox*"', [tag("browser", "fox*")]),
        ('path:"C:\\temp"', [tag("path", "C:\\temp")]),
        ('said:"say \\"hi\\""', [tag("said", 'say "hi"')]),
        ('"odd key":x', [tag("odd key", "x")]),
        ("tags[level]:high", [tag("level", "high")]),
        ("has:customer has:tags[user]", [HasTag("customer"), HasTag("user")]),
        ("user:ada@example.org", [User(None, Pattern(("ada@example.org",)))]),
        ("user.id:17", [User("user_id", Pattern(("17",)))]),
        ("user.email:*@a.org", [User("email", Pattern(("", "@a.org")))]),
        ("user.username:ada user.ip:::1", [
            User("username", Pattern(("ada",))),
            User("ip_address", Pattern(("::1",))),
        ]),
        ("last:24h first:30m age:-2d lastSeen:1w", [
            Seen("last", 86400),
            Seen("first", 1800),
            Seen("first", 2 * 86400),
            Seen("last", 7 * 86400),
        ]),
        ("firstRelease:2.4", [BegunIn(Pattern(("2.4",)))]),
        ('Price "No Rates" *chf*', [
            words("price"),
            words("no rates"),
            words("", "chf", ""),
        ]),
        ("Pri*ce", [words("pri", "ce")]),
        ('"pri*ce"', [words("pri*ce")]),
        ("KeyError: 'CHF'", [words("keyerror:"), words("'chf'")]),
        ("https://shop.example/pay", [words("https://shop.example/pay")]),
        ('"OR" or message:rates', [words("or"), words("or"), words("rates")]),
        ("a\0b", [words("a"), words("b")]),
    ],
)  # fmt: skip
def test_a_text_means(text: str, meanings: list[Meaning]) -> None:
    assert [term.meaning for term in parse(text).terms] == meanings
    assert not any(term.is_negated for term in parse(text).terms)


@pytest.mark.parametrize("text", ["is:muted", "a:b", 'a:"b c"', "word", '"two words"'])
def test_an_exclamation_mark_negates_any_term(text: str) -> None:
    (plain,), (negated,) = parse(text).terms, parse(f"!{text}").terms
    assert negated.is_negated and negated.meaning == plain.meaning


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (
            "is:open",
            "is:open is not known; known are is:unresolved, is:resolved, is:muted "
            "and is:regressed.",
        ),
        ("level:bad", "level:bad is not known; known are level:debug, "),
        ("is:", "Nothing stands after is: — write is:value."),
        ("user: ada", "Nothing stands after user:"),
        ('customer:""', "write customer:value, or !has:customer"),
        ("environment:[a, b]", "environment:[a, looks like a list"),
        ('say "hello', 'The quote that opens at "hello is never closed.'),
        ('a:"b', 'The quote that opens at "b is never closed.'),
        ("a ! b", "A ! stands alone"),
        ("!!is:muted", "A ! stands alone"),
        ("a OR b", "OR is not known: all terms of a search have to hold."),
        ("a AND b", 'write it in quotes: "AND".'),
        ("*", "There is nothing to look for in *"),
        ('""', 'There is nothing to look for in ""'),
        ("last:yesterday", "last:yesterday is no age; write last:24h"),
        ("firstSeen:+2d", "firstSeen:+2d is no age"),
        ("x" * (MAX_LENGTH + 1), "501 characters; at most 500 are read"),
        ("x " * (MAX_TERMS + 1), "21 terms; at most 20 are read"),
    ],
)
def test_what_cannot_be_meant_gets_a_sentence(text: str, answer: str) -> None:
    with pytest.raises(SearchError) as caught:
        parse(text)
    assert answer in str(caught.value)


@given(st.text(max_size=MAX_LENGTH + 20))
@example('!"')
@example(': "":"":')
@example("tags[]:x \ud800")
def test_any_text_has_a_meaning_or_an_answer(text: str) -> None:
    try:
        query = parse(text)
    except SearchError as error:
        assert str(error)
    else:
        again = parse(query.text)
        assert [t.meaning for t in again.terms] == [t.meaning for t in query.terms]
        query.text.encode()


WRITABLE = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    min_size=1,
    max_size=60,
)


@given(WRITABLE, WRITABLE)
@example("user", "*")
@example("tags[x]", "[a]")
@example("is", "//\\")
def test_a_link_asks_for_just_one_value_of_a_tag(key: str, value: str) -> None:
    (term,) = parse(term_text(tag_key(key), value)).terms
    assert term.meaning == Tag(key, Pattern((value,)))


def test_a_query_can_be_changed_in_place() -> None:
    query = parse('is:unresolved environment:a price !environment:b "no rates"')
    assert query.only_value("is") == "unresolved"
    assert query.only_value("environment") == "a"
    assert query.with_value("is", "muted") == (
        'is:muted environment:a price !environment:b "no rates"'
    )
    assert query.with_value("environment", "") == (
        'is:unresolved price !environment:b "no rates"'
    )
    assert query.with_value("release", "1 0").endswith(' "no rates" release:"1 0"')
    assert Query().with_value("release", "2") == "release:2"


@pytest.mark.parametrize("text", ["", "a:1 a:2", "!a:1", "a:1*", "has:a"])
def test_a_key_has_one_value_only_where_it_is_sure(text: str) -> None:
    assert parse(text).only_value("a") is None


@pytest.mark.parametrize(
    ("text", "found", "missed"),
    [
        ("2.4", ["2.4"], ["2.4.1", "x2.4", ""]),
        ("Fire*", ["firefox", "FIRE"], ["a fire"]),
        ("*fox", ["FireFOX"], ["foxes"]),
        ("*e f*", ["the end: FILE f"], ["ef"]),
        ("a*b*c", ["abc", "A-b-bc", "a\nbxc"], ["acb", "abcd", "xabc"]),
        ("aba*aba", ["abaaba", "aba aba"], ["aba", "ababa"]),
        ("**", ["", "a"], []),
    ],
)
def test_a_star_stands_for_anything(
    text: str, found: list[str], missed: list[str]
) -> None:
    pattern = Pattern.of(text)
    assert [text for text in found + missed if pattern.matches(text)] == found


def test_many_stars_take_no_time() -> None:
    assert not Pattern.of("*a" * 200 + "*b").matches("a" * 200)
