"""The table of sources, and what a disk's figures mean."""

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.health import Event, Health
from portico.core.readiness import sources, used_share
from portico.core.settings import Settings
from portico.core.settings.operations import HealthSettings

DEFAULTS = Settings().health
TABLE = sources(DEFAULTS)


@pytest.mark.parametrize(
    ("name", "over", "fails_after_s", "recovers_after_s", "gates"),
    [
        ("loop_lag", 1.0, 10.0, 10.0, True),
        ("in_flight", inf, 5.0, 5.0, True),
        ("pool_wait", 1.0, 10.0, 10.0, True),
        ("disk", 0.9, 10.0, 10.0, True),
        ("descriptors", 0.9, 10.0, 10.0, True),
        ("database", 0.0, 5.0, 2.0, False),
        ("redis", 0.0, 5.0, 2.0, False),
    ],
)
def test_the_table_is_the_designs(
    name: str, over: float, fails_after_s: float, recovers_after_s: float, gates: bool
) -> None:
    source = TABLE[name]
    assert (source.over, source.fail_after_s) == (over, fails_after_s)
    assert (source.recover_after_s, source.gating) == (recovers_after_s, gates)


def test_the_settings_say_what_is_too_much_and_what_gates() -> None:
    asked: HealthSettings = replace(
        DEFAULTS, loop_lag=0.2, in_flight=8, pool_wait=3.0, database_gates=True, redis_gates=True
    )
    table = sources(asked)
    assert [table[name].over for name in ("loop_lag", "in_flight", "pool_wait")] == [0.2, 8, 3.0]
    assert all(source.gating for source in table.values())


def test_a_loop_that_is_sampled_late_because_it_lags_counts() -> None:
    health = Health.starting(TABLE, 0.0).on(Event.STARTED, 0.0)
    for now in (7.0, 14.0, 21.0):
        health = health.sample("loop_lag", 6.0, now)
    assert health.reasons == ("loop_lag",)


@given(times=st.lists(st.floats(0, 1e6), max_size=20), events=st.lists(st.sampled_from(Event)))
def test_a_source_without_samples_never_counts(times: list[float], events: list[Event]) -> None:
    health = Health.starting(TABLE, 0.0)
    for now in times:
        health = health.tick(now).heartbeat(now)
        assert health.reasons == ()
    for event in events:
        health = health.on(event, health.now + 100.0)
        assert health.reasons == ()


@given(total=st.integers(0), free=st.integers(0), available=st.integers(0))
def test_a_share_is_between_none_and_all(total: int, free: int, available: int) -> None:
    assert 0.0 <= used_share(total, free, available) <= 1.0


@given(total=st.integers(1, 10**15), parts=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_less_space_is_a_greater_share(total: int, parts: tuple[float, float]) -> None:
    less, more = sorted(int(total * part) for part in parts)
    assert used_share(total, less, less) >= used_share(total, more, more)


def test_what_is_kept_for_the_superuser_is_not_this_processs_to_use() -> None:
    assert used_share(100, 10, 0) == 1.0
    assert used_share(100, 50, 50) == 0.5
    assert used_share(0, 0, 0) == 0.0
