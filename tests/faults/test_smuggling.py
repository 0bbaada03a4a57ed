"""Request smuggling: bytes that two parsers could part differently get at most one answer.

Each entry is a request whose end is in doubt, with a second request where a lenient parser would
begin again. Were the host to see that second request, there would be two answers, and a proxy in
front that sees one would give the other to somebody else.
"""

from contextlib import suppress
from typing import Any

import pytest
import trio

from tests.faults.fuzzing import everything
from tests.server.host.wiring import Message, read_body, reply, running, with_lifespan

pytestmark = pytest.mark.trio

POST = b"POST /first HTTP/1.1\r\nHost: a\r\n"
SECOND = b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
EMPTY = b"0\r\n\r\n"


def with_length(length: bytes, content: bytes = b"") -> bytes:
    return POST + b"Content-Length: " + length + b"\r\n\r\n" + content


def chunked(chunks: bytes, coding: bytes = CHUNKED) -> bytes:
    return POST + coding + b"\r\n" + chunks


CORPUS: dict[str, bytes] = {
    "CL.TE": POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n" + EMPTY + SECOND,
    "TE.CL": POST + CHUNKED + b"Content-Length: 5\r\n\r\n" + EMPTY + SECOND,
    "CL 0 and TE": POST + b"Content-Length: 0\r\n" + CHUNKED + b"\r\n" + EMPTY + SECOND,
    "two lengths, equal": POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + SECOND,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 37\r\n\r\n" + SECOND,
    "length list, equal": with_length(b"0, 0", SECOND),
    "length list": with_length(b"0, 37", SECOND),
    "length with sign": with_length(b"+0", SECOND),
    "negative length": with_length(b"-1", SECOND),
    "length in hex": with_length(b"0x0", SECOND),
    "length with underscore": with_length(b"0_0", SECOND),
    "length in other digits": with_length("٠".encode(), SECOND),
    "length with space inside": with_length(b"0 0", SECOND),
    "empty length": with_length(b"", SECOND),
    "length over 2**64": with_length(b"18446744073709551616", SECOND),
    "length with vertical tab": with_length(b"\x0b0", SECOND),
    "space before the colon of length": POST + b"Content-Length : 37\r\n\r\n" + SECOND,
    "space before the colon of coding": POST
    + b"Transfer-Encoding : chunked\r\n\r\n"
    + EMPTY
    + SECOND,
    "coding with vertical tab": chunked(EMPTY + SECOND, b"Transfer-Encoding: \x0bchunked\r\n"),
    "coding with other space": chunked(EMPTY + SECOND, b"Transfer-Encoding: \xa0chunked\r\n"),
    "coding in quotes": chunked(EMPTY + SECOND, b'Transfer-Encoding: "chunked"\r\n'),
    "coding twice": chunked(EMPTY + SECOND, CHUNKED + CHUNKED),
    "coding and identity": chunked(EMPTY + SECOND, CHUNKED + b"Transfer-Encoding: identity\r\n"),
    "coding not last": chunked(EMPTY + SECOND, b"Transfer-Encoding: chunked, gzip\r\n"),
    "coding unknown": chunked(EMPTY + SECOND, b"Transfer-Encoding: xchunked\r\n"),
    "coding with parameter": chunked(EMPTY + SECOND, b"Transfer-Encoding: chunked;q=1\r\n"),
    "coding folded": chunked(EMPTY + SECOND, b"Transfer-Encoding:\r\n chunked\r\n"),
    "coding behind a fold": chunked(EMPTY + SECOND, b"X: y\r\n Transfer-Encoding: chunked\r\n"),
    "coding behind a bare line feed": chunked(
        EMPTY + SECOND, b"X: y\nTransfer-Encoding: chunked\r\n"
    ),
    "coding behind a bare return": chunked(EMPTY + SECOND, b"X: y\rTransfer-Encoding: chunked\r\n"),
    "coding behind a nul": chunked(EMPTY + SECOND, b"X: y\0\r\n" + CHUNKED),
    "coding in http/1.0": chunked(EMPTY + SECOND).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "head ended by bare line feeds": (POST + b"Content-Length: 37\r\n\r\n").replace(b"\r\n", b"\n")
    + SECOND,
    "head ended by one bare line feed": POST + b"Content-Length: 37\r\n\n" + SECOND,
    "header without colon": POST + b"Content-Length\r\n\r\n" + SECOND,
    "header without name": POST + b": 0\r\n\r\n" + SECOND,
    "header before its line": POST + b" Content-Length: 37\r\n\r\n" + SECOND,
    "chunk size with sign": chunked(b"+0\r\n\r\n" + SECOND),
    "chunk size in hex notation": chunked(b"0x0\r\n\r\n" + SECOND),
    "chunk size negative": chunked(b"-1\r\n\r\n" + SECOND),
    "chunk size with space": chunked(b" 0\r\n\r\n" + SECOND),
    "chunk size over 2**64": chunked(b"10000000000000000\r\n" + SECOND),
    "chunk size empty": chunked(b"\r\n\r\n" + SECOND),
    "chunk size ended by a bare line feed": chunked(b"0\n\r\n" + SECOND),
    "chunk size ended by a bare return": chunked(b"0\r\r\n" + SECOND),
    "chunk extension with bare line feed": chunked(b"1;a=\nb\r\nx\r\n0\r\n\r\n" + SECOND),
    "chunk longer than its size": chunked(b"1\r\nxyz\r\n0\r\n\r\n" + SECOND),
    "chunk without its line end": chunked(b"1\r\nx0\r\n\r\n" + SECOND),
    "chunk ended by a bare line feed": chunked(b"1\r\nx\n0\r\n\r\n" + SECOND),
    "trailer ended by bare line feeds": chunked(b"0\r\nX: y\n\n" + SECOND),
    "last chunk ended by a bare line feed": chunked(b"0\r\n\n" + SECOND),
    "trailer before a bare line feed": chunked(b"0\r\nX: y\r\n\n" + SECOND),
    "last chunk without an end": chunked(b"0\r\n" + SECOND),
    "request line with two spaces": b"POST  /first HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    + SECOND,
    "request line with tab": b"POST\t/first HTTP/1.1\r\nHost: a\r\n\r\n" + SECOND,
    "two hosts": POST + b"Host: b\r\nContent-Length: 0\r\n\r\n" + SECOND,
    "host of a third": b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n" + SECOND,
    "upgrade that is refused": POST
    + b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 37\r\n\r\n"
    + SECOND,
    "expectation and second request": with_length(b"37", SECOND).replace(
        b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n", 1
    ),
}


@with_lifespan
async def app(scope: Message, receive: Any, send: Any) -> None:
    scope["state"]["seen"].append((scope["path"], await read_body(receive)))
    await reply(send, b"ok")


@pytest.mark.parametrize("name", CORPUS)
async def test_a_doubtful_request_gets_at_most_one_answer(name: str) -> None:
    data = CORPUS[name]
    seen: list[tuple[str, bytes]] = []
    async with running(app, state={"seen": seen}) as run:
        for pieces in ([data], [data[:1], data[1:]], [data[: -len(SECOND)], SECOND]):
            client = await run.client()
            for piece in pieces:
                await client.send(piece)
            with suppress(trio.BrokenResourceError):  # refused already
                await client.stream.send_eof()
            answer = await everything(client.stream)
            finals = answer.count(b"HTTP/1.1 ") - answer.count(b"HTTP/1.1 100 ")
            assert finals <= 1, answer
        assert "/second" not in [path for path, _ in seen]
        assert run.reported == []
