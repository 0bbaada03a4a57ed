"""Preconditions: whether the client has what it asks for, in the order that HTTP fixes.

Source: RFC 9110 8.8 (validators), 13.1 (fields), 13.2.2 (order).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from portico.core.conditional import is_matching
from portico.core.http_dates import parse_date

__all__ = ["Validators", "allows_ranges", "evaluate"]

_ENTITY_TAG: Final = re.compile(rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells one state of a representation from another.

    Attributes:
        opaque: Entity tag with its quotes and without ``W/``.
        modified: Unix seconds.
        strong: Whether equal validators mean equal bytes: a second after a change (8.8.2.2).
    """

    opaque: bytes
    modified: int
    strong: bool

    @property
    def etag(self) -> bytes:
        """The entity tag as it is sent."""
        return self.opaque if self.strong else b"W/" + self.opaque


def evaluate(
    fields: Mapping[bytes, bytes], validators: Validators, *, wall: float
) -> Literal[200, 304, 412]:
    """Evaluate the conditions of GET or HEAD on a representation that is there.

    Args:
        fields: By name in lower case, lines of one name joined.
        validators: The representation's.
        wall: Unix seconds.

    Returns:
        200 to go on, 304 where the client has it, 412 where it wants another one.
    """
    modified = validators.modified
    tags = fields.get(b"if-match")
    if tags is not None:
        if not _is_held(tags, validators):
            return 412
    elif _date(fields, b"if-unmodified-since", wall, otherwise=modified) < modified:
        return 412
    tags = fields.get(b"if-none-match")
    if tags is not None:
        return 304 if is_matching(tags, validators.opaque) else 200
    since = _date(fields, b"if-modified-since", wall, otherwise=modified - 1)
    return 304 if modified <= since else 200


def _date(fields: Mapping[bytes, bytes], name: bytes, wall: float, *, otherwise: int) -> int:
    """Read a date; a field that is not there or holds no date is ignored (13.1.3, 13.1.4)."""
    date = parse_date(fields.get(name, b""), wall=wall)
    return otherwise if date is None else date


def _is_held(tags: bytes, validators: Validators) -> bool:
    """Say whether If-Match names this representation, by strong comparison (13.1.1)."""
    if tags.strip(b" \t") == b"*":
        return True
    return validators.strong and validators.opaque in _ENTITY_TAG.findall(tags)


def allows_ranges(fields: Mapping[bytes, bytes], validators: Validators, *, wall: float) -> bool:
    """Say whether If-Range, where there is one, lets Range count: by a strong match only (13.1.5).

    Args:
        fields: By name in lower case, lines of one name joined.
        validators: The representation's.
        wall: Unix seconds.
    """
    value = fields.get(b"if-range")
    if value is None:
        return True
    if not validators.strong:
        return False
    value = value.strip(b" \t")
    return value == validators.opaque or parse_date(value, wall=wall) == validators.modified
