"""The throttle: who is charged, what is answered, and what a failing store means."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from portico.core.events import PROCEED, Ask, Headers, Proceed, RequestHead, Respond, ResponseHead
from portico.core.exchange import Exchange
from portico.core.policy import Policy, PolicyErrors
from portico.core.ratelimit import FRESH, Rate, RateDecision
from portico.core.routes import Route
from portico.core.settings import Secret, build
from portico.core.throttle import Charge, Charges, StoreFailed

HOST = (b"host", b"api.test")
RATE = Rate(0.1, 20)
ADMITTED = RateDecision(True, FRESH, 19, 0.0, 0.1)
REFUSED = RateDecision(False, FRESH, 0, 2.5, 2.0)
BEARER = (b"authorization", b"Bearer pw")


def policy_of(values: Mapping[str, object] | None = None, workers: int = 1) -> Policy:
    own: dict[str, object] = {"ratelimit.default": "10/s burst 20"}
    routes = [Route("/livez", probe=True)]
    return Policy.compile(
        build({**own, **(values or {})}), routes=routes, shared_store=True, workers=workers
    )


def begin(policy: Policy, peer: str | None = "192.0.2.1") -> Exchange:
    return policy.exchange(peer=peer, now=1.0, wall=2.0, entropy=bytes(range(24)))


def get(*lines: tuple[bytes, bytes], path: bytes = b"/") -> RequestHead:
    return RequestHead("GET", path, b"", [HOST, *lines])


def asked(step: Proceed | Respond | Ask) -> Charges:
    assert isinstance(step, Ask)
    assert isinstance(step.question, Charges)
    return step.question


def lines_of(headers: Headers) -> dict[bytes, bytes]:
    return {name: value for name, value in headers if b"rate" in name or b"retry" in name}


# The rate limit


@pytest.mark.parametrize(
    ("peer", "key"),
    [
        ("192.0.2.1", "requests:address:192.0.2.1"),
        ("2001:db8::1", "requests:address:2001:db8::/64"),
        (None, "requests:address:local"),
    ],
)
def test_a_request_is_charged_to_its_address(peer, key):
    step = begin(policy_of(), peer).request(get())
    assert asked(step) == Charges((Charge(key, RATE),), shared=False)


def test_a_request_is_charged_to_its_principal():
    policy = policy_of({"auth.password": Secret("pw"), "ratelimit.auth_failures": "1/s"})
    exchange = begin(policy)
    looked = exchange.request(get(BEARER))
    assert asked(looked).charges[0] == Charge("failures:address:192.0.2.1", Rate(1.0, 1), cost=0)
    step = exchange.answer((ADMITTED,) * 3)
    assert asked(step).charges == (Charge("requests:principal:password", RATE),)


def test_an_admitted_request_is_told_what_is_left():
    exchange = begin(policy_of())
    exchange.request(get())
    assert exchange.answer((ADMITTED,)) is PROCEED
    answer = exchange.response(ResponseHead(200, [(b"x-own", b"1")]))
    assert lines_of(answer.headers) == {
        b"ratelimit-policy": b'"default";q=20;w=2',
        b"ratelimit": b'"default";r=19;t=1',
    }


def test_so_is_one_that_the_policy_answers_later():
    exchange = begin(policy_of({"server.max_body": 1}))
    exchange.request(get())
    exchange.answer((ADMITTED,))
    answer = exchange.receive_body(2)
    assert isinstance(answer, Respond)
    assert answer.head.status == 413
    assert lines_of(answer.head.headers)[b"ratelimit"] == b'"default";r=19;t=1'


def test_a_request_above_the_limit_is_refused_with_one_set_of_lines():
    exchange = begin(policy_of())
    exchange.request(get())
    answer = exchange.answer((REFUSED,))
    assert isinstance(answer, Respond)
    assert answer.head.status == 429
    names = [name for name, _ in answer.head.headers]
    assert len(names) == len(set(names))
    assert lines_of(answer.head.headers)[b"retry-after"] == b"3"
    assert exchange.finish(now=2.0).reason == "rate_limited"


def test_probes_and_preflights_are_exempt():
    assert begin(policy_of()).request(get(path=b"/livez")) is PROCEED
    asking = [(b"origin", b"http://localhost:3000"), (b"access-control-request-method", b"PUT")]
    step = begin(policy_of()).request(replace(get(*asking), method="OPTIONS"))
    assert isinstance(step, Respond)


def test_without_a_limit_nothing_is_asked():
    assert begin(policy_of({"ratelimit.default": None})).request(get()) is PROCEED


def test_a_limit_that_cannot_be_read_is_told_with_its_setting():
    with pytest.raises(PolicyErrors) as caught:
        policy_of({"ratelimit.default": "often"})
    (error,) = caught.value.errors
    assert (error.code, error.path, error.value) == ("bad-value", "ratelimit.default", "often")


def test_a_shell_without_the_shared_store_is_asked_for_its_own():
    settings = build({"ratelimit.default": "10/s burst 20", "ratelimit.store": "redis"})
    assert not asked(begin(Policy.compile(settings)).request(get())).shared


# A store that fails


def failing(mode: str, workers: int = 1) -> tuple[Exchange, Proceed | Respond | Ask]:
    values = {"ratelimit.store": "redis", "ratelimit.on_store_failure": mode}
    exchange = begin(policy_of(values, workers))
    assert asked(exchange.request(get())).shared
    return exchange, exchange.answer(StoreFailed())


def test_an_open_failure_admits_and_tells_nothing():
    exchange, step = failing("open")
    assert step is PROCEED
    assert lines_of(exchange.response(ResponseHead(200, [])).headers) == {}


def test_a_closed_failure_refuses_for_a_while():
    exchange, step = failing("closed")
    assert isinstance(step, Respond)
    assert step.head.status == 503
    assert lines_of(step.head.headers) == {b"retry-after": b"1"}
    assert exchange.finish(now=2.0).reason == "rate_store_failed"


@pytest.mark.parametrize(("workers", "share"), [(1, RATE), (4, Rate(0.4, 5)), (64, Rate(6.4, 1))])
def test_a_local_failure_counts_a_workers_share(workers, share):
    exchange, step = failing("local", workers)
    assert asked(step) == Charges((Charge("requests:address:192.0.2.1", share),), shared=False)
    assert exchange.answer((ADMITTED,)) is PROCEED
