"""Properties of CORS decisions for any policy and any bytes."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from portico.core.cors import (
    ClientRequest,
    CorsConfig,
    CorsConfigErrors,
    CorsPolicy,
    explain,
    merge,
)
from portico.core.cors.browser import unsafe_header_names
from portico.core.events import RequestHead
from portico.core.origin import OriginError, is_serialised, normalise, parse_pattern

GRANTS = {
    b"access-control-allow-origin",
    b"access-control-allow-credentials",
    b"access-control-expose-headers",
    b"access-control-allow-methods",
    b"access-control-allow-headers",
    b"access-control-allow-private-network",
}

ORIGINS = ["https://example.com", "https://*.example.com", "http://localhost:*", "app://x", "null"]
ORIGIN_VALUES = st.one_of(
    st.sampled_from(
        [
            b"https://example.com",
            b"https://a.example.com",
            b"https://a.example.com:8443",
            b"http://localhost:3000",
            b"https://evil.test",
            b"null",
            b"",
            b"HTTPS://example.com",
            b" https://example.com",
        ]
    ),
    st.binary(max_size=40),
)
METHOD_VALUES = st.one_of(
    st.sampled_from([b"GET", b"PUT", b"put", b"PATCH", b"TRACE", b"", b"a b"]),
    st.binary(max_size=9),
)
NAME_VALUES = st.one_of(
    st.sampled_from([b"", b"x-a", b"X-A, authorization", b"x-b,,x-b", b"," * 20, b"a b"]),
    st.binary(max_size=20),
)
LINES = st.lists(
    st.one_of(
        st.tuples(st.just(b"origin"), ORIGIN_VALUES),
        st.tuples(st.just(b"access-control-request-method"), METHOD_VALUES),
        st.tuples(st.just(b"access-control-request-headers"), NAME_VALUES),
        st.tuples(
            st.just(b"access-control-request-private-network"), st.sampled_from([b"true", b"x"])
        ),
        st.tuples(st.sampled_from([b"cookie", b"authorization", b"x-a"]), st.binary(max_size=5)),
    ),
    max_size=6,
)
REQUESTS = st.builds(
    lambda method, headers, kind: RequestHead(method, b"/", b"", headers, kind=kind),
    st.sampled_from(["GET", "OPTIONS", "PUT", "options", ""]),
    LINES,
    st.sampled_from(["http", "http", "http", "websocket"]),
)
METHODS = st.lists(st.sampled_from(["*", "PUT", "patch", "GET"]), max_size=3).map(tuple)
HEADERS = st.lists(st.sampled_from(["*", "X-A", "Authorization"]), max_size=3).map(tuple)


@st.composite
def policies(draw):
    config = CorsConfig(
        origins=draw(
            st.one_of(
                st.just(("*",)),
                st.just(("https://example.com",)),
                st.lists(st.sampled_from(ORIGINS), min_size=1, unique=True).map(tuple),
            )
        ),
        credentials=draw(st.booleans()),
        allow_null=draw(st.booleans()),
        static_origin=draw(st.booleans()),
        methods=draw(METHODS),
        request_headers=draw(HEADERS),
        expose=draw(st.sampled_from([(), ("X-A", "ETag"), ("*",)])),
        max_age=draw(st.sampled_from([None, 0, 600])),
        preflight_failure=draw(st.sampled_from(["static", "deny"])),
        private_network=draw(st.booleans()),
        timing_allow_origin=draw(st.sampled_from([None, "*", "allowed"])),
        resource_policy=draw(st.sampled_from([None, "same-site"])),
        websocket_missing_origin=draw(st.sampled_from(["allow", "deny"])),
    )
    try:
        return CorsPolicy.compile(config)
    except CorsConfigErrors:
        assume(False)


@given(policies(), REQUESTS)
def test_decide_is_total_and_repeatable(policy, request):
    decision = policy.decide(request)
    assert decision == policy.decide(request)
    assert (decision.allowed is None) == (decision.kind == "not_cors")
    if decision.kind == "websocket":
        assert decision.headers == ()
        assert decision.status == (None if decision.allowed else 403)
    elif decision.kind != "preflight":
        assert decision.status is None
    assert len(dict(decision.headers)) == len(decision.headers)


@given(policies(), REQUESTS)
def test_refused_origins_get_nothing(policy, request):
    decision = policy.decide(request)
    fixed = policy.config.static_origin or "*" in policy.config.origins
    refused = decision.allowed is False and decision.reason.startswith("origin_")
    if refused and (decision.kind == "preflight" or not fixed):
        assert not GRANTS & dict(decision.headers).keys()


@given(policies(), REQUESTS)
def test_no_credentials_unless_configured_and_never_with_any(policy, request):
    lines = dict(policy.decide(request).headers)
    if b"access-control-allow-credentials" in lines:
        assert policy.config.credentials
        assert lines[b"access-control-allow-origin"] not in (b"*", b"null")


@given(policies(), REQUESTS)
def test_an_echoed_origin_was_sent_or_is_configured(policy, request):
    allowed = dict(policy.decide(request).headers).get(b"access-control-allow-origin")
    if allowed not in (None, b"*"):
        sent = [value.strip(b" \t") for name, value in request.headers if name == b"origin"]
        static = policy.config.static_origin and allowed.decode() in policy.config.origins
        assert static or sent == [allowed]


def values(request, name):
    return [value for key, value in request.headers if key == name]


def agree(first, second, vary):
    names = [name.strip().lower() for name in vary.split(b",") if name.strip()]
    return all(values(first, name) == values(second, name) for name in names)


@st.composite
def pairs(draw):
    """Two requests of one method that often share the lines that CORS looks at."""
    first = draw(REQUESTS)
    kept = draw(st.lists(st.booleans(), min_size=6, max_size=6))
    shared = [line for line, keep in zip(first.headers, kept, strict=False) if keep]
    second = RequestHead(first.method, b"/", b"", shared + draw(LINES), kind=first.kind)
    return first, second


@given(policies(), pairs())
def test_caches_that_obey_vary_never_serve_a_wrong_answer(policy, pair):
    first, second = pair
    answer, other = policy.decide(first), policy.decide(second)
    vary = dict(answer.headers).get(b"vary", b"")
    if first.kind == "http" and agree(first, second, vary):
        assert (answer.status, answer.headers) == (other.status, other.headers)


APP_LINES = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(
                [
                    b"Vary",
                    b"vary",
                    b"Access-Control-Allow-Origin",
                    b"access-control-expose-headers",
                    b"Cross-Origin-Resource-Policy",
                    b"x-a",
                    b"set-cookie",
                ]
            ),
            st.one_of(st.sampled_from([b"*", b"Origin, accept", b"X-A,x-a", b""]), st.binary()),
        )
    ),
    max_size=6,
)


@given(policies(), REQUESTS, APP_LINES)
def test_merge_is_idempotent_and_keeps_what_is_not_its_own(policy, request, lines):
    decision = policy.decide(request)
    merged = merge(decision, lines)
    assert merge(decision, merged) == merged
    own = {b"vary", b"access-control-allow-origin", b"access-control-expose-headers"}
    own |= dict(decision.headers).keys()
    assert [line for line in merged if line[0].lower() not in own] == [
        line for line in lines if line[0].lower() not in own
    ]
    names = [name.lower() for name, _ in merged if name.lower() in own]
    assert len(names) == len(set(names))


@given(
    policies(),
    st.sampled_from(["https://example.com", "https://a.example.com", "null", "https://evil.test"]),
    st.sampled_from(["GET", "put", "PATCH", "patch", "CHICKEN"]),
    st.lists(
        st.sampled_from([("x-a", "1"), ("authorization", "b"), ("accept", "a:b")]), max_size=3
    ),
    st.sampled_from(["omit", "include"]),
)
def test_what_the_policy_passes_a_browser_passes(policy, origin, method, headers, credentials):
    """And where the browser blocks, either the policy refused or credentials were not granted."""
    explanation = explain(policy, ClientRequest(origin, method, tuple(headers), credentials))
    steps = [step for step in (explanation.preflight, explanation.actual) if step is not None]
    passed = all(step.response.allowed for step in steps)
    if explanation.verdict == "allowed":
        assert passed
        assert explanation.browser_error is None
    elif passed:
        assert credentials == "include" or (policy.config.static_origin and origin == "null")
        assert explanation.remedies


@given(st.text())
@example("https://[")
@example("://")
@example("https://*.*:*")
def test_reading_origins_is_total(text):
    folded = read(text)
    if folded is not None:
        assert normalise(folded).text == folded
        assert folded in ("*", "null") or parse_pattern(folded).text == folded


def read(text):
    """What an origin folds to, or what is suggested for it, or None."""
    try:
        return normalise(text).text
    except OriginError as error:
        return error.suggestion


@given(st.binary())
def test_serialised_origins_are_ascii_without_space(value):
    if is_serialised(value):
        assert value.isascii()
        assert parse_pattern(value.decode()).exact


@given(st.lists(st.tuples(st.sampled_from([b"accept", b"range", b"x-a"]), st.binary(max_size=200))))
def test_unsafe_names_are_sorted_and_sent(headers):
    names = unsafe_header_names(headers)
    assert names == sorted(set(names))
    assert set(names) <= {name for name, _ in headers}


@pytest.mark.parametrize("size", [10, 100_000, 1_000_000])
def test_hostile_sizes_are_decided(size):
    policy = CorsPolicy.compile(CorsConfig(origins=("https://*.example.com",)))
    for filler in (b"a", b".", b",", b" ", b"\xff"):
        origin = b"https://" + filler * size + b".example.com"
        request = RequestHead("GET", b"/", b"", [(b"origin", origin)])
        assert policy.decide(request).kind == "actual"
