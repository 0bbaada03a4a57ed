"""An ASGI server without sockets: one call, one answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from tests.conformance.application import AskedFor, Receive, Send
from tests.conformance.calls import PEER, SPOKEN, Call
from tests.wire import Answer

Message = MutableMapping[str, Any]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


REFUSED_HANDSHAKE: Final = 403


class Unanswered(AssertionError):  # noqa: N818 - named for what it says
    """The application ended without an answer, or with half of one.

    Attributes:
        error: What it raised, or None.
    """

    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__("no whole answer")
        self.error = error


async def respond(app: Application, call: Call) -> Answer:
    """Run *app* on *call* and return its answer, names of headers in lower case.

    Raises:
        Unanswered: It gave none, or not a whole one.
    """
    sent: list[Message] = []
    incoming = _incoming(call)

    async def receive() -> Message:
        return await anext(incoming)

    async def send(message: Message) -> None:
        sent.append(message)

    error: AskedFor | None = None
    try:
        await app(scope_of(call), receive, send)
    except AskedFor as raised:
        error = raised
    answer = _websocket_answer(sent) if call.kind == "websocket" else _http_answer(call, sent)
    if answer is None:
        raise Unanswered(error)
    return answer


def scope_of(call: Call) -> Message:
    """Return the scope that an engine makes of *call*."""
    path, _, query = call.target.encode("latin-1").partition(b"?")
    return {
        "type": call.kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": call.method,
        "scheme": "http" if call.kind == "http" else "ws",
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": call.parsed_headers(),
        "client": (PEER, 50000),
        "server": ("127.0.0.1", 80),
        "subprotocols": [],
        "state": {},
        "extensions": {"websocket.http.response": {}} if call.kind == "websocket" else {},
    }


async def _incoming(call: Call) -> AsyncIterator[Message]:
    if call.kind == "websocket":
        yield {"type": "websocket.connect"}
        yield {"type": "websocket.receive", "text": SPOKEN}
        yield {"type": "websocket.disconnect", "code": 1000, "reason": ""}
        return
    *pieces, last = call.pieces()
    for piece in pieces:
        yield {"type": "http.request", "body": piece, "more_body": True}
    yield {"type": "http.request", "body": last, "more_body": False}
    if "/hang" in call.path:
        await asyncio.get_running_loop().create_future()  # the client waits for its answer
    while True:
        yield {"type": "http.disconnect"}


def _http_answer(call: Call, sent: list[Message]) -> Answer | None:
    if not sent or sent[-1]["type"] != "http.response.body" or sent[-1].get("more_body"):
        return None
    start, *rest = sent
    body = b"".join(message.get("body", b"") for message in rest)
    return Answer(start["status"], _lower(start), b"" if call.method == "HEAD" else body)


def _websocket_answer(sent: list[Message]) -> Answer | None:
    first, *rest = sent or [{"type": "nothing"}]
    match first["type"]:
        case "websocket.accept":
            said = "".join(m["text"] for m in rest if m["type"] == "websocket.send")
            return Answer(101, _lower(first), said.encode())
        case "websocket.close":
            return Answer(REFUSED_HANDSHAKE, [(b"content-length", b"0")])
        case "websocket.http.response.start":
            body = b"".join(message.get("body", b"") for message in rest)
            return Answer(first["status"], _lower(first), body)
    return None


def _lower(message: Message) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in message.get("headers", ())]
