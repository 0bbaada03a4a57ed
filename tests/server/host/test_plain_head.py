"""What the short way takes of a request head, h11's way takes too, and with the same result."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portico.server.host.plain_head import read_plain
from portico.server.host.request import Head, HeadParser, RequestRefusedError

MAX_HEAD, MAX_TARGET = 400, 60


def short_way(data: bytes) -> tuple[Head, bytes] | None:
    return read_plain(data, max_head=MAX_HEAD, max_target=MAX_TARGET)


def long_way(data: bytes) -> tuple[Head, bytes] | None:
    parser = HeadParser(max_head=MAX_HEAD, max_target=MAX_TARGET)
    try:
        head = parser.feed(data)
    except RequestRefusedError:
        return None
    return None if head is None else (head, parser.rest)


def request(*lines: bytes, start: bytes = b"GET /a?b=c HTTP/1.1", behind: bytes = b"") -> bytes:
    return b"".join(line + b"\r\n" for line in (start, *lines, b"")) + behind


TAKEN = {
    "get": request(b"Host: a"),
    "pipelined": request(b"Host: a", behind=b"GET /2 HTTP/1.1\r\n"),
    "post without content": request(b"Host: a", start=b"POST / HTTP/1.1"),
    "keep-alive": request(b"Host: a", b"Connection: Keep-Alive"),
    "white space": request(b"HOST:\t a \t", b"Empty:", b"Two: a \t b"),
    "utf-8": request(b"Host: a", b"X: gr\xc3\xbc\xc3\x9fe"),
    "repeated": request(b"Cookie: a", b"Host: a", b"Cookie: b"),
}

LEFT = {
    "content": request(b"Host: a", b"Content-Length: 1", behind=b"x"),
    "chunks": request(b"Host: a", b"Transfer-Encoding: chunked"),
    "upgrade": request(b"Host: a", b"Connection: Upgrade", b"Upgrade: websocket"),
    "close": request(b"Host: a", b"Connection: close"),
    "expectation": request(b"Host: a", b"Expect: 100-continue"),
    "no host": request(b"X: a"),
    "two hosts": request(b"Host: a", b"Host: a"),
    "http/1.0": request(b"Host: a", start=b"GET / HTTP/1.0"),
    "absolute form": request(b"Host: a", start=b"GET http://a/ HTTP/1.1"),
    "folded": request(b"Host: a", b"X: a", b" b"),
    "bare line feed": request(b"Host: a\nX: b"),
    "bare carriage return": request(b"Host: a\rX: b"),
    "nul": request(b"Host: a\0"),
    "space before the colon": request(b"Host : a"),
    "no colon": request(b"Host: a", b"X"),
    "no name": request(b"Host: a", b": x"),
    "unfinished": request(b"Host: a")[:-1],
    "long target": request(b"Host: a", start=b"GET /" + b"a" * MAX_TARGET + b" HTTP/1.1"),
    "long head": request(b"Host: a", b"X: " + b"a" * MAX_HEAD),
}


@pytest.mark.parametrize("name", TAKEN)
def test_the_usual_head_is_taken_as_h11_takes_it(name: str) -> None:
    taken = short_way(TAKEN[name])
    assert taken is not None
    assert taken == long_way(TAKEN[name])


@pytest.mark.parametrize("name", LEFT)
def test_any_other_head_is_left_to_h11(name: str) -> None:
    assert short_way(LEFT[name]) is None


PIECES = st.one_of(
    st.sampled_from(
        [
            *(b"GET", b"POST", b"CONNECT", b" ", b"/", b"*", b"a", b"%", b"HTTP/1.1", b"HTTP/1.0"),
            *(b"\r\n", b"\r", b"\n", b"\r\n\r\n", b"\r\n ", b":", b": ", b"\t", b"\0", b"\x0b"),
            *(b"Host: a\r\n", b"Content-Length: 1\r\n", b"Transfer-Encoding: chunked\r\n"),
            *(b"Connection: keep-alive\r\n", b"Connection: close\r\n", b"Upgrade: websocket\r\n"),
            *(b"X-Name: value\r\n", b"Expect: 100-continue\r\n", b"\x80", b"\xff", b"\x7f"),
        ]
    ),
    st.binary(max_size=3),
)


@given(st.lists(PIECES, max_size=12), st.sampled_from([*TAKEN.values(), *LEFT.values(), b""]))
@example([b"X: a\r\n"], request(b"Host: a"))
def test_nothing_is_taken_that_h11_reads_otherwise(pieces: list[bytes], seed: bytes) -> None:
    added = b"".join(pieces)
    for cut in {0, seed.find(b"\n") + 1, len(seed) // 2, max(0, len(seed) - 2), len(seed)}:
        data = seed[:cut] + added + seed[cut:]
        taken = short_way(data)
        assert taken is None or taken == long_way(data)
