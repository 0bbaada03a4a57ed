"""A worker's life inside its process: serve until told to drain, and say that it is alive."""

import os
import random
import signal
import ssl
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket

import trio

from portico.adapters.draining import DRAIN, Drain
from portico.server.host.failure import LifespanError, find
from portico.server.host.worker import ASGIApplication, Limits, Report, Worker, serve
from portico.server.host.worker_process import BEAT_S, Lifeline, Word

EXIT_DONE = 0
EXIT_FAILED = 1

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What a worker does, as data and as calls that are made in its process.

    Attributes:
        make_app: Makes the ASGI application.
        limits: What one client may take.
        listeners: Listening sockets, shared with the other workers.
        make_tls: Makes the TLS context; None for cleartext.
        report: Takes what went wrong, once each.
        draining: Called when the drain begins, before anything closes.
        root_path: The prefix behind a proxy.
        max_requests: Requests after which the worker asks for a successor.
        max_requests_jitter: Up to so many more, so that workers do not go together.
        max_memory_bytes: Resident bytes above which it does the same.
        beat_s: How often the worker says that its loop runs.
        loop: What is open around everything, for an application that needs it.
    """

    make_app: Callable[[], ASGIApplication]
    limits: Limits
    listeners: Sequence[socket]
    report: Report
    draining: Callable[[], object]
    make_tls: Callable[[], ssl.SSLContext | None] | None = None
    loop: Callable[[], AbstractAsyncContextManager[object]] = nullcontext
    root_path: str = ""
    max_requests: int | None = None
    max_requests_jitter: int = 0
    max_memory_bytes: int | None = None
    beat_s: float = BEAT_S


def run_worker(plan: WorkerPlan, lifeline: Lifeline) -> int:
    """Run one worker to its end; its exit code."""
    # The supervisor decides; a signal to the whole process group must not reach requests twice.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        worker = _worker(plan)
        trio.run(_live, plan, worker, lifeline)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_FAILED
    except BaseExceptionGroup as group:
        plan.report(find(group, LifespanError) or group)
        return EXIT_FAILED
    except Exception as error:
        plan.report(error)
        return EXIT_FAILED
    return EXIT_DONE


def _worker(plan: WorkerPlan) -> Worker:
    ending = Drain()
    return Worker(
        plan.make_app(),
        plan.limits,
        plan.report,
        state={DRAIN: ending},
        ending=ending,
        root_path=plan.root_path,
        tls=plan.make_tls() if plan.make_tls else None,
        max_requests=_spread(plan.max_requests, plan.max_requests_jitter),
    )


def _spread(count: int | None, jitter: int) -> int | None:
    return None if count is None else count + random.randint(0, jitter)  # noqa: S311


@dataclass(slots=True)
class _Orders:
    """What the worker was told: to end, and whether the whole server ends with it."""

    told: trio.Event = field(default_factory=trio.Event)
    drains: bool = False

    def take(self, words: bytes) -> None:
        self.drains = self.drains or words.find(Word.DRAIN) >= 0
        self.told.set()


async def _live(plan: WorkerPlan, worker: Worker, lifeline: Lifeline) -> None:
    orders = _Orders()
    async with plan.loop(), trio.open_nursery() as nursery:
        nursery.start_soon(_beat, lifeline, plan.beat_s)
        nursery.start_soon(_hear_orders, lifeline, orders)
        nursery.start_soon(_hear_signals, orders)
        nursery.start_soon(_watch_age, plan, worker, lifeline)

        async def drain_begins() -> None:
            await orders.told.wait()
            # One that is replaced leaves the server as ready as it was.
            if orders.drains:
                plan.draining()
                await trio.sleep(plan.limits.drain_delay_s)

        await serve(
            worker,
            plan.listeners,
            started=lambda: lifeline.say(Word.READY),
            wait_shutdown=drain_begins,
        )
        nursery.cancel_scope.cancel()


async def _beat(lifeline: Lifeline, beat_s: float) -> None:
    while True:
        lifeline.say(Word.BEAT)
        await trio.sleep(beat_s)


async def _hear_orders(lifeline: Lifeline, orders: _Orders) -> None:
    while True:
        await trio.lowlevel.wait_readable(lifeline.orders)
        words = os.read(lifeline.orders, 64)
        if not words:
            os._exit(EXIT_FAILED)  # the supervisor is gone, and nobody else would end this process
        orders.take(words)


async def _hear_signals(orders: _Orders) -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            orders.take(Word.DRAIN)


async def _watch_age(plan: WorkerPlan, worker: Worker, lifeline: Lifeline) -> None:
    """Ask for a successor, once, when this worker has served or grown enough."""
    while True:
        await trio.sleep(BEAT_S)
        grown = plan.max_memory_bytes is not None and _resident_bytes() > plan.max_memory_bytes
        if grown or worker.exhausted:
            lifeline.say(Word.SUCCESSOR)
            return


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE_BYTES
