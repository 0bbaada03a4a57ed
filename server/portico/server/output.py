"""Where log lines go: a descriptor that takes them whole and never makes a request wait.

A reader of the log that stops, or goes away, must not take the requests with it.
"""

import atexit
import os
import socket
import stat
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from select import POLLOUT, poll
from threading import Condition, Thread
from time import monotonic
from typing import Final, Protocol
from weakref import WeakSet

import msgspec

STDOUT: Final = 1
ROOM_BYTES: Final = 4 * 1024 * 1024
FLUSH_S: Final = 1.0
NOTICE: Final = b""
"""Stands in the queue for the line that tells of lost ones, made when its turn has come."""


class Sink(Protocol):
    """What takes bytes; both calls say how many it took, and raise OSError when it takes none."""

    def offer(self, data: bytes, /) -> int:
        """Write what goes without waiting; BlockingIOError if that is nothing."""
        ...

    def push(self, data: bytes, /) -> int:
        """Write, and wait where that is needed."""
        ...

    def close(self) -> None:
        """Give back what it has of its own."""
        ...


class File:
    """A descriptor of which nobody waits for a reader: a file, or a device that discards."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def offer(self, data: bytes, /) -> int:
        """Write."""
        return os.write(self._fd, data)

    push = offer

    def close(self) -> None:
        """Leave the descriptor to its owner."""


class Stream:
    """A descriptor with a reader behind it: a pipe, a terminal or a socket, written to by *write*.

    Up to ``PIPE_BUF`` bytes (4 KiB on Linux) go into a pipe whole or not at all (POSIX, write), so
    that lines of several workers do not mix; longer ones as far as there is room at once.
    """

    __slots__ = ("_fd", "_write", "close")

    def __init__(self, fd: int, write: Callable[[bytes], int], close: Callable[[], None]) -> None:
        self._fd = fd
        self._write = write
        self.close = close

    @classmethod
    def reopened(cls, fd: int) -> "Stream":
        """Open a pipe or terminal anew for this process alone.

        ``O_NONBLOCK`` belongs to the open file, which parents and other workers share, a shell's
        terminal too; what is opened through ``/proc`` has flags of its own.

        Raises:
            OSError: It cannot be opened here.
        """
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        own = os.open(f"/proc/self/fd/{fd}", flags)
        return cls(own, partial(os.write, own), partial(os.close, own))

    @classmethod
    def connected(cls, fd: int) -> "Stream":
        """Use a socket, which can be told by each call not to wait."""
        own = socket.socket(fileno=os.dup(fd))
        return cls(own.fileno(), lambda data: own.send(data, socket.MSG_DONTWAIT), own.close)

    def offer(self, data: bytes, /) -> int:
        """Write what goes without waiting."""
        return self._write(data)

    def push(self, data: bytes, /) -> int:
        """Write, and wait where that is needed."""
        while True:
            try:
                return self._write(data)
            except BlockingIOError:
                waiting = poll()
                waiting.register(self._fd, POLLOUT)
                waiting.poll()


class Stubborn(File):
    """A descriptor that may make its writer wait, and cannot be told otherwise."""

    __slots__ = ()

    def offer(self, _: bytes, /) -> int:
        """Take nothing: it would be known only afterwards that it was too much."""
        raise BlockingIOError


def open_sink(fd: int) -> Sink:
    """Choose how *fd* is written to without waiting."""
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return File(fd)  # closed: it takes nothing and says so
    if stat.S_ISSOCK(mode):
        return Stream.connected(fd)
    if not stat.S_ISFIFO(mode) and not os.isatty(fd):
        return File(fd)
    try:
        return Stream.reopened(fd)
    except OSError:
        return Stubborn(fd)


class Output:
    """Takes whole lines, in order; one that finds no room is counted and never raised.

    A line is written at once while its reader keeps up, which costs no thread. Where it does not,
    lines wait in a bounded queue for a thread of their own. A line that is lost is told by a line
    of its own, ``log_lines_dropped``, as soon as lines can be written again.

    Attributes:
        dropped: Lines that were lost, since the process began.
    """

    def __init__(self, fd: int = STDOUT, *, room_bytes: int = ROOM_BYTES) -> None:
        """Write to *fd*.

        Args:
            fd: The descriptor; it stays its owner's.
            room_bytes: What the lines that wait may have together.
        """
        self._fd = fd
        self._room = room_bytes
        self._sink = open_sink(fd)
        _outputs.add(self)
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a forked child must: lines that wait, and the thread, are its parent's."""
        self._changed = Condition()
        self._queue: deque[bytes] = deque()
        self._held = 0
        self._writer: Thread | None = None
        self._within = False  # the first of the queue is the rest of a line that has begun
        self._torn = False  # what was written last is a line without its end
        self._untold = 0
        self.dropped = 0

    def write(self, line: bytes) -> None:
        """Write *line* now, or after those that wait."""
        with self._changed:
            if self._untold and not self._queue:
                self._tell()
            if self._queue:
                self._keep(line)
                return
            taken = self._offer(line)
            if taken is None:
                self._lose()
            elif not taken:
                self._keep(line)

    def flush(self, timeout_s: float = FLUSH_S) -> bool:
        """Wait until no line waits, at most for *timeout_s*; whether none does."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue, timeout_s)

    def close(self) -> None:
        """Give back what it has of its own, when no line waits; the descriptor stays open."""
        self._sink.close()

    def is_terminal(self) -> bool:
        """Tell whether a person reads this; a closed descriptor is none."""
        return os.isatty(self._fd)

    def _offer(self, line: bytes) -> int | None:
        """Write *line* as far as it goes without waiting, and queue the rest of one that began.

        Returns:
            The bytes that were taken; 0 if it must wait, None if it is lost.
        """
        line = self._whole(line)
        try:
            taken = self._sink.offer(line)
        except BlockingIOError:
            return 0
        except OSError:
            return None
        self._torn = False
        if taken < len(line):
            self._within = True
            self._enqueue(line[taken:])
        return taken

    def _whole(self, line: bytes) -> bytes:
        """Begin a line of its own for *line*, where the last one has no end."""
        return b"\n" + line if self._torn else line

    def _tell(self) -> None:
        """Tell of lines that were lost, before the next one."""
        told = self._untold
        taken = self._offer(self._notice())
        if taken:
            self._untold -= told
        elif taken == 0:
            self._enqueue(NOTICE)

    def _notice(self) -> bytes:
        """Make the line that tells of lost lines."""
        event = {
            "event": "log_lines_dropped",
            "level": "warning",
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "count": self._untold,
            "total": self.dropped,
        }
        return msgspec.json.encode(event) + b"\n"

    def _lose(self) -> None:
        self.dropped += 1
        self._untold += 1

    def _keep(self, line: bytes) -> None:
        if self._held + len(line) > self._room:
            self._lose()
        else:
            self._enqueue(line)

    def _enqueue(self, line: bytes) -> None:
        self._queue.append(line)
        self._held += len(line)
        if self._writer is None:
            self._start()
        self._changed.notify_all()

    def _start(self) -> None:
        writer = Thread(target=self._work, name="log-writer", daemon=True)
        try:
            writer.start()
        except RuntimeError:
            return  # no thread to be had, or the process ends: the next line tries again
        self._writer = writer

    def _work(self) -> None:
        """Write what waits, one line after the other, in the thread."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue)
                told = 0 if self._queue[0] else self._untold
                line = self._whole(self._queue[0] or self._notice())
            left = self._push(line)
            with self._changed:
                self._remove(len(line), left, told)

    def _push(self, line: bytes) -> int:
        """Write *line* and wait for its reader; how many bytes could not be written."""
        at = 0
        try:
            while at < len(line):
                at += self._sink.push(line[at:])
        except OSError:
            return len(line) - at
        return 0

    def _remove(self, size: int, left: int, told: int) -> None:
        """Take the first of the queue away.

        Args:
            size: The bytes that were to be written for it.
            left: Those of them that could not be.
            told: The lost lines that it tells of.
        """
        self._held -= len(self._queue.popleft())
        self._torn = left > 0 and (left < size or self._within or self._torn)
        self._within = False
        if not left:
            self._untold -= told
            if self._untold and not self._queue:
                self._enqueue(NOTICE)
        elif not told:
            self._lose()
        self._changed.notify_all()


_outputs: Final[WeakSet[Output]] = WeakSet()


def output_of(fd: int = STDOUT) -> Output:
    """Give this process's one output to what *fd* is now."""
    try:
        status = os.fstat(fd)
    except OSError:
        return Output(fd)
    return _output_to(fd, status.st_dev, status.st_ino)


@cache
def _output_to(fd: int, _device: int, _inode: int) -> Output:
    return Output(fd)


def flush(timeout_s: float = FLUSH_S) -> None:
    """Write what waits in this process, as far as that goes in *timeout_s*."""
    deadline = monotonic() + timeout_s
    for output in list(_outputs):
        output.flush(max(0.0, deadline - monotonic()))


def _forget_all() -> None:
    for output in list(_outputs):
        output.forget()


atexit.register(flush)
os.register_at_fork(after_in_child=_forget_all)
