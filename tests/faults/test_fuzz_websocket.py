"""WebSocket handshakes and frames by grammar and mutation."""

import random
from typing import Any

import pytest

from portico.server.host.worker import Limits
from tests.faults.fuzzing import inputs, mutated, seeded, target
from tests.server.host.wiring import Message, reply, with_lifespan

pytestmark = [pytest.mark.trio, pytest.mark.hypothesis]

LIMITS = Limits(max_message_bytes=1000, keep_alive_s=60, grace_s=2)

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
OFFERS = [
    b"", b"", b"Sec-WebSocket-Protocol: a, b\r\n", b"Sec-WebSocket-Protocol: ,,\xff\r\n",
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
    b"Sec-WebSocket-Extensions: \xff\r\n", b"Sec-WebSocket-Key: x\r\n", b"Content-Length: 2\r\n",
]  # fmt: skip
PAYLOADS = [b"", b"x", "grüße".encode(), b"\xff\xfe", b"\x03\xe8", b"\x03\xe8bye", b"y" * 126]
OPCODES = [0, 1, 1, 2, 2, 8, 9, 10, 3, 11]
TOKENS = [b"\x80", b"\x88\x80", b"\x89\xff", b"\xc1", b"\x81\xff" + b"\xff" * 8, b"\xff", b"\r\n"]


def frame(rng: random.Random) -> bytes:
    """One frame, its length in seven bits or sixteen, its mask of zeros or none."""
    payload = rng.choice(PAYLOADS) * rng.choice((1, 1, 1, 1, 9))
    first = rng.choice(OPCODES) | (rng.random() < 0.8) << 7 | (rng.random() < 0.05) << 6
    masked = rng.random() < 0.95
    if len(payload) < 126:
        length = bytes([masked << 7 | len(payload)])
    else:
        length = bytes([masked << 7 | 126]) + len(payload).to_bytes(2, "big")
    return bytes([first]) + length + (bytes(4) if masked else b"") + payload


def conversation(rng: random.Random) -> bytes:
    """A handshake, right or damaged, and frames, most of them in no order."""
    opening = HANDSHAKE + rng.choice(OFFERS)
    if rng.random() < 0.2:
        opening = mutated(opening, rng, TOKENS)
    frames = b"".join(frame(rng) for _ in range(rng.randrange(6)))
    return opening + b"\r\n" + mutated(frames, rng, TOKENS)


@with_lifespan
async def app(scope: Message, receive: Any, send: Any) -> None:
    """Echo what comes; every path ends with the client."""
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await reply(send, b"probe")
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send(message | {"type": "websocket.send"})


async def test_no_handshake_and_no_frame_stops_the_worker_or_makes_it_fail() -> None:
    opened = 0
    async with target(app, LIMITS) as server:
        for number, data in seeded(inputs(2000), conversation):
            answer = await server.throw(data, cut=number % 3 and len(data) // (number % 3 + 1))
            assert not answer or answer.startswith(b"HTTP/1.1 "), (number, data, answer)
            assert b"HTTP/1.1 500" not in answer, (number, data, answer)
            await server.probe()
            opened += answer.startswith(b"HTTP/1.1 101 ")
    assert opened > 500
