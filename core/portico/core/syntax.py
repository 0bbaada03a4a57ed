"""What HTTP's grammar allows in a head: checks on the way in and on the way out.

Engines check less than they should, and each something else.

Source: RFC 9110 5.1, 5.5, 5.6.2, 9.1, 15; RFC 9112 2.3, 3.2, 6; RFC 3986 2.
"""

import re
from typing import Final, TypeAlias

from portico.core.events import Headers, RequestHead, ResponseHead

__all__ = [
    "NO_COLUMNS",
    "Columns",
    "are_fields_sound",
    "find_fault",
    "has_control",
    "has_host",
    "is_field_value",
    "is_method",
    "is_version",
    "split",
]

_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# No control character but HTAB, and no white space outside.
_FIELD_VALUE: Final = re.compile(
    rb"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?"
)
_CONTROL: Final = re.compile(rb"[\x00-\x20\x7f]")
_FIELD_CONTROLS: Final = bytes({*range(0x20), 0x7F} - {0x09})
_VERSIONS: Final = frozenset({"1.1", "1.0", "1", "2", "3"})  # Granian writes 1 for 1.0


def is_method(method: str) -> bool:
    """Say whether *method* is a token (9.1)."""
    return method in _METHODS or _TOKEN.fullmatch(method) is not None


def has_control(path: bytes) -> bool:
    """Say whether a raw path holds a control byte or space, which only escapes may stand for."""
    return _CONTROL.search(path) is not None


def is_version(http_version: str) -> bool:
    """Say whether *http_version* is one that is spoken here (RFC 9112 2.3)."""
    return http_version in _VERSIONS


Columns: TypeAlias = tuple[tuple[bytes, ...], bytes]
"""A head's field lines for checks that look at all of them: their names, their values joined."""

NO_COLUMNS: Final[Columns] = ((), b"")


def split(headers: Headers) -> Columns:
    """Split field lines into columns, which costs less than to look at each line again."""
    if not headers:
        return NO_COLUMNS
    names, values = zip(*headers, strict=True)
    return names, b"".join(values)


def are_fields_sound(fields: Columns) -> bool:
    """Say whether a request's fields can be read in one way only.

    No value holds a control character (RFC 9110 5.5), there is no second Host (RFC 9112 3.2), and
    one field frames the body: anything else smuggles requests past a proxy (RFC 9112 6.1, 6.3).
    """
    names, text = fields
    if len(text.translate(None, _FIELD_CONTROLS)) != len(text) or names.count(b"host") > 1:
        return False
    framings = names.count(b"transfer-encoding")
    return not framings or framings + names.count(b"content-length") == 1


def has_host(head: RequestHead, fields: Columns) -> bool:
    """Say whether a request names a host, as HTTP/1.1 demands (RFC 9112 3.2).

    An http URI has no empty host (RFC 9110 4.2.1), and Granian shows a missing Host as empty.
    """
    names, _ = fields
    return b"host" in names and head.headers[names.index(b"host")][1] != b""


def is_field_value(text: str) -> bool:
    """Say whether *text* can stand in a header as it is: printable ASCII on one line."""
    return text.isascii() and _FIELD_VALUE.fullmatch(text.encode()) is not None


def find_fault(head: ResponseHead) -> str | None:
    """Say what keeps an answer's head from being sent; engines crash on it, or pass it on.

    Returns:
        What is wrong, without any header's value; None where nothing is.
    """
    if not 100 <= head.status <= 599:  # 15
        return f"its status {head.status} is outside 100 to 599"
    for name, value in head.headers:
        if not _FIELD_NAME.fullmatch(name):
            return f"its header name {name!r} is not a token"
        if not _FIELD_VALUE.fullmatch(value):
            return f"its header {name!r} holds a control character, or white space at an end"
    return None
