"""RFC 9112 and the parts of RFC 9110 that a server's connection carries, on a real socket.

Every exchange is sent in one piece, byte by byte, and split in two at every position.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import trio
import trio.testing

from portico.server.host.worker import Limits
from tests.server.host.wiring import Message, echo, read_body, reply, running, with_lifespan

pytestmark = pytest.mark.trio

HOST = b"Host: a.example\r\n"


def get(path: bytes = b"/", extra: bytes = b"", version: bytes = b"1.1") -> bytes:
    return b"GET %b HTTP/%b\r\n%b%b\r\n" % (path, version, HOST, extra)


def post(body: bytes, extra: bytes = b"", path: bytes = b"/p") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST %b HTTP/1.1\r\n%b%b%b\r\n%b" % (path, HOST, length, extra, body)


CHUNKED = (
    b"POST /c HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailing: yes\r\n\r\n"
)

# What is sent, the answers' bodies in order, and whether the connection ends afterwards.
EXCHANGES: dict[str, tuple[bytes, list[bytes], bool]] = {
    "get": (get(b"/x?y=1"), [b"GET /x "], False),
    "empty lines first": (b"\r\n\r\n" + get(), [b"GET / "], False),
    "post": (post(b"abc"), [b"POST /p abc"], False),
    "empty post": (post(b""), [b"POST /p "], False),
    "chunked": (CHUNKED, [b"POST /c abcdefg"], False),
    "two pipelined": (get(b"/1") + get(b"/2"), [b"GET /1 ", b"GET /2 "], False),
    "pipelined behind content": (post(b"ab") + get(b"/2"), [b"POST /p ab", b"GET /2 "], False),
    "pipelined behind chunks": (CHUNKED + get(b"/2"), [b"POST /c abcdefg", b"GET /2 "], False),
    "close": (get(extra=b"Connection: close\r\n"), [b"GET / "], True),
    "close among others": (get(extra=b"Connection: x, Close\r\n"), [b"GET / "], True),
    "http/1.0": (get(version=b"1.0"), [b"GET / "], True),
    "http/1.0 kept": (
        get(version=b"1.0", extra=b"Connection: Keep-Alive\r\n") + get(b"/2"),
        [b"GET / ", b"GET /2 "],
        False,
    ),
    "absolute form": (get(b"http://A.example/x?y"), [b"GET /x "], False),
    "absolute form without path": (get(b"http://a.example"), [b"GET / "], False),
    "options asterisk": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", [b"OPTIONS * "], False),
    "nothing after close": (
        get(b"/1", b"Connection: close\r\n") + get(b"/2"),
        [b"GET /1 "],
        True,
    ),
}

# What must never reach the application, and the status that says so.
REFUSED: dict[str, tuple[bytes, int]] = {
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (get(extra=b"Host: b\r\n"), 400),
    "length and coding": (post(b"abc", b"Transfer-Encoding: chunked\r\n"), 400),
    "coding and length": (
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        400,
    ),
    "two lengths": (post(b"abc", b"Content-Length: 3\r\n"), 400),
    "two different lengths": (post(b"abc", b"Content-Length: 4\r\n"), 400),
    "length list": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3, 4\r\n\r\nabc", 400),
    "signed length": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +3\r\n\r\nabc", 400),
    "two codings": (CHUNKED.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: x\r\n\r\n", 1), 501),
    "unknown coding": (CHUNKED.replace(b"chunked", b"gzip"), 501),
    "coding in http/1.0": (CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "bare line feeds": (get().replace(b"\r\n", b"\n"), 400),
    "one bare line feed": (b"GET / HTTP/1.1\n" + HOST + b"\r\n", 400),
    "bare carriage return": (get(extra=b"X: a\rb\r\n"), 400),
    "folded header": (get(extra=b"X: a\r\n b\r\n"), 400),
    "space before colon": (get(extra=b"X : a\r\n"), 400),
    "nul in value": (get(extra=b"X: a\0b\r\n"), 400),
    "no request line": (b"hello\r\n\r\n", 400),
    "tls hello": (b"\x16\x03\x01\x02\x00\x01", 400),
    "target with a space": (b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "authority form": (b"GET a.example:80 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "connect": (b"CONNECT a.example:443 HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    "absolute form elsewhere": (get(b"http://b.example/"), 400),
    "other scheme": (get(b"ftp://a.example/"), 400),
    "http/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "http/3.0": (get(version=b"3.0"), 505),
}


def ways(data: bytes) -> Iterator[list[int]]:
    """In one piece, byte by byte, and in two at every position."""
    yield []
    yield list(range(1, len(data)))
    yield from ([cut] for cut in range(1, len(data)))


@pytest.mark.parametrize("name", EXCHANGES)
async def test_an_exchange_is_answered_however_it_arrives(name: str) -> None:
    data, bodies, ends = EXCHANGES[name]
    async with running(echo) as run:
        for pieces in ways(data):
            client = await run.client()
            await client.send(data, pieces)
            for body in bodies:
                answer = await client.response()
                assert (answer.status, answer.body) == (200, body), pieces
                assert answer.header(b"date")
            assert (answer.header(b"connection") == b"close") is ends
            if ends:
                assert await client.ended()
            await client.stream.aclose()
        assert run.reported == []


@pytest.mark.parametrize("name", REFUSED)
async def test_a_request_that_two_parsers_could_read_differently_is_refused(name: str) -> None:
    data, status = REFUSED[name]
    async with running(echo) as run:
        for pieces in ways(data):
            client = await run.client()
            await client.send(data, pieces)
            answer = await client.response()
            assert answer.status == status, pieces
            assert answer.header(b"connection") == b"close"
            assert await client.ended()
            await client.stream.aclose()
        assert run.reported == []


async def test_head_and_content_leave_in_one_segment_and_head_has_no_content() -> None:
    async with running(echo) as run:
        client = await run.client()
        await client.send(b"HEAD /x HTTP/1.1\r\n" + HOST + b"\r\n")
        head = await client.response(b"HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.header(b"content-length") == b"8"
        await client.send(get())
        assert (await client.response()).body == b"GET / "


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_content_has_none(status: int) -> None:
    @with_lifespan
    async def app(_: Message, receive: Any, send: Any) -> None:
        await read_body(receive)
        await reply(send, b"not to be sent", status)

    async with running(app) as run:
        client = await run.client()
        for _ in range(2):
            await client.send(get())
            answer = await client.response()
            assert (answer.status, answer.body) == (status, b"")
            assert answer.header(b"content-length") is None
            assert answer.header(b"transfer-encoding") is None


@with_lifespan
async def stream(scope: Message, receive: Any, send: Any) -> None:
    await read_body(receive)
    headers = [(b"trailer", b"x-sum")] if scope["path"] == "/trailers" else []
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": headers,
            "trailers": bool(headers),
        }
    )
    for piece in (b"one", b"", b"two"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"three"})
    if headers:
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"3")]})


async def test_a_stream_is_chunked_for_http11_and_ended_by_the_close_for_http10() -> None:
    async with running(stream) as run:
        client = await run.client()
        await client.send(get())
        answer = await client.response()
        assert answer.header(b"transfer-encoding") == b"chunked"
        assert answer.body == b"onetwothree"
        await client.send(get(version=b"1.0", extra=b"Connection: keep-alive\r\n"))
        whole = await client.rest()
        assert whole.endswith(b"\r\n\r\nonetwothree")
        assert b"transfer-encoding" not in whole
        assert b"connection: close\r\n" in whole


async def test_trailers_follow_the_last_chunk() -> None:
    async with running(stream) as run:
        client = await run.client()
        await client.send(get(b"/trailers") + get())
        answer = await client.response()
        assert (answer.body, answer.trailers) == (b"onetwothree", [(b"x-sum", b"3")])
        assert (await client.response()).body == b"onetwothree"


async def test_early_hints_come_before_the_answer() -> None:
    @with_lifespan
    async def app(_: Message, receive: Any, send: Any) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
        await reply(send, b"ok")

    async with running(app) as run:
        client = await run.client()
        await client.send(get())
        answer = await client.response()
        assert answer.interim == [(103, [(b"link", b"</a.css>; rel=preload")])]
        assert answer.body == b"ok"


async def test_a_client_that_expects_it_is_told_to_continue_when_the_content_is_wanted() -> None:
    async with running(echo) as run:
        client = await run.client()
        data = post(b"abc", b"Expect: 100-continue\r\n")
        await client.send(data[:-3])
        with trio.fail_after(5):
            assert await client.stream.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"abc")
        assert (await client.response()).body == b"POST /p abc"


async def test_content_that_came_at_once_needs_no_continue() -> None:
    async with running(echo) as run:
        client = await run.client()
        await client.send(post(b"abc", b"Expect: 100-continue\r\n"))
        answer = await client.response()
        assert (answer.interim, answer.body) == ([], b"POST /p abc")


@with_lifespan
async def deaf(scope: Message, receive: Any, send: Any) -> None:
    """Answers without reading."""
    await reply(send, b"no", 403)


async def test_an_early_answer_to_withheld_content_closes() -> None:
    async with running(deaf) as run:
        client = await run.client()
        await client.send(post(b"abc", b"Expect: 100-continue\r\n")[:-3])
        answer = await client.response()
        assert (answer.status, answer.interim) == (403, [])
        assert answer.header(b"connection") == b"close"


async def test_unread_content_is_discarded_and_the_next_request_served() -> None:
    async with running(deaf) as run:
        client = await run.client()
        for size in (1, 100_000, 200_000):
            await client.send(post(b"x" * size))
            assert (await client.response()).status == 403


async def test_an_early_answer_to_a_large_upload_is_not_lost_to_a_reset() -> None:
    async with running(deaf) as run:
        client = await run.client()
        await client.send(post(b"x" * 10_000_000)[:600_000])
        assert (await client.response()).status == 403


async def test_a_broken_chunk_is_a_bad_request() -> None:
    async with running(echo) as run:
        client = await run.client()
        await client.send(CHUNKED.replace(b"3\r\nabc", b"zz\r\nabc"))
        answer = await client.response()
        assert (answer.status, answer.header(b"connection")) == (400, b"close")
        assert await client.ended()


@pytest.mark.parametrize("sent", [b"GET / HT", post(b"abc")[:-1], CHUNKED[:-9]])
async def test_a_client_that_leaves_in_the_middle_is_no_error(sent: bytes) -> None:
    async with running(echo) as run:
        client = await run.client()
        await client.send(sent)
        await client.stream.send_eof()
        await client.rest()
        await client.stream.aclose()
        other = await run.client()
        await other.send(get())
        assert (await other.response()).status == 200


LIMITS = Limits(max_head_bytes=1000, max_target_bytes=100)


def head_of(size: int) -> bytes:
    start, end = get()[:-2] + b"X: ", b"\r\n\r\n"
    return start + b"a" * (size - len(start) - len(end)) + end


def target_of(size: int) -> bytes:
    return get(b"/" + b"a" * (size - 1))


@pytest.mark.parametrize("pieces", ["whole", "dribbled"])
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (head_of(1000), 200),
        (head_of(1001), 431),
        (head_of(5000), 431),
        (target_of(100), 200),
        (target_of(101), 414),
        (target_of(3000), 414),
    ],
)
async def test_limits_hold_to_the_byte(data: bytes, status: int, pieces: str) -> None:
    async with running(echo, LIMITS) as run:
        client = await run.client()
        await client.send(data, range(1, len(data), 7) if pieces == "dribbled" else ())
        assert (await client.response()).status == status
