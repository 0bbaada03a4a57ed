"""The exchange, step by step: who answers, and what every answer carries."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import pytest

from portico.core.access import AccessRecord, Outcome
from portico.core.events import (
    ABORT,
    PROCEED,
    Ask,
    Headers,
    RequestHead,
    Respond,
    ResponseHead,
)
from portico.core.exchange import Exchange
from portico.core.pipeline import Pipeline, Question, Verdict
from portico.core.policy import Policy
from portico.core.problem import Problem, Refusal
from portico.core.settings import build
from portico.core.transitions import IllegalStepError, State, Step

HOST = (b"host", b"api.test")
ORIGIN = b"https://app.test"
ENTROPY = bytes(range(1, 25))
MADE = ENTROPY[:16].hex()
REQUEST_ID = (b"x-request-id", MADE.encode())
ALLOWED = [
    (b"access-control-allow-origin", ORIGIN),
    (b"access-control-allow-credentials", b"true"),
    (b"vary", b"Origin"),
]

POLICY = Policy.compile(build({"cors.origins": (ORIGIN.decode(),), "cors.extra_origins": ()}))


def begin(pipeline: Pipeline = POLICY.pipeline) -> Exchange:
    return Exchange(pipeline, "192.0.2.1", 100.0, 1_700_000_000.0, ENTROPY)


def head_of(*headers: tuple[bytes, bytes], method: str = "GET", path: bytes = b"/") -> RequestHead:
    return RequestHead(method, path, b"", [HOST, (b"origin", ORIGIN), *headers])


def where(exchange: Exchange) -> State:
    """The state, which a type checker would otherwise take for unchanged by a call."""
    return exchange.state


def refused(answer: object, status: int) -> dict[str, object]:
    """The problem of a refusal, which carries CORS headers and request id like any answer."""
    assert isinstance(answer, Respond)
    assert answer.head.status == status
    assert answer.head.headers[-4:] == [*ALLOWED, REQUEST_ID]
    problem = json.loads(answer.body)
    assert (problem["status"], problem["instance"]) == (status, MADE)
    assert isinstance(problem, dict)
    return problem


@dataclass(frozen=True)
class Stage:
    """A stage that says what it is told to say."""

    verdict: Verdict
    name: str = "test"
    reads: frozenset[bytes] = frozenset({b"x-test"})

    def request(self, exchange: Exchange) -> Verdict:
        return self.verdict


def with_stages(*stages: Stage) -> Exchange:
    return begin(replace(POLICY.pipeline, stages=(*POLICY.pipeline.stages, *stages)))


TEAPOT = Refusal("teapot", Problem(400, "short and stout"))


# An ordinary request


def test_an_ordinary_request_passes_and_its_answer_is_completed() -> None:
    exchange = begin()
    assert where(exchange) is State.IDLE
    assert exchange.request(head_of()) is PROCEED
    assert where(exchange) is State.APPLICATION
    assert exchange.receive_body(10) is PROCEED
    own: Headers = [(b"content-type", b"text/plain")]
    answer = exchange.response(ResponseHead(404, own), now=100.5)
    assert answer.status == 404
    assert answer.headers[:1] == own
    assert answer.headers[-4:] == [*ALLOWED, REQUEST_ID]
    assert own == [(b"content-type", b"text/plain")]
    assert exchange.receive_body(5) is PROCEED
    exchange.send_body(7)
    exchange.send_body(3)
    record = exchange.finish(now=102.0)
    assert where(exchange) is State.FINISHED
    assert record == AccessRecord(
        head=head_of(),
        client="192.0.2.1",
        wall=1_700_000_000.0,
        request_id=MADE,
        trace=exchange.trace,
        context={},
        cors="origin_exact",
        outcome=Outcome.COMPLETED,
        reason=None,
        status=404,
        route=None,
        principal=None,
        duration_s=2.0,
        ttfb_s=0.5,
        request_bytes=15,
        response_bytes=10,
        peer="192.0.2.1",
    )


def test_the_answer_to_head_has_no_body_to_count() -> None:
    exchange = begin()
    exchange.request(head_of(method="HEAD"))
    exchange.response(ResponseHead(200, []))
    exchange.send_body(10)
    assert exchange.finish(now=100.0).response_bytes == 0


def test_the_applications_own_request_id_is_replaced_in_any_case() -> None:
    exchange = begin()
    exchange.request(RequestHead("GET", b"/", b"", [HOST, (b"x-request-id", b"theirs")]))
    own: Headers = [(b"x-request-id", b"a"), (b"X-Request-ID", b"b")]
    answer = exchange.response(ResponseHead(200, own))
    ids = [value for name, value in answer.headers if name.lower() == b"x-request-id"]
    assert ids == [b"theirs"]


def test_the_application_tells_the_route_and_reads_the_log_context() -> None:
    exchange = begin()
    agent = "agent-3f2504e0-4f89-41d3-9a0c-0305e82c3301"
    exchange.request(head_of(path=f"/v1/agents/{agent}".encode()))
    assert exchange.log_context == {
        "request_id": MADE,
        "trace_id": MADE,
        "span_id": ENTROPY[16:].hex(),
        "agent_id": agent,
    }
    exchange.route = "/v1/agents/<agent_id>"
    record = exchange.finish(now=100.0)
    assert record.route == "/v1/agents/<agent_id>"
    assert record.context == {"agent_id": agent}


def test_only_the_headers_that_stages_read_are_picked_out() -> None:
    exchange = with_stages(Stage(None))
    headers = [(b"accept", b"*/*"), (b"x-test", b"1"), (b"x-run-id", b"r"), (b"x-test", b"2")]
    exchange.request(head_of(*headers))
    assert exchange.needed == headers[1:]


# Refusals


def test_a_refusal_carries_what_every_answer_carries_and_ends_in_a_record() -> None:
    exchange = with_stages(Stage(TEAPOT), Stage(Refusal("never", Problem(500, ""))))
    answer = exchange.request(head_of())
    assert refused(answer, 400)["detail"] == "short and stout"
    assert where(exchange) is State.ANSWERED
    record = exchange.finish(now=101.0)
    assert (record.outcome, record.reason, record.status) == (Outcome.REFUSED, "teapot", 400)
    assert (record.cors, record.request_id) == ("origin_exact", MADE)
    assert isinstance(answer, Respond)
    assert record.response_bytes == len(answer.body)
    assert record.ttfb_s == record.duration_s == 1.0


def test_a_refusal_before_the_cors_stage_carries_it_all_too() -> None:
    exchange = begin()
    refused(exchange.request(head_of(method="G ET")), 400)
    assert exchange.finish(now=100.0).cors == "origin_exact"


def test_the_refusal_of_head_has_no_body() -> None:
    exchange = with_stages(Stage(TEAPOT))
    answer = exchange.request(head_of(method="HEAD"))
    assert isinstance(answer, Respond)
    assert answer.body == b""
    assert (b"content-type", b"application/problem+json") in answer.head.headers


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, Outcome.COMPLETED), (399, Outcome.COMPLETED), (400, Outcome.REFUSED)],
)
def test_a_stage_may_answer_itself(status: int, outcome: Outcome) -> None:
    exchange = with_stages(Stage(Respond(ResponseHead(status, [(b"x-own", b"1")]), b"body")))
    answer = exchange.request(head_of())
    assert answer == Respond(
        ResponseHead(status, [(b"x-own", b"1"), *ALLOWED, REQUEST_ID]), b"body"
    )
    record = exchange.finish(now=100.0)
    assert (record.outcome, record.status, record.response_bytes) == (outcome, status, 4)


@dataclass(frozen=True)
class Limit:
    """Refuses the body from its third byte on."""

    def receive(self, exchange: Exchange) -> Refusal | None:
        return Refusal("too_large", Problem(413, "")) if exchange.request_bytes > 2 else None


def test_a_body_stage_may_refuse_and_after_the_answer_has_begun_break_it() -> None:
    pipeline = replace(POLICY.pipeline, body_stages=(Limit(),))
    exchange = begin(pipeline)
    exchange.request(head_of())
    assert exchange.receive_body(2) is PROCEED
    refused(exchange.receive_body(1), 413)
    assert exchange.finish(now=100.0).reason == "too_large"
    begun = begin(pipeline)
    begun.request(head_of())
    begun.response(ResponseHead(200, []))
    assert begun.receive_body(99) is ABORT
    record = begun.finish(now=100.0)
    assert (record.request_bytes, record.status) == (99, 200)
    assert (record.outcome, record.reason) == (Outcome.REFUSED, "too_large")


@dataclass(frozen=True)
class Stamp:
    """Changes the application's answer."""

    def response(self, exchange: Exchange, head: ResponseHead) -> ResponseHead:
        return ResponseHead(203, [*head.headers, (b"x-stamp", exchange.request_id.encode())])


