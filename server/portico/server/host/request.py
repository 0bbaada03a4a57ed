"""Request heads: what RFC 9112 lets in beyond h11's parsing, and the ASGI scope of it."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import unquote

import h11

_QUOTED = re.compile(r""":? (?:bytearray\()?b['"].*""")
_LENGTH_LINE = re.compile(rb"(?i)\r\ncontent-length:[^\r]*")

Scope = dict[str, Any]
Address = tuple[str, int | None] | None


class RequestRefusedError(Exception):
    """A request that gets an answer of the host's own and ends the connection.

    Attributes:
        status: What is answered.
        detail: Why, for the person who reads the answer.
        headers: What the answer says besides.
    """

    def __init__(
        self, status: int, detail: str, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers

    def __str__(self) -> str:
        return f"{self.status} {HTTPStatus(self.status).phrase}: {self.detail}"


class Head(NamedTuple):
    """A request head that was accepted.

    ``target`` is the path with its query, in origin form or ``*``; ``closes`` whether the
    connection ends after the answer; ``has_body`` whether content is announced, ``chunked``
    whether in chunks.
    """

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    http11: bool
    closes: bool
    has_body: bool
    chunked: bool
    websocket: bool


class HeadParser:
    """Parses one head from the bytes that arrive; ``connection`` goes on with its content.

    ``fed`` is all that was fed, the bytes behind the head included.
    """

    __slots__ = ("_max_head", "_max_target", "connection", "fed")

    def __init__(self, *, max_head: int, max_target: int) -> None:
        self.connection = h11.Connection(h11.SERVER, max_incomplete_event_size=max_head)
        self.fed = b""
        self._max_head = max_head
        self._max_target = max_target

    @property
    def rest(self) -> bytes:
        """What came behind the head."""
        rest: bytes = self.connection.trailing_data[0]
        return rest

    def feed(self, data: bytes) -> Head | None:
        """Take more bytes; the head once it is whole.

        Raises:
            RequestRefusedError: it will never be an acceptable head.
        """
        self.fed += data
        self.connection.receive_data(data)
        try:
            event = self.connection.next_event()
        except h11.RemoteProtocolError as error:
            raise self._refusal(error) from error
        if not isinstance(event, h11.Request):
            return None
        raw = self.fed[: len(self.fed) - len(self.rest)]
        return accept(event, raw, max_head=self._max_head, max_target=self._max_target)

    def _refusal(self, error: h11.RemoteProtocolError) -> RequestRefusedError:
        too_large = error.error_status_hint == 431
        if too_large and b"\n" not in self.fed[: self._max_target]:
            return RequestRefusedError(414, "the request target is too long")
        return RequestRefusedError(error.error_status_hint, explain(error))


def explain(error: h11.RemoteProtocolError) -> str:
    """Give h11's reason without the client's bytes that it quotes: they may hold credentials."""
    return _QUOTED.sub("", str(error))


def accept(request: h11.Request, raw: bytes, *, max_head: int, max_target: int) -> Head:
    """Check what h11 leaves to its user, and name what the connection needs to know.

    Args:
        request: The parsed head.
        raw: Its bytes as they came.
        max_head: Bytes that request line and headers may have together.
        max_target: Bytes that the target may have.

    Raises:
        RequestRefusedError: with the status that RFC 9112 or RFC 9110 gives.
    """
    if not request.http_version.startswith(b"1."):
        raise RequestRefusedError(505, "this connection speaks HTTP/1.0 and HTTP/1.1")
    if len(request.target) > max_target:
        raise RequestRefusedError(414, f"the request target is over {max_target} bytes")
    if len(raw) > max_head:
        raise RequestRefusedError(431, f"the request head is over {max_head} bytes")
    _refuse_ambiguous_lines(raw)
    headers: list[tuple[bytes, bytes]] = list(request.headers)
    lengths = codings = 0
    connection = upgrade = host = b""
    for name, value in headers:
        if name == b"content-length":
            lengths += 1
        elif name == b"transfer-encoding":
            codings += 1
        elif name == b"connection":
            connection += b"," + value.lower()
        elif name == b"upgrade":
            upgrade = value.lower()
        elif name == b"host":
            host = value
    _refuse_ambiguous_framing(raw, lengths, codings, request.http_version)
    http11 = request.http_version >= b"1.1"
    tokens = {token.strip() for token in connection.split(b",")} if connection else ()
    return Head(
        method=request.method.decode("ascii"),
        target=_origin_form(request, host),
        headers=headers,
        http11=http11,
        closes=b"close" in tokens or not (http11 or b"keep-alive" in tokens),
        has_body=bool(lengths or codings),
        chunked=codings > 0,
        websocket=b"upgrade" in tokens and upgrade == b"websocket" and request.method == b"GET",
    )


def _refuse_ambiguous_lines(raw: bytes) -> None:
    """RFC 9112 2.2 and 5.2: a bare LF or a folded line is where two parsers part ways."""
    if raw.count(b"\n") != raw.count(b"\r\n") or raw.count(b"\r") != raw.count(b"\r\n"):
        raise RequestRefusedError(400, "a line of the head ends without CR LF")
    if b"\r\n " in raw or b"\r\n\t" in raw:
        raise RequestRefusedError(400, "a header is folded over two lines")


def _refuse_ambiguous_framing(raw: bytes, lengths: int, codings: int, version: bytes) -> None:
    """RFC 9112 6.1 and 6.3: one way to say where the content ends."""
    if lengths and codings:
        raise RequestRefusedError(400, "both content-length and transfer-encoding are given")
    if lengths:  # h11 makes one of equal ones, in lines of their own or in a list
        lines = _LENGTH_LINE.findall(raw)
        if len(lines) != 1 or b"," in lines[0]:
            raise RequestRefusedError(400, "content-length is given twice")
    if codings and version < b"1.1":
        raise RequestRefusedError(400, "transfer-encoding is not for HTTP/1.0")


def _origin_form(request: h11.Request, host: bytes) -> bytes:
    """RFC 9112 3.2: reduce the four forms of a target to path and query, or ``*``."""
    target = bytes(request.target)
    if target.startswith(b"/"):
        return target
    if request.method == b"CONNECT":
        raise RequestRefusedError(405, "this server is no proxy")
    if target == b"*" and request.method == b"OPTIONS":
        return target
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise RequestRefusedError(400, "the request target is not a path")
    slash = min((i for i in (rest.find(b"/"), rest.find(b"?")) if i >= 0), default=len(rest))
    if rest[:slash].lower() != host.strip().lower():
        raise RequestRefusedError(400, "the target's authority is not the Host")
    path = rest[slash:]
    return path if path.startswith(b"/") else b"/" + path


def http_scope(
    head: Head,
    *,
    scheme: str,
    client: Address,
    server: Address,
    root_path: str,
    state: dict[str, Any],
    extensions: dict[str, dict[str, Any]],
) -> Scope:
    """The ASGI 3 HTTP scope of *head*."""
    raw_path, _, query = head.target.partition(b"?")
    path = raw_path.decode("ascii")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1" if head.http11 else "1.0",
        "method": head.method,
        "scheme": scheme,
        "path": unquote(path) if "%" in path else path,
        "raw_path": raw_path,
        "query_string": query,
        "root_path": root_path,
        "headers": head.headers,
        "client": client,
        "server": server,
        "state": state.copy(),
        "extensions": extensions,
    }


def websocket_scope(
    head: Head,
    *,
    scheme: str,
    client: Address,
    server: Address,
    root_path: str,
    state: dict[str, Any],
    subprotocols: list[str],
) -> Scope:
    """The ASGI 3 WebSocket scope of *head*."""
    scope = http_scope(
        head,
        scheme=scheme,
        client=client,
        server=server,
        root_path=root_path,
        state=state,
        extensions={"websocket.http.response": {}},
    )
    del scope["method"]
    return scope | {"type": "websocket", "subprotocols": subprotocols}
