"""Who the client is, and how it came, behind proxies that are trusted to say so.

Proxies append to what came to them, so the list is walked from the right, the trusted end, and
only as far as trusted proxies wrote it. From any other peer nothing of it is believed.

Source: design page "Policy", Forwarded and hosts; RFC 7239 4 to 7 (Forwarded).
"""

import re
from dataclasses import dataclass, replace
from ipaddress import ip_address
from itertools import zip_longest
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from portico.core.events import Headers
from portico.core.hosts import parse_host
from portico.core.problem import Problem, Refusal
from portico.core.tracing import TrustedPeers

if TYPE_CHECKING:
    from portico.core.exchange import Exchange

__all__ = ["FORWARDED_HEADERS", "Forwarded", "Hop", "parse_forwarded", "parse_node"]

FORWARDED_HEADERS: Final = frozenset(
    {
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-real-ip",
    }
)
MALFORMED: Final = Refusal(
    "forwarded_malformed",
    Problem(400, "A trusted proxy sent a Forwarded or X-Forwarded-* header that cannot be read."),
)
MAX_HOPS: Final = 64
"""Entries of a list that are looked at, from the right."""

_SCHEMES: Final = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}
_WEBSOCKET: Final = {"http": "ws", "https": "wss"}
_PAIR: Final = re.compile(
    rb"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)="
    rb"(?:\"((?:[^\"\\]|\\.)*)\"|([!#$%&'*+.^_`|~0-9A-Za-z:\[\]-]+))[ \t]*(?:([;,])|\Z)",
    re.DOTALL,
)
_PORT: Final = re.compile(rb"[0-9]{1,5}")
_DEFAULT_PORTS: Final = {"http": b"80", "https": b"443"}
_KEPT_UNDERSCORE: Final = b"user_id"
"""The one name with an underscore that the reference API's clients send."""


class Hop(NamedTuple):
    """What one proxy says of the request that came to it.

    Attributes:
        client: The address it came from, or None where the proxy does not tell.
        scheme: ``http`` or ``https``, or None.
        host: The authority that it asked for, or None.
        port: The port of that where it is told apart, or None.
    """

    client: str | None
    scheme: str | None = None
    host: bytes | None = None
    port: bytes | None = None


def parse_node(node: bytes) -> str | None:
    """Read an address with or without a port: ``192.0.2.1``, ``192.0.2.1:80``, ``[::1]:80``.

    Returns:
        The address in its one spelling, or None for ``unknown``, ``_hidden`` and all else.
    """
    text = node.strip(b" \t").decode("latin-1")[:64]
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def parse_forwarded(value: bytes) -> list[Hop] | None:
    """Read a ``Forwarded`` field, all its lines joined; None where it is malformed."""
    hops: list[Hop] = []
    pairs: dict[bytes, bytes] = {}
    at = 0
    while at < len(value):
        match = _PAIR.match(value, at)
        if match is None or match[1].lower() in pairs:
            return None
        quoted = match[2]
        pairs[match[1].lower()] = match[3] if quoted is None else re.sub(rb"\\(.)", rb"\1", quoted)
        at = match.end()
        if match[4] == b";":
            continue
        hops.append(_hop_of(pairs))
        pairs = {}
    return None if pairs else hops


def _hop_of(pairs: dict[bytes, bytes]) -> Hop:
    scheme = _SCHEMES.get(pairs.get(b"proto", b"").lower())
    host = pairs.get(b"host")
    sound = host is not None and parse_host(host) is not None
    return Hop(parse_node(pairs.get(b"for", b"")), scheme, host if sound else None)


