"""Conditional answers: an entity tag for what a flagged route answers, and 304 for who has it.

The tag is made of the body, so the shell hands that over with the head, where the application
gave it at once; a stream is sent as it comes, without a tag.

Sources: design page "Policy", Response; RFC 9110 8.8.3, 13.1.2, 15.4.5.
"""

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, ClassVar, Final

from portico.core.events import RequestHead, ResponseHead
from portico.core.problem import Refusal
from portico.core.routes import Routes

if TYPE_CHECKING:
    from portico.core.exchange import Exchange

__all__ = ["Conditional", "is_matching"]

_DIGEST_BYTES: Final = 16
# RFC 9110 8.8.3; what stands before the quotes is W/ or nothing, and weak comparison drops it.
_TAG: Final = re.compile(rb'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
# 15.4.5: what a 304 keeps; all else describes a body that it has not.
_DESCRIBES_BODY: Final = (b"content-length", b"content-type", b"content-language")


def is_matching(if_none_match: bytes, tag: bytes) -> bool:
    """Say whether If-None-Match names *tag*, by weak comparison (13.1.2).

    Args:
        if_none_match: The field's value, lines joined.
        tag: An entity tag, weak or strong.
    """
    opaque = tag.removeprefix(b"W/")
    named = if_none_match.strip(b" \t")
    return named == b"*" or opaque in _TAG.findall(named)


@dataclass(frozen=True, slots=True)
class Conditional:
    """Tags the answers of flagged routes, and answers 304 to a client that has one.

    Attributes:
        routes: Which are flagged.
    """

    routes: Routes
    name: ClassVar[str] = "conditional"
    settings: ClassVar[tuple[str, ...]] = ()
    refusals: ClassVar[tuple[Refusal, ...]] = ()

    def wants(self, head: RequestHead) -> bool:
        """Say whether the answer to *head* is to be tagged, for which its whole body is needed."""
        return (
            head.method == "GET" and head.kind == "http" and self.routes.is_conditional(head.path)
        )

    def response(self, exchange: "Exchange", head: ResponseHead) -> ResponseHead:
        """Tag a 200, by the application's own tag if it has one, and replace it by a 304."""
        if exchange.content is None or head.status != 200:
            return head
        tag = next((value for name, value in head.headers if name.lower() == b"etag"), None)
        lines = head.headers
        if tag is None:
            tag = b'W/"%b"' % _digest(exchange.content)
            lines = [*lines, (b"etag", tag)]
        wanted = [value for name, value in exchange.head.headers if name == b"if-none-match"]
        if not wanted or not is_matching(b",".join(wanted), tag):
            return ResponseHead(200, lines)
        exchange.substitute = b""
        kept = [line for line in lines if line[0].lower() not in _DESCRIBES_BODY]
        return ResponseHead(304, kept)


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=_DIGEST_BYTES).hexdigest().encode()
