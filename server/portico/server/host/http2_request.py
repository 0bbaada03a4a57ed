"""Request heads of HTTP/2: what RFC 9113 leaves to check after h2, in the terms of HTTP/1.1."""

import re
from collections.abc import Iterable

from portico.server.host.request import Head, RequestRefusedError

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.6.2
_PATH = re.compile(rb"/[!-~]*")
# What "name: value" and its line end would add on HTTP/1.1, so that one limit holds on both.
_LINE_BYTES = 4


def accept(headers: Iterable[tuple[bytes, bytes]], *, max_head: int, max_target: int) -> Head:
    """The head that a HEADERS frame makes.

    h2 has refused missing, doubled and misplaced pseudo-headers, upper-case names, line breaks
    and the fields of a connection.

    Args:
        headers: Decoded fields, the pseudo-headers among them.
        max_head: Bytes that the head may have.
        max_target: Bytes that the target may have.

    Raises:
        RequestRefusedError: with the status that RFC 9110 gives.
    """
    pseudo: dict[bytes, bytes] = {}
    fields: list[tuple[bytes, bytes]] = []
    cookies: list[bytes] = []
    size = 0
    for name, value in headers:
        size += len(name) + len(value) + _LINE_BYTES
        if name[:1] == b":":
            pseudo[name] = value
        elif name == b"cookie":
            cookies.append(value)
        elif not _TOKEN.fullmatch(name):
            raise RequestRefusedError(400, "a header name is not a token")
        elif name != b"host":
            fields.append((name, value))
        else:
            pseudo.setdefault(b":authority", value)
    if cookies:  # RFC 9113 8.2.3: one field outside of HTTP/2
        fields.append((b"cookie", b"; ".join(cookies)))
    if size > max_head:
        raise RequestRefusedError(431, f"the request head is over {max_head} bytes")
    return Head(
        method=_method(pseudo[b":method"]),
        target=_target(pseudo, max_target),
        headers=[(b"host", pseudo.get(b":authority", b"")), *fields],
        http11=True,
        closes=False,
        has_body=True,
        chunked=False,
        websocket=False,
    )


def _method(method: bytes) -> str:
    if method == b"CONNECT":
        raise RequestRefusedError(405, "this server is no proxy")
    if not _TOKEN.fullmatch(method):
        raise RequestRefusedError(400, "the method is not a token")
    return method.decode("ascii")


def _target(pseudo: dict[bytes, bytes], max_target: int) -> bytes:
    target = pseudo[b":path"]
    if len(target) > max_target:
        raise RequestRefusedError(414, f"the request target is over {max_target} bytes")
    if pseudo[b":scheme"] not in (b"https", b"http"):
        raise RequestRefusedError(400, "the scheme is not https")
    if target == b"*" and pseudo[b":method"] == b"OPTIONS":
        return target
    if not _PATH.fullmatch(target):
        raise RequestRefusedError(400, "the request target is not a path")
    return target
