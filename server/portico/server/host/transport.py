"""The two byte streams under a connection: a plain socket and TLS.

Both send without waiting where the kernel has room, and both can be closed from another task:
that wakes whoever waits on them, shielded or not, with `ConnectionLostError`.
"""

import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

RECEIVE_BYTES = 65536


class ConnectionLostError(OSError):
    """The peer is gone, or the host ended the connection."""


class Transport(Protocol):
    """What a connection needs of its stream."""

    def fileno(self) -> int:
        """The descriptor of the socket."""

    async def receive(self) -> bytes:
        """Up to `RECEIVE_BYTES`; empty at the end of the stream."""

    async def receive_when_ready(self) -> bytes:
        """The same, but other tasks have their turn first."""

    def send_now(self, data: bytes) -> int:
        """Hand bytes to the kernel without waiting; how many it took."""

    async def send(self, data: bytes | memoryview) -> None:
        """Hand all bytes to the kernel, waiting for room."""

    async def finish(self) -> None:
        """Say that nothing more is sent; what the peer still sends can be received."""

    def close(self) -> None:
        """End the stream at once; idempotent."""


class SocketTransport:
    """A connected, non-blocking stream socket."""

    __slots__ = ("_closed", "_socket", "_waiting")

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._closed = False
        self._waiting = 0

    def fileno(self) -> int:
        """The descriptor of the socket."""
        return self._socket.fileno()

    async def receive(self) -> bytes:
        """Up to `RECEIVE_BYTES`; empty at the end of the stream."""
        while True:
            try:
                return self._socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                await self._wait(trio.lowlevel.wait_readable)
            except OSError as error:
                raise ConnectionLostError(str(error)) from error

    async def receive_when_ready(self) -> bytes:
        """The same, but other tasks have their turn first."""
        await self._wait(trio.lowlevel.wait_readable)
        return await self.receive()

    def send_now(self, data: bytes) -> int:
        """What the kernel takes without waiting, in bytes."""
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ConnectionLostError(str(error)) from error

    async def send(self, data: bytes | memoryview) -> None:
        """Hand all bytes to the kernel, waiting for room."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                await self._wait(trio.lowlevel.wait_writable)
            except OSError as error:
                raise ConnectionLostError(str(error)) from error

    async def finish(self) -> None:
        """Say that nothing more is sent."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise ConnectionLostError(str(error)) from error

    def close(self) -> None:
        """End the stream at once; idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._waiting:
            trio.lowlevel.notify_closing(self._socket)
        self._socket.close()

    async def _wait(self, wait: Callable[[socket.socket], Awaitable[None]]) -> None:
        self._waiting += 1
        try:
            await wait(self._socket)
        except trio.ClosedResourceError as error:
            raise ConnectionLostError("the connection was ended") from error
        finally:
            self._waiting -= 1


class TLSTransport:
    """A TLS stream over a connected socket; the handshake is done by `handshake`."""

    __slots__ = ("_stream",)

    def __init__(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        self._stream = stream

    def fileno(self) -> int:
        """The descriptor of the socket."""
        return self._stream.transport_stream.socket.fileno()

    @classmethod
    async def handshake(cls, sock: socket.socket, context: ssl.SSLContext) -> "TLSTransport":
        """Take the server's side of the handshake.

        Raises:
            ConnectionLostError: the peer does not speak TLS, or left.
        """
        stream = trio.SSLStream(
            trio.SocketStream(trio.socket.from_stdlib_socket(sock)),
            context,
            server_side=True,
            https_compatible=True,
        )
        try:
            await stream.do_handshake()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionLostError(str(error)) from error
        return cls(stream)

    @property
    def alpn(self) -> str | None:
        """The application protocol that the handshake settled on."""
        protocol: str | None = self._stream.selected_alpn_protocol()
        return protocol

    async def receive(self) -> bytes:
        """Up to `RECEIVE_BYTES`; empty at the end of the stream."""
        try:
            return bytes(await self._stream.receive_some(RECEIVE_BYTES))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionLostError(str(error)) from error

    async def receive_when_ready(self) -> bytes:
        """The same, but other tasks have their turn first."""
        return await self.receive()

    def send_now(self, data: bytes) -> int:  # noqa: ARG002
        """Nothing: a TLS record cannot be half sent."""
        return 0

    async def send(self, data: bytes | memoryview) -> None:
        """Hand all bytes to the kernel, waiting for room."""
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionLostError(str(error)) from error

    async def finish(self) -> None:
        """Say that nothing more is sent."""
        await self._stream.transport_stream.send_eof()

    def close(self) -> None:
        """End the stream at once; idempotent."""
        self._stream.transport_stream.socket.close()
