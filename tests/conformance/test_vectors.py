"""Every CORS vector that decides a request, on every engine."""

from typing import Any, Final

import pytest

from tests.conformance.calls import Call, Headers, compare
from tests.conformance.deviations import deviate, is_unreadable, is_unsayable
from tests.conformance.engines import Bare, Engine
from tests.conformance.policies import decide_vectors, key_of

CORS_HEADERS: Final = frozenset(
    {
        "access-control-allow-origin",
        "access-control-allow-credentials",
        "access-control-allow-methods",
        "access-control-allow-headers",
        "access-control-allow-private-network",
        "access-control-expose-headers",
        "access-control-max-age",
        "cross-origin-resource-policy",
        "timing-allow-origin",
        "vary",
    }
)


@pytest.mark.parametrize("vector", decide_vectors(), ids=lambda vector: vector["id"])
def test_a_vector_gets_its_answer(reference: Bare, vector: dict[str, Any]) -> None:
    call = call_of(vector)
    outcome = reference.perform(call)
    expect = vector["expect"]
    untouched = 101 if call.kind == "websocket" else 200
    assert outcome.answer.status == (expect["status"] or untouched)
    headers = dict(compare(outcome, call).headers)
    assert cors_headers(headers) == cors_headers(expect["headers"])
    assert outcome.record["cors"] == expect["reason"]
    refused = outcome.answer.status >= 400
    assert outcome.record["outcome"] == ("refused" if refused else "completed")


@pytest.mark.parametrize("vector", decide_vectors(), ids=lambda vector: vector["id"])
def test_a_vector_gets_the_same_answer(
    engine: Engine, reference: Bare, vector: dict[str, Any]
) -> None:
    call = call_of(vector)
    if is_unsayable(engine.name, call):
        return
    if is_unreadable(engine.name, call):
        assert engine.ask(call).status == 400
        return
    outcome = engine.perform(call)
    expected = reference.perform(call)
    assert compare(outcome, call) == deviate(engine.name, call, compare(expected, call))
    assert outcome.record["cors"] == expected.record["cors"]


def call_of(vector: dict[str, Any]) -> Call:
    """Turn a vector's request into a call; its Host goes where Host goes."""
    request = vector["request"]
    headers: Headers = tuple(
        (name.encode(), value.encode())
        for name, value in request["headers"]
        if name.lower() != "host"
    )
    path = "/ws" if request["kind"] == "websocket" else "/ok"
    return Call(key_of(vector), path, request["method"], headers, kind=request["kind"])


def cors_headers(headers: dict[str, str]) -> dict[str, str | frozenset[str]]:
    """Keep the headers of CORS; Vary is a set without regard to case (RFC 9110 12.5.5)."""
    kept: dict[str, str | frozenset[str]] = {
        name: value for name, value in headers.items() if name in CORS_HEADERS
    }
    if "vary" in headers:
        kept["vary"] = frozenset(name.strip().lower() for name in headers["vary"].split(","))
    return kept
