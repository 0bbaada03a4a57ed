"""HTTP/2 (RFC 9113) on one TLS connection: h2 parses and frames, each stream has its task.

What one client can make the server do is bounded: streams at a time, requests in all, frames
that ask for work but carry none, silence, and writes that nobody reads. Priorities are ignored
(RFC 9113 5.3.2), push and the upgrade of cleartext connections are not spoken.
"""

from math import inf
from typing import TYPE_CHECKING, Any, Final

import h2.events as ev
import trio
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from portico.server.host.connection import Connection, Phase
from portico.server.host.http2_request import accept
from portico.server.host.http2_stream import Stream
from portico.server.host.request import Address, RequestRefusedError
from portico.server.host.transport import ConnectionLostError, Transport

if TYPE_CHECKING:
    from portico.server.host.worker import Worker

_STREAMS_MAX: Final = 100
_REQUESTS_MAX: Final = 10_000
_FRAME_BYTES: Final = 16384
_SLICE_BYTES: Final = 8192

# Frames that ask for work and carry none, and what each costs of the allowance.
_ALLOWANCE_MAX: Final = 1000.0
_ALLOWANCE_PER_S: Final = 100.0
_REPLY_BYTES: Final = 13.0
_COSTS: Final[dict[type[ev.Event], float]] = {
    ev.PingReceived: 1.0,
    ev.PingAckReceived: 1.0,
    ev.RemoteSettingsChanged: 1.0,
    ev.SettingsAcknowledged: 1.0,
    ev.PriorityUpdated: 1.0,
    ev.WindowUpdated: 1.0,
    ev.UnknownFrameReceived: 1.0,
    ev.AlternativeServiceAvailable: 1.0,
    ev.StreamReset: 5.0,
}
# A client may give back window for each frame that it was sent, on the stream and in all.
_EARNED_PER_FRAME: Final = 3.0


class Http2(Connection):
    """One connection that speaks HTTP/2; `run` drives it to its end."""

    __slots__ = (
        "_allowance",
        "_earned_at",
        "_frames",
        "_reading",
        "_replies",
        "_requests",
        "_retiring",
        "_sending",
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
        self._allowance = _ALLOWANCE_MAX
        self._earned_at = worker.now

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
                going_on = self._take(data)
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

    def _take(self, data: bytes) -> bool:
        """Handle what came; False if the connection is over."""
        try:
            for at in range(0, len(data), _SLICE_BYTES):
                self._replies += self._frames.data_to_send()
                events = self._frames.receive_data(data[at : at + _SLICE_BYTES])
                replies = self._frames.data_to_send()
                self._replies += replies
                for event in events:
                    self._handle(event)
                if not self._afford(events, len(replies)):
                    self._frames.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
                    return False
                if events and isinstance(events[-1], ev.ConnectionTerminated):
                    return False
        except H2Error:  # h2 has made the GOAWAY that says so
            return False
        return True

    def _afford(self, events: list[ev.Event], replied: int) -> bool:
        """Take the price of what came from the allowance; whether it was enough.

        Counting the bytes that h2 answers of itself covers what has no event: a flood of frames
        for streams that were reset.
        """
        now = trio.current_time()
        earned = (now - self._earned_at) * _ALLOWANCE_PER_S
        cost = sum(_COSTS.get(type(event), 0.0) for event in events)
        cost += sum(isinstance(event, ev.DataReceived) and not event.data for event in events)
        cost += replied / _REPLY_BYTES
        self._allowance = min(_ALLOWANCE_MAX, self._allowance + earned) - cost
        self._earned_at = now
        return self._allowance >= 0

    def _handle(self, event: ev.Event) -> None:
        if isinstance(event, ev.RequestReceived):
            self._open(event)
            return
        if isinstance(event, ev.RemoteSettingsChanged):
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

    def _feed(self, event: ev.DataReceived) -> None:
        stream = self._streams.get(event.stream_id or 0)
        size = event.flow_controlled_length or 0
        if stream is None or not stream.feed(event.data or b"", size):
            self.acknowledge(size, event.stream_id or 0)

    def _open(self, event: ev.RequestReceived) -> None:
        stream_id = event.stream_id or 0
        if self._retiring or len(self._streams) >= _STREAMS_MAX or self._tasks is None:
            self._frames.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
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
        self._frames.send_headers(stream_id, headers, end_stream=True)
        if not over:
            self._frames.reset_stream(stream_id, ErrorCodes.NO_ERROR)

    async def _serve(self, stream: Stream) -> None:
        try:
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
        return max(0, min(window, self._frames.max_outbound_frame_size))

    async def send_content(self, stream_id: int, data: memoryview, *, last: bool) -> int:
        """Send at most one frame, as far as the client's windows go; bytes of *data* sent.

        Framed under the lock, so that what waits to be sent is one frame, not one of each stream.
        """
        async with self._sending:
            piece = data[: self.room(stream_id)]
            if piece or not data:
                ends = last and len(piece) == len(data)
                self._call(self._frames.send_data, stream_id, bytes(piece), end_stream=ends)
                self._allowance = min(_ALLOWANCE_MAX, self._allowance + _EARNED_PER_FRAME)
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
