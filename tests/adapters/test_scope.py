"""What the policy gets to see of an ASGI scope."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.adapters.scope import read_head, read_path
from portico.core.events import RequestHead


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
