"""What the policy gets to see of an ASGI scope."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.adapters.scope import read_head, read_path, write_scope
from portico.core.events import PROCEED, RequestHead
from portico.core.policy import Policy
from portico.core.settings import Settings, build


def test_every_key_has_its_place() -> None:
    headers = [(b"host", b"a")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"q=1",
        "headers": headers,
        "scheme": "https",
        "http_version": "2",
    }
    head = read_head(scope)
    assert head == RequestHead("POST", b"/a%20b", b"q=1", headers, "http", "https", "2")
    assert head.headers is headers


def test_a_handshake_is_a_get_and_optional_keys_have_defaults() -> None:
    head = read_head({"type": "websocket", "path": "/", "headers": ([b"a", b"b"] for _ in "x")})
    assert head == RequestHead("GET", b"/", b"", head.headers, "websocket", "http", "1.1")
    assert head.headers == [[b"a", b"b"]]


@pytest.mark.parametrize(
    ("raw", "path", "judged"),
    [
        (b"/livez", "/livez", b"/livez"),
        (b"/%6civez", "/livez", b"/%6civez"),
        (b"/a%2Fb", "/a/b", b"/a%2Fb"),
        (b"/%C3%A4", "/ä", b"/%C3%A4"),
        (None, "/livez", b"/livez"),
        (None, "/ä b%?#", b"/%C3%A4%20b%25%3F%23"),
        (None, "/a\x00\n", b"/a%00%0A"),
        (None, "/\ud800", b"/%ED%A0%80"),
        # What was sent and what is served disagree: what is served counts.
        (b"/livez", "/v1/admin/config", b"/v1/admin/config"),
        (b"/livez?x", "/livez", b"/livez"),
        (b"/api/livez", "/livez", b"/livez"),
        (b"http://host/livez", "/livez", b"/livez"),
        (b"", "/", b"/"),
    ],
)
def test_the_path_that_is_served_is_the_one_that_is_judged(
    raw: bytes | None, path: str, judged: bytes
) -> None:
    assert read_path(raw, path) == judged


@given(st.none() | st.binary(), st.text(st.characters()))
def test_any_path_is_read(raw: bytes | None, path: str) -> None:
    assert isinstance(read_path(raw, path), bytes)


def judged(headers, peer="10.0.0.1"):
    scope = {
        "type": "http",
        "path": "/a",
        "headers": [(b"host", b"inner"), *headers],
        "client": (peer, 4711),
        "state": {},
    }
    policy = Policy.compile(build({"proxy.trusted": ("10.0.0.0/8",)}))
    exchange = policy.exchange(peer=peer, now=1.0, wall=2.0, entropy=bytes(24))
    head = read_head(scope)
    assert exchange.request(head) is PROCEED
    return scope, write_scope(scope, head, exchange)


def test_an_ordinary_scope_goes_on_as_it_is():
    scope, seen = judged([(b"x-forwarded-for", b"6.6.6.6")], "192.0.2.1")
    assert seen is scope


def test_the_application_sees_client_scheme_and_host_as_they_were_judged():
    forwarded = [
        (b"x-forwarded-for", b"192.0.2.7"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"public.test"),
        (b"x_forwarded_for", b"6.6.6.6"),
    ]
    scope, seen = judged(forwarded)
    assert (seen["client"], seen["scheme"]) == (("192.0.2.7", 0), "https")
    assert seen["headers"] == [(b"host", b"public.test"), *forwarded[:3]]
    assert seen["state"] is scope["state"]


def test_an_underscored_name_alone_is_dropped():
    _, seen = judged([(b"x_a", b"b")], "192.0.2.1")
    assert seen["headers"] == [(b"host", b"inner")]
    assert seen["client"] == ("192.0.2.1", 4711)


def test_a_target_in_absolute_form_is_served_as_its_path():
    head = RequestHead("GET", b"http://a/%C3%A4", b"", [(b"host", b"a")])
    exchange = Policy.compile(Settings()).exchange(peer=None, now=1.0, wall=2.0, entropy=bytes(24))
    assert exchange.request(head) is PROCEED
    seen = write_scope({"type": "http"}, head, exchange)
    assert (seen["path"], seen["raw_path"]) == ("/\u00e4", b"/%C3%A4")
