"""Parts of a representation that a client asks for, bounded whatever it asks for.

Source: RFC 9110 14.1, 14.2, 15.3.7, 17.15.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["MOST_RANGES", "Span", "parse_ranges"]

MOST_RANGES: Final = 32
"""A field that names more is ignored: the whole is sent, and that once (17.15)."""

OVERHEAD_BYTES: Final = 128
"""About what one part more costs in a multipart answer: a smaller gap is sent with its sides."""

_UNIT: Final = re.compile(rb"[ \t]*bytes[ \t]*=", re.IGNORECASE)  # 14.1: units have no case
_ITEM: Final = re.compile(rb"(?P<first>[0-9]*)-(?P<last>[0-9]*)")
_MOST_DIGITS: Final = 18
_BEYOND: Final = 10**_MOST_DIGITS


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Bytes from *start* on and before *stop*."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def parse_ranges(value: bytes, size: int) -> tuple[Span, ...] | None:
    """Read a Range field for a representation of *size* bytes.

    Returns:
        What to send, ascending and apart, of at most *size* bytes together; empty where nothing of
        it is there (416); None where the field is to be ignored: another unit, no ranges at all,
        too many of them, or an empty representation, no part of which could be named.
    """
    unit = _UNIT.match(value)
    if unit is None or size == 0:
        return None
    items = [item.strip(b" \t") for item in value[unit.end() :].split(b",", 2 * MOST_RANGES)]
    items = [item for item in items if item]  # 5.6.1.2: a recipient ignores empty elements
    found = [_ITEM.fullmatch(item) for item in items]
    if not 0 < len(found) <= MOST_RANGES:
        return None
    pairs = [_pair(item["first"], item["last"]) for item in found if item is not None]
    if len(pairs) < len(found) or not all(map(_is_valid, pairs)):
        return None
    return tuple(_coalesce(sorted(filter(None, (_place(pair, size) for pair in pairs)))))


_Pair = tuple[int | None, int | None]


def _pair(first: bytes, last: bytes) -> _Pair:
    return _number(first), _number(last)


def _number(digits: bytes) -> int | None:
    """Make a number; of many digits it is one beyond every size."""
    significant = digits.lstrip(b"0")
    if len(significant) > _MOST_DIGITS:
        return _BEYOND
    return int(digits[-_MOST_DIGITS:]) if digits else None


def _is_valid(pair: _Pair) -> bool:
    first, last = pair
    return last is not None if first is None else last is None or first <= last


def _place(pair: _Pair, size: int) -> Span | None:
    """Place a valid range in *size* bytes; None where nothing of it is there."""
    first, last = pair
    if first is None:
        span = Span(max(0, size - (last or 0)), size)
    else:
        span = Span(first, size if last is None else min(last + 1, size))
    return span if span.start < span.stop else None


def _coalesce(spans: Iterable[Span]) -> Iterator[Span]:
    """Join spans that overlap, or whose gap costs less than a part of its own (15.3.7.2)."""
    current: Span | None = None
    for span in spans:
        if current is not None and span.start - current.stop < OVERHEAD_BYTES:
            current = Span(current.start, max(current.stop, span.stop))
            continue
        if current is not None:
            yield current
        current = span
    if current is not None:
        yield current
