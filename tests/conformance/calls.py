"""What the suite asks of every engine, and what it takes for the same answer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from portico.core.events import RequestHead
from tests.wire import Answer, request_bytes

Headers = tuple[tuple[bytes, bytes], ...]
Lines = list[tuple[bytes, bytes]]

# What an engine says of itself and of its connection (RFC 9112 6.1 and 9, RFC 9110 6.6.1, 10.2.4);
# everything else, Content-Length too, is the policy's or the application's.
ENGINE_OWN: Final = frozenset(
    {b"connection", b"date", b"keep-alive", b"server", b"transfer-encoding"}
)
HANDSHAKE_OWN: Final = frozenset({b"upgrade", b"sec-websocket-accept", b"sec-websocket-extensions"})
HANDSHAKE: Final = (
    (b"Connection", b"Upgrade"),
    (b"Upgrade", b"websocket"),
    (b"Sec-WebSocket-Version", b"13"),
    (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
)
PEER: Final = "127.0.0.1"
SPOKEN: Final = "hello"
"""What a client says on each WebSocket that is accepted."""

MADE_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes:
        policy: Name of the policy that meets it (policies.py); empty where the server has one.
        path: Behind the policy's segment, percent-encoded, with the query.
        headers: In wire order, spelt as they go out.
        chunked: Whether the body goes out in chunks, without Content-Length.
    """

    policy: str
    path: str = "/ok"
    method: str = "GET"
    headers: Headers = ()
    body: bytes = b""
    chunked: bool = False
    kind: Literal["http", "websocket"] = "http"
    host: str = "api.test"

    @property
    def target(self) -> str:
        """The request target, the policy's segment first."""
        return f"/{self.policy}{self.path}" if self.policy else self.path

    def wire_headers(self) -> Lines:
        """Return the header lines as they go out, behind Host."""
        framing: Lines = []
        if self.chunked:
            framing = [(b"Transfer-Encoding", b"chunked")]
        elif self.body:
            framing = [(b"Content-Length", b"%d" % len(self.body))]
        handshake = HANDSHAKE if self.kind == "websocket" else ()
        return [*self.headers, *handshake, *framing]

    def parsed_headers(self) -> Lines:
        """Return the header lines as an engine hands them on."""
        lines = [(b"host", self.host.encode()), *self.wire_headers()]
        return [(name.lower(), value.strip(b" \t")) for name, value in lines]

    def pieces(self) -> list[bytes]:
        """Return the body as it goes out: whole, or in two chunks; always one piece at least."""
        half = len(self.body) // 2
        return [self.body[:half], self.body[half:]] if self.chunked else [self.body]

    def wire_body(self) -> bytes:
        """Return the body as bytes on the wire (RFC 9112 7.1)."""
        if not self.chunked:
            return self.body
        chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*self.pieces(), b"")]
        return b"".join(chunks)

    def head(self) -> RequestHead:
        """Return the head as an engine hands it on."""
        path, _, query = self.target.encode("latin-1").partition(b"?")
        return RequestHead(self.method, path, query, self.parsed_headers(), kind=self.kind)

    def with_headers(self, *headers: tuple[bytes, bytes]) -> "Call":
        """Return this call with *headers* behind its own."""
        return replace(self, headers=(*self.headers, *headers))


def head_bytes(call: Call) -> bytes:
    """Return the head as it goes out."""
    return request_bytes(call.method, call.target, call.wire_headers(), host=call.host)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: the answer and the access record."""

    answer: Answer
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """The part of an outcome that every engine must agree on."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    outcome: str
    reason: str | None


def compare(outcome: Outcome, call: Call) -> Seen:
    """Take from the *outcome* of *call* what must be the same everywhere.

    Header lines are sorted by name, lines of one name keeping their order; a request id that the
    server made is written ``<made>``, in the body too.
    """
    answer = outcome.answer
    own = ENGINE_OWN | (HANDSHAKE_OWN if call.kind == "websocket" else frozenset())
    lines = [(name, value) for name, value in answer.headers if name not in own]
    lines.sort(key=lambda line: line[0])
    made = answer.header("x-request-id") or ""
    hidden = made if MADE_ID.fullmatch(made) else ""
    return Seen(
        status=answer.status,
        headers=tuple(
            (name.decode(), _hide(value.decode("latin-1"), hidden)) for name, value in lines
        ),
        body=_hide(answer.body.decode("latin-1"), hidden).encode("latin-1"),
        outcome=outcome.record["outcome"],
        reason=outcome.record.get("reason"),
    )


def _hide(text: str, made: str) -> str:
    return text.replace(made, "<made>") if made else text
