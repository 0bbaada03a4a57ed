"""The CORS policy beyond its vectors: configuration, disabled policy, merging, sharing."""

import gc
import json
from pathlib import Path

import pytest

from portico.core.cors import (
    CorsConfig,
    CorsConfigError,
    CorsConfigErrors,
    CorsDecision,
    CorsPolicy,
    merge,
)
from portico.core.events import RequestHead
from tests.vectors.cors_vectors import check

VECTORS = Path(__file__).parent.parent / "vectors"
ORIGIN = b"https://example.com"


def head(*headers, method="GET", kind="http"):
    return RequestHead(method, b"/", b"", list(headers), kind=kind)


def preflight(origin=ORIGIN, method=b"PUT", *names):
    asked = [(b"access-control-request-headers", name) for name in names]
    return head(
        (b"origin", origin), (b"access-control-request-method", method), *asked, method="OPTIONS"
    )


@pytest.mark.parametrize("name", ["cors.json", "cors_more.json"])
def test_vectors(name):
    vectors = json.loads((VECTORS / name).read_text())["vectors"]
    assert {vector["id"]: found for vector in vectors if (found := check(vector))} == {}


def test_errors_say_what_and_where():
    with pytest.raises(CorsConfigErrors) as caught:
        CorsPolicy.compile(CorsConfig(origins=("https://A.test",), max_age=-1))
    first, second = caught.value.errors
    assert first == CorsConfigError(
        "origin_uppercase",
        "origins",
        "https://A.test",
        "has capital letters, which a browser never sends",
        "https://a.test",
    )
    assert (second.code, second.field, second.value) == ("max_age_out_of_range", "max_age", -1)
    assert "origins 'https://A.test'" in str(caught.value)
    assert "max_age -1" in str(caught.value)


def test_names_that_are_no_text_are_no_tokens():
    with pytest.raises(CorsConfigErrors) as caught:
        CorsPolicy.compile(CorsConfig(origins=("https://a.test",), methods=("\ud800",)))
    assert [error.code for error in caught.value.errors] == ["method_invalid_token"]


@pytest.mark.parametrize(
    "fields",
    [
        {"origins": "https://a.test"},
        {"expose": "x-a"},
        {"preflight_failure": "maybe"},
        {"timing_allow_origin": "https://a.test"},
        {"resource_policy": ""},
        {"websocket_missing_origin": None},
    ],
)
def test_values_outside_the_types_are_refused(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        CorsConfig(**fields)


def test_public_suffixes_are_the_callers_to_know():
    config = CorsConfig(origins=("https://*.pages.test",), credentials=True)
    CorsPolicy.compile(config)
    with pytest.raises(CorsConfigErrors):
        CorsPolicy.compile(config, {"pages.test"}.__contains__)


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_disabled_says_nothing(method):
    policy = CorsPolicy.disabled()
    assert policy.decide(head(method=method)) == ("not_cors", None, None, (), "no_origin")
    refused = ("actual", False, None, (), "origin_not_allowed")
    assert policy.decide(head((b"origin", ORIGIN), method=method)) == refused
    assert policy.decide(preflight()) == refused
    assert policy.decide(head((b"origin", b"null"))).reason == "origin_null_denied"


def test_disabled_refuses_handshakes_from_pages():
    policy = CorsPolicy.disabled()
    handshake = head((b"origin", ORIGIN), kind="websocket")
    assert policy.decide(handshake) == ("websocket", False, 403, (), "origin_not_allowed")
    assert policy.decide(head(kind="websocket")).allowed


def test_common_answers_are_shared():
    policy = CorsPolicy.compile(CorsConfig(origins=("https://example.com",)))
    for request in (
        head(),
        head((b"origin", ORIGIN)),
        head((b"origin", b"https://evil.test")),
        head((b"origin", b"\xff")),
    ):
        assert policy.decide(request) is policy.decide(request)


def test_nothing_is_retained():
    policy = CorsPolicy.compile(
        CorsConfig(origins=("https://*.example.com",), credentials=True, request_headers=("*",))
    )
    requests = [
        preflight(b"https://%d.example.com" % i, b"PUT", b"x-%d" % i) for i in range(1000)
    ] + [head((b"origin", b"https://%d.example.com" % i)) for i in range(1000)]
    policy.decide(requests[0])
    gc.collect()
    before = len(gc.get_objects())
    for request in requests:
        policy.decide(request)
    gc.collect()
    assert len(gc.get_objects()) - before < 10


def test_merge_takes_a_decision_and_leaves_its_arguments_alone():
    decision = CorsDecision("actual", False, None, ((b"vary", b"Origin"),), "origin_not_allowed")
    theirs = [(b"Vary", b"Accept"), (b"x-a", b"1")]
    assert merge(decision, theirs) == [(b"x-a", b"1"), (b"vary", b"Accept, Origin")]
    assert theirs == [(b"Vary", b"Accept"), (b"x-a", b"1")]
    assert merge(decision, iter(())) == [(b"vary", b"Origin")]
