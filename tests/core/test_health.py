from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from portico.core.health import TRANSITIONS, Event, Health, Phase, Source, SourceState

LAG = Source(over=1.0, fail_after_s=10.0, recover_after_s=10.0)
DATABASE = Source(over=0.0, fail_after_s=5.0, recover_after_s=2.0, gating=False)
QUIET = Source(over=0.0, fail_after_s=1.0, recover_after_s=1.0, ttl_s=2.0, stale_bad=True)
SOURCES = {"loop_lag": LAG, "database": DATABASE}


def serving(sources: dict[str, Source] = SOURCES) -> Health:
    return Health.starting(sources, 0.0).on(Event.STARTED, 0.0)


def test_a_process_starts_serves_drains_and_stops() -> None:
    health = Health.starting(SOURCES, 0.0)
    assert (health.status, health.ready) == ("starting", False)
    health = health.on(Event.STARTED, 1.0)
    assert (health.status, health.ready) == ("ready", True)
    health = health.on(Event.DRAIN, 2.0)
    assert (health.status, health.ready) == ("draining", False)
    health = health.on(Event.STOP, 3.0)
    assert (health.status, health.ready) == ("stopped", False)


def test_the_operator_can_take_a_process_out_and_back() -> None:
    health = serving().on(Event.DISABLE, 1.0)
    assert (health.status, health.ready) == ("disabled", False)
    assert health.on(Event.STARTED, 2.0).disabled
    assert health.on(Event.ENABLE, 2.0).ready


def test_a_source_counts_after_its_window_and_no_sooner() -> None:
    health = serving()
    for second in range(10):
        health = health.sample("loop_lag", 2.0, float(second))
        assert health.ready
    health = health.sample("loop_lag", 2.0, 10.0)
    assert (health.status, health.reasons) == ("degraded", ("loop_lag",))
    for second in range(11, 21):
        health = health.sample("loop_lag", 0.1, float(second))
        assert not health.ready
    assert health.sample("loop_lag", 0.1, 21.0).ready


def test_a_source_that_does_not_gate_is_known_and_changes_nothing() -> None:
    health = serving()
    for second in range(7):
        health = health.sample("database", 1.0, float(second))
    assert health.states["database"].active
    assert health.ready


def test_silence_recovers_a_source_from_the_moment_its_last_sample_expired() -> None:
    health = serving()
    for second in range(11):
        health = health.sample("loop_lag", 2.0, float(second))
    assert health.tick(10.0 + LAG.ttl_s + LAG.recover_after_s - 0.1).status == "degraded"
    assert health.tick(10.0 + LAG.ttl_s + LAG.recover_after_s).ready


def test_silence_fails_a_source_whose_absence_is_bad() -> None:
    health = serving({"quiet": QUIET}).sample("quiet", 0.0, 0.0)
    assert health.tick(0.5).ready
    assert health.tick(5.0).reasons == ("quiet",)
    assert health.sample("quiet", 0.0, 6.0).tick(7.0).ready


def test_the_last_value_is_known_also_when_it_no_longer_speaks() -> None:
    health = serving()
    assert health.states["loop_lag"].value is None
    health = health.sample("loop_lag", 2.5, 1.0)
    assert health.tick(1000.0).states["loop_lag"].value == 2.5


def test_one_late_tick_sees_failure_and_recovery_in_between() -> None:
    state = SourceState(bad=True, since=0.0, sampled_at=20.0)
    assert not state.at(LAG, 100.0).active


def test_liveness_is_the_heartbeat_alone() -> None:
    health = serving()
    assert health.tick(15.0).live
    assert not health.tick(15.1).live
    assert health.tick(15.1).heartbeat(15.2).live
    assert health.on(Event.DRAIN, 1.0).live


def test_time_never_goes_back() -> None:
    assert serving().tick(9.0).tick(3.0).now == 9.0


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(KeyError):
        serving().sample("weather", 1.0, 0.0)


def test_only_the_end_follows_a_drain() -> None:
    after = {to for (phase, _), to in TRANSITIONS.items() if phase is Phase.DRAINING}
    assert after == {Phase.STOPPED}


@given(
    samples=st.lists(st.tuples(st.floats(0.0, 30.0), st.booleans()), max_size=20),
    ticks=st.lists(st.floats(0.0, 5.0), max_size=20),
)
def test_no_source_sticks_on_ticks_alone(
    samples: list[tuple[float, bool]], ticks: list[float]
) -> None:
    health, now = serving(), 0.0
    for delay, bad in samples:
        now += delay
        health = health.sample("loop_lag", 2.0 if bad else 0.0, now)
    for delay in ticks:
        now += delay
        health = health.tick(now)
    assert health.tick(now + LAG.ttl_s + LAG.recover_after_s + 0.001).ready


LASTING = {name: replace(source, ttl_s=1e9) for name, source in SOURCES.items()}


class Walk(RuleBasedStateMachine):
    """Any order of events at any pace, over samples that do not expire."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.health = Health.starting(LASTING, 0.0)
        self.drained = False
        self.changed_at = dict.fromkeys(SOURCES, -1000000000.0)
        self.active = dict.fromkeys(SOURCES, False)

    def _move(self, health: Health) -> None:
        assert health.now >= self.health.now
        for name, state in health.states.items():
            if state.active is not self.active[name]:
                source = SOURCES[name]
                window = source.fail_after_s if state.active else source.recover_after_s
                assert self.now - self.changed_at[name] >= window
                self.active[name] = state.active
                self.changed_at[name] = self.now
        self.health = health

    @rule(delay=st.floats(0.0, 20.0), name=st.sampled_from(sorted(SOURCES)), bad=st.booleans())
    def sample(self, delay: float, name: str, bad: bool) -> None:
        self.now += delay
        self._move(self.health.sample(name, 5.0 if bad else 0.0, self.now))

    @rule(delay=st.floats(0.0, 20.0), event=st.sampled_from(list(Event)))
    def event(self, delay: float, event: Event) -> None:
        self.now += delay
        self.drained = self.drained or event is Event.DRAIN
        self._move(self.health.on(event, self.now))

    @rule(delay=st.floats(0.0, 20.0))
    def tick(self, delay: float) -> None:
        self.now += delay
        self._move(self.health.tick(self.now))

    @rule(delay=st.floats(0.0, 20.0))
    def heartbeat(self, delay: float) -> None:
        self.now += delay
        self._move(self.health.heartbeat(self.now))
        assert self.health.live

    @precondition(lambda self: self.drained)
    @invariant()
    def drain_absorbs(self) -> None:
        assert self.health.phase in (Phase.DRAINING, Phase.STOPPED)
        assert not self.health.ready

    @invariant()
    def ready_means_what_it_says(self) -> None:
        assert self.health.ready == (self.health.status == "ready")


TestWalk = Walk.TestCase
