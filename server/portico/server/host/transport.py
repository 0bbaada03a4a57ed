"""The two byte streams under a connection: a plain socket and TLS.

Both send without waiting where the kernel has room and hold the rest back for `flush`; both can
be closed from another task: that wakes whoever waits on them, shielded or not, with
`ConnectionLostError`. One task at a time receives, and one sends.
"""

import fcntl
import socket
import ssl
import sys
import termios
from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

RECEIVE_BYTES = 65536
_RECORD_BYTES = 16384
_NOTHING = memoryview(b"")


class ConnectionLostError(OSError):
    """The peer is gone, or the host ended the connection."""


class ClearTextError(ConnectionLostError):
    """The peer spoke HTTP where TLS was expected."""


class Transport(Protocol):
    """What a connection needs of its stream."""

    def fileno(self) -> int:
        """The descriptor of the socket."""

    async def receive(self) -> bytes:
        """Up to `RECEIVE_BYTES`; empty at the end of the stream."""

    async def receive_when_ready(self) -> bytes:
        """The same, but other tasks have their turn first."""

    def send_now(self, data: bytes) -> bool:
        """Hand bytes to the kernel without waiting; False if some are held back."""

    async def flush(self) -> None:
        """Hand to the kernel what was held back, waiting for room."""

    def unsent(self) -> int:
        """Bytes that the peer has not acknowledged, held back or in the kernel."""

    async def finish(self) -> None:
        """Say that nothing more is sent; what the peer still sends can be received."""

    def close(self) -> None:
        """End the stream at once; idempotent."""


class SocketTransport:
    """A connected, non-blocking stream socket."""

    __slots__ = ("_closed", "_held", "_socket", "_waiting")

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._closed = False
        self._held = _NOTHING
        self._waiting = 0

    def fileno(self) -> int:
        """The descriptor of the socket."""
        return self._socket.fileno()

    @property
    def blocked(self) -> bool:
        """Whether bytes are held back."""
        return bool(self._held)

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

    def send_now(self, data: bytes) -> bool:
        """Hand bytes to the kernel without waiting; False if some are held back."""
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise ConnectionLostError(str(error)) from error
        if sent == len(data):
            return True
        self._held = memoryview(data)[sent:]
        return False

    async def flush(self) -> None:
        """Hand to the kernel what was held back, waiting for room."""
        while self._held:
            try:
                self._held = self._held[self._socket.send(self._held) :]
            except BlockingIOError:
                await self._wait(trio.lowlevel.wait_writable)
            except OSError as error:
                raise ConnectionLostError(str(error)) from error
        self._held = _NOTHING

    def unsent(self) -> int:
        """Bytes that the peer has not acknowledged, held back or in the kernel."""
        if self._closed:
            return 0
        try:
            queued = fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4))
        except OSError:
            return 0
        return int.from_bytes(queued, sys.byteorder) + len(self._held)

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
        if self._closed:
            raise ConnectionLostError("the connection was ended")
        self._waiting += 1
        try:
            await wait(self._socket)
        except trio.ClosedResourceError as error:
            raise ConnectionLostError("the connection was ended") from error
        except OSError as error:
            raise ConnectionLostError(str(error)) from error
        finally:
            self._waiting -= 1


class TLSTransport:
    """TLS over a connected socket, by OpenSSL over memory; `handshake` comes first."""

    __slots__ = ("_incoming", "_outgoing", "_tls", "_under")

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._under = SocketTransport(sock)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def fileno(self) -> int:
        """The descriptor of the socket."""
        return self._under.fileno()

    @property
    def alpn(self) -> str | None:
        """The application protocol that the handshake settled on."""
        return self._tls.selected_alpn_protocol()

    async def handshake(self) -> None:
        """Take the server's side of the handshake.

        Raises:
            ClearTextError: the peer speaks HTTP without TLS.
            ConnectionLostError: the two do not agree, or the peer left.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._push()
                if not await self._pull():
                    raise ConnectionLostError("the peer left within the handshake") from None
            except ssl.SSLError as error:
                await self._push()  # the alert that says why
                lost = ClearTextError if error.reason == "HTTP_REQUEST" else ConnectionLostError
                raise lost(str(error)) from error
            else:
                await self._push()
                return

    async def receive(self) -> bytes:
        """Up to one record; empty at the end of the stream."""
        while True:
            try:
                return self._tls.read(_RECORD_BYTES)
            except ssl.SSLWantReadError:
                self._push_now()  # the answer to a key update
                if not await self._pull():
                    return b""
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLError as error:
                raise ConnectionLostError(str(error)) from error

    async def receive_when_ready(self) -> bytes:
        """The same, but other tasks have their turn first."""
        await trio.lowlevel.checkpoint()
        return await self.receive()

    def send_now(self, data: bytes) -> bool:
        """Encrypt all, hand it to the kernel without waiting; False if some is held back."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._tls.write(rest) :]
        except ssl.SSLError as error:
            raise ConnectionLostError(str(error)) from error
        return self._push_now()

    async def flush(self) -> None:
        """Hand to the kernel what was held back, waiting for room."""
        await self._under.flush()
        while not self._push_now():
            await self._under.flush()

    def unsent(self) -> int:
        """Bytes, encrypted, that the peer has not acknowledged."""
        return self._under.unsent() + self._outgoing.pending

    async def finish(self) -> None:
        """Say, encrypted, that nothing more is sent; an abort does not, and shows as a cut."""
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            await self.flush()
        except ssl.SSLError as error:
            raise ConnectionLostError(str(error)) from error
        await self._under.finish()

    def close(self) -> None:
        """End the stream at once; idempotent."""
        self._under.close()

    async def _pull(self) -> bool:
        """Wait for bytes of the peer; whether there were any."""
        data = await self._under.receive()
        if data:
            self._incoming.write(data)
        return bool(data)

    async def _push(self) -> None:
        if not self._push_now():
            await self.flush()

    def _push_now(self) -> bool:
        if self._under.blocked:
            return False
        data = self._outgoing.read()
        return not data or self._under.send_now(data)