def test_response_stages_change_the_answer_before_it_is_completed() -> None:
    exchange = begin(replace(POLICY.pipeline, response_stages=(Stamp(),)))
    exchange.request(head_of())
    answer = exchange.response(ResponseHead(200, []))
    assert answer.status == 203
    assert answer.headers == [(b"x-stamp", MADE.encode()), *ALLOWED, REQUEST_ID]
    assert exchange.finish(now=100.0).status == 203


# Questions


def ask_twice(_: Exchange, result: object) -> Verdict:
    return Question("second", lambda _, again: None if (result, again) == (1, 2) else TEAPOT)


def test_a_stage_may_ask_and_go_on_with_the_answer() -> None:
    exchange = with_stages(Stage(Question("first", ask_twice), name="asker"), Stage(None))
    assert exchange.request(head_of()) == Ask("asker", "first")
    assert where(exchange) is State.ASKING
    assert exchange.answer(1) == Ask("asker", "second")
    assert exchange.answer(2) is PROCEED
    assert where(exchange) is State.APPLICATION


def test_an_answer_may_lead_to_a_refusal() -> None:
    exchange = with_stages(Stage(Question("first", ask_twice)), Stage(None))
    exchange.request(head_of())
    exchange.answer(1)
    refused(exchange.answer("no"), 400)
    assert exchange.finish(now=100.0).reason == "teapot"


