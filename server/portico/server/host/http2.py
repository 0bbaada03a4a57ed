"""HTTP/2 (RFC 9113) on one TLS connection: h2 parses and frames, each stream has its task.

What one client can make the server do is bounded: streams at a time, requests in all, frames
that ask for work but carry none, silence, and writes that nobody reads. Priorities are ignored
(RFC 9113 5.3.2), push and the upgrade of cleartext connections are not spoken.
"""

from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any, Final

import h2.events as ev
import trio
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import H2Error, StreamClosedError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from portico.server.host.connection import Connection, Phase
from portico.server.host.http2_allowance import Allowance, FrameCutter
from portico.server.host.http2_request import accept
from portico.server.host.http2_stream import Stream
from portico.server.host.request import Address, RequestRefusedError
from portico.server.host.transport import ConnectionLostError, Transport

if TYPE_CHECKING:
    from portico.server.host.worker import Worker

_STREAMS_MAX: Final = 100
_REQUESTS_MAX: Final = 10_000
_FRAME_BYTES: Final = 16384

_SETTINGS_MAX: Final = 32
_TABLE_BYTES: Final = 4096
# What may come without making an event: a head in pieces, content of streams that were reset.
_SILENT_BYTES: Final = 64 * 1024


class Http2(Connection):
    """One connection that speaks HTTP/2; `run` drives it to its end."""

    __slots__ = (
        "_allowance",
        "_cutter",
        "_frames",
        "_reading",
        "_replies",
        "_requests",
        "_retiring",
        "_sending",
        "_silent_bytes",
        "_streams",
        "_tasks",
    )

    def __init__(
        self, transport: Transport, worker: "Worker", *, client: Address, server: Address
    ) -> None:
        super().__init__(transport, worker, client=client, server=server)
        self.phase = Phase.UPGRADED
        self._frames = _frames(worker.limits.max_head_bytes)
        self._streams: dict[int, Stream] = {}
        self._sending = trio.Lock()
        self._tasks: trio.Nursery | None = None
        self._retiring = False
        self._reading = trio.CancelScope()
        self._replies = b""
        self._requests = 0
        self._silent_bytes = 0
        self._allowance = Allowance(worker.now)
        self._cutter = FrameCutter()

    async def run(self) -> None:
        """Serve requests until the connection ends."""
        self.on_abort(self._leave)
        try:
            async with trio.open_nursery() as self._tasks:
                with self._reading:
                    await self._read()
                await self._conclude()
                self.abort()  # whoever still answers has nobody to answer to
        finally:
            self.abort()

    def overdue(self) -> None:
        """Nothing was asked for a while: say goodbye and end."""
        self._say_goodbye()
        self.abort()

    def retire(self) -> None:
        """RFC 9113 6.8: say that no more requests are taken; end when the last is answered."""
        if self._retiring:
            return
        self._retiring = True
        self._say_goodbye()
        if not self._streams:
            self._reading.cancel()

    # -- reading --------------------------------------------------------------------------------

    async def _read(self) -> None:
        self._frames.initiate_connection()
        try:
            await self.flush()
            while data := await self.transport.receive_when_ready():
                going_on = await self._take(data)
                await self.flush()
                if not going_on:
                    return
        except ConnectionLostError:
            self.abort()

    async def _conclude(self) -> None:
        """Let the client read what was sent before the end."""
        if self.aborted:
            return
        try:
            await self.linger()
        except ConnectionLostError:
            return

    async def _take(self, data: bytes) -> bool:
        """Handle what came, and let others have their turn; False if the connection is over."""
        for piece in self._cutter.cut(data):
            try:
                events, replied = self._parse(piece)
            except H2Error:  # h2 has made the GOAWAY that says so
                return False
            self._silent_bytes = 0 if events else self._silent_bytes + len(piece)
            if not self._bears(events, replied):
                self._frames.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
                return False
            if events and isinstance(events[-1], ev.ConnectionTerminated):
                return False
            if len(piece) < len(data):
                await trio.sleep(self._allowance.debt_s)
        return True

    def _parse(self, piece: bytes) -> tuple[list[ev.Event], int]:
        """Handle one piece: its events, and how many bytes were answered at once."""
        self._replies += self._frames.data_to_send()
        events = self._frames.receive_data(piece)
        for event in events:
            self._handle(event)
        replies = self._frames.data_to_send()
        self._replies += replies
        return events, len(replies)

    def _bears(self, events: list[ev.Event], replied: int) -> bool:
        """Whether the client asks for no more than a client may."""
        return (
            self._allowance.afford(events, replied, trio.current_time())
            and self._silent_bytes <= _SILENT_BYTES + 2 * self.worker.limits.max_head_bytes
            and len(self._frames.remote_settings) <= _SETTINGS_MAX
        )

    def _handle(self, event: ev.Event) -> None:
        if isinstance(event, ev.RequestReceived):
            self._open(event)
            return
        if isinstance(event, ev.RemoteSettingsChanged):
            self._bound_table()
            self._wake_all()
            return
        if isinstance(event, ev.DataReceived):
            self._feed(event)
            return
        stream_id = getattr(event, "stream_id", None)
        stream = self._streams.get(stream_id or 0)
        if isinstance(event, ev.WindowUpdated) and not stream_id:
            self._wake_all()
        elif stream is None:
            return
        elif isinstance(event, ev.WindowUpdated):
            stream.wake()
        elif isinstance(event, ev.StreamEnded):
            stream.feed_end()
        elif isinstance(event, ev.StreamReset):
            stream.leave()

    def _bound_table(self) -> None:
        """RFC 7541 4.2: use less of the client's table; hpack searches it from end to end."""
        encoder = self._frames.encoder
        if encoder.header_table_size > _TABLE_BYTES:
            encoder.header_table_size = _TABLE_BYTES

    def _feed(self, event: ev.DataReceived) -> None:
        stream = self._streams.get(event.stream_id or 0)
        size = event.flow_controlled_length or 0
        if stream is None or not stream.feed(event.data or b"", size):
            self.acknowledge(size, event.stream_id or 0)

    def _open(self, event: ev.RequestReceived) -> None:
        stream_id = event.stream_id or 0
        if self._retiring or len(self._streams) >= _STREAMS_MAX or self._tasks is None:
            self._reset_unknown(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        limits = self.worker.limits
        headers: Any = event.headers
        try:
            head = accept(
                headers, max_head=limits.max_head_bytes, max_target=limits.max_target_bytes
            )
        except RequestRefusedError as refusal:
            self._refuse(stream_id, refusal, over=event.stream_ended is not None)
            return
        self.read_by = inf
        self._requests += 1
        stream = self._streams[stream_id] = Stream(self, stream_id, head)
        self._tasks.start_soon(self._serve, stream)
        if self._requests >= _REQUESTS_MAX:
            self.retire()

    def _refuse(self, stream_id: int, refusal: RequestRefusedError, *, over: bool) -> None:
        headers = [(b":status", b"%d" % refusal.status), (b"content-length", b"0")]
        with suppress(StreamClosedError):  # the client has given it up in the same breath
            self._frames.send_headers(stream_id, headers, end_stream=True)
        if not over:
            self._reset_unknown(stream_id, ErrorCodes.NO_ERROR)

    def _reset_unknown(self, stream_id: int, code: ErrorCodes) -> None:
        """Reset a stream that has no task."""
        with suppress(StreamClosedError):
            self._frames.reset_stream(stream_id, code)

    async def _serve(self, stream: Stream) -> None:
        try:
            if not stream.gone:  # reset in the same breath: the application need not know
                await stream.run()
        except* ConnectionLostError:
            stream.leave()
        finally:
            del self._streams[stream.id]
            if not self._streams:
                self.read_by = self.worker.now + self.worker.limits.keep_alive_s
                if self._retiring:
                    self._reading.cancel()

    def _wake_all(self) -> None:
        for stream in tuple(self._streams.values()):
            stream.wake()

    def _leave(self) -> None:
        for stream in tuple(self._streams.values()):
            stream.leave()

    # -- what streams ask for -------------------------------------------------------------------

    def send_headers(
        self, stream_id: int, fields: list[tuple[bytes, bytes]], *, last: bool
    ) -> None:
        """Frame a head or trailers; what is sent next takes them along."""
        self._call(self._frames.send_headers, stream_id, fields, end_stream=last)

    def room(self, stream_id: int) -> int:
        """Bytes of content that the client's windows take in one frame now."""
        window: int = self._call(self._frames.local_flow_control_window, stream_id)
        return max(0, min(window, self._frames.max_outbound_frame_size, _FRAME_BYTES))

    async def send_content(self, stream_id: int, data: memoryview, *, last: bool) -> int:
        """Send at most one frame, as far as the client's windows go; bytes of *data* sent.

        Framed under the lock, so that what waits to be sent is one frame, not one of each stream.
        """
        async with self._sending:
            piece = data[: self.room(stream_id)]
            if piece or not data:
                ends = last and len(piece) == len(data)
                self._call(self._frames.send_data, stream_id, bytes(piece), end_stream=ends)
                self._allowance.earn(len(piece), whole=len(piece) == len(data))
            await self._flush()
            return len(piece)

    def acknowledge(self, size: int, stream_id: int) -> None:
        """Give the client back its window for *size* bytes that were taken."""
        if size and not self.aborted:
            self._call(self._frames.acknowledge_received_data, size, stream_id)

    def reset(self, stream_id: int, code: ErrorCodes) -> None:
        """Frame the reset of a stream; `flush` sends it."""
        self._call(self._frames.reset_stream, stream_id, code)

    def _call(self, frame: Any, *args: Any, **options: Any) -> Any:
        try:
            return frame(*args, **options)
        except H2Error as error:  # the client was faster: the stream or the connection is over
            raise ConnectionLostError(str(error)) from error

    async def flush(self) -> None:
        """Send what was framed; one task at a time, and never half a frame."""
        async with self._sending:
            await self._flush()

    async def _flush(self) -> None:
        data, self._replies = self._replies + self._frames.data_to_send(), b""
        if not data or self.transport.send_now(data):
            return
        with trio.CancelScope(shield=True):
            await self.flush_held()

    def _say_goodbye(self) -> None:
        """GOAWAY without an error; h2's own would forbid the answers that are under way."""
        if self._sending.locked():
            return
        frame = GoAwayFrame(0, last_stream_id=self._frames.highest_inbound_stream_id)
        data, self._replies = self._replies + self._frames.data_to_send(), b""
        if not self.send_now(data + frame.serialize()):
            self.abort()


def _frames(max_head: int) -> H2Connection:
    frames = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    frames.local_settings = Settings(
        client=False,
        initial_values={
            SettingCodes.MAX_CONCURRENT_STREAMS: _STREAMS_MAX,
            SettingCodes.MAX_HEADER_LIST_SIZE: 2 * max_head,
            SettingCodes.MAX_FRAME_SIZE: _FRAME_BYTES,
        },
    )
    frames.max_inbound_frame_size = _FRAME_BYTES
    frames.decoder.max_header_list_size = 2 * max_head
    return frames
