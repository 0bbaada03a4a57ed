"""Web origins and origin patterns: what a browser can send, what an operator may write.

Two readers share one grammar. `is_serialised` judges what stands in an ``Origin`` header,
where only the one ASCII serialisation counts; `parse_pattern` judges a configured item just as
strictly, and names what is wrong with it. `normalise` is the lenient reader for settings: it
rewrites what can mean one thing only, and leaves the rest to the strict one.

Source: HTML #ascii-serialisation-of-an-origin, URL #host-serializing, Fetch #origin-header.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

__all__ = [
    "MAX_BYTES",
    "NormalisedOrigin",
    "OriginError",
    "OriginPattern",
    "is_loopback_origin",
    "is_serialised",
    "normalise",
    "parse_pattern",
]

MAX_BYTES = 326
"""Longest origin accepted: a scheme of 64, ``://``, a DNS name of 253, a colon and five digits."""

DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}
"""The special schemes and the ports that serialising drops (URL #special-scheme)."""

_BYTE_PORTS = {scheme.encode(): port.encode() for scheme, port in DEFAULT_PORTS.items()}

# Labels as DNS and browsers have them, underscore included; a trailing dot is another host, not
# a malformed one. Port 0 and leading zeros never serialise.
_SERIALISED = re.compile(
    rb"([a-z][a-z0-9+.-]*)://"
    rb"(\[[0-9a-f:]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)"
    rb"(?::([1-9][0-9]{0,4}))?"
)

# What nearly every origin is: a Web origin whose last label begins like no number, so that only
# its port needs a second look. Possessive, hence linear.
_ORDINARY = re.compile(
    rb"(https?)://(?:[a-z0-9_-]++\.)*+[a-z_-][a-z0-9_-]*+(?::([1-9][0-9]{0,4}+))?"
)

# A host that ends in a number is an IPv4 address or nothing (URL #ends-in-a-number-checker).
_NUMERIC_HOST = re.compile(rb"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")


