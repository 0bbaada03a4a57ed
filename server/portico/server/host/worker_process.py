"""A worker as its supervisor sees it: a forked process, a pipe each way, and their few words.

The child writes to its pipe: a beat every second, that it is ready, that it wants a successor.
The parent writes: drain, or retire where others go on. The end of either pipe is the news that the
other side is gone.
"""

import ctypes
import faulthandler
import os
import select
import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from math import inf

BEAT_S = 1.0

# A worker that beats four times in its limit, and is waited for that much longer, is never taken
# for a blocked one while it is not, and is found within one and a half limits when it is.
BEATS_PER_LIMIT = 4

_PR_SET_PDEATHSIG = 1
_STACK_BYTES_MAX = 65536


class Word(bytes, Enum):
    """One byte each."""

    BEAT = b"."
    READY = b"r"
    SUCCESSOR = b"s"
    DRAIN = b"d"
    RETIRE = b"q"


@dataclass(slots=True, eq=False)
class WorkerProcess:
    """The parent's side of one worker.

    Times are seconds on the supervisor's clock: ``beat_at`` of the last sign of life, ``ready_at``
    since when it serves, ``end_by`` at which a worker that is ``leaving`` is killed. One that is
    ``outlived`` asked for a successor; of one that is ``heard_out`` the pipe has ended.
    """

    pid: int
    generation: int
    started_at: float
    _words: int
    _orders: int
    _stacks: int
    beat_at: float = 0.0
    end_by: float = inf
    ready_at: float = inf
    ready: bool = False
    leaving: bool = False
    outlived: bool = False
    heard_out: bool = False

    def fileno(self) -> int:
        """The pipe to wait on."""
        return self._words

    def read(self) -> list[Word]:
        """What the worker said; empty at the end of its pipe."""
        return [Word(bytes((byte,))) for byte in os.read(self._words, 4096)]

    def drain(self) -> None:
        """Ask it to end with the whole server, after the delay in which readiness fails."""
        self._order(Word.DRAIN)

    def retire(self, end_by: float) -> None:
        """Ask it to finish its requests and end, by *end_by*: others have taken its place."""
        self.end_by = end_by
        self._order(Word.RETIRE)

    def _order(self, word: Word) -> None:
        self.leaving = True
        try:
            os.write(self._orders, word)
        except BrokenPipeError:
            return  # it is ending already; the end of its pipe says so

    def kill(self) -> None:
        """End it at once."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def stacks(self, timeout_s: float) -> str:
        """The stacks of its threads, asked for by signal; what comes within *timeout_s*."""
        try:
            os.kill(self.pid, signal.SIGUSR2)
        except ProcessLookupError:
            return ""
        text = b""
        while len(text) < _STACK_BYTES_MAX and select.select([self._stacks], [], [], timeout_s)[0]:
            piece = os.read(self._stacks, _STACK_BYTES_MAX)
            if not piece:
                break
            text += piece
            timeout_s = 0.05
        return text.decode(errors="replace")

    def poll(self) -> int | None:
        """Its exit status once it ended, negative for a signal; None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def close(self) -> None:
        """Close the pipes."""
        for descriptor in (self._words, self._orders, self._stacks):
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Lifeline:
    """The child's side: where it writes its words and reads its orders."""

    words: int
    orders: int

    def say(self, word: Word) -> None:
        """Write one word; a supervisor that is gone hears nothing."""
        try:
            os.write(self.words, word)
        except (BrokenPipeError, BlockingIOError):
            return


def beat_interval_s(stall_limit_s: float) -> float:
    """How often a worker says that it lives, where its loop may be blocked for the limit."""
    return min(BEAT_S, stall_limit_s / BEATS_PER_LIMIT)


def fork_worker(
    run: Callable[[Lifeline], int],
    *,
    generation: int,
    now: float,
    forget: Callable[[], object],
) -> WorkerProcess:
    """Fork a worker that runs *run* and exits with what it returns.

    Args:
        run: The worker's whole life; runs in the child.
        generation: Counts configurations; for the log.
        now: The supervisor's clock.
        forget: Called first in the child: closes what belongs to the supervisor.

    Raises:
        OSError: there is no room for one more process, or no descriptor.
    """
    parent = os.getpid()
    with ExitStack() as made:
        (words, says), (hears, orders), (stacks, dumps) = (_pipe(made) for _ in range(3))
        pid = os.fork()
        made.pop_all()  # from here on each side closes its own ends
    if pid == 0:
        status = 1
        try:
            for descriptor in (words, orders, stacks):
                os.close(descriptor)
            forget()
            _die_with(parent)
            faulthandler.register(signal.SIGUSR2, file=dumps, all_threads=True)
            os.set_blocking(says, False)
            status = run(Lifeline(says, hears))
        finally:
            os._exit(status)
    for descriptor in (says, hears, dumps):
        os.close(descriptor)
    return WorkerProcess(pid, generation, now, words, orders, stacks, beat_at=now)


def _pipe(made: ExitStack) -> tuple[int, int]:
    reads, writes = os.pipe()
    made.callback(os.close, reads)
    made.callback(os.close, writes)
    return reads, writes


def _die_with(parent: int) -> None:
    """Linux: a worker gets SIGKILL when its supervisor ends, blocked or not."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
