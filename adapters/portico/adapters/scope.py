"""What an ASGI scope says of a request, as the policy's `RequestHead`.

Source: ASGI 3, HTTP and WebSocket connection scopes
(https://asgi.readthedocs.io/en/stable/specs/www.html).
"""

from collections.abc import MutableMapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote, unquote

from portico.core.events import RequestHead
from portico.core.exchange import Exchange
from portico.core.target import find_ambiguity

__all__ = ["DISCONNECT_EXTENSION", "Scope", "read_head", "read_path", "write_scope"]

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


def write_scope(scope: Scope, head: RequestHead, exchange: Exchange) -> Scope:
    """Give the scope that the application gets: it must see the request that was judged.

    Args:
        scope: The engine's.
        head: What `read_head` made of it.
        exchange: What the policy made of that, behind trusted proxies.
    """
    seen = exchange.head
    if seen is head and exchange.client == exchange.peer:
        return scope
    changed: Scope = {**scope, "headers": seen.headers, "scheme": seen.scheme}
    if exchange.client is not None and exchange.client != exchange.peer:
        changed["client"] = (exchange.client, 0)  # a proxy tells no port that is of use
    if seen.path != head.path:
        changed["raw_path"] = seen.path
        changed["path"] = unquote(seen.path.decode("ascii"))
    return changed


def read_path(raw: bytes | None, path: str) -> bytes:
    """Give the raw path that the policy judges.

    The application routes by *path*, so *raw* counts only while it says the same: no engine's and
    no client's trick may have one path judged and another one served. An ambiguous *raw* counts
    too, for it is refused.
    """
    if raw is not None:
        text = raw.decode("latin-1")
        if text == path or unquote(text) == path:
            return raw
        if raw[:1] == b"/" and find_ambiguity(raw):
            return raw
    return quote(path, safe=_PATH_SAFE, errors="surrogatepass").encode("ascii")
