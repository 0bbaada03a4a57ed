"""Content coding: what is negotiated, for which bodies, and what the head then says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.encoding import negotiate
from portico.core.events import RequestHead, ResponseHead
from portico.core.policy import Policy
from portico.core.routes import Route
from portico.core.settings import build

OFFERED = ("zstd", "br", "gzip")
JSON = (b"content-type", b"application/json")
POLICY = Policy.compile(build({}), codings=OFFERED, routes=[Route("/echo", reflects=True)])


def answer(
    *headers, accept=(b"gzip",), status=200, policy=POLICY, method="GET", path=b"/", more=()
):
    lines = [(b"host", b"a"), *((b"accept-encoding", value) for value in accept), *more]
    exchange = policy.exchange(peer=None, now=1.0, wall=2.0, entropy=bytes(range(24)))
    exchange.request(RequestHead(method, path, b"", lines))
    head = exchange.response(ResponseHead(status, list(headers)))
    return exchange.coding, dict(head.headers)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (b"", None),
        (b"gzip", "gzip"),
        (b"X-GZIP", "gzip"),
        (b"gzip, deflate, br, zstd", "zstd"),
        (b"gzip;q=1.0, br;q=0.5", "gzip"),
        (b"*", "zstd"),
        (b"*, zstd;q=0", "br"),
        (b"*;q=0", None),
        (b"gzip;q=0", None),
        (b"gzip;q=0.5, identity", None),
        (b"identity;q=0", None),
        (b"gzip;q=2", None),
        (b"gzip ; q=0.8 , ,", "gzip"),
        (b"gzip;level=1", None),
        (b"deflate", None),
    ],
)
def test_negotiation(value, expected):
    assert negotiate(value, OFFERED) == expected


def test_nothing_is_offered():
    assert negotiate(b"gzip", ()) is None


@given(st.binary())
def test_negotiation_takes_any_bytes(value):
    assert negotiate(value, OFFERED) in (None, *OFFERED)


def test_a_coded_answer():
    vary, etag = (b"Vary", b"Origin"), (b"ETag", b'"x"')
    coding, head = answer(JSON, vary, etag, (b"content-length", b"5000"), accept=(b"br", b"gzip"))
    assert coding == "br"
    assert head[b"content-encoding"] == b"br"
    assert head[b"ETag"] == b'W/"x"'
    assert head[b"vary"] == b"Origin, Accept-Encoding"
    assert b"content-length" not in head


def test_a_weak_etag_and_a_whole_vary_stay():
    coding, head = answer(JSON, (b"etag", b'W/"x"'), (b"vary", b"*"))
    assert (coding, head[b"etag"], head[b"vary"]) == ("gzip", b'W/"x"', b"*")


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ([(b"content-type", b"text/event-stream")], {}),
        ([(b"content-type", b"image/png")], {}),
        ([], {}),
        ([JSON, (b"content-encoding", b"br")], {}),
        ([JSON, (b"content-length", b"1023")], {}),
        ([JSON, (b"cache-control", b"private"), (b"Cache-Control", b"No-Transform")], {}),
        ([JSON], {"status": 204}),
        ([JSON], {"status": 304}),
        ([JSON, (b"content-length", b"x")], {}),
    ],
)
def test_a_body_that_is_not_coded(headers, asked):
    coding, head = answer(*headers, **asked)
    assert coding is None
    assert b"Accept-Encoding" not in head.get(b"vary", b"")


@pytest.mark.parametrize("asked", [{"method": "HEAD"}, {"accept": ()}, {"accept": (b"identity",)}])
def test_an_answer_that_would_be_coded_for_another_request_varies(asked):
    coding, head = answer(JSON, **asked)
    assert coding is None
    assert b"Accept-Encoding" in head[b"vary"]


@pytest.mark.parametrize(
    ("path", "more", "expected"),
    [
        (b"/echo", [(b"cookie", b"a=b")], None),
        (b"/echo/below", [(b"authorization", b"x")], None),
        (b"/echo", [], "gzip"),
        (b"/echoes", [(b"cookie", b"a=b")], "gzip"),
    ],
)
def test_credentialed_requests_that_reflect_input(path, more, expected):
    assert answer(JSON, path=path, more=more)[0] == expected


def test_compression_can_be_switched_off():
    off = Policy.compile(build({"compression.enabled": False}), codings=OFFERED)
    assert answer(JSON, policy=off)[0] is None


@given(st.lists(st.tuples(st.binary(), st.binary())), st.integers(0, 999))
def test_no_answer_makes_it_raise(headers, status):
    answer(JSON, *headers, status=status)
