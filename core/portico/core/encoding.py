"""Content coding: which answers are compressed, and how.

The shell compresses; it says with which codings it can when the policy is compiled.

Sources: design page "Policy", Response; RFC 9110 8.4, 8.8.3, 12.5.3, 12.5.5; RFC 9111 5.2.2.6;
RFC 9530 (digests); BREACH (https://breachattack.com).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from portico.core.events import Headers, ResponseHead
from portico.core.problem import Refusal
from portico.core.routes import Routes

if TYPE_CHECKING:
    from portico.core.exchange import Exchange

__all__ = ["Coding", "is_compressible", "negotiate", "parse_accept_encoding"]

# RFC 9110 12.4.2: at most three digits after the point.
_WEIGHT: Final = re.compile(rb"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_ALIASES: Final = {b"x-gzip": b"gzip"}  # 8.4.1.3
_BODILESS: Final = frozenset({204, 205, 206, 304})
_COMPRESSIBLE: Final = re.compile(
    rb"(?:text/(?!event-stream\b)[a-z0-9.+-]+"
    rb"|application/(?:json|javascript|xml|x-ndjson|wasm|manifest\+json|yaml|graphql)"
    rb"|[a-z]+/[a-z0-9.-]+\+(?:json|xml|yaml)"
    rb"|image/(?:bmp|x-icon)|font/(?:ttf|otf))"
    rb"[ \t]*(?:;|$)"
)
# Coded already, a part, or hashed as it is (RFC 9530 2): what must stay as it is.
_FINAL: Final = frozenset(
    {
        *(b"content-encoding", b"content-range", b"content-digest", b"repr-digest"),
        *(b"digest", b"content-md5"),
    }
)
_CREDENTIALS: Final = frozenset({b"authorization", b"cookie", b"x-bare-password"})
_CHANGED: Final = frozenset({b"content-length", b"accept-ranges"})


def parse_accept_encoding(value: bytes) -> dict[bytes, float]:
    """Read Accept-Encoding: weights by coding in lower case; what is malformed is not there."""
    return dict(filter(None, map(_parse_item, value.split(b","))))


def _parse_item(item: bytes) -> tuple[bytes, float] | None:
    coding, *parameters = (part.strip(b" \t").lower() for part in item.split(b";"))
    weight = 1.0
    for parameter in parameters:
        if not parameter.startswith(b"q=") or not _WEIGHT.fullmatch(parameter, 2):
            return None
        weight = float(parameter[2:])
    return (_ALIASES.get(coding, coding), weight) if coding else None


def negotiate(value: bytes | None, offered: Sequence[str]) -> str | None:
    """Choose a coding.

    Args:
        value: Accept-Encoding, its lines joined; None without, which asks for nothing.
        offered: What the shell can do, the best first.

    Returns:
        The coding of the greatest weight, the first offered among equals; None for identity, also
        where the client accepts nothing that there is: that serves it better than 406 (12.5.3).
    """
    if value is None:
        return None
    weights = parse_accept_encoding(value)
    rest = weights.get(b"*", 0.0)
    best = max(offered, key=lambda name: weights.get(name.encode(), rest), default=None)
    if best is None:
        return None
    weight = weights.get(best.encode(), rest)
    preferred = weights.get(b"identity", 0.0) > weight
    return None if weight <= 0.0 or preferred else best


def is_compressible(content_type: bytes) -> bool:
    """Say whether coding makes bodies of this type smaller."""
    return _COMPRESSIBLE.match(content_type.lower()) is not None


@dataclass(frozen=True, slots=True)
class Coding:
    """Chooses the content coding; the shell compresses by it.

    Attributes:
        offered: Codings that the shell can do, the best first.
        min_size: Smallest body that is compressed, where its length is declared.
        routes: Which of them reflect input.
    """

    offered: tuple[str, ...]
    min_size: int
    routes: Routes
    name: ClassVar[str] = "coding"
    settings: ClassVar[tuple[str, ...]] = ("compression.",)
    refusals: ClassVar[tuple[Refusal, ...]] = ()

    def response(self, exchange: "Exchange", head: ResponseHead) -> ResponseHead:
        """Set ``exchange.coding`` and what the head must say of it."""
        own = _own(head.headers)
        if exchange.head.kind != "http" or not self._is_eligible(head.status, own):
            return head
        if exchange.head.method in ("HEAD", "CONNECT") or self._is_at_risk(exchange):
            return ResponseHead(head.status, _vary(head.headers))
        exchange.coding = negotiate(_accepted(exchange), self.offered)
        if exchange.coding is None:
            return ResponseHead(head.status, _vary(head.headers))
        return ResponseHead(head.status, _recode(head.headers, exchange.coding))

    def _is_eligible(self, status: int, own: Mapping[bytes, bytes]) -> bool:
        if status < 200 or status in _BODILESS or not _FINAL.isdisjoint(own):
            return False
        length = own.get(b"content-length")
        if length is not None and _is_under(length, self.min_size):
            return False
        if not is_compressible(own.get(b"content-type", b"")):
            return False
        return b"no-transform" not in own.get(b"cache-control", b"").lower()

    def _is_at_risk(self, exchange: "Exchange") -> bool:
        """Say whether the size of the answer could tell a secret to whoever fills it."""
        credentialed = not _CREDENTIALS.isdisjoint(exchange.fields[0])
        return credentialed and self.routes.reflects(exchange.head.path)


def _is_under(length: bytes, size: int) -> bool:
    """Say whether a declared *length* is less than *size*, or none that can be read."""
    return not length.isdigit() or len(length) > 18 or int(length) < size


def _own(headers: Headers) -> dict[bytes, bytes]:
    """Give the application's fields by name in lower case, lines of one name joined."""
    own: dict[bytes, bytes] = {}
    for name, value in headers:
        key = name.lower()
        own[key] = b"%b, %b" % (own[key], value) if key in own else value
    return own


def _accepted(exchange: "Exchange") -> bytes | None:
    if b"accept-encoding" not in exchange.fields[0]:
        return None
    return b",".join(value for name, value in exchange.head.headers if name == b"accept-encoding")


def _vary(headers: Headers) -> Headers:
    """Say that the answer depends on Accept-Encoding, once (12.5.5)."""
    values = [value for name, value in headers if name.lower() == b"vary"]
    items = [item.strip(b" \t") for value in values for item in value.split(b",")]
    if {item.lower() for item in items} & {b"*", b"accept-encoding"}:
        return headers
    rest = [line for line in headers if line[0].lower() != b"vary"]
    return [*rest, (b"vary", b", ".join([*filter(None, items), b"Accept-Encoding"]))]


def _recode(headers: Headers, coding: str) -> Headers:
    """Describe the coded body: its length is not known, and it equals the other by meaning only."""
    lines = [_weaken(line) for line in _vary(headers) if line[0].lower() not in _CHANGED]
    return [*lines, (b"content-encoding", coding.encode())]


def _weaken(line: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, value = line
    strong = name.lower() == b"etag" and not value.startswith(b"W/")
    return (name, b"W/" + value) if strong else line
