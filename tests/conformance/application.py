"""The application behind every engine of the suite: plain ASGI, one behaviour per path.

The first segment of a path chooses the policy (target.py); the rest is looked up here.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, MutableMapping
from types import MappingProxyType
from typing import Any, Final

Headers = list[tuple[bytes, bytes]]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Behaviour = Callable[[Scope, Receive, Send], Awaitable[None]]

TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
# Of a request's headers an engine adds none, but a client's connection decides these.
_HOP_BY_HOP: Final = frozenset({b"connection", b"host", b"content-length", b"transfer-encoding"})


class AskedFor(Exception):  # noqa: N818 - what the caller asked for is not an error of this suite
    """The exception that ``/raise`` and ``/raise-late`` raise."""


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer by the part of the path behind its first segment."""
    if scope["type"] == "lifespan":
        return await _lifespan(receive, send)
    name = "/" + scope["path"].lstrip("/").partition("/")[2]
    behaviours = WEBSOCKETS if scope["type"] == "websocket" else ROUTES
    await behaviours.get(name, _not_found)(scope, receive, send)
    return None


def answering(
    status: int, body: bytes = b"", *headers: tuple[bytes, bytes], length: bool = True
) -> Behaviour:
    """Return the behaviour that answers *status* and *headers*, and *body* in one message."""
    framing = [(b"content-length", b"%d" % len(body))] if length else []

    async def behaviour(scope: Scope, receive: Receive, send: Send) -> None:
        await _start(send, status, [*headers, *framing])
        await send({"type": "http.response.body", "body": body})

    return behaviour


async def _lifespan(receive: Receive, send: Send) -> None:
    for phase in ("startup", "shutdown"):
        assert (await receive())["type"] == f"lifespan.{phase}"
        await send({"type": f"lifespan.{phase}.complete"})


async def _start(send: Send, status: int, headers: Headers) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _read(receive: Receive) -> bytes | None:
    """Read the body; None says that the client left in the middle of it."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what the application was given, so that engines can be compared by it."""
    body = await _read(receive)
    if body is None:
        return
    seen = {
        "method": scope["method"],
        "path": scope["path"],
        "raw_path": scope["raw_path"].decode("latin-1"),
        "query_string": scope["query_string"].decode("latin-1"),
        "scheme": scope["scheme"],
        "http_version": scope["http_version"],
        "headers": sorted(
            [name.decode("latin-1"), value.decode("latin-1")]
            for name, value in scope["headers"]
            if name not in _HOP_BY_HOP
        ),
        "body_bytes": len(body),
        "body_sha256": hashlib.sha256(body).hexdigest(),
    }
    text = json.dumps(seen, sort_keys=True).encode()
    json_headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(text))]
    await _start(send, 200, json_headers)
    await send({"type": "http.response.body", "body": text})


async def _stream(scope: Scope, receive: Receive, send: Send) -> None:
    await _start(send, 200, [TEXT])
    for chunk in (b"one ", b"", b"two ", b"three"):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body"})


async def _hang(scope: Scope, receive: Receive, send: Send) -> None:
    """Give no answer for as long as the client stays, nor to any but the first of its news."""
    await receive()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _hang_late(scope: Scope, receive: Receive, send: Send) -> None:
    await _start(send, 200, [TEXT, (b"content-length", b"10")])
    await send({"type": "http.response.body", "body": b"half ", "more_body": True})
    await _hang(scope, receive, send)


async def _raise(scope: Scope, receive: Receive, send: Send) -> None:
    raise AskedFor("secret in an exception's text")


async def _raise_late(scope: Scope, receive: Receive, send: Send) -> None:
    await _start(send, 200, [TEXT, (b"content-length", b"10")])
    await send({"type": "http.response.body", "body": b"half ", "more_body": True})
    raise AskedFor("secret in an exception's text")


async def _silent(scope: Scope, receive: Receive, send: Send) -> None:
    """Return without any answer, as a broken application does."""


async def _ws_echo(scope: Scope, receive: Receive, send: Send) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept", "headers": [(b"x-app", b"accepted")]})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def _ws_refuse(scope: Scope, receive: Receive, send: Send) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.close", "code": 1000})


_not_found = answering(404, b"nothing here", TEXT)

ROUTES: Final = MappingProxyType(
    {
        "/ok": answering(200, b"ok", TEXT),
        "/empty": answering(200),
        "/unframed": answering(200, b"no length given", TEXT, length=False),
        "/echo": _echo,
        "/stream": _stream,
        "/raise": _raise,
        "/raise-late": _raise_late,
        "/silent": _silent,
        "/hang": _hang,
        "/hang-late": _hang_late,
        "/redirect": answering(302, b"", (b"location", b"/elsewhere?a=1")),
        "/not-modified": answering(304, b"", (b"etag", b'"v1"'), length=False),
        "/no-content": answering(204, b"", length=False),
        "/unauthorised": answering(401, b"who?", TEXT, (b"www-authenticate", b"Bearer")),
        "/only-get": answering(405, b"only GET", TEXT, (b"allow", b"GET, HEAD")),
        "/too-large": answering(413, b"too large", TEXT),
        "/teapot": answering(418, b"short and stout", TEXT),
        "/too-many": answering(429, b"slow down", TEXT, (b"retry-after", b"1")),
        "/failed": answering(500, b"own words", TEXT),
        "/unavailable": answering(503, b"later", TEXT, (b"retry-after", b"1")),
        "/bad-status": answering(999, b"no such status", TEXT),
        "/bad-value": answering(200, b"split", TEXT, (b"x-split", b"a\r\nx-injected: 1")),
        "/bad-name": answering(200, b"split", TEXT, (b"x split", b"a")),
        "/cookies": answering(
            200, b"ok", TEXT, (b"set-cookie", b"a=1; Path=/"), (b"set-cookie", b"b=2; HttpOnly")
        ),
        "/own-cors": answering(
            200,
            b"ok",
            TEXT,
            (b"access-control-allow-origin", b"https://application.test"),
            (b"access-control-expose-headers", b"X-Page"),
            (b"vary", b"Accept-Encoding, Cookie"),
        ),
        "/own-id": answering(200, b"ok", TEXT, (b"x-request-id", b"the-application-has-its-own")),
        "/own-cache": answering(200, b"ok", TEXT, (b"cache-control", b"public, max-age=60")),
        "/html": answering(200, b"<p>page", (b"content-type", b"text/html; charset=utf-8")),
        "/upper-case": answering(200, b"ok", TEXT, (b"x-mixed", b"Value, WITH Case ;q=1")),
        "/latin": answering(200, b"ok", TEXT, (b"x-name", "Zoë".encode("latin-1"))),
    }
)

WEBSOCKETS: Final = MappingProxyType({"/ws": _ws_echo, "/ws-refuse": _ws_refuse})
