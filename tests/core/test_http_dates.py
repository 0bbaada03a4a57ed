"""HTTP dates: three formats are read, one is written, and nothing else is a date."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.http_dates import format_date, parse_date

WALL = 1_800_000_000.0  # January 2027
SAME = 784_111_777


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Sun, 06 Nov 1994 08:49:37 GMT", SAME),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", SAME),
        (b"Sun Nov  6 08:49:37 1994", SAME),
        (b"Thu, 01 Jan 1970 00:00:00 GMT", 0),
        (b"Wed, 31 Dec 1969 23:59:59 GMT", -1),
        (b"Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800),
        (b"Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
        (b"Thu, 29 Feb 1900 00:00:00 GMT", None),
        (b"Wed, 29 Feb 2023 00:00:00 GMT", None),
        (b"Sat, 31 Nov 1994 08:49:37 GMT", None),
        (b"Sat, 00 Nov 1994 08:49:37 GMT", None),
        (b"Sun, 06 Nov 1994 08:49:60 GMT", SAME + 23),
        (b"Sun, 06 Nov 1994 24:00:00 GMT", None),
        (b"Sun, 06 Nov 1994 08:49:37 UTC", None),
        (b"Sun, 6 Nov 1994 08:49:37 GMT", None),
        (b" Sun, 06 Nov 1994 08:49:37 GMT", None),
        (b"sun, 06 nov 1994 08:49:37 gmt", None),
        (b"784111777", None),
        (b"", None),
    ],
)
def test_reading(value, expected):
    assert parse_date(value, wall=WALL) == expected


@pytest.mark.parametrize(
    ("year", "expected"), [(b"26", 2026), (b"77", 2077), (b"78", 1978), (b"99", 1999)]
)
def test_a_year_of_two_digits_is_at_most_fifty_ahead(year, expected):
    date = parse_date(b"Monday, 01-Jun-%b 00:00:00 GMT" % year, wall=WALL)
    assert date == datetime(expected, 6, 1, tzinfo=UTC).timestamp()


@given(st.integers(0, 253_402_300_799))
def test_what_is_written_is_read_and_is_what_the_standard_library_writes(seconds):
    written = format_date(seconds)
    assert parse_date(written, wall=WALL) == seconds
    assert written.decode() == format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)


@given(st.binary(), st.floats(0, 1e11))
def test_any_bytes_are_read(value, wall):
    parse_date(value, wall=wall)
