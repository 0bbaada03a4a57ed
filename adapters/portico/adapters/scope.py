"""What an ASGI scope says of a request, as the policy's `RequestHead`.

Source: ASGI 3, HTTP and WebSocket connection scopes
(https://asgi.readthedocs.io/en/stable/specs/www.html).
"""

from collections.abc import MutableMapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote, unquote

from portico.core.events import RequestHead

__all__ = ["DISCONNECT_EXTENSION", "Scope", "read_head", "read_path"]

Scope: TypeAlias = MutableMapping[str, Any]

DISCONNECT_EXTENSION: Final = "portico.disconnect"
"""Of Portico's host: ``on_disconnect`` takes what is called at the moment the client leaves.

``cancel``, where it is there, cancels the connection with the request that runs in it.
"""

_PATH_SAFE: Final = "/:@!$&'()*+,;=-._~"  # RFC 3986 3.3, pchar


def read_head(scope: Scope) -> RequestHead:
    """Take a request's head from its scope."""
    headers = scope["headers"]
    return RequestHead(
        scope.get("method", "GET"),
        read_path(scope.get("raw_path"), scope["path"]),
        scope.get("query_string", b""),
        headers if isinstance(headers, list) else list(headers),
        scope["type"],
        scope.get("scheme", "http"),
        scope.get("http_version", "1.1"),
    )


def read_path(raw: bytes | None, path: str) -> bytes:
    """Give the raw path that the policy judges.

    The application routes by *path*, so *raw* counts only while it says the same: no engine's and
    no client's trick may have one path judged and another one served.
    """
    if raw is not None:
        text = raw.decode("latin-1")
        if text == path or unquote(text) == path:
            return raw
    return quote(path, safe=_PATH_SAFE, errors="surrogatepass").encode("ascii")
