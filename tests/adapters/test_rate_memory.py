"""The rate limits in memory: what they admit, what they keep, and every shell that asks them."""

import threading
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.adapters.rate_memory import RateMemory
from portico.core.events import Ask, RequestHead
from portico.core.policy import Policy
from portico.core.ratelimit import Rate, RateDecision
from portico.core.settings import build
from portico.core.throttle import Charge, Charges
from portico.testing import Application, Request
from tests.adapters import clients

RATE = Rate(1.0, 2)


def never(ask: Ask) -> object:
    raise AssertionError(ask)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def charge(memory: RateMemory, key: str, rate: Rate = RATE, cost: int = 1) -> RateDecision:
    answer = memory.answer(Ask("rate limit", Charges((Charge(key, rate, cost),))))
    assert answer is not None
    return answer[0]


def test_a_burst_then_one_for_each_interval():
    clock = Clock()
    memory = RateMemory(clock)
    assert [charge(memory, "a").admitted for _ in range(3)] == [True, True, False]
    assert charge(memory, "b").admitted
    clock.now = 1.0
    assert [charge(memory, "a").admitted for _ in range(2)] == [True, False]


def test_a_look_charges_nothing_and_keeps_nothing():
    memory = RateMemory(Clock())
    assert [charge(memory, "a", cost=0).admitted for _ in range(9)] == [True] * 9
    assert len(memory) == 0
    assert [charge(memory, "a").admitted for _ in range(2)] == [True, True]
    assert not charge(memory, "a", cost=0).admitted


def test_other_questions_are_not_answered():
    memory = RateMemory(Clock())
    assert memory.answer(Ask("rate limit", Charges((Charge("a", RATE),), shared=True))) is None
    assert memory.answer(Ask("script", "what?")) is None


def test_keys_that_are_as_good_as_new_go_before_older_ones():
    clock = Clock()
    memory = RateMemory(clock, most_keys=4)
    slow = Rate(100.0, 1)
    charge(memory, "long", slow)
    for key in "abc":
        charge(memory, key)
    clock.now = 5.0
    charge(memory, "new")
    assert len(memory) == 2
    assert not charge(memory, "long", slow).admitted


def test_then_go_those_that_were_charged_longest_ago():
    memory = RateMemory(Clock(), most_keys=3)
    rate = Rate(1.0, 9)
    for key in ("old", "often", "other", "often", "new"):
        charge(memory, key, rate)
    assert len(memory) == 3
    assert charge(memory, "old", rate, cost=0).remaining == 8  # forgotten
    assert charge(memory, "often", rate, cost=0).remaining == 6


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 3)), max_size=200))
def test_it_is_bounded_and_admits_no_key_above_its_rate(steps):
    clock = Clock()
    memory = RateMemory(clock, most_keys=8)
    for key, wait in steps:
        clock.now += wait
        charge(memory, str(key))
        assert len(memory) <= 8


def test_threads_together_are_admitted_no_more_than_one_alone():
    memory = RateMemory(Clock())
    rate = Rate(1.0, 100)
    admitted: list[bool] = []
    start = threading.Barrier(8)

    def hammer() -> None:
        start.wait()
        admitted.extend([charge(memory, "a", rate).admitted for _ in range(50)])

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(admitted) == 100


@pytest.mark.parametrize("make_client", [clients.asgi, clients.wsgi, clients.rsgi])
def test_a_shell_limits_rates_without_being_given_a_store(make_client):
    policy = Policy.compile(build({"ratelimit.default": "1/h burst 3"}))
    client = make_client(policy, Application(200, [], b"ok"), never)
    request = Request(RequestHead("GET", b"/", b"", [(b"host", b"a")]), (), "192.0.2.1")
    answers = [client(request) for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert [record["reason"] for answer in answers[3:] for record in answer.records] == [
        "rate_limited"
    ] * 2
    assert client(replace(request, peer="192.0.2.2")).status == 200