class OriginError(ValueError):
    """A text that is no origin and no pattern of origins.

    Attributes:
        code: The configuration code of the CORS policy, such as ``origin_has_path``.
        message: What is wrong, for the person who wrote it; never repeats credentials.
        suggestion: What was probably meant, or None.
    """

    def __init__(self, code: str, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class NormalisedOrigin:
    """An origin or pattern as the strict policy takes it.

    Attributes:
        text: The canonical text; ``*`` and ``null`` stay as they are.
        trailing_slash: Whether a slash had to be removed, which deserves a warning.
    """

    text: str
    trailing_slash: bool


@dataclass(frozen=True, slots=True)
class OriginPattern:
    """A configured origin in its parts.

    Attributes:
        text: As configured, which is canonical.
        scheme: Lower-case scheme.
        host: Host without the leading ``*.``; IPv6 in brackets.
        port: Digits, ``*`` for any port and none, or None for no explicit port.
        subdomains: Whether it stands for the subdomains of *host*, one label or more.
    """

    text: str
    scheme: str
    host: str
    port: str | None
    subdomains: bool

    @property
    def exact(self) -> bool:
        """Whether it names one origin only."""
        return not self.subdomains and self.port != "*"


def is_serialised(value: bytes) -> bool:
    """Whether *value* is one ASCII-serialised origin, and so something that a browser sends.

    Args:
        value: Field value without surrounding white space; any bytes.

    Source: Fetch #origin-header, URL #concept-host-serializer.
    """
    if len(value) > MAX_BYTES:
        return False
    if (match := _ORDINARY.fullmatch(value)) is not None:
        return match.lastindex == 1 or _is_serialised_port(match[1], match[2])
    if (match := _SERIALISED.fullmatch(value)) is None:
        return False
    scheme, host, port = match.groups()
    return (port is None or _is_serialised_port(scheme, port)) and _is_serialised_host(scheme, host)


def _is_serialised_port(scheme: bytes, port: bytes) -> bool:
    return port != _BYTE_PORTS.get(scheme) and (len(port) < 5 or int(port) <= 65535)


def _is_serialised_host(scheme: bytes, host: bytes) -> bool:
    if host.endswith(b"]"):
        return _canonical_ipv6(host[1:-1].decode()) == host[1:-1].decode()
    # Only special schemes read numbers as addresses (URL #concept-host-parser).
    if scheme in _BYTE_PORTS and _NUMERIC_HOST.fullmatch(host):
        return _is_ipv4(host.decode())
    return True


def _is_ipv4(host: str) -> bool:
    try:
        return str(IPv4Address(host)) == host
    except AddressValueError:
        return False


def _canonical_ipv6(text: str) -> str | None:
    """Serialise an IPv6 address as URL #concept-ipv6-serializer has it, or None if it is none.

    `ipaddress` writes IPv4-mapped addresses in two ways, depending on the Python version; browsers
    always write hexadecimal pieces.
    """
    try:
        address = IPv6Address(text)
    except AddressValueError:
        return None
    if address.scope_id is not None:  # a zone is no part of a URL's host
        return None
    packed = address.packed
    pieces = [f"{packed[i] << 8 | packed[i + 1]:x}" for i in range(0, 16, 2)]
    runs = re.findall(r"(?<!\S)0(?: 0)+(?!\S)", " ".join(pieces))
    if not runs:
        return ":".join(pieces)
    longest: str = max(runs, key=len)
    before, _, after = f" {' '.join(pieces)} ".partition(f" {longest} ")
    return ":".join(before.split()) + "::" + ":".join(after.split())


class _Parts(NamedTuple):
    """A configured text, split where its punctuation is, before anything is judged."""

    text: str
    scheme: str
    user: str | None
    host: str
    port: str | None
    path: str


def _split(text: str) -> _Parts:
    scheme, _, rest = text.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, hostport = authority.rpartition("@")
    host, colon, port = hostport.rpartition(":")
    if not colon or port.endswith("]"):
        host, colon, port = hostport, "", ""
    return _Parts(text, scheme, user if at else None, host, port if colon else None, slash + path)


def _is_port(port: str) -> bool:
    digits = port.isascii() and port.isdigit() and len(port) <= 5 and port[0] != "0"
    return port == "*" or (digits and int(port) <= 65535)


def _wildcard_misplaced(parts: _Parts) -> bool:
    """A wildcard is a whole first label with a host after it, or the whole port."""
    tail = parts.host.removeprefix("*.")
    return "*" in parts.scheme or "*" in tail or (tail == "" and parts.host != "")


def _wildcard_before_address(parts: _Parts) -> bool:
    tail = parts.host.removeprefix("*.")
    numeric = _NUMERIC_HOST.fullmatch(tail.encode()) is not None
    return tail != parts.host and (tail.startswith("[") or numeric)


def _is_invalid(parts: _Parts) -> bool:
    port = "" if parts.port in (None, "*") else f":{parts.port}"
    bare = f"{parts.scheme}://{parts.host.removeprefix('*.')}{port}"
    return len(parts.text) > MAX_BYTES or not is_serialised(bare.encode())


# In order: the first that holds is the item's one code.
_RULES: tuple[tuple[str, Callable[[_Parts], bool], str], ...] = (
    (
        "origin_file_scheme",
        lambda p: p.text[:5].lower() == "file:",
        "pages from files have the origin null, not a file: origin",
    ),
    (
        "origin_missing_scheme",
        lambda p: "://" not in p.text or p.scheme == "",
        "has no scheme such as https://",
    ),
    (
        "origin_trailing_slash",
        lambda p: p.path == "/" and p.host != "",
        "ends in a slash, which a browser never sends",
    ),
    ("origin_has_path", lambda p: p.path not in ("", "/"), "has a path; an origin has none"),
    ("origin_has_userinfo", lambda p: p.user is not None, "has a user name; an origin has none"),
    (
        "origin_default_port",
        lambda p: p.port is not None and p.port == DEFAULT_PORTS.get(p.scheme.lower()),
        "names the default port, which a browser never sends",
    ),
    (
        "origin_port_invalid",
        lambda p: p.port is not None and not _is_port(p.port),
        "has a port that is neither 1 to 65535 nor *",
    ),
    (
        "origin_uppercase",
        lambda p: any("A" <= c <= "Z" for c in p.text),
        "has capital letters, which a browser never sends",
    ),
    (
        "origin_non_ascii",
        lambda p: not p.text.isascii(),
        "is not ASCII; a browser sends the host in punycode (xn--)",
    ),
    (
        "origin_wildcard_position",
        _wildcard_misplaced,
        "has a * that is neither the whole first label of a host (https://*.example.com)"
        " nor the whole port (https://example.com:*)",
    ),
    (
        "origin_ip_wildcard",
        _wildcard_before_address,
        "has a * before an IP address, which has no subdomains",
    ),
    ("origin_invalid", _is_invalid, "is not an origin: scheme://host or scheme://host:port"),
)


def parse_pattern(text: str) -> OriginPattern:
    """Read one configured origin or pattern strictly.

    Args:
        text: ``https://example.com``, ``https://*.example.com``, ``https://example.com:*`` and
            the like. Neither ``*`` alone nor ``null``: those are policy, not origins.

    Returns:
        The pattern in its parts.

    Raises:
        OriginError: With the first code that applies, and what was probably meant.
    """
    return _judge(text, text)


def normalise(text: str) -> NormalisedOrigin:
    """Rewrite an origin as a person types it into the form that browsers send.

    Folds scheme and host, drops the default port and one trailing slash, writes IDN in punycode
    and IPv6 in its shortest form; patterns, ``*`` and ``null`` pass.

    Args:
        text: One item of a settings list; outer space does not matter.

    Returns:
        The canonical text, and whether a slash was removed.

    Raises:
        OriginError: It can mean no single origin: no scheme, a path, a user, a query, a bad port.

    Source: UTS 46 (non-transitional), URL #concept-domain-to-ascii.
    """
    text = text.strip()
    if text in ("*", "null"):
        return NormalisedOrigin(text, trailing_slash=False)
    parts = _split(text)
    folded = _judge(_fold(text), text).text
    return NormalisedOrigin(folded, trailing_slash=parts.path == "/")


def _judge(text: str, written: str) -> OriginPattern:
    parts = _split(text)
    for code, applies, message in _RULES:
        if applies(parts):
            raise OriginError(code, message, _suggest(written))
    host = parts.host.removeprefix("*.")
    return OriginPattern(text, parts.scheme, host, parts.port, host != parts.host)


def _suggest(written: str) -> str | None:
    """What *written* probably means, if that is an origin at all."""
    text = written.strip()
    parts = _split(text if "://" in text else f"https://{text.lstrip(':/')}")
    folded = _fold(_format(parts.scheme, None, parts.host, parts.port, ""))
    likely = _split(folded)
    broken = any(applies(likely) for _, applies, _ in _RULES)
    return None if broken or folded == written else folded


def _fold(text: str) -> str:
    """Fold what cannot change the meaning; what is wrong stays for the strict reader to name."""
    if "://" not in text:
        return text
    parts = _split(text)
    scheme = parts.scheme.lower()
    port = None if parts.port == DEFAULT_PORTS.get(scheme, "") else parts.port
    path = "" if parts.path == "/" else parts.path
    return _format(scheme, parts.user, _fold_host(parts.host), port, path)


def _format(scheme: str, user: str | None, host: str, port: str | None, path: str) -> str:
    userinfo = "" if user is None else f"{user}@"
    return f"{scheme}://{userinfo}{host}{'' if port is None else f':{port}'}{path}"


def is_loopback_origin(text: str) -> bool:
    """Whether an http origin or pattern stays on the machine that runs the browser.

    Args:
        text: A canonical origin or pattern, as `normalise` gives it.

    Returns:
        True for ``http://localhost``, ``http://*.localhost`` and the names under it, 127/8 and
        ``[::1]``, with any port, none or ``:*``.

    Source: Secure Contexts #potentially-trustworthy-origin; RFC 6761 6.3.
    """
    parts = _split(text)
    host = parts.host.removesuffix(".")
    if parts.scheme != "http":
        return False
    named = host in ("localhost", "[::1]") or host.endswith(".localhost")
    return named or (host.startswith("127.") and _is_ipv4(host))


def _fold_host(host: str) -> str:
    if host.startswith("["):
        canonical = _canonical_ipv6(host[1:-1]) if host.endswith("]") else None
        return host.lower() if canonical is None else f"[{canonical}]"
    return host.lower() if host.isascii() else _to_ascii(host)


def _to_ascii(host: str) -> str:
    """Map a host by UTS 46 and write its other labels in punycode; unmappable ones stay."""
    # Only operators with IDN pay for the tables.
    from idna import IDNAError, uts46_remap

    try:
        mapped = uts46_remap(host, std3_rules=False, transitional=False)
        return ".".join(map(_to_label, mapped.split(".")))
    except (IDNAError, UnicodeError):
        return host


def _to_label(label: str) -> str:
    return label if label.isascii() else f"xn--{label.encode('punycode').decode()}"
