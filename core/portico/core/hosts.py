"""Which hosts are served, and by which scheme.

Source: design page "Policy", Forwarded and hosts, HTTPS; RFC 9110 7.2 and 15.5.20 (Host, 421),
15.4.9 (308); RFC 3986 3.2.2 (hosts), RFC 9112 3.2 (400 for a Host that is none).
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote_from_bytes

from portico.core.problem import Problem, Refusal
from portico.core.routes import Routes

if TYPE_CHECKING:
    from portico.core.exchange import Exchange

__all__ = ["Hosts", "Https", "parse_host"]

HOST_MALFORMED: Final = Refusal(
    "host_malformed", Problem(400, "The Host is not a name or address with an optional port.")
)
MISDIRECTED: Final = Refusal(
    "host_not_served", Problem(421, "This server does not serve this host: see hosts.allowed.")
)
HTTPS_REQUIRED: Final = Refusal(
    "https_required", Problem(403, "This server takes such requests over https only.")
)
HTTPS_REDIRECT: Final = Refusal(
    "https_redirect", Problem(308, "This server is reached over https.")
)

_AUTHORITY: Final = re.compile(
    rb"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9_~-][A-Za-z0-9._~-]{0,252}))(?::[0-9]{1,5})?"
)
_OWN_PORTS: Final = re.compile(rb":(?:80|443)\Z")
_PLAIN_SCHEMES: Final = frozenset({"http", "ws"})
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))


def parse_host(authority: bytes) -> str | None:
    """Give the host of an authority in its one spelling, without brackets, port and last dot.

    Returns:
        The host, or None where *authority* is none: user, path, query, or bad literal.
    """
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return None
    literal, name = match.groups()
    if literal is None:
        return str(name, "ascii").lower().removesuffix(".")
    try:
        return str(IPv6Address(literal.decode("ascii")))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Hosts:
    """Refuses what is no host, and hosts that are not served.

    Attributes:
        names: Hosts that are served, in the spelling of `parse_host`; empty means any.
        suffixes: Beginnings with a dot of the domains whose subdomains are.
    """

    names: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    name: ClassVar[str] = "hosts"
    reads: ClassVar[frozenset[bytes]] = frozenset()
    settings: ClassVar[tuple[str, ...]] = ("hosts.allowed",)
    refusals: ClassVar[tuple[Refusal, ...]] = (HOST_MALFORMED, MISDIRECTED)

    @classmethod
    def compile(cls, allowed: tuple[str, ...]) -> "Hosts":
        """Take hosts, addresses, and ``*.`` with a domain."""
        names = [_fold(host) for host in allowed if not host.startswith("*.")]
        return cls(frozenset(names), tuple(host[1:] for host in allowed if host.startswith("*.")))

    def request(self, exchange: "Exchange") -> Refusal | None:
        """Refuse with 400 or 421."""
        authority = exchange.host
        if not (self.names or self.suffixes):
            sound = not authority or _AUTHORITY.fullmatch(authority) is not None
            return None if sound else HOST_MALFORMED
        if not authority:  # HTTP/1.0 may name no host; it names none that is served
            return MISDIRECTED
        host = parse_host(authority)
        if host is None:
            return HOST_MALFORMED
        served = host in self.names or host.endswith(self.suffixes)
        return None if served else MISDIRECTED


def _fold(host: str) -> str:
    """Spell a host of the settings as `parse_host` does."""
    authority = f"[{host}]" if ":" in host else host
    return parse_host(authority.encode()) or host


@dataclass(frozen=True, slots=True)
class Https:
    """Sends plain http to https, or refuses it; probes are exempt.

    Attributes:
        routes: Which of them are probes.
    """

    routes: Routes
    name: ClassVar[str] = "https"
    reads: ClassVar[frozenset[bytes]] = frozenset()
    settings: ClassVar[tuple[str, ...]] = ("server.force_https",)
    refusals: ClassVar[tuple[Refusal, ...]] = (HTTPS_REDIRECT, HTTPS_REQUIRED)

    def request(self, exchange: "Exchange") -> Refusal | None:
        """Answer 308 to a GET or HEAD by http, 403 to all else."""
        head = exchange.head
        if exchange.scheme not in _PLAIN_SCHEMES or self.routes.is_probe(head):
            return None
        plain = head.kind == "http" and head.method in ("GET", "HEAD")
        if not plain or not exchange.host or head.path[:1] != b"/":
            return HTTPS_REQUIRED
        host = _OWN_PORTS.sub(b"", exchange.host)
        target = head.path + (b"?" + head.query if head.query else b"")
        # Nothing of a query may end the line.
        location = b"https://" + host + quote_from_bytes(target, safe=_PRINTABLE).encode("ascii")
        return HTTPS_REDIRECT.with_header(b"location", location)
