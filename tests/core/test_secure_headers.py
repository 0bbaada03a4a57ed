"""Security headers: where they stand, and that the application's own win."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.events import RequestHead, ResponseHead
from portico.core.policy import Policy, PolicyErrors
from portico.core.settings import build


def answer(*headers, scheme="http", status=200, **settings):
    policy = Policy.compile(build({f"headers.{name}": value for name, value in settings.items()}))
    exchange = policy.exchange(peer=None, now=1.0, wall=2.0, entropy=bytes(range(24)))
    exchange.request(RequestHead("GET", b"/", b"", [(b"host", b"a")], scheme=scheme))
    return dict(exchange.response(ResponseHead(status, list(headers))).headers)


HTML = (b"Content-Type", b"text/HTML; charset=utf-8")
JSON = (b"content-type", b"application/problem+json; charset=utf-8")
CSP = b"content-security-policy"
HSTS = b"strict-transport-security"
CACHE = b"cache-control"


def test_an_api_answer():
    head = answer(JSON)
    assert head[b"x-content-type-options"] == b"nosniff"
    assert head[b"x-frame-options"] == b"DENY"
    assert head[b"referrer-policy"] == b"no-referrer"
    assert head[b"cross-origin-opener-policy"] == b"same-origin"
    assert head[CSP] == b"frame-ancestors 'none'"
    assert head[CACHE] == b"no-store"
    assert HSTS not in head


def test_a_page():
    head = answer(HTML)
    assert head[CSP] == b"default-src 'self'; frame-ancestors 'none'"
    assert CACHE not in head


@pytest.mark.parametrize(
    ("csp", "expected"),
    [
        ("", b"frame-ancestors 'self'"),
        ("frame-ancestors *;", b"frame-ancestors *"),
        ("img-src 'self';", b"img-src 'self'; frame-ancestors 'self'"),
    ],
)
def test_frame_ancestors_beside_the_own_csp(csp, expected):
    assert answer(HTML, csp=csp, frame_options="SAMEORIGIN")[CSP] == expected


def test_hsts_only_by_https():
    assert answer(JSON, scheme="https")[HSTS] == b"max-age=31536000"
    assert HSTS not in answer(JSON, scheme="https", hsts=0.0)


def test_own_values_win():
    own = [(CSP, b"x"), (b"x-frame-options", b"ALLOW"), (CACHE, b"max-age=1")]
    head = answer(HTML, *[(name.title(), value) for name, value in own])
    assert set(own) <= {(name.lower(), value) for name, value in head.items() if name.istitle()}
    assert CSP not in head


def test_a_validated_answer_is_revalidated():
    assert answer(JSON, (b"ETag", b'"x"'))[CACHE] == b"private, no-cache"
    assert CACHE not in answer(JSON, (b"expires", b"0"))


def test_an_interim_answer_stays():
    assert b"x-content-type-options" not in answer(status=101)


@pytest.mark.parametrize("csp", ["a\r\nset-cookie: x", "é"])
def test_a_csp_that_no_header_can_hold(csp):
    with pytest.raises(PolicyErrors, match=r"headers\.csp"):
        answer(csp=csp)


@given(st.lists(st.tuples(st.binary(), st.binary())), st.integers(0, 999))
def test_no_answer_makes_it_raise(headers, status):
    answer(*headers, status=status)
