"""The supervisor: keeps the workers alive, replaces them without losing a request, ends them.

One thread, no event loop: it waits on its workers' pipes and on its signals. It owns the
listening sockets, so that a connection that waits to be accepted outlives any worker.
"""

import functools
import os
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any

from portico.server.host.worker_process import (
    BEATS_PER_LIMIT,
    Lifeline,
    Word,
    WorkerProcess,
    beat_interval_s,
    fork_worker,
)

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_UNUSABLE = 2
EXIT_CRASH_LOOP = 3
# What another start would not mend: no such application, or settings that do not hold.
FINAL = frozenset((EXIT_UNUSABLE, 78))

_STARTS_MAX = 6
_BACKOFF_MAX_S = 5.0
_TICK_S = 0.2
_STACK_WAIT_S = 0.5
_START_LIMIT_S = 60.0
# A worker that ends sooner than this after it was ready has failed like one that never was.
_YOUNG_S = 3.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

Run = Callable[[Lifeline], int]
Log = Callable[..., object]


@dataclass(frozen=True, slots=True)
class Generation:
    """One configuration of the workers.

    Attributes:
        run: A worker's whole life.
        workers: How many there are.
        stall_limit_s: How long an event loop may be blocked.
        end_limit_s: How long a drain may take in all before the worker is killed.
        close_listeners: Closes the supervisor's copies of what the workers accept on.
    """

    run: Run
    workers: int
    stall_limit_s: float
    end_limit_s: float
    close_listeners: Callable[[], object]


