"""One worker: the listening sockets, the connections, their clock, and the way to the end."""

import contextvars
import errno
import os
import select
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from time import time
from typing import Any

import trio

from portico.adapters.draining import Drain
from portico.server.host.connection import Connection
from portico.server.host.context import own_errors
from portico.server.host.failure import AcceptError
from portico.server.host.http1 import Http1
from portico.server.host.http2 import Http2
from portico.server.host.lifespan import lifespan
from portico.server.host.request import Address
from portico.server.host.response import problem
from portico.server.host.transport import (
    ClearTextError,
    ConnectionLostError,
    SocketTransport,
    TLSTransport,
    Transport,
)

ASGIApplication = Callable[[Any, Any, Any], Awaitable[None]]
Report = Callable[[BaseException], None]

_TICK_S = 0.2
_ACCEPT_BURST = 64
_HANGUP = select.POLLRDHUP | select.POLLHUP | select.POLLERR
_HANDSHAKE_AT_END_S = 1.0
# accept(2): what the network did to a connection that waited to be accepted concerns it alone.
_PASSING = frozenset(
    (
        errno.EAGAIN,
        errno.ECONNABORTED,
        errno.EPERM,
        errno.EPROTO,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENOPROTOOPT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EOPNOTSUPP,
    )
)
_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may take. Times in seconds, sizes in bytes, connections per worker."""

    header_timeout_s: float = 10.0
    keep_alive_s: float = 5.0
    write_timeout_s: float = 30.0
    drain_delay_s: float = 0.0
    grace_s: float = 10.0
    max_head_bytes: int = 32 * 1024
    max_target_bytes: int = 8 * 1024
    max_connections: int = 1000
    max_message_bytes: int = 16 * 1024 * 1024
    websocket_ping_s: float = 30.0


@dataclass(slots=True, eq=False)
class Worker:
    """What the connections of one process share.

    ``now`` is Trio's clock as of the last tick; ``date_line`` the ready header line.
    """

    app: ASGIApplication
    limits: Limits
    report: Report
    root_path: str = ""
    tls: ssl.SSLContext | None = None
    state: dict[str, Any] = field(default_factory=dict)
    ending: Drain = field(default_factory=Drain)
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    now: float = 0.0
    date_line: bytes = b""
    draining: bool = False
    connections: set[Connection] = field(default_factory=set)
    admitted: int = 0
    requests: int = 0
    max_requests: int | None = None
    _empty: trio.Event = field(default_factory=trio.Event)
    _spare: int = -1
    _handshakes: set[trio.CancelScope] = field(default_factory=set)

    @property
    def date(self) -> bytes:
        """The value of `date_line`."""
        return self.date_line[6:-2]

    @property
    def scheme(self) -> str:
        """The scheme of every request here."""
        return "https" if self.tls else "http"

    @property
    def exhausted(self) -> bool:
        """Whether this worker has served its share of requests."""
        return self.max_requests is not None and self.requests >= self.max_requests

    # -- clock ----------------------------------------------------------------------------------

    async def keep_time(self) -> None:
        """Tick for ever: the clock, the deadlines, and who has left."""
        while True:
            self.tick()
            await trio.sleep(_TICK_S)

    def tick(self) -> None:
        """One turn of the sweeper."""
        before, self.now = self.now, trio.current_time()
        self.date_line = b"date: %b\r\n" % formatdate(time(), usegmt=True).encode("ascii")
        watched = {}
        for connection in tuple(self.connections):
            if connection.read_by < self.now or connection.write_by < self.now:
                self._expire(connection)
            elif connection.unread and connection.since < before:
                watched[connection.transport.fileno()] = connection
        watched.pop(-1, None)  # closed, and its task has yet to notice
        if watched:
            self._abort_left(watched)

    def _expire(self, connection: Connection) -> None:
        try:
            connection.expire()
        except Exception as error:  # nothing in one connection may stop the sweeper
            self.report(error)
            connection.abort()

    def _abort_left(self, watched: dict[int, Connection]) -> None:
        """A client that left behind pipelined bytes is seen only by asking for its hang-up."""
        poll = select.poll()
        for descriptor in watched:
            poll.register(descriptor, _HANGUP)
        for descriptor, _ in poll.poll(0):
            watched[descriptor].abort()

    # -- accepting ------------------------------------------------------------------------------

    async def accept(self, listener: socket.socket, nursery: trio.Nursery) -> None:
        """Accept for ever."""
        while True:
            await trio.lowlevel.wait_readable(listener)
            for _ in range(_ACCEPT_BURST):
                try:
                    sock, _ = listener.accept()
                except OSError as error:
                    if error.errno in _PASSING:
                        break
                    if error.errno not in _EXHAUSTED:
                        raise
                    self.report(AcceptError(error.errno, error.strerror))
                    self._shed(listener)
                    await trio.sleep(_TICK_S)
                    break
                self._admit(sock, nursery)

    def _shed(self, listener: socket.socket) -> None:
        """Out of descriptors: use the spare one to hang up on the next client in the queue."""
        if self._spare >= 0:
            os.close(self._spare)
        with suppress(OSError):  # it has left, or others of this process were faster
            listener.accept()[0].close()
        self.reserve()

    def reserve(self) -> None:
        """Hold one descriptor back for `_shed`."""
        try:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._spare = -1

    def _admit(self, sock: socket.socket, nursery: trio.Nursery) -> None:
        sock.setblocking(False)
        if self.admitted >= self.limits.max_connections:
            self._turn_away(sock)
            return
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.admitted += 1
        nursery.start_soon(self._serve, sock)

    def _turn_away(self, sock: socket.socket) -> None:
        if self.tls is None:
            answer = problem(
                503, self.date_line, "too many connections", headers=[(b"retry-after", b"1")]
            )
            try:
                sock.send(answer)
            except OSError:
                sock.close()
                return
        sock.close()

    # -- serving --------------------------------------------------------------------------------

    async def _serve(self, sock: socket.socket) -> None:
        """Serve one connection; whatever happens in it ends it alone."""
        try:
            await self._serve_stream(sock)
        except ConnectionLostError:
            sock.close()
        except BaseExceptionGroup as group:
            errors = own_errors(group)
            if errors is not None:
                self.report(errors)
        except Exception as error:
            self.report(error)
        finally:
            sock.close()
            self.admitted -= 1
            if self.draining and not self.admitted:
                self._empty.set()

    async def _serve_stream(self, sock: socket.socket) -> None:
        client, server = _address(sock.getpeername), _address(sock.getsockname)
        transport, alpn = await self._transport(sock)
        speak = Http2 if alpn == "h2" else Http1
        connection = speak(transport, self, client=client, server=server)
        self.connections.add(connection)
        if self.draining:
            connection.retire()
        try:
            await connection.run()
        finally:
            connection.abort()
            self.connections.discard(connection)

    async def _transport(self, sock: socket.socket) -> tuple[Transport, str | None]:
        if self.tls is None:
            return SocketTransport(sock), None
        transport = TLSTransport(sock, self.tls)
        with trio.move_on_after(self.limits.header_timeout_s) as patience:
            self._handshakes.add(patience)
            try:
                await transport.handshake()
            except ClearTextError:
                sock.send(problem(400, self.date_line, "this port speaks HTTPS"))
                raise
            finally:
                self._handshakes.discard(patience)
            return transport, transport.alpn
        raise ConnectionLostError("the TLS handshake did not arrive in time")

    # -- the end --------------------------------------------------------------------------------

    async def drain(self) -> None:
        """End idle connections, give the others the grace, then end them too."""
        self.draining = True
        for connection in tuple(self.connections):
            connection.retire()
        for patience in self._handshakes:
            patience.deadline = min(patience.deadline, trio.current_time() + _HANDSHAKE_AT_END_S)
        self.ending.begin()
        if self.admitted:
            with trio.move_on_after(self.limits.grace_s):
                await self._empty.wait()
        for connection in tuple(self.connections):
            connection.abort()


async def serve(
    worker: Worker,
    listeners: Sequence[socket.socket],
    *,
    started: Callable[[], object],
    wait_shutdown: Callable[[], Awaitable[object]],
) -> None:
    """Serve on *listeners* until *wait_shutdown* returns, then drain.

    Args:
        worker: The shared state, fresh.
        listeners: Bound, listening, non-blocking; closed by the end.
        started: Called once when requests are accepted.
        wait_shutdown: Returns when the drain begins.

    Raises:
        LifespanFailure: the application's start-up failed.
    """
    worker.reserve()
    worker.tick()
    # What is set here, such as the loop of an asyncio application, every request sees.
    worker.context = contextvars.copy_context()
    async with (
        lifespan(worker.app, worker.state, report=worker.report),
        trio.open_nursery() as background,
    ):
        background.start_soon(worker.keep_time)
        async with trio.open_nursery() as connections:
            try:
                async with trio.open_nursery() as accepting:
                    for listener in listeners:
                        accepting.start_soon(worker.accept, listener, connections)
                    started()
                    await wait_shutdown()
                    accepting.cancel_scope.cancel()
            finally:
                # The accept tasks are gone: a closed listener would end them with an error.
                for listener in listeners:
                    listener.close()
            await worker.drain()
            connections.cancel_scope.cancel()
        background.cancel_scope.cancel()


def _address(name: Callable[[], Any]) -> Address:
    try:
        address = name()
    except OSError as error:
        raise ConnectionLostError(str(error)) from error
    if isinstance(address, tuple):
        return address[0], address[1]
    return (address, None) if address else None
