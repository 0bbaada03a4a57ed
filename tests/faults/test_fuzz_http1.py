"""HTTP/1 by grammar and mutation: whatever comes, the worker goes on, and answers are answers."""

import random
import re
from typing import Any

import pytest

from portico.server.host.worker import Limits
from tests.faults.fuzzing import inputs, mutated, seeded, target
from tests.server.host.wiring import Message, reply, with_lifespan

pytestmark = [pytest.mark.trio, pytest.mark.hypothesis]

LIMITS = Limits(max_head_bytes=4096, max_target_bytes=512, keep_alive_s=60, grace_s=2)

METHODS = [b"GET"] * 4 + [b"POST"] * 4 + [b"HEAD", b"PUT", b"OPTIONS", b"CONNECT", b"get", b"P\xc3"]
TARGETS = [
    *([b"/", b"/a?b=c", b"/%zz", b"/stream"] * 2),
    b"*", b"", b"a", b"//a", b"http://a/b", b"http://b/", b"a:1", b"/\xff", b"/a b",
    b"/" + b"a" * 600,
]  # fmt: skip
VERSIONS = [b"HTTP/1.1"] * 8 + [
    b"HTTP/1.0",
    b"HTTP/1.2",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"http/1.1",
    b"",
]
ENDS = [b"\r\n"] * 40 + [b"\n", b"\r", b"\r\r\n", b""]
HEADERS = [
    *([b"Host: a"] * 8),
    b"Host: b", b"Host:", b"Connection: close", b"Connection: keep-alive",
    b"Connection: upgrade", b"Upgrade: websocket", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQ",
    b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    b"Connection: upgrade\r\nUpgrade: websocket", b"Expect: 100-continue\r\nContent-Length: 3",
    b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    b"Expect: 100-continue", b"Expect: 200-ok", b"TE: trailers", b"Trailer: x",
    b"Content-Length: 3", b"Content-Length: 0", b"Content-Length: 5, 5", b"Content-Length: -1",
    b"Content-Length: 99999999999999999999", b"Content-Length: 0x3", b"Content-Length:",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked", b"Transfer-Encoding: gzip",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding : chunked", b"X: \x00", b"X: a\r\n b",
    b" X: a", b"X", b":", b"X: " + b"a" * 5000, b"Cookie: \xe9", b"\xe9: a", b"X: \x7f",
]  # fmt: skip
CHUNK_SIZES = [
    b"0",
    b"1",
    b"3",
    b"3;a=b",
    b"00000003",
    b"-1",
    b"0x3",
    b"g",
    b"f" * 20,
    b" 3",
    b"3 ",
]
TOKENS = [
    b"\r\n", b"\r\n\r\n", b"\n\n", b"\0", b"\xff", b":", b" ", b"\t", b"0\r\n\r\n",
    b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n", b"\x16\x03\x01",
    b"Content-Length: 1\r\n", b"Transfer-Encoding: chunked\r\n",
]  # fmt: skip


def head(rng: random.Random) -> bytes:
    line = b" ".join((rng.choice(METHODS), rng.choice(TARGETS), rng.choice(VERSIONS)))
    lines = [line, b"Host: a", *rng.choices(HEADERS, k=rng.randrange(4))]
    return b"".join(line + rng.choice(ENDS) for line in lines) + rng.choice(ENDS)


def content(rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return rng.randbytes(rng.randrange(8))
    chunks = (
        rng.choice(CHUNK_SIZES) + rng.choice(ENDS) + b"abc" + rng.choice(ENDS)
        for _ in range(rng.randrange(4))
    )
    return b"".join(chunks) + rng.choice((b"0\r\n\r\n", b"0\r\nX: a\r\n\r\n", b""))


def message(rng: random.Random) -> bytes:
    """One to three requests, most of them wrong somewhere."""
    data = b"".join(head(rng) + content(rng) for _ in range(rng.choice((1, 1, 2, 3))))
    return mutated(data, rng, TOKENS)


@with_lifespan
async def app(scope: Message, receive: Any, send: Any) -> None:
    """Read all and answer, in one message or in several; refuse WebSockets."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    if scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % size, "more_body": True})
        await send({"type": "http.response.body", "body": b"!"})
    else:
        await reply(send, b"probe" if scope["path"] == "/probe" else b"%d" % size)


EXPECTED = {100, 200, 400, 403, 405, 414, 426, 431, 501, 505}
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


async def test_no_input_stops_the_worker_or_makes_it_fail() -> None:
    reached: set[int] = set()
    async with target(app, LIMITS) as server:
        for number, data in seeded(inputs(10_000), message):
            answer = await server.throw(data, cut=number % 3 and len(data) // (number % 3 + 1))
            statuses = {int(status) for status in STATUS.findall(answer)}
            assert not answer or answer.startswith(b"HTTP/1.1 "), (number, data, answer)
            assert statuses <= EXPECTED, (number, data, answer)
            await server.probe()
            reached |= statuses
    assert reached == EXPECTED
