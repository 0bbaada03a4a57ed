"""What a WSGI environment says of a request, as the policy's `RequestHead`.

WSGI cannot say everything: lines of one name come joined by commas, and names have lost the
difference between ``-`` and ``_``, and between upper and lower case.

Source: PEP 3333, environ Variables; RFC 3875 4.1.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from portico.core.events import Headers, RequestHead
from portico.core.exchange import Exchange

__all__ = ["Environ", "read_environ", "write_environ"]

Environ: TypeAlias = dict[str, Any]

_PATH_SAFE: Final = "/:@!$&'()*+,;=-._~"  # RFC 3986 3.3, pchar
_RAW: Final = ("REQUEST_URI", "RAW_URI")  # uWSGI, mod_wsgi and Waitress; Gunicorn and Werkzeug
# The one name with an underscore that is not dropped (design page "Policy", Forwarded and hosts).
_UNDERSCORED: Final = {"HTTP_USER_ID": b"user_id"}


def read_environ(environ: Environ) -> RequestHead:
    """Take a request's head from its environment."""
    return RequestHead(
        environ["REQUEST_METHOD"],
        _read_path(environ),
        environ.get("QUERY_STRING", "").encode("latin-1", "replace"),
        _read_headers(environ),
        "http",
        environ.get("wsgi.url_scheme", "http"),
        _read_version(environ.get("SERVER_PROTOCOL", "HTTP/1.1")),
    )


def _read_version(protocol: str) -> str:
    """Take the version; some servers write HTTP/2.0 for HTTP/2."""
    version = protocol.removeprefix("HTTP/")
    return version.removesuffix(".0") if version in ("2.0", "3.0") else version


def _read_headers(environ: Environ) -> Headers:
    return [(name, str(value).encode("latin-1", "replace")) for name, value in _fields(environ)]


def _fields(environ: Environ) -> Iterator[tuple[bytes, Any]]:
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            yield _UNDERSCORED.get(key) or key[5:].replace("_", "-").lower().encode(), value
        elif key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            yield key.replace("_", "-").lower().encode(), value


def _read_path(environ: Environ) -> bytes:
    """Give the raw path, which counts only while it says the same as what the application routes.

    Without one it is made from the decoded path: then an escape that need not have been one, and
    an escaped slash, look like the plain character, to the application as to the policy.
    """
    served = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
    for name in _RAW:
        raw = _raw_path(environ.get(name, ""))
        if raw and unquote_to_bytes(raw) == served:
            return raw
    return quote_from_bytes(served, safe=_PATH_SAFE).encode("ascii")


def _raw_path(target: str) -> bytes:
    """Take the path from a request target in origin or absolute form (RFC 9112 3.2)."""
    path = target.partition("?")[0].partition("#")[0]
    if not path.startswith("/") and "://" in path:
        path = urlsplit(path).path or "/"
    return path.encode("latin-1", "replace")


def write_environ(environ: Environ, exchange: Exchange) -> None:
    """Let the application see client, scheme and host as the policy judged them."""
    if exchange.client != exchange.peer:
        environ["REMOTE_ADDR"] = exchange.client
    environ["wsgi.url_scheme"] = exchange.scheme
    if exchange.host:
        environ["HTTP_HOST"] = exchange.host.decode("latin-1")