def test_stages_after_the_one_that_asked_are_passed_once() -> None:
    later = Stage(Question("later", lambda _, __: None), name="later")
    exchange = with_stages(Stage(Question("first", lambda _, __: None)), later)
    exchange.request(head_of())
    assert exchange.answer(None) == Ask("later", "later")
    assert exchange.answer(None) is PROCEED


# Failures


def test_an_application_that_raised_is_answered_for() -> None:
    exchange = begin()
    exchange.request(head_of())
    refused(exchange.fail(), 500)
    record = exchange.finish(now=100.0)
    assert (record.outcome, record.reason) == (Outcome.ERROR, "unhandled_exception")


def test_a_store_that_raised_is_answered_for() -> None:
    exchange = with_stages(Stage(Question("first", ask_twice)))
    exchange.request(head_of())
    refused(exchange.fail(Refusal("store_failed", Problem(503, ""))), 503)
    assert exchange.finish(now=100.0).reason == "store_failed"


@pytest.mark.parametrize(
    "head",
    [
        ResponseHead(99, []),
        ResponseHead(600, []),
        ResponseHead(200, [(b"a b", b"")]),
        ResponseHead(200, [(b"a", b"b\r\nc: d")]),
    ],
)
def test_an_answer_that_http_forbids_becomes_a_500(head: ResponseHead) -> None:
    exchange = begin()
    exchange.request(head_of())
    answer = exchange.response(head)
    assert exchange.substitute is not None
    refused(Respond(answer, exchange.substitute), 500)
    assert exchange.fault is not None
    exchange.send_body(10)
    record = exchange.finish(now=100.0)
    assert (record.outcome, record.reason) == (Outcome.ERROR, "invalid_response")
    assert (record.status, record.response_bytes) == (500, len(exchange.substitute))


