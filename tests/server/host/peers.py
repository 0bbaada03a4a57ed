"""Clients of the other protocols: HTTP/2 by h2, WebSocket by websockets, TLS by trustme and trio.

Each is somebody else's implementation of what the host speaks.
"""

import ssl
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import h2.config
import h2.connection
import h2.events
import trio
import trustme
import websockets.client
import websockets.frames
import websockets.http11
import websockets.uri

from tests.server.host.wiring import DEADLINE_S, Running

GOAWAY = 7

Fields = list[tuple[bytes, bytes]]


@cache
def authority() -> trustme.CA:
    return trustme.CA()


@cache
def server_context(alpn: tuple[str, ...] = ("h2", "http/1.1")) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(alpn))
    authority().issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@cache
def client_context(*alpn: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority().configure_trust(context)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


async def secure(run: Running, *alpn: str) -> Any:
    """A client whose stream is TLS, the handshake done."""
    client = await run.client()
    stream: Any = trio.SSLStream(
        client.stream, client_context(*alpn), server_hostname="localhost", https_compatible=True
    )
    client.stream = stream
    await stream.do_handshake()
    return client


@dataclass
class Exchange:
    """One stream as the client sees it."""

    fields: dict[bytes, bytes] = field(default_factory=dict)
    interim: list[Fields] = field(default_factory=list)
    trailers: Fields = field(default_factory=list)
    body: bytes = b""
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(self.fields.get(b":status", b"0"))

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None


class Http2Peer:
    """A client's side of an HTTP/2 connection; what it may send is not validated."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.frames = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=True,
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.frames.initiate_connection()
        self.exchanges: dict[int, Exchange] = {}
        self.goaway: int | None = None
        self.closed = False
        self.unframed = b""

    def exchange(self, stream_id: int) -> Exchange:
        return self.exchanges.setdefault(stream_id, Exchange())

    async def flush(self, more: bytes = b"") -> None:
        data = self.frames.data_to_send() + more
        if data:
            await self.stream.send_all(data)

    async def request(
        self,
        path: bytes = b"/",
        method: bytes = b"GET",
        body: bytes | None = None,
        extra: Fields | None = None,
        *,
        ended: bool = True,
    ) -> int:
        stream_id = self.frames.get_next_available_stream_id()
        fields = [
            (b":method", method),
            (b":scheme", b"https"),
            (b":authority", b"localhost"),
            (b":path", path),
            *(extra or []),
        ]
        self.frames.send_headers(stream_id, fields, end_stream=body is None and ended)
        if body is not None:
            self.frames.send_data(stream_id, body, end_stream=ended)
        await self.flush()
        return stream_id

    async def take(self) -> None:
        """Receive once; raises nothing where the server closes."""
        try:
            with trio.fail_after(DEADLINE_S):
                data = await self.stream.receive_some(65536)
        except trio.BrokenResourceError:
            data = b""
        if not data:
            self.closed = True
            return
        self.unframed += data
        for event in self.frames.receive_data(self._ours()):
            self._note(event)
        try:
            await self.flush()
        except trio.BrokenResourceError:
            self.closed = True

    def _ours(self) -> bytes:
        """Whole frames, without GOAWAY and without streams that were opened behind h2's back.

        h2 takes nothing after a GOAWAY, but the answers under way still come.
        """
        ours = b""
        while len(self.unframed) >= 9:
            size = int.from_bytes(self.unframed[:3], "big") + 9
            if len(self.unframed) < size:
                break
            frame, self.unframed = self.unframed[:size], self.unframed[size:]
            stream_id = int.from_bytes(frame[5:9], "big")
            if frame[3] == GOAWAY:
                self.goaway = int.from_bytes(frame[13:17], "big")
            elif not stream_id or stream_id <= self.frames.highest_outbound_stream_id:
                ours += frame
        return ours

    def _note(self, event: Any) -> None:
        stream_id: Any = getattr(event, "stream_id", None)
        if isinstance(event, h2.events.ResponseReceived):
            self.exchange(stream_id).fields = dict(event.headers)
        elif isinstance(event, h2.events.InformationalResponseReceived):
            self.exchange(stream_id).interim.append(list(event.headers))
        elif isinstance(event, h2.events.TrailersReceived):
            self.exchange(stream_id).trailers = list(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self.exchange(stream_id).body += event.data
            self.frames.acknowledge_received_data(event.flow_controlled_length, stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.exchange(stream_id).ended = True
        elif isinstance(event, h2.events.StreamReset):
            self.exchange(stream_id).reset = event.error_code

    async def answer(self, stream_id: int) -> Exchange:
        """The exchange once it is over, one way or the other."""
        while not (self.exchange(stream_id).over or self.closed):
            await self.take()
        return self.exchange(stream_id)

    async def end(self) -> None:
        """Until the server has closed."""
        while not self.closed:
            await self.take()


async def http2(run: Running) -> Http2Peer:
    client = await secure(run, "h2")
    assert client.stream.selected_alpn_protocol() == "h2"
    peer = Http2Peer(client.stream)
    await peer.flush()
    return peer


class WebSocketPeer:
    """A client's side of a WebSocket."""

    def __init__(self, stream: Any, path: str = "/ws", **options: Any) -> None:
        self.stream = stream
        uri = websockets.uri.parse_uri(f"ws://localhost{path}")
        self.protocol = websockets.client.ClientProtocol(uri, max_size=None, **options)
        self.received: list[Any] = []
        self.closed = False

    async def flush(self) -> None:
        for data in self.protocol.data_to_send():
            try:
                await (self.stream.send_all(data) if data else self.stream.send_eof())
            except (trio.BrokenResourceError, AttributeError):
                return

    async def take(self) -> None:
        try:
            with trio.fail_after(DEADLINE_S):
                data = await self.stream.receive_some(65536)
        except trio.BrokenResourceError:
            data = b""
        if data:
            self.protocol.receive_data(data)
        else:
            self.protocol.receive_eof()
            self.closed = True
        self.received += self.protocol.events_received()
        await self.flush()

    async def handshake(self) -> websockets.http11.Response:
        """Ask, and the server's answer: 101 or a refusal."""
        self.protocol.send_request(self.protocol.connect())
        await self.flush()
        while not self.received:
            await self.take()
        response = self.received.pop(0)
        assert isinstance(response, websockets.http11.Response)
        return response

    async def frame(self) -> websockets.frames.Frame:
        """The next frame."""
        while not self.received:
            assert not self.closed
            await self.take()
        frame = self.received.pop(0)
        assert isinstance(frame, websockets.frames.Frame)
        return frame

    async def text(self, text: str) -> None:
        self.protocol.send_text(text.encode())
        await self.flush()

    async def end(self) -> tuple[int | None, str]:
        """The code and reason of the server's close, once it has closed."""
        while not self.closed:
            await self.take()
        close = self.protocol.close_rcvd
        return (close.code, close.reason) if close else (None, "")


async def websocket(run: Running, path: str = "/ws", **options: Any) -> WebSocketPeer:
    client = await run.client()
    return WebSocketPeer(client.stream, path, **options)
