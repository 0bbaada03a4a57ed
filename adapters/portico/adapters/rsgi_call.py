"""One request on its way through an RSGI application, with its exchange.

A stream that fails ends like a whole one where no Content-Length says otherwise: RSGI has no way
to break it off. The record says what happened.

Source: RSGI 1.6 (https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md).
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from portico.adapters.asgi_call import (
    BODY_BROKEN,
    NO_ANSWER,
    InvalidAnswerError,
    NoAnswerError,
    current_exchange,
)
from portico.adapters.codings import Encoder, encoder
from portico.core.access import Outcome
from portico.core.events import PROCEED, Respond, ResponseHead
from portico.core.limits import TIMED_OUT, is_endless
from portico.core.problem import FAILURE, Refusal

if TYPE_CHECKING:
    from portico.adapters.rsgi import RsgiPolicy

__all__ = ["BodyRefusedError", "HttpCall", "RsgiCall", "WebSocketCall"]

Lines: TypeAlias = list[tuple[str, str]]

_IDENTITY: Final = ("content-encoding", "identity")
_REFUSED: Final = 403


class BodyRefusedError(OSError):
    """The policy ended the request while the application read its body."""


class RsgiCall(ABC):
    """One request on its way through the application; `run` serves it.

    Attributes:
        exchange: Its exchange.
        begun: An answer has begun to leave.
        gone: The client left before its end.
        stopped: The policy ended the request while the application had it.
        encode: Codes the body, or None.
    """

    def __init__(self, shell: "RsgiPolicy", scope: Any, protocol: Any) -> None:
        self._shell = shell
        self._scope = scope
        self._protocol = protocol
        self._recorded = False
        self._patience: Any = None
        self.encode: Encoder | None = None
        self.exchange = shell.begin(scope)
        self.begun = False
        self.gone = False
        self.stopped = False

    @abstractmethod
    def respond(self, answer: Respond) -> None:
        """Send an answer of the policy's own."""

    async def run(self) -> None:
        """Serve the request; whatever happens, it ends in one record."""
        before = current_exchange.get()
        current_exchange.set(self.exchange)
        self._shell.in_flight += 1
        try:
            await self._attempt()
        except BaseException:
            self.finish(Outcome.CANCELLED)
            raise
        finally:
            current_exchange.set(before)
            self.finish(Outcome.CLIENT_DISCONNECTED if self.gone else None)

    async def _attempt(self) -> None:
        try:
            await self._serve()
        except Exception as error:
            if self.stopped or self._recorded:
                return
            if self.gone:
                if not self.begun:
                    self.answer_for(BODY_BROKEN)
                return
            self._shell.on_error(error, self.exchange)
            if self.begun:
                self.finish(Outcome.ERROR, FAILURE.reason)
            else:
                self.answer_for(FAILURE)

    async def _serve(self) -> None:
        verdict = await self._shell.judge(self.exchange, self._scope)
        if isinstance(verdict, Respond):
            self.begun = True
            self.respond(verdict)
            return
        if self._shell.policy.request_timeout_s is None:
            await self._shell.serve(self._scope, self)
        else:
            await self._serve_within(self._shell.policy.request_timeout_s)
        if self.begun:
            await self.conclude()
        elif not (self.stopped or self.gone):
            self._shell.on_error(NoAnswerError(NO_ANSWER.problem.detail), self.exchange)
            self.answer_for(NO_ANSWER)

    async def conclude(self) -> None:  # noqa: B027 -- most answers are whole already
        """End what the application has begun."""

    async def _serve_within(self, timeout_s: float) -> None:
        """Cancel the application when its time is over; what is endless has no end of time."""
        from asyncio import timeout  # RSGI is asyncio's alone

        try:
            async with timeout(timeout_s) as self._patience:
                await self._shell.serve(self._scope, self)
        except TimeoutError:
            if not self._patience.expired():
                raise
            self.stopped = True
            if self.begun:
                self.finish(Outcome.ERROR, TIMED_OUT.reason)
            else:
                self.answer_for(TIMED_OUT)

    def answer_for(self, refusal: Refusal) -> None:
        """Answer in the application's place."""
        answer = self.exchange.fail(refusal)
        self.begun = True
        self.respond(answer)

    def open(self, status: int, headers: Lines, content: bytes | None = None) -> Lines | None:
        """Complete the application's head; None where another answer has taken its place."""
        if self.begun or self.stopped:
            return None
        if not self.exchange.wants_content:
            content = None
        own = _read_head(status, headers)
        head = self.exchange.response(own, now=self._shell.clock(), content=content)
        self.begun = True
        if self.exchange.substitute is not None:
            if self.exchange.fault is not None:
                self._shell.on_error(InvalidAnswerError(self.exchange.fault), self.exchange)
            self.stopped = True
            self.respond(Respond(head, self.exchange.substitute))
            return None
        if self._patience is not None and is_endless(head.status, head.headers):
            self._patience.reschedule(None)
        if self.exchange.coding is not None and self.exchange.head.method != "HEAD":
            self.encode = encoder(self.exchange.coding)
        return _write_lines(head)

    def count_body(self, size: int) -> None:
        """Count what the client sends.

        Raises:
            BodyRefusedError: The policy refuses it.
        """
        if not size or self._recorded or self.stopped:
            return
        verdict = self.exchange.receive_body(size)
        if verdict is PROCEED:
            return
        self.stopped = True
        if isinstance(verdict, Respond):
            self.begun = True
            self.respond(verdict)
        else:
            self.finish()
        raise BodyRefusedError("the policy refused the body of this request")

    def count_answer(self, size: int) -> None:
        """Count what leaves."""
        if size and not self._recorded:
            self.exchange.send_body(size)

    def finish(self, outcome: Outcome | None = None, reason: str | None = None) -> None:
        """End the exchange and hand out its record, the first time."""
        if self._recorded:
            return
        self._recorded = True
        self._shell.in_flight -= 1
        now = self._shell.clock()
        self._shell.on_record(self.exchange.finish(now=now, outcome=outcome, reason=reason))