# The end


@pytest.mark.parametrize("outcome", [Outcome.CLIENT_DISCONNECTED, Outcome.ERROR, Outcome.CANCELLED])
def test_the_shell_may_know_better_how_it_ended(outcome: Outcome) -> None:
    exchange = begin()
    exchange.request(head_of())
    exchange.response(ResponseHead(200, []))
    record = exchange.finish(now=100.0, outcome=outcome, reason="why")
    assert (record.outcome, record.reason, record.status) == (outcome, "why", 200)


def test_a_completed_request_has_no_reason() -> None:
    exchange = begin()
    exchange.request(head_of())
    exchange.response(ResponseHead(200, []))
    assert exchange.finish(now=100.0, reason="why").reason is None


def test_only_the_first_finish_counts() -> None:
    exchange = begin()
    exchange.request(head_of())
    first = exchange.finish(now=101.0)
    assert exchange.finish(now=200.0, outcome=Outcome.ERROR) is first
    assert (first.outcome, first.status, first.ttfb_s) == (Outcome.CANCELLED, None, None)


def test_an_exchange_without_a_request_finishes_too() -> None:
    record = begin().finish(now=99.0)
    assert (record.outcome, record.head.method, record.duration_s) == (Outcome.CANCELLED, "", 0.0)
    assert json.loads(record.line())["event"] == "access"


def test_a_clock_that_goes_back_gives_no_negative_time() -> None:
    exchange = begin()
    exchange.request(head_of())
    exchange.response(ResponseHead(200, []), now=99.0)
    record = exchange.finish(now=98.0)
    assert (record.duration_s, record.ttfb_s) == (0.0, 0.0)


def test_too_little_entropy_is_refused() -> None:
    with pytest.raises(ValueError, match="24 random bytes, not 23"):
        Exchange(POLICY.pipeline, None, 0.0, 0.0, bytes(23))


# Illegal steps


def test_steps_out_of_order_raise_and_change_nothing() -> None:
    exchange = begin()
    steps: list[Callable[[], object]] = [
        lambda: exchange.answer(None),
        lambda: exchange.receive_body(1),
        lambda: exchange.response(ResponseHead(200, [])),
        lambda: exchange.send_body(1),
        exchange.fail,
    ]
    for step in steps:
        with pytest.raises(IllegalStepError) as caught:
            step()
        assert caught.value.state is State.IDLE
    assert where(exchange) is State.IDLE
    assert exchange.request(head_of()) is PROCEED
    with pytest.raises(IllegalStepError) as caught:
        exchange.request(head_of(method="HEAD"))
    assert (caught.value.state, caught.value.step) == (State.APPLICATION, Step.REQUEST)
    assert exchange.head.method == "GET"


def test_a_head_that_cannot_be_read_changes_nothing() -> None:
    exchange = begin()
    exchange.request(head_of())
    with pytest.raises(TypeError):
        exchange.response(ResponseHead(200, [(b"x-text", cast("bytes", "not bytes"))]))
    assert where(exchange) is State.APPLICATION
    refused(exchange.fail(), 500)


def test_without_a_proxy_the_client_is_the_peer() -> None:
    exchange = begin()
    assert (exchange.client, exchange.scheme, exchange.host) == (exchange.peer, "http", b"")
    exchange = begin()
    exchange.request(replace(head_of(), scheme="https"))
    assert (exchange.scheme, exchange.host) == ("https", HOST[1])
    exchange.host = b"other.test"
    assert exchange.host == b"other.test"
