"""Failures to authenticate: what is looked at, what is charged, and who is refused."""

from collections.abc import Mapping
from typing import Any

import pytest

from portico.adapters.rate_memory import RateMemory
from portico.core.events import PROCEED, Ask, Proceed, RequestHead, Respond
from portico.core.exchange import Exchange
from portico.core.failures import FailureLimit
from portico.core.pipeline import Question, Verdict
from portico.core.policy import Policy
from portico.core.problem import Problem, Refusal
from portico.core.ratelimit import Rate
from portico.core.routes import Route
from portico.core.settings import Secret, build
from portico.core.throttle import Charges, StoreFailed, StorePolicy

HOST = (b"host", b"api.test")
DENIED = Refusal("denied", Problem(403, "No."))


class Server:
    """A policy with a memory of its own, as a shell has it."""

    def __init__(self, values: Mapping[str, object] | None = None) -> None:
        own: dict[str, object] = {
            "auth.required": True,
            "auth.password": Secret("pw"),
            "ratelimit.auth_failures": "3/min",
        }
        routes = [Route("/livez", probe=True)]
        self.policy = Policy.compile(
            build({**own, **(values or {})}), routes=routes, shared_store=True
        )
        self.now = 0.0
        self.rates = RateMemory(lambda: self.now)

    def ask(
        self, secret: bytes | None, peer: str = "192.0.2.1", path: bytes = b"/"
    ) -> tuple[int, Exchange]:
        """The status, 200 where there is no objection."""
        exchange = self.policy.exchange(peer=peer, now=self.now, wall=2.0, entropy=bytes(range(24)))
        lines = [] if secret is None else [(b"authorization", b"Bearer " + secret)]
        step: Proceed | Respond | Ask = exchange.request(
            RequestHead("GET", path, b"", [HOST, *lines])
        )
        while isinstance(step, Ask):
            step = exchange.answer(self.rates.answer(step))
        return (step.head.status if isinstance(step, Respond) else 200), exchange

    def status(self, *args: Any, **options: Any) -> int:
        return self.ask(*args, **options)[0]


def test_an_address_that_guesses_is_refused_even_with_the_right_password():
    server = Server()
    assert [server.status(b"no") for _ in range(5)] == [401, 401, 401, 429, 429]
    status, exchange = server.ask(b"pw")
    assert (status, exchange.principal) == (429, None)
    assert exchange.finish(now=1.0).reason == "too_many_failures"
    assert server.status(b"pw", peer="192.0.2.2") == 200
    server.now = 20.0
    assert server.status(b"pw") == 200


def test_right_passwords_and_requests_without_any_are_never_charged():
    server = Server()
    assert [server.status(b"pw") for _ in range(99)] == [200] * 99
    assert [server.status(None) for _ in range(99)] == [401] * 99
    assert len(server.rates) == 0


def test_a_crowd_that_guesses_locks_out_only_its_own():
    server = Server()
    crowd = [f"10.0.{n // 256}.{n % 256}" for n in range(300)]
    assert {server.status(b"no", peer=peer) for peer in crowd} == {401}
    assert {server.status(b"no", peer=peer) for peer in crowd} == {429}
    assert server.status(b"pw", peer=crowd[0]) == 429
    assert [server.status(b"pw", peer="192.0.2.9") for _ in range(9)] == [200] * 9
    assert [server.status(b"no", peer="192.0.2.9") for _ in range(2)] == [401, 429]


def test_what_is_open_stays_open_but_tells_nothing_about_the_credentials():
    server = Server({"auth.required": False})
    for _ in range(3):
        status, exchange = server.ask(b"no")
        assert (status, exchange.principal) == (200, None)
    status, exchange = server.ask(b"pw")
    assert (status, exchange.principal) == (200, None)
    assert server.status(b"pw", path=b"/v1/admin/config") == 429
    assert server.ask(b"pw", peer="192.0.2.2")[1].principal == "password"


def test_a_probe_stays_a_probe():
    server = Server()
    assert [server.status(b"no", path=b"/livez") for _ in range(9)] == [200] * 9


def test_credentials_that_nobody_compares_cannot_fail():
    server = Server({"auth.required": False, "auth.password": None})
    assert [server.status(b"somebody-elses") for _ in range(99)] == [200] * 99
    assert len(server.rates) == 0


@pytest.mark.parametrize(("mode", "local"), [("open", True), ("local", True), ("closed", False)])
def test_a_failing_store_never_lets_guess_without_end(mode, local):
    server = Server({"ratelimit.store": "redis", "ratelimit.on_store_failure": mode})
    exchange = server.policy.exchange(peer=None, now=1.0, wall=2.0, entropy=bytes(range(24)))
    lines = [HOST, (b"authorization", b"Bearer pw")]
    step = exchange.request(RequestHead("GET", b"/", b"", lines))
    assert isinstance(step, Ask)
    step = exchange.answer(StoreFailed())
    assert isinstance(step, Ask) == local
    if isinstance(step, Ask):
        assert isinstance(step.question, Charges)
        assert not step.question.shared
        assert exchange.answer(server.rates.answer(step)) is PROCEED
    else:
        assert isinstance(step, Respond)
        assert step.head.status == 503


# A slow hash, and a principal without the right


def settle(verdict: Verdict, *, principal: str | None = None) -> Verdict:
    """What comes of a guarded verdict, every question answered."""
    exchange = Server().policy.exchange(peer=None, now=1.0, wall=2.0, entropy=bytes(range(24)))
    rates = RateMemory(lambda: 1.0)

    def authenticate(exchange: Exchange, credentials: Any) -> Verdict:
        exchange.principal = principal
        return verdict

    limit = FailureLimit(Rate(1.0, 1), StorePolicy())
    found = limit.guard(exchange, [], authenticate)
    while isinstance(found, Question):
        asked = found.question
        answer = rates.answer(Ask("authentication", asked)) if asked != "hash" else True
        found = found.judge(exchange, answer)
    return found


def test_a_question_of_the_comparison_is_passed_on():
    wrong = Refusal("wrong", Problem(401, "No."))
    assert settle(Question("hash", lambda exchange, answer: wrong)) is wrong
    assert settle(Question("hash", lambda exchange, answer: None), principal="key") is None


def test_a_principal_without_the_right_has_not_failed():
    assert settle(DENIED, principal="key") is DENIED
    assert settle(DENIED) is DENIED
