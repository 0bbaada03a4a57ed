"""The samplers of one worker: once a second its heart beats, and what is measured is reported.

They run beside the application's lifespan, from before its start-up until after its shutdown, on
Trio and on asyncio alike.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import anyio
import structlog
from anyio import CapacityLimiter, to_thread

from portico.server.gauges import Gauge
from portico.server.lifecycle import BEAT_S, Lifecycle

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()


class LifespanHandler(Protocol):
    """Serves the ASGI lifespan of an application."""

    async def __call__(self, receive: Any, send: Any) -> None:
        """Serve it to its end."""
        ...


class Samplers:
    """Measures what readiness depends on, and shows that the event loop runs.

    What may block is measured in a thread of its own and by a task of its own, each: a disk or a
    database that does not answer must not stop the heart, keep the others from being measured, nor
    take a thread from the handlers.
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        *,
        quick: Mapping[str, Gauge],
        blocking: Mapping[str, Gauge],
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """Prepare to sample.

        Args:
            lifecycle: Takes what is measured; its table has every source that is named here.
            quick: What is measured on the loop, by source.
            blocking: What is measured in a thread, by source.
            sleep: Waits for so many seconds.
        """
        self._lifecycle = lifecycle
        self._quick = quick
        self._blocking = blocking
        self._sleep = sleep
        self._failing: set[str] = set()

    async def run(self) -> None:
        """Sample until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_beating)
            for name, gauge in self._blocking.items():
                tasks.start_soon(self._keep_measuring, {name: gauge})

    async def _keep_beating(self) -> None:
        clock = self._lifecycle.clock
        while True:
            due = clock() + BEAT_S
            await self._sleep(BEAT_S)
            self._lifecycle.beat()
            self._lifecycle.sample("loop_lag", max(0.0, clock() - due))
            self._report(self._measure(self._quick))

    async def _keep_measuring(self, gauges: Mapping[str, Gauge]) -> None:
        limiter = CapacityLimiter(1)
        while True:
            values = await to_thread.run_sync(
                self._measure, gauges, abandon_on_cancel=True, limiter=limiter
            )
            self._report(values)
            await self._sleep(BEAT_S)

    def _report(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._lifecycle.sample(name, value)

    def _measure(self, gauges: Mapping[str, Gauge]) -> dict[str, float]:
        """Read each gauge; one that fails gives no sample, and is logged when it begins to."""
        values = {}
        for name, gauge in gauges.items():
            try:
                value = gauge()
            except OSError as error:
                self._log_failure(name, error)
                continue
            self._failing.discard(name)
            if value is not None:
                values[name] = value
        return values

    def _log_failure(self, name: str, error: OSError) -> None:
        if name not in self._failing:
            self._failing.add(name)
            log.warning("cannot be measured", source=name, error=str(error))

    def beside(self, lifespan: LifespanHandler) -> LifespanHandler:
        """Make *lifespan* one that the samplers run beside."""

        async def serve(receive: Any, send: Any) -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.run)
                await lifespan(receive, send)
                tasks.cancel_scope.cancel()

        return serve
