"""The canonical request target: a path that every reader reads alike, or a refusal.

What a proxy, an engine and a framework might take for different paths passes no policy, so that
none of them can be served where another was judged.

Source: design page "Policy", Target; RFC 9112 3.2 (forms), RFC 3986 2.1 and 5.2.4, RFC 3629 3
(overlong UTF-8), CVE-2026-48710.
"""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import unquote_to_bytes

from portico.core.events import RequestHead
from portico.core.problem import Problem, Refusal

if TYPE_CHECKING:
    from portico.core.exchange import Exchange

__all__ = ["Target", "find_ambiguity", "split_absolute"]

AMBIGUOUS: Final = Refusal(
    "path_ambiguous",
    Problem(
        400,
        "The path can be read in more than one way: it holds an empty or dot segment, a backslash,"
        " an encoded slash, dot or control character, or bytes that are not ASCII or not UTF-8.",
    ),
)
FORM_REFUSED: Final = Refusal(
    "target_form_refused",
    Problem(400, "The request target must be a path, or the URL of this Host (RFC 9112 3.2)."),
)
CONNECT_REFUSED: Final = Refusal(
    "connect_refused",
    Problem(
        405,
        "This server is no tunnel: CONNECT is not allowed.",
        ((b"allow", b"GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"),),
    ),
)

_PLAIN: Final = re.compile(rb"(?:/[A-Za-z0-9_~-][A-Za-z0-9_~.:@!$&'()*+,;=-]*)*/?")
"""Paths without any reason to look closer: nearly all of them."""

# Raw bytes and escapes that a path may not hold (%7f and %00 to %1f are control characters), and
# escapes that are none; then empty and dot segments, whose parameters some readers cut off.
_FORBIDDEN: Final = re.compile(
    rb"[\x00-\x20\x7f-\xff\\]|%(?:[01][0-9a-f]|7f|2[ef]|5c|(?![0-9a-f]{2}))"
    rb"|//|/\.{1,2}(?:[/;]|\Z)",
    re.IGNORECASE,
)
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)


def find_ambiguity(path: bytes) -> bool:
    """Say whether readers of the raw *path* may disagree on what it names."""
    if _PLAIN.fullmatch(path):
        return False
    return _FORBIDDEN.search(path) is not None or not _is_utf8(path)


def _is_utf8(path: bytes) -> bool:
    """Say whether the escapes make UTF-8, which allows no overlong form (RFC 3629 3)."""
    try:
        unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def split_absolute(target: bytes) -> tuple[bytes, bytes] | None:
    """Split a target in absolute form into authority and path; None for any other form."""
    match = _ABSOLUTE.fullmatch(target)
    return None if match is None else (match[1], match[2] or b"/")


class Target:
    """Refuses targets that are not one plain path, as RFC 9112 3.2 and its readers have it."""

    __slots__ = ()
    name: ClassVar[str] = "target"
    reads: ClassVar[frozenset[bytes]] = frozenset()
    settings: ClassVar[tuple[str, ...]] = ()
    refusals: ClassVar[tuple[Refusal, ...]] = (CONNECT_REFUSED, FORM_REFUSED, AMBIGUOUS)

    def request(self, exchange: "Exchange") -> Refusal | None:
        """Refuse with 400 or 405; absolute form becomes its path."""
        head = exchange.head
        if head.method == "CONNECT" and head.kind == "http":
            return CONNECT_REFUSED.closing(head.http_version)
        if head.path[:1] != b"/":
            return self._judge_form(exchange, head)
        return AMBIGUOUS if find_ambiguity(head.path) else None

    def _judge_form(self, exchange: "Exchange", head: RequestHead) -> Refusal | None:
        """Judge a target that is no path: ``*`` of OPTIONS, and the URL of this very Host."""
        if head.path == b"*" and head.method == "OPTIONS":
            return None
        absolute = split_absolute(head.path)
        if absolute is None or absolute[0].lower() != exchange.host.lower():
            return FORM_REFUSED
        exchange.head = replace(head, path=absolute[1])
        return AMBIGUOUS if find_ambiguity(absolute[1]) else None
