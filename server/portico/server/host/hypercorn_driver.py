"""HTTP/2 and WebSocket by Hypercorn's protocol code, behind the host's guard and deadlines."""

from math import inf
from typing import TYPE_CHECKING

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol import ProtocolWrapper
from hypercorn.trio.task_group import TaskGroup
from hypercorn.typing import ConnectionState

from portico.server.host.request import Address
from portico.server.host.transport import ConnectionLostError

if TYPE_CHECKING:
    from portico.server.host.connection import Connection
    from portico.server.host.worker import Worker


class HypercornDriver:
    """Feeds one connection's bytes to Hypercorn's protocol and sends what it answers."""

    def __init__(self, worker: "Worker", connection: "Connection") -> None:
        self._worker = worker
        self._connection = connection
        self._sending = trio.Lock()

    async def run(self, data: bytes, *, alpn: str) -> None:
        """Drive the protocol to the end of the connection, from the bytes in *data* on."""
        worker, connection = self._worker, self._connection
        try:
            async with TaskGroup() as tasks:
                protocol = self._protocol = ProtocolWrapper(
                    ASGIWrapper(worker.app),
                    worker.hypercorn,
                    worker.hypercorn_context,
                    tasks,
                    ConnectionState(worker.state.copy()),
                    worker.tls is not None,
                    _numbered(connection.client),
                    _numbered(connection.server),
                    self._send,
                    alpn,
                )
                await protocol.initiate()
                await self._read(protocol, data)
        finally:
            connection.abort()

    async def _read(self, protocol: ProtocolWrapper, data: bytes) -> None:
        try:
            while True:
                if data:
                    await protocol.handle(RawData(data))
                data = await self._connection.transport.receive_when_ready()
                if not data:
                    break
        except ConnectionLostError:
            pass
        finally:
            self._connection.abort()
            with trio.CancelScope(shield=True):
                await protocol.handle(Closed())

    async def _send(self, event: Event) -> None:
        if isinstance(event, RawData):
            await self._send_bytes(event.data)
        elif isinstance(event, Updated):
            keep_alive_s = self._worker.limits.keep_alive_s
            self._connection.read_by = trio.current_time() + keep_alive_s if event.idle else inf
        elif isinstance(event, Closed):
            self._connection.abort()

    async def _send_bytes(self, data: bytes) -> None:
        async with self._sending:
            self._connection.write_by = trio.current_time() + self._worker.limits.write_timeout_s
            try:
                with trio.CancelScope(shield=True):
                    if not self._connection.transport.send_now(data):
                        await self._connection.transport.flush()
            except ConnectionLostError:
                self._connection.abort()
            finally:
                self._connection.write_by = inf


def _numbered(address: Address) -> tuple[str, int] | None:
    """Hypercorn names every address by host and port; a Unix socket has no port."""
    return None if address is None else (address[0], address[1] or 0)
