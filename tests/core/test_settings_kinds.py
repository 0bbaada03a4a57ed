"""Kinds: what each reads, refuses, notes and writes again."""

import pytest

from portico.core.settings import TABLE, Secret, Service
from portico.core.settings.kinds import (
    BOOLEAN,
    OK_STATUS,
    PATH,
    PORT,
    RATE,
    ROOT_PATH,
    SECRET,
    TEXT,
    WORKERS,
    Note,
    RefusalError,
    choice,
    count,
    format_boolean,
)
from portico.core.settings.lists import WORDS, format_list, split_list, unquote
from portico.core.settings.quantities import (
    DURATION,
    TIMEOUT,
    duration,
    format_duration,
    format_size,
    size,
)
from portico.core.settings.services import SERVICES, parse_services


def refusal(kind, text):
    with pytest.raises(RefusalError) as caught:
        kind.parse(text, [])
    return caught.value


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (TEXT, "as it is", "as it is"),
        (PATH, "/x", "/x"),
        (SECRET, " s ", Secret(" s ")),
        (BOOLEAN, "TRUE", True),
        (BOOLEAN, "yes", True),
        (BOOLEAN, "On", True),
        (BOOLEAN, "1", True),
        (BOOLEAN, "false", False),
        (BOOLEAN, "NO", False),
        (BOOLEAN, "off", False),
        (BOOLEAN, "0", False),
        (PORT, "0", 0),
        (PORT, "+65535", 65535),
        (PORT, "00080", 80),
        (PORT, "-0", 0),
        (count(1), "1", 1),
        (OK_STATUS, "204", 204),
        (WORKERS, "AUTO", "auto"),
        (WORKERS, "3", 3),
        (choice("DENY", "SAMEORIGIN"), "deny", "DENY"),
        (RATE, "10/MIN", "10/min"),
        (RATE, "100/second  burst 200", "100/s burst 200"),
        (ROOT_PATH, "/api/", "/api"),
        (ROOT_PATH, "", ""),
        (DURATION, "5s", 5.0),
        (DURATION, "1m30s", 90.0),
        (DURATION, "1.5", 1.5),
        (DURATION, "1d2h3m4s5ms", 93784.005),
        (DURATION, "0", 0.0),
        (size(), "10", 10),
        (size(), "10B", 10),
        (size(), "10kB", 10_000),
        (size(), "1GiB", 1024**3),
        (size(), "1.5KiB", 1536),
    ],
)
def test_reads(kind, text, value):
    parsed = kind.parse(text, [])
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "part"),
    [
        (PATH, "", "path"),
        (SECRET, "  ", "blank"),
        (BOOLEAN, "enabled", "true or false"),
        (PORT, "65536", "from 0 to 65535"),
        (PORT, "", "port"),
        (PORT, "-", "port"),
        (PORT, "1" * 10_000, "port"),
        (PORT, "²", "port"),
        (count(1), "0", "1 or more"),
        (count(0), "1.0", "whole number"),
        (WORKERS, "0", "auto"),
        (WORKERS, "two", "auto"),
        (choice("a", "b"), "c", "one of a, b"),
        (RATE, "0/s", "rate"),
        (RATE, "1/s burst", "rate"),
        (ROOT_PATH, "api", "/"),
        (DURATION, "", "duration"),
        (DURATION, "5 parsecs", "duration"),
        (DURATION, "9999d", "duration"),
        (DURATION, "1" * 400, "duration"),
        (TIMEOUT, "0s", "from 1ms"),
        (duration(0, 60), "2m", "to 1m"),
        (size(), "10M", "MiB"),
        (size(), "x", "size"),
        (size(), "0.3B", "size"),
        (size(1), "0", "1B or more"),
        (size(), "99999999999TiB", "size"),
        (WORDS, "a b", "spaces"),
        (SERVICES, "anything", "list of services"),
    ],
)
def test_refuses(kind, text, part):
    assert part in refusal(kind, text).message


def test_a_refusal_may_suggest():
    assert refusal(ROOT_PATH, "api").suggestion == "/api"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0s"),
        (0.02, "20ms"),
        (1.5, "1.5s"),
        (90.0, "1m30s"),
        (3600.0, "1h"),
        (31_536_000.0, "365d"),
        (None, ""),
    ],
)
def test_writes_durations(value, text):
    assert format_duration(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0B"), (1024, "1KiB"), (16 * 1024**2, "16MiB"), (1000, "1000B"), (None, "")],
)
def test_writes_sizes(value, text):
    assert format_size(value) == text


def test_only_a_literal_secret_keeps_its_outer_space():
    assert SECRET.taken_whole
    assert not TEXT.taken_whole


def test_writes_text_as_it_is():
    assert [TEXT.format(value) for value in ("a", 1, None)] == ["a", "1", ""]


def test_writes_booleans():
    assert [format_boolean(value) for value in (True, False, None)] == ["true", "false", ""]


@pytest.mark.parametrize(
    "spec", [spec for spec in TABLE.values() if spec.default not in (None, ())]
)
def test_every_default_reads_as_it_is_written(spec):
    assert spec.kind.parse(spec.format(spec.default), []) == spec.default


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a", ["a"]),
        (" a , b ,", ["a", "b"]),
        ('["a", " b "]', ["a", " b "]),
        ("[]", []),
    ],
)
def test_splits_lists(text, items):
    assert split_list(text) == items


@pytest.mark.parametrize(
    "text", ["", ",", "a,,b", ",a", "['a']", "[", '["a"', "[1]", "[" * 100_000]
)
def test_refuses_broken_lists(text):
    with pytest.raises(RefusalError):
        split_list(text)


def test_lists_fold_duplicates_in_order_and_unquote_items():
    notes: list[Note] = []
    assert WORDS.parse("b, 'a', b", notes) == ("b", "a")
    assert [code for code, _ in notes] == ["quoted-value"]


def test_list_items_are_not_empty():
    parse_items = WORDS.parse_items
    assert parse_items is not None
    with pytest.raises(RefusalError, match="empty item"):
        parse_items(["a", " "], [])


def test_writes_lists():
    assert WORDS.format(("a", "b")) == "a, b"
    assert WORDS.format(()) == "[]"
    assert format_list(None, TEXT) == "[]"


@pytest.mark.parametrize(
    ("text", "inner"),
    [("'a'", "a"), ('"a"', "a"), ("''", ""), ("'", None), ("'a", None), ("a", None), ("", None),
     ("'a','b'", None)],
)  # fmt: skip
def test_unquotes_only_matching_outer_quotes(text, inner):
    assert unquote(text) == inner


def test_services():
    keys = {"name": " a ", "base_url": "https://a.example", "api_key_file": "/k"}
    bare = {"name": "b", "base_url": "http://localhost:1"}
    services = parse_services([keys, bare], [])
    assert services == (
        Service("a", "https://a.example", "/k"),
        Service("b", "http://localhost:1", None),
    )
    assert SERVICES.format(services) == "a, b"
    assert SERVICES.format(()) == "[]"


@pytest.mark.parametrize(
    ("services", "part"),
    [
        ([{"name": "a"}], "base_url"),
        ([{"base_url": "https://a"}], "name"),
        ([{"name": "a", "base_url": "ftp://a"}], "base_url must be a URL"),
        ([{"name": "a", "base_url": "https://a"}] * 2, "different names"),
    ],
)
def test_refuses_services(services, part):
    with pytest.raises(RefusalError, match=part):
        parse_services(services, [])
