"""Kinds that name places on a network: hosts, addresses, networks, URLs and Web origins."""

import re
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import unquote, urlsplit

from portico.core.origin import OriginError, normalise
from portico.core.settings.kinds import Kind, Note, RefusalError, schema
from portico.core.settings.lists import list_of
from portico.core.settings.secret import MASK, Secret

_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = rf"{_LABEL}(?:\.{_LABEL})*\.?"
_HOST_HINT: Final = "must be a host name or an IP address"


def is_ip(text: str) -> bool:
    """Say whether *text* is an IPv4 or IPv6 address without brackets."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_loopback_host(host: str) -> bool:
    """Say whether a listener on *host* is reached from this machine only (RFC 6761 6.3)."""
    if is_ip(host):
        return ip_address(host).is_loopback
    name = host.removesuffix(".")
    return name == "localhost" or name.endswith(".localhost")


def parse_host(text: str, _notes: list[Note]) -> str:
    """Read a host: case folds, brackets around IPv6 go, a port is refused."""
    folded = text.lower()
    bare = folded[1:-1] if folded.startswith("[") and folded.endswith("]") else folded
    if is_ip(bare) and (bare == folded or ":" in bare):
        return bare
    name, colon, port = bare.rpartition(":")
    if colon and port.isdigit() and "/" not in name:
        raise RefusalError(f"{_HOST_HINT} without a port; the port is a setting of its own", name)
    numeric = bare.rstrip(".").rpartition(".")[2].isdigit()
    if len(bare) > 253 or numeric or re.fullmatch(_NAME, bare) is None:
        raise RefusalError(_HOST_HINT)
    return bare


HOST: Final = Kind("host", parse_host, schema=schema(type="string"))


def parse_database_host(text: str, notes: list[Note]) -> str:
    """Read a host, or the directory of a Unix socket."""
    return text if text.startswith("/") else parse_host(text, notes)


DATABASE_HOST: Final = Kind("host", parse_database_host, schema=schema(type="string"))


def parse_served_host(text: str, notes: list[Note]) -> str:
    """Read a host that is served, or ``*.`` and the domain whose subdomains are."""
    if text == "*":
        raise RefusalError("must be hosts; to serve every host leave it empty")
    prefix = "*." if text.startswith("*.") else ""
    return prefix + parse_host(text[len(prefix) :], notes)


SERVED_HOSTS: Final = list_of(Kind("host", parse_served_host, schema=schema(type="string")))


def parse_peer(text: str, _notes: list[Note]) -> str:
    """Read an address, a network in CIDR form, or ``unix``."""
    folded = text.lower()
    if folded == "unix":
        return folded
    try:
        ip_network(folded)
    except ValueError as error:
        raise RefusalError(
            "must be addresses, networks such as 10.0.0.0/8, or unix", _network_of(folded)
        ) from error
    return folded


def _network_of(text: str) -> str | None:
    """Return the network that *text* lies in, when only its host bits were wrong."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        return None


PEERS: Final = list_of(Kind("network", parse_peer, schema=schema(type="string")))

_ADDRESS_HINT: Final = "must be host:port, such as 127.0.0.1:9464"


def parse_address(text: str, notes: list[Note]) -> str:
    """Read ``host:port``, with brackets around IPv6."""
    host, colon, port = text.rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 65536):
        raise RefusalError(_ADDRESS_HINT)
    if ":" in host and not host.startswith("["):
        raise RefusalError(f"{_ADDRESS_HINT}; IPv6 stands in brackets")
    bare = parse_host(host, notes)
    return f"[{bare}]:{int(port)}" if ":" in bare else f"{bare}:{int(port)}"


ADDRESS: Final = Kind("address", parse_address, schema=schema(type="string"))

_USERINFO: Final = r"//([^/?#\s@:,]*):[^\s,\"']*@"
_QUERY_PARTS: Final = r"(?i)([?&][^=&#]*(?:password|secret|token)[^=&#]*=)[^&#]*"


def mask_url(text: str) -> str:
    """Return *text* with the passwords of any URL in it masked."""
    if "//" not in text and "=" not in text:
        return text
    masked = re.sub(_USERINFO, rf"//\1:{MASK}@", text)
    return re.sub(_QUERY_PARTS, rf"\1{MASK}", masked)


def _check_url(text: str, schemes: tuple[str, ...], hint: str) -> None:
    """Refuse what is not a URL of one of *schemes*, never repeating it: it may hold a password."""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in schemes and parts.port != 0
    except ValueError:
        sound = False
    if not sound or any(char.isspace() for char in text):
        raise RefusalError(hint)


def parse_web_url(text: str, _notes: list[Note]) -> str:
    """Read an http or https URL."""
    hint = "must be a URL such as https://host/path"
    _check_url(text, ("http", "https"), hint)
    if not urlsplit(text).hostname:
        raise RefusalError(hint)
    return text


WEB_URL: Final = Kind("URL", parse_web_url, schema=schema(type="string", format="uri"))

DATABASE_SCHEMES: Final = ("postgresql", "postgres")
_DATABASE_HINT: Final = (
    "must be a URI such as postgresql://user:password@host:5432/name, "
    "with reserved characters percent-encoded"
)


def parse_database_uri(text: str, _notes: list[Note]) -> Secret:
    """Read the URI of a PostgreSQL database; a driver (``postgresql+psycopg``) may be named."""
    scheme, separator, rest = text.partition("://")
    plain = scheme.lower().partition("+")[0] + separator + rest
    _check_url(plain, DATABASE_SCHEMES, _DATABASE_HINT)
    if not unquote(urlsplit(plain).path).strip("/"):
        raise RefusalError(f"{_DATABASE_HINT}; the database's name is missing")
    return Secret(text, mask_url(text))


DATABASE_URI: Final = Kind("URI", parse_database_uri, schema=schema(type="string"), secret=True)

_REDIS_HINT: Final = "must be a URL such as redis://host:6379/0 (also rediss:// and unix://)"


def parse_redis_url(text: str, _notes: list[Note]) -> Secret:
    """Read the URL of a Redis server."""
    _check_url(text, ("redis", "rediss", "unix"), _REDIS_HINT)
    parts = urlsplit(text)
    if not (parts.path if parts.scheme == "unix" else parts.hostname):
        raise RefusalError(_REDIS_HINT)
    return Secret(text, mask_url(text))


REDIS_URL: Final = Kind("URL", parse_redis_url, schema=schema(type="string"), secret=True)


def parse_origin(text: str, notes: list[Note]) -> str:
    """Read a Web origin or an origin pattern and write it as browsers do."""
    try:
        origin = normalise(text)
    except OriginError as error:
        raise RefusalError(f"{mask_url(text)} {error.message}", error.suggestion) from error
    if origin.trailing_slash:
        notes.append(
            ("origin-trailing-slash", f"browsers send {origin.text}; the slash is removed")
        )
    return origin.text


def _check_wildcard(origins: tuple[str, ...]) -> None:
    if "*" in origins and len(origins) > 1:
        raise RefusalError("must have * alone: it allows every origin, also the others listed")


ORIGINS: Final = list_of(
    Kind("origin", parse_origin, schema=schema(type="string")), _check_wildcard
)
