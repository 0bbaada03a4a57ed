"""One WebSocket (RFC 6455) over an HTTP/1.1 connection, an ASGI application inside.

wsproto parses and frames; the host reads, bounds and times it. No extension is offered: a
compressed message is a way to make a few bytes fill the memory of the server.
"""

from collections import deque
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any, Final

import trio
from trio.lowlevel import ParkingLot
from wsproto.connection import Connection as Frames
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason

from portico.server.host.context import own_errors, run_in
from portico.server.host.handshake import Handshake
from portico.server.host.request import Head, RequestRefusedError, websocket_scope
from portico.server.host.response import InvalidResponseError, Response, interim, problem
from portico.server.host.transport import ConnectionLostError

if TYPE_CHECKING:
    from portico.server.host.connection import Connection
    from portico.server.host.worker import Worker

ASGIMessage = dict[str, Any]

SERVICE_RESTART: Final = 1012  # IANA's registry of close codes

_WAITING_MAX = 16
_WAITING_BYTES_MAX = 1024 * 1024
_FAREWELL_S = 2.0
# A frame without content costs as much as any: others have their turn between.
_FRAMES_PER_TURN = 8


class WebSocket:
    """Drives one WebSocket to its end, from its accepted head on."""

    def __init__(
        self, worker: "Worker", connection: "Connection", head: Head, early: bytes
    ) -> None:
        self._worker = worker
        self._connection = connection
        self._head = head
        self._early = early
        self._handshake = Handshake(head)
        self._frames = Frames(ConnectionType.SERVER)
        self._response: Response | None = None
        self._tasks: trio.Nursery | None = None
        self._sending = trio.Lock()
        self._news = ParkingLot()
        self._room = ParkingLot()
        self._inbox: deque[ASGIMessage] = deque()
        self._inbox_bytes = 0
        self._parts: Any = None
        self._connected = False
        self._accepted = False
        self._farewell_due = False
        self._pinged = False
        self._end: tuple[int, str] | None = None

    async def run(self) -> None:
        """Serve it until both sides have closed, or the connection ends."""
        try:
            self._handshake.check()
            if self._worker.draining:
                raise RequestRefusedError(503, "the server is about to end")
        except RequestRefusedError as refusal:
            await self._answer(refusal.status, refusal.detail, refusal.headers)
            return
        self._connection.on_abort(self._lost)
        try:
            async with trio.open_nursery() as self._tasks:
                await self._run_application()
                await self._conclude()
                self._tasks.cancel_scope.cancel()
        except* ConnectionLostError:
            self._connection.abort()

    def retire(self) -> None:
        """The drain begins: tell both sides; the client may come back to another worker."""
        if self._accepted and self._end is None:
            self._say_now(CloseConnection(code=SERVICE_RESTART))
            self._farewell_due = True
            self._ended(SERVICE_RESTART, "the server is about to end")

    def expire(self) -> None:
        """Nothing came for a while: ask whether the client is there, and then end it."""
        if self._pinged:
            self._connection.abort()
            return
        self._pinged = True
        self._connection.read_by = self._worker.now + self._worker.limits.websocket_ping_s
        self._say_now(Ping())

    # -- the application ------------------------------------------------------------------------

    async def _run_application(self) -> None:
        worker, connection = self._worker, self._connection
        scope = websocket_scope(
            self._head,
            scheme="wss" if worker.tls else "ws",
            client=connection.client,
            server=connection.server,
            root_path=worker.root_path,
            state=worker.state,
            subprotocols=self._handshake.subprotocols,
        )
        try:
            await run_in(worker.context.copy(), worker.app(scope, self._receive, self._send))
        except ConnectionLostError:
            return
        except BaseExceptionGroup as group:
            errors = own_errors(group)
            if errors is None:
                raise
            await self._failed(errors)
        except Exception as error:
            await self._failed(error)

    async def _failed(self, error: BaseException) -> None:
        self._worker.report(error)
        if self._end is not None:
            return
        if self._accepted:
            await self._close(CloseReason.INTERNAL_ERROR)
        elif self._response is None or not self._response.started:
            await self._answer(500)

    async def _conclude(self) -> None:
        """Say goodbye where the application did not, and hear the client's."""
        if self._end is None:
            if self._accepted:
                await self._close(CloseReason.NORMAL_CLOSURE)
            elif self._response is None or not self._response.complete:
                error = InvalidResponseError("the application returned without an answer")
                await self._failed(error)
        if self._farewell_due:
            with trio.move_on_after(_FAREWELL_S):
                while self._farewell_due:
                    await self._news.park()
        await self._connection.transport.finish()

    async def _receive(self) -> ASGIMessage:
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        while not self._inbox:
            if self._end is not None:
                code, reason = self._end
                return {"type": "websocket.disconnect", "code": code, "reason": reason}
            await self._news.park()
        message = self._inbox.popleft()
        self._inbox_bytes -= _size(message)
        self._room.unpark_all()
        return message

    async def _send(self, message: ASGIMessage) -> None:
        if self._end is not None:
            raise ConnectionLostError("the WebSocket is closed")
        kind = message["type"]
        if self._accepted and kind == "websocket.send":
            await self._say(_outgoing(message))
        elif self._accepted and kind == "websocket.close":
            await self._close(message.get("code", 1000), message.get("reason") or "")
        elif self._accepted or (self._response is not None and self._response.complete):
            raise InvalidResponseError(f"{kind!r} is out of order")
        elif kind == "websocket.accept":
            await self._accept(message)
        elif kind == "websocket.close":
            await self._answer(403)
        else:
            await self._refuse(message)

    async def _accept(self, message: ASGIMessage) -> None:
        if self._response is not None:
            raise InvalidResponseError("the handshake was refused already")
        headers = self._handshake.accept(message.get("subprotocol"), message.get("headers", ()))
        self._accepted = True
        await self._connection.write(interim(101, headers), last=False)
        self._connection.upgraded(self)
        assert self._tasks is not None  # noqa: S101
        self._tasks.start_soon(self._read)

    async def _refuse(self, message: ASGIMessage) -> None:
        """The ASGI extension websocket.http.response: any answer instead of 101."""
        if message["type"] == "websocket.http.response.start":
            if self._response is not None:
                raise InvalidResponseError("the answer was started twice")
            self._response = Response(method="GET", http11=True, closes=True)
            self._response.start(message["status"], message.get("headers", ()))
            return
        if message["type"] != "websocket.http.response.body" or self._response is None:
            raise InvalidResponseError(f"{message['type']!r} is out of order")
        more = message.get("more_body", False)
        data = self._response.body(message.get("body", b""), more=more, date=self._worker.date_line)
        await self._connection.write(data, last=not more)
        if not more:
            self._ended(CloseReason.ABNORMAL_CLOSURE, "")

    async def _answer(self, status: int, detail: str = "", headers: Any = ()) -> None:
        """Answer instead of the application, and end."""
        answer = problem(status, self._worker.date_line, detail, headers=headers)
        await self._connection.write(answer, last=True)
        self._ended(CloseReason.ABNORMAL_CLOSURE, "")

    # -- the wire -------------------------------------------------------------------------------

    async def _read(self) -> None:
        """Take what the client sends until it closes; wait while the application is behind."""
        data, self._early = self._early, b""
        connection, transport = self._connection, self._connection.transport
        try:
            while True:
                self._pinged = False
                connection.read_by = self._worker.now + self._worker.limits.websocket_ping_s
                self._frames.receive_data(data)
                for number, event in enumerate(self._frames.events(), 1):
                    await self._take(event)
                    if number % _FRAMES_PER_TURN == 0:
                        await trio.lowlevel.checkpoint()
                if self._end is not None and not self._farewell_due:
                    return
                data = await transport.receive_when_ready()
                if not data:
                    raise ConnectionLostError("the client left")
        except ConnectionLostError:
            connection.abort()

    async def _take(self, event: Event) -> None:
        if isinstance(event, Ping):
            await self._say(Pong(payload=bytes(event.payload)))
        elif isinstance(event, CloseConnection):
            await self._take_close(event)
        elif isinstance(event, (TextMessage, BytesMessage)) and self._end is None:
            await self._take_part(event)

    async def _take_close(self, event: CloseConnection) -> None:
        """RFC 6455 5.5.1: answer a close with a close; a broken frame is answered likewise."""
        broken = self._frames.state is ConnectionState.OPEN
        reason = event.reason if broken else None
        self._farewell_due = True
        self._ended(event.code, event.reason or "")
        # 1005 and 1006 never travel: without a code of the client's there is none in the answer.
        code = event.code if event.code not in (1005, 1006) else 1000
        await self._say(CloseConnection(code=code, reason=reason))
        self._farewell_due = False
        self._news.unpark_all()

    async def _take_part(self, event: TextMessage | BytesMessage) -> None:
        if self._parts is None:
            self._parts = StringIO() if isinstance(event, TextMessage) else BytesIO()
        self._parts.write(event.data)
        if self._parts.tell() > self._worker.limits.max_message_bytes:
            await self._close(CloseReason.MESSAGE_TOO_BIG)
        elif event.message_finished:
            whole = self._parts.getvalue()
            self._parts = None
            await self._deliver(whole)

    async def _deliver(self, whole: str | bytes) -> None:
        text, binary = (whole, None) if isinstance(whole, str) else (None, whole)
        self._inbox.append({"type": "websocket.receive", "bytes": binary, "text": text})
        self._inbox_bytes += len(whole)
        self._news.unpark_all()
        while self._end is None and self._is_behind():
            await self._room.park()

    def _is_behind(self) -> bool:
        return len(self._inbox) >= _WAITING_MAX or self._inbox_bytes >= _WAITING_BYTES_MAX

    async def _close(self, code: int, reason: str = "") -> None:
        await self._say(CloseConnection(code=int(code), reason=reason))
        self._farewell_due = self._frames.state is ConnectionState.LOCAL_CLOSING
        self._ended(int(code), reason)

    def _ended(self, code: int, reason: str) -> None:
        """Nothing more goes to the client; the application hears it with its next receive."""
        if self._end is None:
            self._end = int(code), reason
        self._news.unpark_all()
        self._room.unpark_all()

    def _lost(self) -> None:
        self._farewell_due = False
        self._ended(CloseReason.ABNORMAL_CLOSURE, "")

    async def _say(self, event: Event) -> None:
        async with self._sending:
            if self._may_say(event):
                await self._connection.write(self._frames.send(event), last=False)

    def _say_now(self, event: Event) -> None:
        """Send a small frame from outside the connection's tasks, or give the client up."""
        if self._sending.locked():
            return  # a write is under way, and its own deadline runs
        if self._may_say(event) and not self._connection.send_now(self._frames.send(event)):
            self._connection.abort()

    def _may_say(self, event: Event) -> bool:
        states = {ConnectionState.OPEN}
        if isinstance(event, CloseConnection):
            states.add(ConnectionState.REMOTE_CLOSING)
        return self._frames.state in states


def _outgoing(message: ASGIMessage) -> Message[Any]:
    data, text = message.get("bytes"), message.get("text")
    if data is not None:
        return BytesMessage(data=bytes(data))
    if not isinstance(text, str):
        raise InvalidResponseError("websocket.send has neither bytes nor text")
    return TextMessage(data=text)


def _size(message: ASGIMessage) -> int:
    return len(message["bytes"] or message["text"] or b"")
