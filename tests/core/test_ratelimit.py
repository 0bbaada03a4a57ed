"""GCRA: its bound, its order, and what a client is told of it."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.ratelimit import (
    FRESH,
    Rate,
    RateDecision,
    RateState,
    decide,
    key_of,
    rate_fields,
    refuse,
)
from portico.core.settings.kinds import RefusalError

RATES = st.builds(Rate, st.sampled_from([0.01, 0.3, 1.0, 7.0, 60.0]), st.integers(1, 50))
GAPS = st.lists(st.floats(0, 100, allow_subnormal=False) | st.just(0.0), max_size=60)
STARTS = st.floats(-1e6, 1e6)


def run(times: list[float], rate: Rate) -> list[RateDecision]:
    """What is decided about requests at *times*, one after the other."""
    state, decisions = FRESH, []
    for now in times:
        decisions.append(decide(state, now, rate))
        state = decisions[-1].state
    return decisions


def times_of(start: float, gaps: list[float]) -> list[float]:
    times = [start]
    for gap in gaps:
        times.append(times[-1] + gap)
    return times


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/s burst 200", Rate(0.01, 200)),
        ("10/min", Rate(6.0, 10)),
        ("2/hour", Rate(1800.0, 2)),
        ("1/DAY burst 3", Rate(86_400.0, 3)),
    ],
)
def test_a_rate_is_read(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


def test_what_is_no_rate_is_refused() -> None:
    with pytest.raises(RefusalError, match="must be a rate"):
        Rate.parse("often")


@pytest.mark.parametrize(("interval_s", "burst"), [(0.0, 1), (-1.0, 1), (1.0, 0)])
def test_a_rate_is_above_zero(interval_s: float, burst: int) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Rate(interval_s, burst)


def test_a_burst_is_admitted_and_then_one_for_each_interval() -> None:
    rate = Rate(10.0, 3)
    decisions = run([0.0, 0.0, 0.0, 0.0, 9.0, 10.0, 10.0], rate)
    assert [d.admitted for d in decisions] == [True, True, True, False, False, True, False]
    assert [d.remaining for d in decisions] == [2, 1, 0, 0, 0, 0, 0]
    assert [d.retry_after_s for d in decisions] == [0.0, 0.0, 0.0, 10.0, 1.0, 0.0, 10.0]
    assert decisions[3].reset_s == 30.0


@pytest.mark.parametrize("cost", [0, 4])
def test_a_cost_that_no_wait_could_admit_is_an_error(cost: int) -> None:
    with pytest.raises(ValueError, match="cannot be charged"):
        decide(FRESH, 0.0, Rate(1.0, 3), cost=cost)


def test_a_cost_is_that_many_requests() -> None:
    rate = Rate(1.0, 5)
    at_once = decide(FRESH, 7.0, rate, cost=3)
    assert at_once == run([7.0, 7.0, 7.0], rate)[-1]


@given(STARTS, GAPS, RATES)
def test_no_stretch_of_time_admits_more_than_the_burst_and_what_it_earns(
    start: float, gaps: list[float], rate: Rate
) -> None:
    times = times_of(start, gaps)
    admitted = [t for t, d in zip(times, run(times, rate), strict=True) if d.admitted]
    for first, since in enumerate(admitted):
        for last in range(first, len(admitted)):
            earned = (admitted[last] - since) / rate.interval_s
            assert last - first + 1 <= rate.burst + earned + 0.01


@given(STARTS, GAPS, RATES)
def test_who_waits_as_long_as_told_is_admitted(start: float, gaps: list[float], rate: Rate) -> None:
    times = times_of(start, gaps)
    last = run(times, rate)[-1]
    assert decide(last.state, times[-1] + last.retry_after_s + last.reset_s, rate).admitted
    if not last.admitted:
        assert decide(last.state, times[-1] + last.retry_after_s, rate).admitted
        early = decide(last.state, times[-1] + last.retry_after_s * 0.9, rate)
        assert not early.admitted or last.retry_after_s * 0.1 <= rate.interval_s * 0.01


@given(STARTS, STARTS, RATES)
def test_it_decides_in_any_state_and_a_refusal_changes_none(
    tat: float, now: float, rate: Rate
) -> None:
    state = RateState(tat)
    decision = decide(state, now, rate)
    assert 0 <= decision.remaining < rate.burst or not decision.admitted
    assert decision.admitted == (decision.retry_after_s == 0.0)
    if decision.admitted:
        assert decision.state.tat >= max(tat, now)
    else:
        assert decision.state is state
        assert decide(state, now, rate) == decision


@given(STARTS, STARTS, STARTS, RATES)
def test_a_smaller_debt_never_refuses_what_a_larger_admits(
    one: float, other: float, now: float, rate: Rate
) -> None:
    less, more = (decide(RateState(tat), now, rate) for tat in sorted([one, other]))
    assert less.admitted >= more.admitted
    assert less.remaining >= more.remaining


@pytest.mark.parametrize(
    ("principal", "client", "key"),
    [
        ("ci", "192.0.2.1", "principal:ci"),
        ("", None, "principal:"),
        (None, "192.0.2.1", "address:192.0.2.1"),
        (None, None, "address:local"),
        (None, "2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"),
        (None, "2001:DB8:1:2::9%eth0", "address:2001:db8:1:2::/64"),
        (None, "::ffff:192.0.2.1", "address:192.0.2.1"),
        (None, "no:address", "address:no:address"),
    ],
)
def test_whose_budget_it_is(principal: str | None, client: str | None, key: str) -> None:
    assert key_of(principal, client) == key


@given(st.text(), st.none() | st.text())
def test_no_principal_has_the_budget_of_an_address(principal: str, client: str | None) -> None:
    assert key_of(principal, client) != key_of(None, client)


def test_the_fields_tell_policy_and_rest() -> None:
    rate = Rate(0.01, 200)
    assert rate_fields(decide(FRESH, 1.0, rate), rate) == [
        (b"ratelimit-policy", b'"default";q=200;w=2'),
        (b"ratelimit", b'"default";r=199;t=1'),
    ]


def test_a_refusal_says_when_to_come_again() -> None:
    rate = Rate(6.0, 1)
    refusal = refuse(decide(RateState(106.0), 102.5, rate), rate)
    assert refusal.reason == "rate_limited"
    assert refusal.problem.status == 429
    assert refusal.problem.detail == "Too many requests: ask again in 4 s."
    assert refusal.problem.headers == (
        (b"retry-after", b"4"),
        (b"ratelimit-policy", b'"default";q=1;w=6'),
        (b"ratelimit", b'"default";r=0;t=4'),
    )


def test_a_fresh_key_owes_nothing() -> None:
    assert FRESH.tat == -inf
