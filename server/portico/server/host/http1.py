"""HTTP/1.1 on one connection: RFC 9112 over a byte stream, an ASGI application inside.

One task per connection. The application runs inline in it, in a copied context; h11 parses and
`response` frames.
"""

from math import inf
from typing import TYPE_CHECKING

import h11
import trio

from portico.adapters.scope import DISCONNECT_EXTENSION
from portico.server.host.body import RequestBody
from portico.server.host.connection import Connection, Message, Phase
from portico.server.host.context import own_errors, run_in
from portico.server.host.plain_head import read_plain
from portico.server.host.request import (
    Address,
    Head,
    HeadParser,
    RequestRefusedError,
    Scope,
    explain,
    http_scope,
)
from portico.server.host.response import InvalidResponseError, Response, interim, problem
from portico.server.host.transport import ConnectionLostError, Transport
from portico.server.host.websocket import WebSocket

if TYPE_CHECKING:
    from portico.server.host.worker import Worker

_DISCONNECT: Message = {"type": "http.disconnect"}
_NO_CONTENT: Message = {"type": "http.request", "body": b"", "more_body": False}
_DISCARD_BYTES = 256 * 1024
# What the parsing of one piece of content is worth in bytes, where turns are counted in those.
_PIECE_BYTES = 16 * 1024


