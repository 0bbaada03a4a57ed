"""Ordinary requests: the same status, headers, body and record from every engine."""

from time import monotonic

import h11
import pytest

from tests.conformance.calls import Call, Seen, compare, head_bytes
from tests.conformance.cases import CASES, Case
from tests.conformance.deviations import deviate, is_unreadable, is_unsayable
from tests.conformance.engines import Bare, Engine, OnSocket
from tests.wire import DEADLINE_S, Answer, NoAnswerError


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_request_gets_the_answer_written_for_it(reference: Bare, case: Case) -> None:
    seen = compare(reference.perform(case.call), case.call)
    assert (seen.status, seen.outcome, seen.reason) == (case.status, case.outcome, case.reason)
    assert {name: line_of(seen, name) for name in case.expect} == dict(case.expect)
    assert case.body in (None, seen.body)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_request_gets_the_same_answer(engine: Engine, reference: Bare, case: Case) -> None:
    call = case.call
    if is_unsayable(engine.name, call):
        return
    if is_unreadable(engine.name, call):
        assert engine.ask(call).status == 400
        return
    outcome = engine.perform(call)
    expected = compare(reference.perform(call), call)
    assert compare(outcome, call) == deviate(engine.name, call, expected)
    assert {key: outcome.record.get(key) for key in case.record} == dict(case.record)
    assert outcome.record["http.response.status_code"] == outcome.answer.status
    assert outcome.answer.header("x-request-id") in (outcome.record["request_id"], None)
    assert "secret" not in str(outcome)


def test_an_answer_that_breaks_off_is_seen_to_be_broken(engine: Engine) -> None:
    """What was begun cannot become a 500; the client must not take half of it for all."""
    if not isinstance(engine, OnSocket):
        return
    since = len(engine.server.stdout.lines)
    with pytest.raises((NoAnswerError, h11.RemoteProtocolError)):
        engine.ask(Call("full", "/raise-late"))
    record = engine.record(since)
    assert (record["outcome"], record["reason"]) == ("error", "unhandled_exception")


def test_an_answer_past_its_time_is_seen_to_be_broken(engine: Engine) -> None:
    if not isinstance(engine, OnSocket):
        return
    since = len(engine.server.stdout.lines)
    with pytest.raises((NoAnswerError, h11.RemoteProtocolError)):
        engine.ask(Call("hasty", "/hang-late"))
    record = engine.record(since)
    assert (record["outcome"], record["reason"]) == ("error", "request_timeout")


def test_a_request_above_the_bound_is_told_to_come_again(engine: Engine) -> None:
    """The first request holds its place for as long as its body is awaited."""
    if not isinstance(engine, OnSocket):
        return
    held, other = Call("lone", "/echo", "POST", body=b"abc"), Call("lone")
    with engine.server.connect() as first:
        first.send(head_bytes(held))
        assert ask_until(engine, other, 503).header("retry-after") == "1"
        first.send(held.body)
        assert first.response("POST").status == 200
    ask_until(engine, other, 200)


def ask_until(engine: OnSocket, call: Call, status: int) -> Answer:
    """Put *call* until its answer has *status*."""
    deadline = monotonic() + DEADLINE_S
    while (answer := engine.ask(call)).status != status:
        assert monotonic() < deadline, answer
    return answer


def line_of(seen: Seen, name: str) -> str | None:
    lines = [value for key, value in seen.headers if key == name]
    return ", ".join(lines) if lines else None
