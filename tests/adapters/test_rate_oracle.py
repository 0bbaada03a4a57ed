"""GCRA against the `limits` library, which the core's own tests do without."""

from hypothesis import given
from hypothesis import strategies as st
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from portico.core.ratelimit import FRESH, Rate, decide


@given(st.integers(1, 40), st.integers(1, 80))
def test_a_fresh_key_gets_as_much_at_once_as_the_oracles_window(quota: int, asked: int) -> None:
    """GCRA earns as time goes on and a window does not, so the two meet within one instant."""
    oracle = FixedWindowRateLimiter(MemoryStorage())
    item = RateLimitItemPerMinute(quota)
    state, rate = FRESH, Rate.parse(f"{quota}/min")
    for _ in range(asked):
        decision = decide(state, 5.0, rate)
        assert decision.admitted == oracle.hit(item, "key")
        state = decision.state
