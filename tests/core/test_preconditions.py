"""Conditional requests in the order of RFC 9110 13.2.2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.http_dates import format_date
from portico.core.preconditions import Validators, allows_ranges, evaluate

WALL = 1_800_000_000.0
MODIFIED = 1_700_000_000
STRONG = Validators(b'"a"', MODIFIED, strong=True)
WEAK = Validators(b'"a"', MODIFIED, strong=False)
SAME, BEFORE, AFTER = (format_date(MODIFIED + change) for change in (0, -1, 1))

HELD, OTHER = b'"a"', b'"b"'


@pytest.mark.parametrize(
    ("fields", "strong", "weak"),
    [
        ({}, 200, 200),
        ({"if-match": HELD}, 200, 412),
        ({"if-match": b"*"}, 200, 200),
        ({"if-match": b'"b", "a"'}, 200, 412),
        ({"if-match": OTHER}, 412, 412),
        ({"if-match": b'W/"a"'}, 412, 412),
        ({"if-match": b""}, 412, 412),
        ({"if-match": b"a"}, 412, 412),
        ({"if-match": HELD, "if-unmodified-since": BEFORE}, 200, 412),
        ({"if-unmodified-since": BEFORE}, 412, 412),
        ({"if-unmodified-since": SAME}, 200, 200),
        ({"if-unmodified-since": AFTER}, 200, 200),
        ({"if-unmodified-since": b"yesterday"}, 200, 200),
        ({"if-unmodified-since": b"%b, %b" % (BEFORE, BEFORE)}, 200, 200),
        ({"if-none-match": HELD}, 304, 304),
        ({"if-none-match": b"*"}, 304, 304),
        ({"if-none-match": b'W/"a"'}, 304, 304),
        ({"if-none-match": b'"b", W/"a"'}, 304, 304),
        ({"if-none-match": b'"b,\\", "a"'}, 304, 304),
        ({"if-none-match": OTHER}, 200, 200),
        ({"if-none-match": OTHER, "if-modified-since": SAME}, 200, 200),
        ({"if-modified-since": BEFORE}, 200, 200),
        ({"if-modified-since": SAME}, 304, 304),
        ({"if-modified-since": AFTER}, 304, 304),
        ({"if-modified-since": b"yesterday"}, 200, 200),
        ({"if-match": HELD, "if-none-match": HELD}, 304, 412),
        ({"if-match": OTHER, "if-none-match": HELD}, 412, 412),
        ({"if-unmodified-since": BEFORE, "if-none-match": HELD}, 412, 412),
        ({"if-unmodified-since": SAME, "if-modified-since": SAME}, 304, 304),
    ],
)
def test_the_order(fields, strong, weak):
    given_fields = {name.encode(): value for name, value in fields.items()}
    assert evaluate(given_fields, STRONG, wall=WALL) == strong
    assert evaluate(given_fields, WEAK, wall=WALL) == weak


@pytest.mark.parametrize(
    ("value", "strong"),
    [
        (None, True),
        (b'"a"', True),
        (b' "a" ', True),
        (b'W/"a"', False),
        (b'"b"', False),
        (b"*", False),
        (SAME, True),
        (BEFORE, False),
        (AFTER, False),
        (b"", False),
    ],
)
def test_if_range_lets_ranges_count_by_a_strong_match_only(value, strong):
    fields = {} if value is None else {b"if-range": value}
    assert allows_ranges(fields, STRONG, wall=WALL) is strong
    assert allows_ranges(fields, WEAK, wall=WALL) is (value is None)


def test_the_tag_that_is_sent():
    assert (STRONG.etag, WEAK.etag) == (b'"a"', b'W/"a"')


NAMES = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range")


@given(st.dictionaries(st.sampled_from([name.encode() for name in NAMES]), st.binary()))
def test_any_bytes_are_read(fields):
    assert evaluate(fields, STRONG, wall=WALL) in (200, 304, 412)
    allows_ranges(fields, STRONG, wall=WALL)
