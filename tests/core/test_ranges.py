"""Ranges: which are read, which ignored, and that no list costs more than the whole."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.ranges import MOST_RANGES, OVERHEAD_BYTES, Span, parse_ranges

SIZE = 10_000
HUGE = b"9" * 5000


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"bytes=0-499", [(0, 500)]),
        (b"bytes=9500-", [(9500, SIZE)]),
        (b"bytes=-500", [(9500, SIZE)]),
        (b"bytes=0-0", [(0, 1)]),
        (b"bytes=-1", [(9999, SIZE)]),
        (b"BYTES = 0-9", [(0, 10)]),
        (b"bytes=0-99999", [(0, SIZE)]),
        (b"bytes=-99999", [(0, SIZE)]),
        (b"bytes=0-" + HUGE, [(0, SIZE)]),
        (b"bytes=-" + HUGE, [(0, SIZE)]),
        (b"bytes=000000000000000000000-1", [(0, 2)]),
        (b"bytes=0-0,-1", [(0, 1), (9999, SIZE)]),
        (b"bytes= ,0-9 , ,\t500-509,", [(0, 10), (500, 510)]),
        (b"bytes=500-509,0-9", [(0, 10), (500, 510)]),
        (b"bytes=0-99,50-149", [(0, 150)]),
        (b"bytes=0-999,10-20", [(0, 1000)]),
        (b"bytes=0-9,20-29", [(0, 30)]),
        (b"bytes=0-9,20000-", [(0, 10)]),
        (b"bytes=10000-", []),
        (b"bytes=" + HUGE + b"-", []),
        (b"bytes=-0", []),
        (b"bytes=-0,20000-20001", []),
        (b"bytes=5-4", None),
        (b"bytes=0-1,5-4", None),
        (b"bytes=-", None),
        (b"bytes=", None),
        (b"bytes=,", None),
        (b"bytes=a-b", None),
        (b"bytes=0-1;2-3", None),
        (b"bytes=+1-2", None),
        (b"bytes=0x1-2", None),
        (b"bytes 0-1", None),
        (b"items=0-1", None),
        (b"", None),
    ],
)
def test_reading(value, expected):
    spans = parse_ranges(value, SIZE)
    assert (spans and [(span.start, span.stop) for span in spans]) == (expected or spans)
    assert (spans is None) == (expected is None)


def test_a_gap_that_costs_more_than_a_part_is_kept():
    apart = parse_ranges(b"bytes=0-9,%d-999" % (10 + OVERHEAD_BYTES), SIZE)
    near = parse_ranges(b"bytes=0-9,%d-999" % (9 + OVERHEAD_BYTES), SIZE)
    assert (apart, near) == ((Span(0, 10), Span(138, 1000)), (Span(0, 1000),))


def test_an_empty_representation_has_no_ranges():
    assert parse_ranges(b"bytes=0-", 0) is None


def test_too_many_are_ignored():
    listed = [b"%d-%d" % (at * 200, at * 200) for at in range(MOST_RANGES + 1)]
    assert parse_ranges(b"bytes=" + b",".join(listed), SIZE) is None
    assert len(parse_ranges(b"bytes=" + b",".join(listed[:-1]), SIZE)) == MOST_RANGES


@pytest.mark.parametrize("bomb", [b"0-,", b"-1,", b",", b"0-0" + b"9" * 100 + b",", b" "])
def test_a_bomb_costs_no_more_than_its_length(bomb):
    before = time.perf_counter()
    assert parse_ranges(b"bytes=" + bomb * (1_000_000 // len(bomb)), SIZE) is None
    assert time.perf_counter() - before < 1


numbers = st.one_of(st.just(""), st.integers(0, 2 * SIZE).map(str))
lists = st.lists(st.tuples(numbers, numbers).map("-".join), max_size=MOST_RANGES).map(
    lambda items: f"bytes={','.join(items)}".encode()
)


@given(st.one_of(st.binary(), lists), st.integers(0, SIZE))
def test_spans_are_inside_ascending_and_apart(value, size):
    spans = parse_ranges(value, size) or ()
    edges = [edge for span in spans for edge in (span.start, span.stop)]
    assert edges == sorted(set(edges))
    assert all(0 <= edge <= size for edge in edges)
    assert sum(map(len, spans)) <= size
