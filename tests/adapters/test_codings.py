"""Codings: every decoder reads what the encoders write, whole or in pieces, and at once."""

import gzip
import zlib
from functools import partial

import anyio
import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from portico.adapters.asgi import PolicyMiddleware
from portico.adapters.codings import LARGE_PIECE, OFFERED, encoder
from portico.core.policy import Policy
from portico.core.settings import Settings
from tests.adapters.asgi_engine import backends

WHOLE = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


def drain(decoder, data):
    """All that *data* decodes to; brotli gives it a buffer at a time."""
    return b"".join([decoder.process(data), *iter(lambda: decoder.process(b""), b"")])


STEPWISE = {
    "gzip": lambda: zlib.decompressobj(wbits=31).decompress,
    "br": lambda: partial(drain, brotli.Decompressor()),
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
}


def test_every_coding_is_offered():
    assert OFFERED == ("zstd", "br", "gzip")


@pytest.mark.parametrize("coding", OFFERED)
@given(pieces=st.lists(st.binary(), max_size=8))
def test_pieces_come_out_as_the_whole(coding, pieces):
    encode = encoder(coding)
    coded = b"".join([encode(piece, last=False) for piece in pieces] + [encode(b"", last=True)])
    assert WHOLE[coding](coded) == b"".join(pieces)
    assert WHOLE[coding](encoder(coding)(b"".join(pieces), last=True)) == b"".join(pieces)


@pytest.mark.parametrize("coding", OFFERED)
def test_no_piece_is_held_back(coding):
    encode, decode = encoder(coding), STEPWISE[coding]()
    for piece in (b"first", b"second" * 1000, b"x"):
        assert decode(encode(piece, last=False)) == piece


@backends
@pytest.mark.parametrize("coding", OFFERED)
@pytest.mark.parametrize("size", [10, LARGE_PIECE + 1])
def test_the_shell_codes_a_stream(backend, coding, size):
    pieces = [bytes([65 + at]) * size for at in range(3)]

    async def app(scope, receive, send):
        assert "http.response.pathsend" not in scope["extensions"]
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    sent, records = [], []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request"}

    scope = {
        "type": "http",
        "path": "/",
        "headers": [(b"host", b"a"), (b"accept-encoding", coding.encode())],
        "extensions": {"http.response.pathsend": {}},
    }
    policy = Policy.compile(Settings(), codings=OFFERED)
    shell = PolicyMiddleware(app, policy, on_record=records.append)
    anyio.run(shell, scope, receive, send, backend=backend)
    bodies = [message["body"] for message in sent[1:]]
    decode = STEPWISE[coding]()
    assert [decode(body) for body in bodies[:3]] == pieces
    assert dict(sent[0]["headers"])[b"content-encoding"] == coding.encode()
    assert records[0].response_bytes == sum(map(len, bodies))


def test_an_engine_may_send_files_where_nothing_is_compressed():
    seen = []

    async def app(scope, receive, send):
        seen.append("http.response.pathsend" in scope["extensions"])
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    async def idle(*_):
        return {"type": "http.request"}

    extensions = {"http.response.pathsend": {}}
    scope = {"type": "http", "path": "/", "headers": [(b"host", b"a")], "extensions": extensions}
    anyio.run(PolicyMiddleware(app, Policy.compile(Settings())), scope, idle, idle)
    anyio.run(PolicyMiddleware(app, Policy.compile(Settings(), codings=OFFERED)), scope, idle, idle)
    assert seen == [True, False]
