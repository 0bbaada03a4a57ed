"""Ordinary requests: the same status, headers, body and record from every engine."""

import h11
import pytest

from tests.conformance.calls import Seen, compare
from tests.conformance.cases import CASES, UNCOMMON, Case
from tests.conformance.engines import Bare, Engine, OnSocket, send
from tests.wire import NoAnswerError


def check(engine: Engine, reference: Bare, case: Case) -> None:
    outcome = engine.perform(case.call)
    seen = compare(outcome)
    assert (seen.status, seen.outcome, seen.reason) == (case.status, case.outcome, case.reason)
    assert {name: line_of(seen, name) for name in case.expect} == dict(case.expect)
    assert case.body in (None, seen.body)
    assert {key: outcome.record.get(key) for key in case.record} == dict(case.record)
    assert outcome.record["http.response.status_code"] == seen.status
    assert outcome.record["request_id"] == outcome.answer.header("x-request-id")
    assert "secret" not in str(outcome)
    assert seen == compare(reference.perform(case.call))


def line_of(seen: Seen, name: str) -> str | None:
    lines = [value for key, value in seen.headers if key == name]
    return ", ".join(lines) if lines else None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_ordinary_request(engine: Engine, reference: Bare, case: Case) -> None:
    check(engine, reference, case)


@pytest.mark.parametrize("case", UNCOMMON, ids=lambda case: case.name)
def test_a_method_of_no_standard(engine: Engine, reference: Bare, case: Case) -> None:
    """Uvicorn's parser knows a closed list of methods and answers others itself."""
    if isinstance(engine, OnSocket) and engine.name == "uvicorn":
        with engine.server.connect() as connection:
            assert send(connection, case.call).status == 400
    else:
        check(engine, reference, case)


def test_an_answer_that_breaks_off_is_seen_to_be_broken(engine: Engine) -> None:
    """What was begun cannot become a 500; the client must not take half of it for all."""
    if not isinstance(engine, OnSocket):
        return
    with engine.server.connect() as connection, pytest.raises((NoAnswerError, h11.ProtocolError)):
        connection.ask(b"GET /full/raise-late HTTP/1.1\r\nHost: test\r\n\r\n")
