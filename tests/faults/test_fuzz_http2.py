"""HTTP/2 frames by grammar and mutation, made without the checks of a client library."""

import random
from typing import Any

import pytest
import trio
import trio.testing
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from portico.server.host.worker import Limits
from tests.faults.fuzzing import Target, everything, inputs, mutated, seeded, target
from tests.server.host.peers import client_context, http2, server_context
from tests.server.host.wiring import Message, reply, with_lifespan

pytestmark = [pytest.mark.trio, pytest.mark.hypothesis]

LIMITS = Limits(max_head_bytes=4096, max_target_bytes=512, keep_alive_s=60, grace_s=2)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
TOKENS = [b"\0", b"\xff\xff\xff", PREFACE, b"\0\0\0\x04\0\0\0\0\0", b"\0\0\0\x01\x05\0\0\0\x01"]

METHODS = [b"GET", b"POST", b"HEAD", b"CONNECT", b"get", b"", b"\xff", b"PRI"]
PATHS = [b"/", b"/a?b", b"*", b"", b"a", b"/\xc3\xa9", b"/ ", b"/" + b"a" * 600, b"http://a/"]
FIELDS = [
    (b"x-a", b"b"), (b"X-A", b"b"), (b"", b""), (b"x a", b"b"), (b"x", b"\r\n"), (b"x", b" a "),
    (b"connection", b"close"), (b"transfer-encoding", b"chunked"), (b"te", b"gzip"),
    (b"content-length", b"3"), (b"content-length", b"-1"), (b"content-length", b"3, 4"),
    (b"host", b"b"), (b"cookie", b"a=1"), (b"expect", b"100-continue"), (b":path", b"/late"),
    (b":status", b"200"), (b":unknown", b"x"), (b"\xe9", b"\xe9"), (b"x", b"a" * 5000),
    (b":protocol", b"websocket"), (b"upgrade", b"websocket"), (b"x", b"\0"),
]  # fmt: skip
STREAMS = [0, 1, 1, 1, 3, 3, 5, 2, 2**31 - 1]
SIZES = [0, 1, 3, 100, 65535, 2**31 - 1]


def block(rng: random.Random, encoder: Encoder) -> bytes:
    pseudo = [
        (b":method", rng.choice(METHODS[: rng.choice((2, 8))])),
        (b":scheme", rng.choice((b"https", b"https", b"https", b"ftp"))),
        (b":authority", b"a"),
        (b":path", rng.choice(PATHS[: rng.choice((2, 9))])),
    ]
    if rng.random() < 0.1:
        pseudo.pop(rng.randrange(4))
    fields = [*pseudo, *rng.choices(FIELDS, k=rng.choice((0, 0, 1, 2)))]
    if rng.random() < 0.1:
        rng.shuffle(fields)
    return encoder.encode(fields, huffman=rng.random() < 0.5)


def frame(rng: random.Random, encoder: Encoder) -> Frame:
    stream = rng.choice(STREAMS[1:])
    kind = rng.randrange(14)
    if kind < 5:
        ends = [name for name in ("END_STREAM", "END_HEADERS") if rng.random() < 0.8]
        priority = ["PRIORITY"] if rng.random() < 0.2 else []
        return HeadersFrame(
            stream, block(rng, encoder), flags=ends + priority, depends_on=rng.choice(STREAMS)
        )
    if kind < 7:
        return DataFrame(
            stream,
            rng.randbytes(rng.choice((0, 3, 2000))),
            flags=["END_STREAM"][: rng.randrange(2)],
        )
    simple = (
        lambda: ContinuationFrame(stream, block(rng, encoder), flags=["END_HEADERS"]),
        lambda: PriorityFrame(stream, depends_on=rng.choice(STREAMS), exclusive=True),
        lambda: RstStreamFrame(stream, error_code=rng.randrange(20)),
        lambda: SettingsFrame(0, settings={rng.randrange(10): rng.choice(SIZES)}),
        lambda: WindowUpdateFrame(stream, window_increment=rng.choice(SIZES[1:])),
        lambda: PingFrame(0, b"12345678"),
        lambda: rng.choice((GoAwayFrame(0), PushPromiseFrame(stream, 2, b"\x82"))),
    )
    return simple[kind - 7]()


def serialised(frame: Frame, rng: random.Random) -> bytes:
    """The frame's bytes; some get a stream that hyperframe would refuse."""
    stream = rng.choice(STREAMS) if rng.random() < 0.05 else frame.stream_id
    data = frame.serialize()
    return data[:5] + stream.to_bytes(4, "big") + data[9:]


def conversation(rng: random.Random) -> bytes:
    """A preface, settings, and frames in no order."""
    encoder = Encoder()
    frames = [SettingsFrame(0).serialize()]
    frames += [serialised(frame(rng, encoder), rng) for _ in range(rng.randrange(8))]
    data = b"".join(frames)
    return PREFACE + (mutated(data, rng, TOKENS) if rng.random() < 0.5 else data)


@with_lifespan
async def app(scope: Message, receive: Any, send: Any) -> None:
    """Read all and answer."""
    message = {"more_body": True}
    while message.get("more_body"):
        message = await receive()
    await reply(send, b"probe")


async def throw(server: Target, data: bytes) -> bytes:
    stream = trio.SSLStream(
        await server.connect(), client_context("h2"), server_hostname="localhost"
    )
    with trio.fail_after(5):
        try:
            await stream.do_handshake()
            await stream.send_all(data)
            await trio.testing.wait_all_tasks_blocked()
            await stream.transport_stream.send_eof()
        except trio.BrokenResourceError:
            await stream.transport_stream.aclose()
            return b""
        answer = await everything(stream)
        await stream.transport_stream.aclose()
    return answer


def types(answer: bytes) -> set[int]:
    """The types of the frames in *answer*; the last frame may be cut."""
    found = set()
    while len(answer) >= 9:
        found.add(answer[3])
        answer = answer[9 + int.from_bytes(answer[:3], "big") :]
    return found


async def test_no_frames_stop_the_worker_or_make_it_fail() -> None:
    reached: set[int] = set()
    async with target(app, LIMITS, tls=server_context()) as server:
        calm = await http2(server.run)
        for number, data in seeded(inputs(1500), conversation):
            reached |= types(await throw(server, data))
            if number % 50 == 0:
                calm = await http2(server.run)
            probe = await calm.answer(await calm.request())
            assert probe.body == b"probe", (number, data)
            assert server.run.reported == [], (number, data)
    assert reached >= {DataFrame.type, HeadersFrame.type, RstStreamFrame.type, GoAwayFrame.type}
