"""The canonical target: one reading, or a refusal."""

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.core.events import PROCEED, RequestHead, Respond
from portico.core.policy import Policy
from portico.core.settings import Settings
from portico.core.target import find_ambiguity, split_absolute

POLICY = Policy.compile(Settings())


def ask(method: str, path: bytes, kind: str = "http") -> tuple[int | None, bytes, str | None]:
    exchange = POLICY.exchange(peer=None, now=1.0, wall=2.0, entropy=bytes(24))
    head = RequestHead(method, path, b"", [(b"host", b"api.test")], kind)  # type: ignore[arg-type]
    verdict = exchange.request(head)
    status = verdict.head.status if isinstance(verdict, Respond) else None
    assert status is not None or verdict is PROCEED
    return status, exchange.head.path, exchange.reason


@pytest.mark.parametrize(
    "path",
    [
        *(
            b"/a//b",
            b"//",
            b"/./a",
            b"/a/..",
            b"/a/.",
            b"/../a",
            b"/.;a/b",
            b"/a\\b",
            b"/a\xc3\xa4",
        ),
        *(b"/a%2fb", b"/a%2Fb", b"/%2e", b"/%2E/a", b"/a%5Cb", b"/a%00", b"/a%1f", b"/%7F"),
        *(b"/%", b"/%2", b"/%zz", b"/%c0%ae", b"/%e0%80%af", b"/%e4", b"/%ed%a0%80", b"/a b"),
    ],
)
def test_what_can_be_read_in_two_ways_is_ambiguous(path: bytes) -> None:
    assert find_ambiguity(path)


@pytest.mark.parametrize(
    "path",
    [
        *(b"/", b"/a", b"/a/", b"/v1/agents/agent-1", b"/a.b", b"/..a", b"/a..", b"/.well-known/x"),
        *(b"/%C3%A4", b"/a%20b", b"/a;b=c", b"/a:b@c", b"/%25", b"/...", b"/a/b~c,d"),
    ],
)
def test_what_can_be_read_in_one_way_is_not(path: bytes) -> None:
    assert not find_ambiguity(path)
    assert ask("GET", path) == (None, path, None)


def test_forms_of_targets() -> None:
    assert ask("GET", b"http://API.test/a") == (None, b"/a", None)
    assert ask("GET", b"http://api.test") == (None, b"/", None)
    assert ask("GET", b"http://api.test/a//b")[::2] == (400, "path_ambiguous")
    assert ask("GET", b"http://evil.test/a")[::2] == (400, "target_form_refused")
    assert ask("GET", b"api.test:80")[::2] == (400, "target_form_refused")
    assert ask("GET", b"")[::2] == (400, "target_form_refused")
    assert ask("GET", b"*")[::2] == (400, "target_form_refused")
    assert ask("OPTIONS", b"*") == (None, b"*", None)
    assert ask("CONNECT", b"api.test:443")[::2] == (405, "connect_refused")
    assert ask("CONNECT", b"/ws", "websocket")[0] is None
    assert split_absolute(b"ftp://a/") is None


@given(st.binary(max_size=200))
def test_what_passes_names_the_same_decoded_and_not(path: bytes) -> None:
    """No slash, dot segment, control character or backslash appears by decoding."""
    path = b"/" + path
    if find_ambiguity(path):
        return
    decoded = unquote_to_bytes(path)
    decoded.decode("utf-8")
    assert decoded.count(b"/") == path.count(b"/")
    assert not {b"", b".", b".."} & set(decoded.split(b"/")[1:-1])
    assert decoded.split(b"/")[-1] not in (b".", b"..")
    assert not set(decoded) & {*range(0x20), 0x7F, ord("\\")}