@dataclass(frozen=True, slots=True)
class Forwarded:
    """Finds client, scheme and host behind trusted proxies; drops names with an underscore.

    Attributes:
        peers: The proxies that are trusted.
        most_hops: Proxies at most; 0 sets no bound.
    """

    peers: TrustedPeers
    most_hops: int = 0
    name: ClassVar[str] = "forwarded"
    reads: ClassVar[frozenset[bytes]] = FORWARDED_HEADERS
    settings: ClassVar[tuple[str, ...]] = ("proxy.trusted", "proxy.hops")
    refusals: ClassVar[tuple[Refusal, ...]] = (MALFORMED,)

    def request(self, exchange: "Exchange") -> Refusal | None:
        """Set client, scheme and host of *exchange*, or refuse what a trusted proxy mangled."""
        if b"_" in b"".join(exchange.fields[0]):
            _drop_underscored(exchange)
        if not exchange.needed:
            return None
        lines = [line for line in exchange.needed if line[0] in FORWARDED_HEADERS]
        if not lines:
            return None
        if not self.peers.trusts(exchange.peer):
            exchange.forwarded = "ignored"
            return None
        hops = _read_hops(lines)
        if hops is None:
            return MALFORMED
        _believe(exchange, self._walk(hops))
        return None

    def _walk(self, hops: list[Hop]) -> list[Hop]:
        """Give the hops that trusted proxies wrote, from the right."""
        believed: list[Hop] = []
        for hop in reversed(hops[-(self.most_hops or MAX_HOPS) :]):
            believed.append(hop)
            if hop.client is None or not self.peers.trusts(hop.client):
                break
        return believed


def _drop_underscored(exchange: "Exchange") -> None:
    """Drop what CGI and WSGI cannot tell from names with a dash, such as ``x_forwarded_for``."""
    head = exchange.head
    kept = [line for line in head.headers if b"_" not in line[0] or line[0] == _KEPT_UNDERSCORE]
    if len(kept) != len(head.headers):
        exchange.head = replace(head, headers=kept)


def _believe(exchange: "Exchange", hops: list[Hop]) -> None:
    """Take what *hops* say, each of them nearer to the client than the one before.

    An address that is not told stays that of the nearest proxy.
    """
    head = exchange.head
    scheme = host = port = None
    for hop in hops:
        exchange.client = hop.client or exchange.client
        scheme, host, port = hop.scheme or scheme, hop.host or host, hop.port or port
    if scheme is not None:
        exchange.scheme = _WEBSOCKET[scheme] if head.kind == "websocket" else scheme
        head = replace(head, scheme=exchange.scheme)
    authority = _with_port(host or exchange.host, port, scheme)
    if authority != exchange.host:
        exchange.host = authority
        others = [line for line in head.headers if line[0] != b"host"]
        head = replace(head, headers=[(b"host", authority), *others])
    exchange.head = head


def _with_port(host: bytes, port: bytes | None, scheme: str | None) -> bytes:
    """Write *port* behind a host that has none, unless it is the scheme's own."""
    if not host or port is None or host.rpartition(b"]")[2].count(b":"):
        return host
    return host if port == _DEFAULT_PORTS.get(scheme or "") else host + b":" + port


def _read_hops(lines: Headers) -> list[Hop] | None:
    """Read the standard field where there is one, else the older ones; None if malformed."""
    fields: dict[bytes, list[bytes]] = {}
    for name, value in lines:
        fields.setdefault(name, []).append(value)
    if b"forwarded" in fields:
        return parse_forwarded(b",".join(fields[b"forwarded"]))
    clients = _items(fields, b"x-forwarded-for") or _items(fields, b"x-real-ip")[-1:]
    schemes, hosts, ports = (
        _items(fields, name)
        for name in (b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port")
    )
    sound = (
        all(scheme.lower() in _SCHEMES for scheme in schemes)
        and all(parse_host(host) is not None for host in hosts)
        and all(map(_PORT.fullmatch, ports))
    )
    return _align(clients, schemes, hosts, ports) if sound else None


def _items(fields: dict[bytes, list[bytes]], name: bytes) -> list[bytes]:
    """Give the last items of a list field; a blank one says nothing."""
    joined = b",".join(fields.get(name, ()))
    items = joined.rsplit(b",", MAX_HOPS)[-MAX_HOPS:] if joined.strip(b" \t") else []
    return [item.strip(b" \t") for item in items]


def _align(*lists: list[bytes]) -> list[Hop]:
    """Put the lists side by side from the right; a shorter one says nothing further left."""
    columns = zip_longest(*(reversed(items) for items in lists))
    hops = [
        Hop(
            parse_node(client or b""),
            _SCHEMES.get((scheme or b"").lower()),
            host,
            port,
        )
        for client, scheme, host, port in columns
    ]
    hops.reverse()
    return hops
