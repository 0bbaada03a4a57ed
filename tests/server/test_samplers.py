"""The samplers on both runtimes, with a clock and a wait of the test's own."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import pytest
import structlog
from quart import Quart

from portico.core.health import Event, Phase
from portico.core.settings import Settings
from portico.server.app import create_app
from portico.server.application import Runtime
from portico.server.gauges import Gauge
from portico.server.lifecycle import BEAT_S, FEWEST_BEATS, Lifecycle
from portico.server.samplers import Samplers
from portico.server.state import state_of
from tests.server.asgi import Connection, serving

pytestmark = pytest.mark.anyio

DEADLINE_S = 10.0
NOTHING: Mapping[str, Gauge] = {}


@dataclass
class Time:
    """Time that passes by waiting alone, and by as much more as the loop is late.

    Attributes:
        now: Monotonic seconds.
        late_s: How late each wait ends.
        waits: How many have ended.
        most: After so many the waiters sleep for ever.
    """

    now: float = 100.0
    late_s: float = 0.0
    waits: int = 0
    most: int = 3
    done: anyio.Event = field(default_factory=anyio.Event)

    def clock(self) -> float:
        return self.now

    async def sleep(self, duration_s: float) -> None:
        if self.waits == self.most:
            self.done.set()
            await anyio.sleep_forever()
        await anyio.lowlevel.checkpoint()
        self.waits += 1
        self.now += duration_s + self.late_s


async def run_through(time: Time, *, quick: Mapping[str, Gauge] = NOTHING) -> Lifecycle:
    """Run the samplers, what is quick alone, until *time* is through."""
    lifecycle = Lifecycle.of(Settings(), clock=time.clock)
    lifecycle.started()
    samplers = Samplers(lifecycle, quick=quick, blocking={}, sleep=time.sleep)
    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(samplers._keep_beating)
            await time.done.wait()
            tasks.cancel_scope.cancel()
    return lifecycle


async def measure_blocking(blocking: Mapping[str, Gauge], rounds: int) -> Lifecycle:
    """Run the samplers, what blocks alone, for so many rounds."""
    time = Time(most=rounds)
    lifecycle = Lifecycle.of(Settings(), clock=time.clock)
    samplers = Samplers(lifecycle, quick={}, blocking=blocking, sleep=time.sleep)
    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(samplers._keep_measuring, samplers._blocking)
            await time.done.wait()
            tasks.cancel_scope.cancel()
    return lifecycle


def value_of(lifecycle: Lifecycle, name: str) -> float | None:
    return lifecycle.health.states[name].value


async def test_the_heart_beats_once_a_second() -> None:
    time = Time(most=60)
    lifecycle = await run_through(time)
    assert time.now == 160.0
    assert lifecycle.health.beat_at == 160.0
    assert lifecycle.health.live


async def test_lag_is_how_late_a_wait_ends() -> None:
    assert value_of(await run_through(Time()), "loop_lag") == 0.0
    assert value_of(await run_through(Time(late_s=0.25)), "loop_lag") == pytest.approx(0.25)


async def test_a_loop_that_lags_for_long_makes_the_process_unready() -> None:
    assert (await run_through(Time(late_s=1.5, most=4))).health.ready
    lifecycle = await run_through(Time(late_s=1.5, most=6))
    assert (lifecycle.health.status, lifecycle.health.reasons) == ("degraded", ("loop_lag",))
    assert lifecycle.health.live


async def test_what_is_quick_is_measured_with_each_beat() -> None:
    counts = iter(range(1, 10))
    lifecycle = await run_through(Time(most=4), quick={"in_flight": lambda: next(counts)})
    assert value_of(lifecycle, "in_flight") == 4


async def test_what_may_block_is_measured_in_a_thread() -> None:
    seen: set[int] = set()

    def gauge() -> float:
        seen.add(threading.get_ident())
        return 0.5

    lifecycle = await measure_blocking({"disk": gauge, "descriptors": lambda: None}, rounds=2)
    assert value_of(lifecycle, "disk") == 0.5
    assert value_of(lifecycle, "descriptors") is None
    assert threading.get_ident() not in seen


async def test_what_cannot_be_measured_is_told_once_and_again_after_it_could() -> None:
    said: list[float | OSError] = [OSError("no answer"), OSError("no answer"), 0.5, OSError("gone")]
    outcomes = iter(said)

    def gauge() -> float:
        outcome = next(outcomes)
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    with structlog.testing.capture_logs() as logs:
        lifecycle = await measure_blocking({"disk": gauge}, rounds=3)
    assert [(line["source"], line["error"]) for line in logs] == [
        ("disk", "no answer"),
        ("disk", "gone"),
    ]
    assert value_of(lifecycle, "disk") == 0.5


async def test_a_disk_that_does_not_answer_stops_neither_the_heart_nor_the_end() -> None:
    time = Time(most=20)
    lifecycle = Lifecycle.of(Settings(), clock=time.clock)
    asked, answer = threading.Event(), threading.Event()

    def gauge() -> None:
        asked.set()
        answer.wait(DEADLINE_S)

    samplers = Samplers(lifecycle, quick={}, blocking={"disk": gauge}, sleep=time.sleep)
    try:
        with anyio.fail_after(DEADLINE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(samplers.run)
                await time.done.wait()
                tasks.cancel_scope.cancel()
        assert lifecycle.health.beat_at == 120.0
    finally:
        answer.set()


def test_a_limit_below_a_few_beats_is_a_few_beats() -> None:
    server = replace(Settings().server, stall_limit=0.1)
    lifecycle = Lifecycle.of(replace(Settings(), server=server))
    assert lifecycle.health.stall_limit_s == FEWEST_BEATS * BEAT_S
    assert Lifecycle.of(Settings()).health.stall_limit_s == 15.0


async def test_the_samplers_live_as_long_as_the_lifespan(runtime: Runtime) -> None:
    app = create_app(Settings(), runtime)
    lifecycle = state_of(app).lifecycle
    async with serving(app):
        await wait_for_samples(lifecycle, "descriptors")
        assert lifecycle.health.ready
    assert lifecycle.health.phase is Phase.STOPPED


async def test_the_policy_counts_what_is_in_flight(runtime: Runtime) -> None:
    app = create_app(Settings(), runtime)
    policy: Any = app.asgi_app
    seen = []

    @app.get("/count")
    async def count() -> str:
        seen.append(policy.in_flight)
        return ""

    async with serving(app) as http:
        assert policy.in_flight == 0
        await http.get("/count")
        await Connection("/count").run(app)
    assert (seen, policy.in_flight) == ([1, 1], 0)


async def test_a_lifespan_that_fails_ends_the_samplers(runtime: Runtime) -> None:
    app = failing_app(runtime)
    with anyio.fail_after(DEADLINE_S):
        assert await start_up(app) == "lifespan.startup.failed"


def failing_app(runtime: Runtime) -> Quart:
    app = create_app(Settings(), runtime)

    async def fail() -> None:
        raise LookupError("the start-up fails")

    app.before_serving(fail)
    return app


async def start_up(app: Any) -> str:
    """Send the lifespan's start and its end; return what was said to the first."""
    to_send = iter(["lifespan.startup", "lifespan.shutdown"])
    said: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": next(to_send)}

    async def send(message: Any) -> None:
        said.append(message["type"])

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    return said[0]


async def wait_for_samples(lifecycle: Lifecycle, *names: str) -> None:
    with anyio.fail_after(DEADLINE_S):
        while any(value_of(lifecycle, name) is None for name in names):
            await anyio.lowlevel.checkpoint()


def test_a_drain_is_not_undone_by_what_is_measured() -> None:
    lifecycle = Lifecycle.of(Settings())
    lifecycle.started()
    lifecycle.drain()
    lifecycle.sample("in_flight", 1.0)
    lifecycle.beat()
    lifecycle.started()
    assert lifecycle.health.phase is Phase.DRAINING
    assert lifecycle.health.on(Event.STOP, lifecycle.clock()).phase is Phase.STOPPED
