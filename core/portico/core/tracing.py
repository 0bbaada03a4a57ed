"""Request id and trace: which names a request carries through logs and other services.

Sources: design page "Policy", Context and tracing; W3C Trace Context, Level 1
(https://www.w3.org/TR/trace-context-1/), whose section numbers stand beside the rules.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

from portico.core.events import Headers

__all__ = [
    "ENTROPY_BYTES",
    "NO_TRACE",
    "TRACING_HEADERS",
    "RemoteSpan",
    "Trace",
    "TrustedPeers",
    "parse_traceparent",
    "parse_tracestate",
    "read_request_id",
    "start_trace",
]

ENTROPY_BYTES: Final = 24
"""Sixteen for the request and trace id, eight for the span id."""

REQUEST_ID_HEADERS: Final = (b"x-request-id", b"x-api-request-log-id")
TRACING_HEADERS: Final = frozenset({*REQUEST_ID_HEADERS, b"traceparent", b"tracestate"})

SAMPLED: Final = 0x01
MAX_MEMBERS: Final = 32
MAX_STATE: Final = 512
LONG_MEMBER: Final = 128

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._~:/+=-]{1,128}")
_OWS: Final = b" \t"  # RFC 9110 5.6.3

# 3.2: version, trace-id, parent-id and flags; only a higher version may say more, after a dash.
_TRACEPARENT: Final = re.compile(
    rb"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})"
    rb"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?",
    re.DOTALL,
)
_ZERO_TRACE: Final = b"0" * 32
_ZERO_SPAN: Final = b"0" * 16

# 3.3.1.3: key, simple or multi-tenant, and value of one list member.
_MEMBER: Final = re.compile(
    r"(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


class RemoteSpan(NamedTuple):
    """The span of the caller, as ``traceparent`` names it.

    Attributes:
        trace_id: 32 lower-case hex digits, not all zero.
        span_id: 16 lower-case hex digits, not all zero.
        flags: Those known here: bit 0 is *sampled*.
    """

    trace_id: str
    span_id: str
    flags: int


class Trace(NamedTuple):
    """This request's place in a trace.

    Attributes:
        trace_id: 32 lower-case hex digits.
        span_id: 16 lower-case hex digits, new for this request.
        parent_id: The caller's span, or None at the start of a trace.
        flags: Those known here: bit 0 is *sampled*.
        state: Vendors' list to hand on as ``tracestate``, empty without one.
        link: The span of a caller that is not trusted to be the parent.
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None
    flags: int = SAMPLED
    state: str = ""
    link: RemoteSpan | None = None

    @property
    def traceparent(self) -> str:
        """The header for requests that are made on behalf of this one."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


NO_TRACE: Final = Trace("0" * 32, "0" * 16)
"""Of an exchange that got no request."""


def read_request_id(headers: Headers, entropy: bytes) -> str:
    """Take the client's request id, or make one.

    Several lines of one name count as their joined list (RFC 9110 5.3), which no id can be.

    Args:
        headers: Field lines, names lower-case.
        entropy: At least 16 random bytes.

    Returns:
        1 to 128 of ``A-Z a-z 0-9 . _ ~ : / + = -``; a made one has 32 hex digits.
    """
    if headers:
        for wanted in REQUEST_ID_HEADERS:
            lines = [value for name, value in headers if name == wanted]
            if len(lines) == 1 and _REQUEST_ID.fullmatch(lines[0]):
                return lines[0].decode("ascii")
    return entropy[:16].hex()


def start_trace(headers: Headers, *, trusted: bool, entropy: bytes) -> Trace:
    """Continue the caller's trace if the peer is trusted, else start one that links to it.

    Args:
        headers: Field lines, names lower-case.
        trusted: Whether the peer may name this request's trace.
        entropy: At least `ENTROPY_BYTES` random bytes.
    """
    span_id = _nonzero(entropy[16:ENTROPY_BYTES]).hex()
    remote = (
        parse_traceparent(value for name, value in headers if name == b"traceparent")
        if headers
        else None
    )
    if remote is None:  # 3.3: without a valid traceparent, tracestate must not be read
        return Trace(_nonzero(entropy[:16]).hex(), span_id)
    if not trusted:
        return Trace(_nonzero(entropy[:16]).hex(), span_id, link=remote)
    state = parse_tracestate(value for name, value in headers if name == b"tracestate")
    return Trace(remote.trace_id, span_id, remote.span_id, remote.flags, state)


def _nonzero(octets: bytes) -> bytes:
    """Return *octets*, unless all are zero: that is no id (3.2.2.3, 3.2.2.4)."""
    return octets if any(octets) else octets[:-1] + b"\x01"


def parse_traceparent(values: Iterable[bytes]) -> RemoteSpan | None:
    """Read ``traceparent``.

    Args:
        values: Every line's value; more than one is invalid.

    Returns:
        The caller's span, or None where it is absent or invalid.
    """
    lines = list(values)
    match = _TRACEPARENT.fullmatch(lines[0].strip(_OWS)) if len(lines) == 1 else None
    if match is None or match["version"] == b"ff":  # 3.2.2.1
        return None
    if match["version"] == b"00" and match["more"] is not None:  # 3.2.2.2: exactly 55 characters
        return None
    if match["trace"] == _ZERO_TRACE or match["span"] == _ZERO_SPAN:
        return None
    # 3.2.2.5.2, 4.3: flags that this level does not know are handed on as zero.
    flags = int(match["flags"], 16) & SAMPLED
    return RemoteSpan(match["trace"].decode(), match["span"].decode(), flags)


def parse_tracestate(values: Iterable[bytes]) -> str:
    """Read ``tracestate`` from all its lines, in order.

    Args:
        values: Every line's value.

    Returns:
        The list to hand on, without empty members and within 512 characters; empty where it is
        absent or invalid as a whole.
    """
    text = b",".join(values).decode("latin-1")
    members = [member for part in text.split(",") if (member := part.strip(" \t"))]
    # 3.3.1.1: at most 32 members, each key once; otherwise the list is discarded.
    if len(members) > MAX_MEMBERS or not all(map(_MEMBER.fullmatch, members)):
        return ""
    if len({member.partition("=")[0] for member in members}) != len(members):
        return ""
    return ",".join(_fit(members))


def _fit(members: list[str]) -> list[str]:
    """Drop the members over 128 characters first, then those at the end (3.3.1.5)."""
    if _length(members) > MAX_STATE:
        members = [member for member in members if len(member) <= LONG_MEMBER]
    while _length(members) > MAX_STATE:
        members = members[:-1]
    return members


def _length(members: list[str]) -> int:
    return sum(map(len, members)) + len(members) - 1


@dataclass(frozen=True, slots=True)
class TrustedPeers:
    """The proxies that stand directly in front, by address.

    Attributes:
        networks: Their networks.
        unix: Whether peers on a Unix socket, which have no address, are trusted.
    """

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    unix: bool = False

    @classmethod
    def compile(cls, peers: Iterable[str]) -> "TrustedPeers":
        """Read addresses, networks in CIDR form, and ``unix``.

        Raises:
            ValueError: One of *peers* is none of these.
        """
        listed = tuple(peers)
        networks = tuple(ip_network(peer) for peer in listed if peer != "unix")
        return cls(networks, "unix" in listed)

    def trusts(self, peer: str | None) -> bool:
        """Say whether *peer*, an address or None on a Unix socket, is one of them."""
        if peer is None:
            return self.unix
        address = _address(peer) if self.networks else None
        return address is not None and any(address in network for network in self.networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address; a dual-stack listener shows IPv4 peers as ``::ffff:10.0.0.1``."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