@dataclass(slots=True)
class Supervisor:
    """Runs generations of workers; `run` returns the exit code.

    Attributes:
        generation: What new workers are started with.
        reload: Resolves the configuration again; None if it has problems, which it reports.
        log: Takes a level, an event and its fields.
        listening: Called once, when the first generation is ready.
        notify: Tells the service manager (sd_notify's assignments).
        watchdog_s: How often it wants to hear that the supervisor runs.
        backoff_s: The pause after the first start that failed; it doubles with each.
    """

    generation: Generation
    reload: Callable[[], Generation | None]
    log: Log
    listening: Callable[[], object]
    notify: Callable[..., object]
    watchdog_s: float = inf
    backoff_s: float = 0.2
    clock: Callable[[], float] = time.monotonic
    _number: int = 1
    _started: int = 1
    _proven: tuple[Generation, int] | None = None
    _workers: list[WorkerProcess] = field(default_factory=list)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _wakeup: tuple[int, int] = field(default=(-1, -1))
    _failures: int = 0
    _start_after: float = 0.0
    _watched_at: float = inf
    _watchdog_at: float = 0.0
    _announced: bool = False
    _ending_by: float | None = None
    _killed: bool = False
    _exit: int = EXIT_DONE

    def run(self) -> int:
        """Supervise until the end; the exit code: 0 after a drain, 3 after a crash loop."""
        previous = self._take_signals()
        try:
            while not self._over():
                self._keep_strength()
                for key, _ in self._selector.select(self._tick_s):
                    key.data()
                self._watch()
                self._feed_watchdog()
            return self._exit
        finally:
            for worker in self._workers:
                worker.kill()
            self._give_back(previous)

    @property
    def _tick_s(self) -> float:
        return min(_TICK_S, beat_interval_s(self.generation.stall_limit_s) / 2)

    def _feed_watchdog(self) -> None:
        if self.clock() >= self._watchdog_at and self.watchdog_s < inf:
            self._watchdog_at = self.clock() + self.watchdog_s
            self.notify("WATCHDOG=1")

    # -- signals --------------------------------------------------------------------------------

    def _take_signals(self) -> dict[int, Any]:
        reading, writing = self._wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(reading, selectors.EVENT_READ, self._hear_signals)
        previous: dict[int, Any] = {
            number: signal.signal(number, lambda *_: None) for number in _SIGNALS
        }
        previous[-1] = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        return previous

    def _give_back(self, previous: dict[int, Any]) -> None:
        signal.set_wakeup_fd(previous.pop(-1))
        for number, handler in previous.items():
            signal.signal(number, handler)
        self._forget()

    def _forget(self) -> None:
        """Close what is the supervisor's alone; a forked worker does so first.

        Nothing is unregistered: the kernel's set behind the selector is shared with the parent.
        """
        signal.set_wakeup_fd(-1)
        for worker in self._workers:
            worker.close()
        self._selector.close()
        for descriptor in self._wakeup:
            os.close(descriptor)

    def _hear_signals(self) -> None:
        numbers = os.read(self._wakeup[0], 4096)
        for number in numbers:
            if number in (signal.SIGTERM, signal.SIGINT):
                self._end(signal.Signals(number).name)
        if signal.SIGHUP in numbers:  # however often it came
            self._roll()

    def _end(self, why: str, exit_code: int = EXIT_DONE) -> None:
        """The first time: drain. The second time: at once."""
        if self._ending_by is not None:
            self.log("warning", "ending_now", reason=why)
            self._note_cut()
            self._kill_all()
            return
        self.log("info", "draining", reason=why, workers=len(self._workers))
        self.notify("STOPPING=1")
        self._exit = exit_code
        self._ending_by = self.clock() + self.generation.end_limit_s
        self.generation.close_listeners()
        for worker in self._workers:
            worker.drain()

    def _kill_all(self) -> None:
        self._killed = True
        for worker in self._workers:
            worker.kill()

    def _roll(self) -> None:
        """Replace every worker by one of the new configuration, if that has no problem."""
        if self._ending_by is not None:
            return
        self.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        generation = self._resolve_again()
        if generation is None:
            self.log("warning", "reload_refused", generation=self._number)
        else:
            self._started += 1
            self.generation, self._number = generation, self._started
            self._failures, self._start_after = 0, 0.0
            self.log("info", "reloading", generation=self._number)
            self._drop_starting()
        self.notify("READY=1")

    def _drop_starting(self) -> None:
        """End workers that a newer configuration overtook before they served anybody."""
        for worker in self._workers:
            if not worker.ready and not worker.leaving:
                worker.leaving = True
                worker.kill()

    def _resolve_again(self) -> Generation | None:
        try:
            return self.reload()
        except Exception as error:  # what serves must go on, whatever the new configuration is
            self.log("error", "reload_failed", reason=f"{type(error).__name__}: {error}")
            return None

    # -- strength -------------------------------------------------------------------------------

    def _keep_strength(self) -> None:
        """Start workers until there are enough; after the first, or a failure, one at a time."""
        if self._ending_by is not None or self.clock() < self._start_after:
            return
        fresh = self._fresh()
        one_by_one = self._announced or self._failures > 0
        starting = any(not worker.ready for worker in fresh)
        if len(fresh) < self.generation.workers and not (starting and one_by_one):
            self._start()

    def _fresh(self) -> list[WorkerProcess]:
        """The workers that are to stay."""
        return [
            worker
            for worker in self._workers
            if worker.generation == self._number and not worker.outlived and not worker.leaving
        ]

    def _retire(self) -> None:
        """A successor is ready: one of those that are to go goes, all once strength is full."""
        retiring = [
            worker
            for worker in self._workers
            if not worker.leaving and (worker.outlived or worker.generation != self._number)
        ]
        ready = sum(worker.ready for worker in self._fresh())
        for worker in retiring if ready >= self.generation.workers else retiring[:1]:
            worker.retire(self.clock() + self.generation.end_limit_s)

    def _start(self) -> None:
        try:
            worker = fork_worker(
                self.generation.run, generation=self._number, now=self.clock(), forget=self._forget
            )
        except OSError as error:  # no descriptor, process or memory is left
            self.log("error", "worker_not_started", reason=str(error))
            self._failed()
            return
        self._workers.append(worker)
        self._selector.register(
            worker, selectors.EVENT_READ, functools.partial(self._hear_worker, worker)
        )
        # The first ones are what everybody expects; the listening line tells of them.
        level = "info" if self._announced else "debug"
        self.log(level, "worker_started", worker=worker.pid, generation=self._number)

    # -- workers --------------------------------------------------------------------------------

    def _hear_worker(self, worker: WorkerProcess) -> None:
        words = worker.read()
        if not words:
            self._selector.unregister(worker)
            worker.heard_out = True
            return
        worker.beat_at = self.clock()
        if Word.SUCCESSOR in words:
            worker.outlived = True
        if Word.READY in words:
            self._became_ready(worker)

    def _became_ready(self, worker: WorkerProcess) -> None:
        worker.ready = True
        worker.ready_at = self.clock()
        self._retire()
        if sum(w.ready for w in self._fresh()) < self.generation.workers:
            return
        self._proven = self.generation, self._number
        if not self._announced:
            self._announced = True
            self.listening()
            self.notify("READY=1")

    def _watch(self) -> None:
        """Who has ended, who is blocked, who takes too long to end."""
        now = self.clock()
        self._forgive(now)
        for worker in tuple(self._workers):
            status = worker.poll()
            if status is not None:
                self._ended(worker, status)
            elif now - worker.beat_at > self._patience_s(worker):
                self._replace_blocked(worker, now - worker.beat_at)
            elif now > worker.end_by:
                self.log("warning", "worker_overdue", worker=worker.pid)
                self._note_cut()
                worker.kill()
        if self._failures and self._settled(now):
            self._failures = 0
        if self._ending_by is not None and now > self._ending_by and not self._killed:
            self.log("warning", "drain_overdue", workers=len(self._workers))
            self._note_cut()
            self._kill_all()

    def _forgive(self, now: float) -> None:
        """Who could not watch, frozen with its workers or busy, cannot know who was silent."""
        missed_s = now - self._watched_at - self._tick_s
        self._watched_at = now
        if missed_s > 0:
            for worker in self._workers:
                worker.beat_at = min(now, worker.beat_at + missed_s)

    def _settled(self, now: float) -> bool:
        """Whether there are enough workers, and each has lived long enough to trust it."""
        fresh = self._fresh()
        return len(fresh) >= self.generation.workers and all(
            worker.ready and now - worker.ready_at > _YOUNG_S for worker in fresh
        )

    def _patience_s(self, worker: WorkerProcess) -> float:
        limit_s = self.generation.stall_limit_s
        patience_s = limit_s + limit_s / BEATS_PER_LIMIT
        return patience_s if worker.ready else max(patience_s, _START_LIMIT_S)

    def _replace_blocked(self, worker: WorkerProcess, silent_s: float) -> None:
        self.log(
            "error",
            "worker_blocked",
            worker=worker.pid,
            silent_s=round(silent_s, 3),
            stack=worker.stacks(_STACK_WAIT_S),
        )
        worker.beat_at = inf
        worker.kill()

    def _ended(self, worker: WorkerProcess, status: int) -> None:
        self._workers.remove(worker)
        if not worker.heard_out:
            self._selector.unregister(worker)
        worker.close()
        expected = worker.leaving and (status == 0 or not worker.ready)
        final = status in FINAL and not self._announced  # it has said why itself
        level = "debug" if expected or final else "warning"
        self.log(level, "worker_ended", worker=worker.pid, status=status)
        if self._ending_by is not None:
            if not expected:
                self._note_cut()
        elif final:
            self._exit = status
            self._ending_by = self.clock()
        elif not worker.leaving and (not worker.ready or self.clock() - worker.ready_at < _YOUNG_S):
            self._failed()

    def _note_cut(self) -> None:
        """Work was cut; that decides the exit code of a server that ends, and not of others."""
        if self._ending_by is not None:
            self._exit = self._exit or EXIT_FAILED

    def _failed(self) -> None:
        """A worker did not start, or not for long."""
        self._failures += 1
        delay_s = min(self.backoff_s * 2 ** (self._failures - 1), _BACKOFF_MAX_S)
        self._start_after = self.clock() + delay_s
        if self._failures < _STARTS_MAX:
            return
        if self._proven is not None and self._proven[1] != self._number:
            self.log("warning", "reload_undone", generation=self._number, starts=self._failures)
            self.generation, self._number = self._proven
            self._failures = 0
        elif any(worker.ready for worker in self._workers):
            # Fewer workers serve better than none: go on trying.
            self.log("error", "below_strength", starts=self._failures)
        else:
            self.log("critical", "crash_loop", starts=self._failures)
            self._end("crash loop", EXIT_CRASH_LOOP)

    def _over(self) -> bool:
        return self._ending_by is not None and not self._workers