class Http1(Connection):
    """One connection that speaks HTTP/1.1; `run` drives it to its end."""

    __slots__ = ("_body", "_buffer", "_given", "_response", "_scope")

    def __init__(
        self, transport: Transport, worker: "Worker", *, client: Address, server: Address
    ) -> None:
        super().__init__(transport, worker, client=client, server=server)
        self._buffer = b""
        self._response: Response | None = None
        self._body: RequestBody | None = None
        self._given = False
        self._scope = trio.CancelScope()

    async def run(self) -> None:
        """Serve requests until the connection ends."""
        with self._scope:
            try:
                while await self._serve_one():
                    self._rest()
                await self.transport.finish()
            except ConnectionLostError:
                pass
            finally:
                self.abort()

    def overdue(self) -> None:
        """What was to be read did not come in time: say so, where an answer is awaited."""
        awaited = self.phase in (Phase.HEAD, Phase.REQUEST)
        if awaited and not (self._response and self._response.started):
            self._answer_now(408, "the request did not arrive in time")
        super().overdue()

    @property
    def unread(self) -> bool:
        """Whether nobody reads from the client now, so that only a poll sees it leave."""
        return self.phase is Phase.REQUEST and (self._body is None or self._body.complete)

    # -- one request ----------------------------------------------------------------------------

    async def _serve_one(self) -> bool:
        """Serve one request; whether another may follow on this connection."""
        fed = await self._first_bytes()
        if not fed:
            return False
        try:
            head, rest = await self._read_head(fed)
        except RequestRefusedError as refusal:
            self._answer_now(refusal.status, refusal.detail)
            await self.linger()
            return False
        if head.websocket:
            self.enter(Phase.REQUEST)
            await WebSocket(self.worker, self, head, rest).run()
            return False
        response = await self._run_application(head)
        return await self._conclude(response, rest)

    def _rest(self) -> None:
        self.enter(Phase.IDLE)
        self._response = None
        self._gone = None
        self.read_by = self.since + self.worker.limits.keep_alive_s

    async def _first_bytes(self) -> bytes:
        """The start of a head; empty if the client closes. RFC 9112 2.2: skip empty lines."""
        data, self._buffer = self._buffer.lstrip(b"\r\n"), b""
        if data:
            await trio.lowlevel.checkpoint()
        while not data:
            received = await self.transport.receive_when_ready()
            if not received:
                return b""
            data = received.lstrip(b"\r\n")
        return data

    async def _read_head(self, fed: bytes) -> tuple[Head, bytes]:
        """Read a head and get ready for its content; with it comes what stands behind it."""
        limits = self.worker.limits
        self._body = None
        plain = read_plain(fed, max_head=limits.max_head_bytes, max_target=limits.max_target_bytes)
        if plain is not None:
            return plain
        self.enter(Phase.HEAD)
        self.read_by = self.since + limits.header_timeout_s
        parser = HeadParser(max_head=limits.max_head_bytes, max_target=limits.max_target_bytes)
        while (head := parser.feed(fed)) is None:
            fed = await self.transport.receive()
            if not fed:
                raise ConnectionLostError("the client left within a request head")
        if head.has_body:
            self._body = RequestBody(
                parser.connection, chunked=head.chunked, patience_s=limits.header_timeout_s
            )
        return head, parser.rest

    async def _run_application(self, head: Head) -> Response:
        self.enter(Phase.REQUEST)
        self.worker.requests += 1
        self._given = False
        response = self._response = Response(
            method=head.method, http11=head.http11, closes=head.closes or self.worker.draining
        )
        context = self.worker.context.copy()
        try:
            await run_in(context, self.worker.app(self._describe(head), self._receive, self._send))
        except ConnectionLostError:
            raise
        except BaseExceptionGroup as group:
            errors = own_errors(group)
            if errors is None:
                raise
            self._failed(response, errors)
        except Exception as error:
            self._failed(response, error)
        else:
            if not response.complete:
                self._failed(
                    response,
                    InvalidResponseError("the application returned before its response ended"),
                )
        self._hooks.clear()
        return response

    def _describe(self, head: Head) -> Scope:
        return http_scope(
            head,
            scheme=self.worker.scheme,
            client=self.client,
            server=self.server,
            root_path=self.worker.root_path,
            state=self.worker.state,
            extensions={
                DISCONNECT_EXTENSION: {
                    "on_disconnect": self._hooks.append,
                    "cancel": self._scope.cancel,
                },
                "http.response.trailers": {},
                "http.response.early_hint": {},
            },
        )

    def _failed(self, response: Response, error: BaseException) -> None:
        """The application broke: say so where nothing was sent, cut the connection otherwise."""
        if self.aborted:
            raise ConnectionLostError("the client was gone") from error
        self.worker.report(error)
        if response.started:
            raise ConnectionLostError("the application failed") from error
        response.closes = True
        self._answer_now(500)

    async def _conclude(self, response: Response, rest: bytes) -> bool:
        """After a response: take what is left of the request; whether another may follow."""
        follows = not response.closes and await self._discard_body()
        self._buffer = rest if self._body is None else self._body.rest
        if follows:
            return not self.worker.draining or bool(self._buffer)
        if self._buffer or (self._body is not None and not self._body.complete):
            await self.linger()
        return False

    async def _discard_body(self) -> bool:
        """RFC 9112 9.3: what the application left unread is read, up to a bound."""
        budget = _DISCARD_BYTES
        try:
            while self._body is not None and not self._body.complete and budget > 0:
                budget -= len(await self._next_piece(self._body))
        except h11.RemoteProtocolError:
            return False
        return self._body is None or self._body.complete

    def _answer_now(self, status: int, detail: str = "") -> None:
        """Send an answer of the host's own as far as the kernel takes it without waiting."""
        self.send_now(problem(status, self.worker.date_line, detail))

    # -- ASGI -----------------------------------------------------------------------------------

    async def _receive(self) -> Message:
        body = self._body
        if self.aborted or self._given or (body is not None and body.complete):
            return await self._wait_gone()
        if body is None:
            self._given = True
            return _NO_CONTENT.copy()
        try:
            piece = await self._next_piece(body)
        except h11.RemoteProtocolError as error:
            if not (self._response and self._response.started):
                self._answer_now(400, explain(error))
            self.abort()
        except ConnectionLostError:
            self.abort()
        else:
            return {"type": "http.request", "body": piece, "more_body": not body.complete}
        return _DISCONNECT.copy()

    async def _next_piece(self, body: RequestBody) -> bytes:
        while (piece := body.take()) is None:
            if body.continue_owed and not (self._response and self._response.started):
                await self.write(interim(100), last=False)
            started_s = trio.current_time()
            self.read_by = started_s + body.credit_s
            try:
                data = await self.transport.receive()
            finally:
                self.read_by = inf
            body.feed(data, trio.current_time() - started_s)
        await self._yield(len(piece) + _PIECE_BYTES, last=False)
        return piece

    async def _wait_gone(self) -> Message:
        if not self.aborted and not (self._response and self._response.complete):
            if self._gone is None:
                self._gone = trio.Event()
            await self._gone.wait()
        return _DISCONNECT.copy()

    async def _send(self, message: Message) -> None:
        if self.aborted or self._response is None:
            raise ConnectionLostError("the client is gone")
        kind = message["type"]
        if kind == "http.response.start":
            self._announce(self._response, message)
        elif kind == "http.response.body":
            await self._send_body(self._response, message)
        elif kind == "http.response.trailers":
            await self.write(self._response.trailers(message["headers"]), last=True)
            self._over()
        elif kind == "http.response.early_hint":
            links = [(b"link", link) for link in message["links"]]
            await self.write(interim(103, links), last=False)
        else:
            raise InvalidResponseError(f"{kind!r} is no message of an HTTP response")

    def _announce(self, response: Response, message: Message) -> None:
        # RFC 9110 10.1.1: a client that was not told to continue may keep its content back.
        withheld = self._body is not None and self._body.continue_owed
        response.closes = response.closes or withheld or self.worker.draining
        response.start(
            message["status"], message.get("headers", ()), trailers=message.get("trailers", False)
        )

    async def _send_body(self, response: Response, message: Message) -> None:
        data = response.body(
            message.get("body", b""),
            more=message.get("more_body", False),
            date=self.worker.date_line,
        )
        if data:
            await self.write(data, last=response.complete)
        if response.complete:
            self._over()

    def _over(self) -> None:
        """The answer is whole: there is nothing more to receive."""
        self._given = True
        if self._gone is not None:
            self._gone.set()
