"""Every CORS vector that decides a request, on every engine."""

from typing import Any, Final

import pytest

from tests.conformance.calls import Call, Headers, compare
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
def test_a_vector(engine: Engine, reference: Bare, vector: dict[str, Any]) -> None:
    call = call_of(vector)
    outcome = engine.perform(call)
    seen = compare(outcome)
    expect = vector["expect"]
    untouched = 101 if call.kind == "websocket" else 200
    assert seen.status == (expect["status"] or untouched)
    assert cors_headers(dict(seen.headers)) == cors_headers(expect["headers"])
    assert outcome.record["cors"] == expect["reason"]
    assert outcome.record["outcome"] == ("refused" if seen.status >= 400 else "completed")
    assert seen == compare(reference.perform(call))


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
