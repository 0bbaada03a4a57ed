"""A connection as the worker sees it, whatever protocol it speaks: deadlines, sending, the end.

Deadlines are plain numbers that the sweeper reads; only `abort` ends a connection from outside,
and it wakes every waiter, shielded or not.
"""

from collections.abc import Callable
from enum import Enum, auto
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

import trio

from portico.server.host.body import SLOWEST_BYTES_PER_S
from portico.server.host.request import Address
from portico.server.host.transport import ConnectionLostError, Transport

if TYPE_CHECKING:
    from portico.server.host.worker import Worker

Message = dict[str, Any]

_DISCARD_BYTES = 256 * 1024
_LINGER_S = 2.0
_FIRST_REQUEST_S = 1.0
_YIELD_BYTES = 256 * 1024


class Phase(Enum):
    """Where a connection stands; the sweeper and the drain ask."""

    NEW = auto()
    IDLE = auto()
    HEAD = auto()
    REQUEST = auto()
    LINGER = auto()
    UPGRADED = auto()


class Upgraded(Protocol):
    """The protocol that took a connection over, as the sweeper and the drain see it."""

    def expire(self) -> None:
        """The time to read by has come."""

    def retire(self) -> None:
        """The drain begins."""


class Connection:
    """The state of one connection.

    ``read_by`` and ``write_by`` are the times, on Trio's clock, at which the sweeper ends the
    wait that is under way (``inf``: none is); ``since`` is when the phase began.
    """

    __slots__ = (
        "_gone",
        "_hooks",
        "_successor",
        "_unsent",
        "_unyielded_bytes",
        "aborted",
        "client",
        "phase",
        "read_by",
        "server",
        "since",
        "transport",
        "worker",
        "write_by",
    )

    def __init__(
        self, transport: Transport, worker: "Worker", *, client: Address, server: Address
    ) -> None:
        self.transport = transport
        self.worker = worker
        self.client = client
        self.server = server
        self.phase = Phase.NEW
        self.since = worker.now
        self.read_by = worker.now + worker.limits.header_timeout_s
        self.write_by = inf
        self.aborted = False
        self._gone: trio.Event | None = None
        self._hooks: list[Callable[[], object]] = []
        self._successor: Upgraded | None = None
        self._unsent = 0
        self._unyielded_bytes = 0

    def abort(self) -> None:
        """End the connection now: wake its waiters and tell the application."""
        if self.aborted:
            return
        self.aborted = True
        self.transport.close()
        if self._gone is not None:
            self._gone.set()
        hooks, self._hooks = self._hooks, []
        for hook in hooks:
            try:
                hook()
            except Exception as error:  # the application's: this may be the sweeper's task
                self.worker.report(error)

    def expire(self) -> None:
        """A deadline passed: end the connection, unless it reads on slowly."""
        if self.write_by >= self.worker.now:
            self.overdue()
        elif self._is_read():
            self.write_by = self.worker.now + self.worker.limits.write_timeout_s
        else:
            self.abort()

    def overdue(self) -> None:
        """What was to be read did not come in time."""
        if self._successor is None:
            self.abort()
        else:
            self._successor.expire()

    def _is_read(self) -> bool:
        """Whether the client took what the slowest rate that is served makes of the time.

        The kernel says that a socket is writable only when a third of its buffer is free, which
        a slow reader may need minutes for; so the deadline looks at the buffer itself.
        """
        before, self._unsent = self._unsent, self.transport.unsent()
        least = SLOWEST_BYTES_PER_S * self.worker.limits.write_timeout_s
        return before - self._unsent >= least

    def retire(self) -> None:
        """The drain begins: what is idle ends."""
        if self._successor is not None:
            self._successor.retire()
        elif self.phase is Phase.IDLE:
            self.abort()
        elif self.phase is Phase.NEW:
            # Its first request is on the way; to cut it off would be a failure for its client.
            self.read_by = min(self.read_by, trio.current_time() + _FIRST_REQUEST_S)

    def on_abort(self, hook: Callable[[], object]) -> None:
        """Call *hook* when the connection is ended."""
        self._hooks.append(hook)

    @property
    def unread(self) -> bool:
        """Whether nobody reads from the client now, so that only a poll sees it leave."""
        return False

    def enter(self, phase: Phase) -> None:
        """Begin *phase*, without a time to read by."""
        self.phase = phase
        self.since = self.worker.now
        self.read_by = inf

    def upgraded(self, successor: Upgraded) -> None:
        """From here on *successor* owns the stream."""
        self.enter(Phase.UPGRADED)
        self._successor = successor

    # -- sending --------------------------------------------------------------------------------

    def send_now(self, data: bytes) -> bool:
        """Send *data* as far as the kernel takes it without waiting; whether it took all."""
        try:
            return self.transport.send_now(data)
        except ConnectionLostError:
            return False

    async def write(self, data: bytes, *, last: bool) -> None:
        """Send *data*; the last write of a response is not the application's to cancel."""
        if self.transport.send_now(data):
            await self._yield(len(data), last=last)
            return
        try:
            with trio.CancelScope(shield=last):
                await self.flush_held()
        except BaseException:
            self.abort()  # half a message was sent: nothing may follow it
            raise

    async def flush_held(self) -> None:
        """Wait until the kernel has taken what it did not take at once."""
        self._unsent = self.transport.unsent()
        self.write_by = trio.current_time() + self.worker.limits.write_timeout_s
        try:
            await self.transport.flush()
        finally:
            self.write_by = inf

    async def _yield(self, moved: int, *, last: bool) -> None:
        """A stream that never blocks must not keep other connections from their turn."""
        self._unyielded_bytes += moved
        if last:
            return
        if self._unyielded_bytes >= _YIELD_BYTES:
            self._unyielded_bytes = 0
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.checkpoint_if_cancelled()

    async def linger(self) -> None:
        """RFC 9112 9.6: let the peer read the answer before its unread bytes cause a reset."""
        self.enter(Phase.LINGER)
        self.read_by = trio.current_time() + _LINGER_S
        await self.transport.finish()
        budget = _DISCARD_BYTES
        while budget > 0 and (data := await self.transport.receive()):
            budget -= len(data)