class HttpCall(RsgiCall):
    """One HTTP request; it is the protocol that the application is given."""

    def __init__(self, shell: "RsgiPolicy", scope: Any, protocol: Any) -> None:
        super().__init__(shell, scope, protocol)
        self._stream: Stream | None = None

    def respond(self, answer: Respond) -> None:
        """Send an answer of the policy's own."""
        lines = _write_lines(answer.head)
        if answer.body:
            self._protocol.response_bytes(answer.head.status, lines, answer.body)
        else:
            self._protocol.response_empty(answer.head.status, lines)

    async def __call__(self) -> bytes:
        """Read the whole body, piece by piece, so that no more of it is kept than is allowed."""
        return b"".join([piece async for piece in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Read the body."""
        try:
            async for piece in self._protocol:
                self.count_body(len(piece))
                yield piece
        except BodyRefusedError:
            raise
        except Exception:
            self.gone = True
            raise

    async def client_disconnect(self) -> None:
        """Wait until the client leaves."""
        await self._protocol.client_disconnect()
        self.gone = self.gone or not self.begun

    def response_empty(self, status: int, headers: Lines) -> None:
        """Answer without a body."""
        lines = self.open(status, headers, b"")
        if lines is None:
            return
        if self.encode is not None:
            self._send_whole(lines, b"")
        else:
            self._protocol.response_empty(self.exchange.status, lines)

    def response_str(self, status: int, headers: Lines, body: str) -> None:
        """Answer with text."""
        self.response_bytes(status, headers, body.encode())

    def response_bytes(self, status: int, headers: Lines, body: bytes) -> None:
        """Answer with bytes."""
        if (lines := self.open(status, headers, body)) is not None:
            self._send_whole(lines, body)

    def _send_whole(self, lines: Lines, body: bytes) -> None:
        coded = body if self.encode is None else self.encode(body, last=True)
        self.count_answer(len(coded))
        self._protocol.response_bytes(self.exchange.status, lines, coded)

    def response_file(self, status: int, headers: Lines, file: str) -> None:
        """Answer with a file, which the engine reads, so that nothing here can compress it."""
        if (lines := self._open_uncoded(status, headers)) is not None:
            self.count_answer(Path(file).stat().st_size)
            self._protocol.response_file(self.exchange.status, lines, file)

    def response_file_range(
        self, status: int, headers: Lines, file: str, start: int, end: int
    ) -> None:
        """Answer with a part of a file."""
        if (lines := self._open_uncoded(status, headers)) is not None:
            self.count_answer(end - start)
            self._protocol.response_file_range(self.exchange.status, lines, file, start, end)

    def _open_uncoded(self, status: int, headers: Lines) -> Lines | None:
        """Complete a head that the policy takes for coded already."""
        lines = self.open(status, [*headers, _IDENTITY])
        return lines and [line for line in lines if line != _IDENTITY]

    def response_stream(self, status: int, headers: Lines) -> "Stream":
        """Answer piece by piece."""
        lines = self.open(status, headers)
        if lines is None:
            return Stream(self, None)
        transport = self._protocol.response_stream(self.exchange.status, lines)
        self._stream = Stream(self, transport)
        return self._stream

    async def conclude(self) -> None:
        """Send what the coding still holds of a stream."""
        if self._stream is not None and self.encode is not None:
            await self._stream.send(self.encode(b"", last=True))


class Stream:
    """Where the application sends the pieces of its answer; None is nowhere."""

    def __init__(self, call: RsgiCall, transport: Any) -> None:
        self._call = call
        self._transport = transport

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes."""
        encode = self._call.encode
        await self.send(data if encode is None else encode(data, last=False))

    async def send(self, data: bytes) -> None:
        """Send bytes as they are to leave."""
        if self._transport is None or self._call.stopped or not data:
            return
        self._call.count_answer(len(data))
        try:
            await self._transport.send_bytes(data)
        except Exception:
            self._call.gone = True
            raise

    async def send_str(self, data: str) -> None:
        """Send text."""
        await self.send_bytes(data.encode())


class WebSocketCall(RsgiCall):
    """One WebSocket; it is the protocol that the application is given."""

    def respond(self, answer: Respond) -> None:
        """Refuse the handshake; RSGI takes a status and nothing else."""
        self._protocol.close(answer.head.status)

    async def accept(self) -> "WebSocket":
        """Open the WebSocket; RSGI sends none of the headers."""
        if self.open(101, []) is None:
            raise RuntimeError("this WebSocket was answered already")
        return WebSocket(self, await self._protocol.accept())

    def close(self, status: int | None = None) -> Any:
        """Refuse the handshake, or close what is open."""
        if self.begun:
            return self._protocol.close(status)
        if self.open(status or _REFUSED, []) is None:
            return None
        return self._protocol.close(self.exchange.status)


class WebSocket:
    """The open WebSocket, whose messages are counted."""

    def __init__(self, call: RsgiCall, transport: Any) -> None:
        self._call = call
        self._transport = transport

    async def receive(self) -> Any:
        """Receive a message."""
        message = await self._transport.receive()
        data = getattr(message, "data", b"")
        self._call.count_body(_size(data) if isinstance(data, (str, bytes)) else 0)
        return message

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes."""
        self._call.count_answer(len(data))
        await self._transport.send_bytes(data)

    async def send_str(self, data: str) -> None:
        """Send text."""
        self._call.count_answer(_size(data))
        await self._transport.send_str(data)


def _size(data: str | bytes) -> int:
    return len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode())


def _read_head(status: int, headers: Lines) -> ResponseHead:
    """Read the application's head; NUL, which no header allows, stands for what has no byte."""
    lines = [(_encode(name), _encode(value)) for name, value in headers]
    return ResponseHead(status, lines)


def _encode(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return b"\x00"


def _write_lines(head: ResponseHead) -> Lines:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]
