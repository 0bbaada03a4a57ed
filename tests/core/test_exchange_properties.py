"""The exchange under any sequence of steps and any bytes."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from portico.adapters.rate_memory import RateMemory
from portico.core.access import MAX_LINE, AccessRecord, Outcome
from portico.core.events import (
    ABORT,
    PROCEED,
    Ask,
    Headers,
    Proceed,
    RequestHead,
    Respond,
    ResponseHead,
)
from portico.core.exchange import Exchange
from portico.core.pipeline import Question, Verdict
from portico.core.policy import Policy
from portico.core.problem import Problem, Refusal
from portico.core.routes import Route
from portico.core.settings import Secret, Settings, build
from portico.core.transitions import TRANSITIONS, IllegalStepError, State, Step

HOST = (b"host", b"api.test")
ORIGIN = b"http://localhost:3000"
ENTROPY = bytes(range(1, 25))
POLICY = Policy.compile(Settings())
SECURE = Policy.compile(
    build({"auth.required": True, "auth.password": Secret("the right password")}),
    routes=[Route("/livez", probe=True)],
)


@dataclass
class Script:
    """A stage whose verdicts the walk chooses: what each next call of it says."""

    verdicts: list[Verdict] = field(default_factory=list)
    name: str = "script"
    reads: frozenset[bytes] = frozenset()

    def request(self, exchange: Exchange) -> Verdict:
        return self.verdicts.pop()

    def judge(self, exchange: Exchange, result: object) -> Verdict:
        return self.verdicts.pop()

    def receive(self, exchange: Exchange) -> Refusal | None:
        verdict = self.verdicts.pop()
        assert not isinstance(verdict, Respond | Question)
        return verdict


REFUSAL = Refusal("scripted", Problem(429, "later"))
KINDS = st.sampled_from(["pass", "refuse", "respond", "ask"])


class Walk(RuleBasedStateMachine):
    """Any steps in any order: the table alone says which are legal and where they lead."""

    def __init__(self) -> None:
        super().__init__()
        self.script = Script()
        pipeline = replace(
            POLICY.pipeline,
            stages=(*POLICY.pipeline.stages, self.script),
            body_stages=(self.script,),
        )
        self.exchange = Exchange(pipeline, None, 0.0, 0.0, ENTROPY)
        self.state = State.IDLE
        self.record: AccessRecord | None = None
        self.received = 0

    def verdict(self, kind: str) -> Verdict:
        verdicts: dict[str, Verdict] = {
            "refuse": REFUSAL,
            "respond": Respond(ResponseHead(200, []), b"own"),
            "ask": Question("what?", self.script.judge),
        }
        return verdicts.get(kind)

    def take(self, steps: list[Step], call: Callable[[], object]) -> object:
        """Take *steps* by one call; where the first is illegal it must raise and change nothing."""
        if (self.state, steps[0]) not in TRANSITIONS:
            before = self.snapshot()
            with pytest.raises(IllegalStepError) as caught:
                call()
            assert (caught.value.state, caught.value.step) == (self.state, steps[0])
            assert self.snapshot() == before
            return None
        result = call()
        for step in steps:
            self.state = TRANSITIONS[self.state, step]
        return result

    def snapshot(self) -> dict[str, object]:
        slots = [
            name for cls in type(self.exchange).__mro__ for name in getattr(cls, "__slots__", ())
        ]
        return {name: getattr(self.exchange, name) for name in slots}

    def expect(self, result: object, kind: str) -> None:
        """A call that was legal gives what its stage said."""
        if result is None:
            return
        if kind == "pass":
            assert result is PROCEED
        elif kind == "ask":
            assert result == Ask("script", "what?")
        else:
            self.check_answer(result)

    def check_answer(self, result: object) -> None:
        assert isinstance(result, Respond)
        headers = dict(result.head.headers)
        assert headers[b"access-control-allow-origin"] == ORIGIN
        assert headers[b"x-request-id"] == self.exchange.request_id.encode()

    @rule(kind=KINDS)
    def request(self, kind: str) -> None:
        head = RequestHead("GET", b"/", b"", [HOST, (b"origin", ORIGIN)])
        self.script.verdicts = [self.verdict(kind)]
        result = self.take([Step.REQUEST, OUTCOMES[kind]], lambda: self.exchange.request(head))
        self.expect(result, kind)

    @rule(kind=KINDS)
    def answer(self, kind: str) -> None:
        self.script.verdicts = [self.verdict(kind)]
        result = self.take([Step.ANSWER, OUTCOMES[kind]], lambda: self.exchange.answer("that"))
        self.expect(result, kind)

    @rule(size=st.integers(0, 100), refuse=st.booleans())
    def receive_body(self, size: int, refuse: bool) -> None:
        self.script.verdicts = [REFUSAL if refuse else None]
        refused = refuse and self.state is State.APPLICATION
        steps = [Step.RECEIVE, Step.RESPOND] if refused else [Step.RECEIVE]
        result = self.take(steps, lambda: self.exchange.receive_body(size))
        self.received += 0 if result is None else size
        if refuse and self.state is State.RESPONDING:
            assert result is ABORT
        else:
            self.expect(result, "refuse" if refused else "pass")

    @rule()
    def fail(self) -> None:
        result = self.take([Step.RESPOND], lambda: self.exchange.fail())
        self.expect(result, "refuse")

    @rule(status=st.integers(90, 610))
    def response(self, status: int) -> None:
        head = ResponseHead(status, [])
        result = self.take([Step.RESPONSE], lambda: self.exchange.response(head, now=1.0))
        if result is not None:
            assert isinstance(result, ResponseHead)
            self.check_answer(Respond(result, b""))
            assert result.status == (status if 100 <= status <= 599 else 500)

    @rule(size=st.integers(0, 100))
    def send_body(self, size: int) -> None:
        self.take([Step.SEND], lambda: self.exchange.send_body(size))

    @rule(outcome=st.none() | st.sampled_from(Outcome))
    def finish(self, outcome: Outcome | None) -> None:
        result = self.take([Step.FINISH], lambda: self.exchange.finish(now=2.0, outcome=outcome))
        assert isinstance(result, AccessRecord)
        assert self.record is None or result is self.record
        self.record = result
        assert json.loads(result.line())["outcome"] == result.outcome

    @invariant()
    def the_table_says_where_it_stands(self) -> None:
        assert self.exchange.state is self.state
        assert self.exchange.request_bytes == self.received


OUTCOMES = {
    "pass": Step.PROCEED,
    "refuse": Step.RESPOND,
    "respond": Step.RESPOND,
    "ask": Step.ASK,
}

TestWalk = Walk.TestCase


# Any bytes

NAMES = st.sampled_from(
    [
        *(b"content-length", b"transfer-encoding"),
        *(b"origin", b"authorization", b"x-bare-password", b"x-request-id", b"traceparent"),
        *(b"tracestate", b"user_id", b"x-agent-id", b"run-id", b"user-agent"),
        *(b"access-control-request-method", b"access-control-request-headers"),
    ]
)
VALUES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([ORIGIN, b"null", b"*", b"PUT", b"Bearer x", b"password x"]),
    st.from_regex(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", fullmatch=True),
)
HEADERS = st.lists(st.tuples(NAMES | st.binary(max_size=10), VALUES), max_size=8).map(
    lambda lines: [HOST, *lines]
)
HEADS = st.builds(
    RequestHead,
    method=st.sampled_from(["GET", "HEAD", "OPTIONS", "POST"]) | st.text(max_size=8),
    path=st.sampled_from([b"/", b"/livez", b"/v1/admin"]) | st.binary(max_size=80),
    query=st.binary(max_size=80),
    headers=HEADERS,
    kind=st.sampled_from(["http", "websocket"]),
)


def run(policy: Policy, head: RequestHead) -> tuple[Exchange, Proceed | Respond]:
    exchange = policy.exchange(peer="192.0.2.1", now=0.0, wall=0.0, entropy=ENTROPY)
    verdict = exchange.request(head)
    while isinstance(verdict, Ask):
        verdict = exchange.answer(RateMemory().answer(verdict))
    return exchange, verdict


@given(st.sampled_from([POLICY, SECURE]), HEADS)
def test_any_bytes_are_decided_and_recorded(policy: Policy, head: RequestHead) -> None:
    exchange, verdict = run(policy, head)
    answer = exchange.fail() if verdict is PROCEED else verdict
    assert isinstance(answer, Respond)
    ids = [value for name, value in answer.head.headers if name == b"x-request-id"]
    assert ids == [exchange.request_id.encode()]
    line = exchange.finish(now=1.0).line()
    assert len(line) <= MAX_LINE
    assert json.loads(line)["request_id"] == exchange.request_id


@given(HEADS)
def test_nothing_but_the_password_passes_where_it_is_required(head: RequestHead) -> None:
    _, verdict = run(SECURE, head)
    probe = head.path == b"/livez" and head.method in {"GET", "HEAD"} and head.kind == "http"
    assert isinstance(verdict, Respond) or probe


@given(st.integers(), st.lists(st.tuples(st.binary(max_size=10), st.binary(max_size=20))))
def test_any_answer_leaves_as_one_that_http_allows(status: int, headers: Headers) -> None:
    exchange, _ = run(POLICY, RequestHead("GET", b"/", b"", [HOST]))
    answer = exchange.response(ResponseHead(status, headers))
    assert 100 <= answer.status <= 599
    wire = b"".join(b"%s: %s\r\n" % line for line in answer.headers)
    assert wire.count(b"\n") == wire.count(b"\r") == len(answer.headers)


@given(HEADS)
def test_an_exchange_depends_on_its_arguments_alone(head: RequestHead) -> None:
    first, second = run(POLICY, head), run(POLICY, head)
    assert first[1] == second[1]
    assert first[0].finish(now=1.0) == second[0].finish(now=1.0)
