"""What the fuzzers share: seeded inputs, mutation, and a worker that must outlive them all."""

import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import hypothesis
import trio
import trio.testing

from portico.server.host.worker import ASGIApplication, Limits
from tests.server.host.wiring import Client, Running, running

ANSWER_S = 5.0
SEED = 9112


def inputs(ordinary: int) -> int:
    """How many inputs: *ordinary* in the test run, at least ten times as many in `just fuzz`."""
    profile = hypothesis.settings.get_current_profile_name()
    return ordinary * (10 if profile == "fuzz" else 1)


def seeded(count: int, make: Callable[[random.Random], bytes]) -> Iterator[tuple[int, bytes]]:
    """*count* inputs by *make*; each depends on its number alone, so that one can be repeated."""
    for number in range(count):
        yield number, make(random.Random(f"{SEED}/{number}"))


def mutated(data: bytes, rng: random.Random, tokens: list[bytes]) -> bytes:
    """*data* with up to four small damages."""
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((1, 1, 2, 8, 64)))
        damage = rng.randrange(6)
        if damage == 0:
            data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        elif damage == 1:
            data = data[:at] + data[end:]
        elif damage == 2:
            data = data[:at] + data[at:end] * 2 + data[end:]
        elif damage == 3:
            data = data[:at] + rng.choice(tokens) + data[at:]
        elif damage == 4:
            data = data[:at]
        else:
            other = rng.randrange(len(data) + 1)
            data = data[:at] + data[other : other + 64] + data[at:]
    return data


@dataclass
class Target:
    """A worker under fuzz: throw bytes at it and see that it still answers."""

    run: Running
    _probe: Client

    async def connect(self) -> trio.SocketStream:
        sock = trio.socket.socket()
        await sock.connect(("127.0.0.1", self.run.port))
        return trio.SocketStream(sock)

    async def throw(self, data: bytes, cut: int = 0) -> bytes:
        """Send *data*, in two pieces if *cut*, on its own connection; all that came back."""
        stream = await self.connect()
        with trio.fail_after(ANSWER_S):
            async with stream:
                try:
                    if cut:
                        await stream.send_all(data[:cut])
                        await trio.testing.wait_all_tasks_blocked()
                    await stream.send_all(data[cut:])
                    await stream.send_eof()
                except trio.BrokenResourceError:
                    pass  # refused before it was all sent; the answer may be there
                return await everything(stream)

    async def probe(self) -> None:
        """An ordinary request is still answered, and nothing was reported."""
        with trio.fail_after(ANSWER_S):
            await self._probe.stream.send_all(b"GET /probe HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = b""
            while not answer.endswith(b"probe"):
                piece = await self._probe.stream.receive_some()
                assert piece, answer
                answer += piece
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert self.run.reported == []


async def everything(stream: Any) -> bytes:
    """All up to the end of the stream, however it ends."""
    received = b""
    try:
        while piece := await stream.receive_some(65536):
            received += piece
    except trio.BrokenResourceError:
        return received
    return received


@asynccontextmanager
async def target(app: ASGIApplication, limits: Limits, **options: Any) -> AsyncIterator[Target]:
    """A worker for as long as a fuzzer needs it."""
    async with running(app, limits, deadline_s=3600.0, **options) as run:
        yield Target(run, await run.client())
    assert run.reported == []
