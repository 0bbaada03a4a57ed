"""The end of a worker: what is idle goes, what is under way is answered, what lasts is cut."""

import socket
from typing import Any

import pytest
import trio
import trio.testing

from portico.server.host.worker import Limits
from tests.server.host.peers import secure, server_context
from tests.server.host.wiring import DEADLINE_S, Message, reply, running

pytestmark = [pytest.mark.trio, pytest.mark.parametrize("layer", ["clear", "tls"])]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Application:
    """Answers when released; counts its lifespan."""

    def __init__(self) -> None:
        self.begun = trio.Event()
        self.release = trio.Event()
        self.lives: list[str] = []
        self.cut = 0

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["path"] == "/":
            self.begun.set()
            await self.release.wait()
            await reply(send, b"late")
        elif scope["path"] == "/quick":
            await reply(send, b"quick")
        else:
            await self._stream(send)

    async def _live(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            self.lives.append(message["type"])
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _stream(self, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"tick\n", "more_body": True})
                await trio.testing.wait_all_tasks_blocked(0.01)
        except (OSError, trio.Cancelled):
            self.cut += 1
            raise


async def client_of(run: Any, layer: str) -> Any:
    return await (secure(run) if layer == "tls" else run.client())


def tls_of(layer: str) -> Any:
    return server_context() if layer == "tls" else None


async def test_idle_connections_end_and_busy_ones_are_answered(layer: str) -> None:
    app = Application()
    async with running(app, tls=tls_of(layer)) as run:
        idle, used, busy = [await client_of(run, layer) for _ in range(3)]
        await used.stream.send_all(GET.replace(b"/ ", b"/quick "))
        assert (await used.response()).body == b"quick"
        await busy.stream.send_all(GET)
        await app.begun.wait()
        run.drain.set()
        assert await idle.ended()
        assert await used.ended()
        with pytest.raises(OSError, match="all attempts to connect"):
            await run.client()
        app.release.set()
        answer = await busy.response()
        assert (answer.body, answer.header(b"connection")) == (b"late", b"close")
        assert await busy.ended()
    assert app.lives == ["lifespan.startup", "lifespan.shutdown"]
    assert run.reported == []


async def test_pipelined_requests_that_came_are_answered(layer: str) -> None:
    app = Application()
    async with running(app, tls=tls_of(layer)) as run:
        client = await client_of(run, layer)
        await client.stream.send_all(GET + GET.replace(b"/ ", b"/quick "))
        await app.begun.wait()
        run.drain.set()
        app.release.set()
        assert (await client.response()).body == b"late"
    assert run.reported == []


async def test_what_outlives_the_grace_is_cut(layer: str) -> None:
    app = Application()
    async with running(app, Limits(grace_s=0.3), tls=tls_of(layer)) as run:
        clients = [await client_of(run, layer) for _ in range(5)]
        for client in clients:
            await client.stream.send_all(GET.replace(b"/ ", b"/stream "))
        stuck = await client_of(run, layer)
        await stuck.stream.send_all(GET)
        await app.begun.wait()
        started = trio.current_time()
        run.drain.set()
        for client in clients:
            assert b"tick" in await client.rest()
        assert await stuck.rest() == b""
        assert trio.current_time() - started < 1.5
        with trio.fail_after(DEADLINE_S):
            while run.worker.admitted:
                await trio.testing.wait_all_tasks_blocked(0.01)
    assert app.cut == 5
    assert app.lives == ["lifespan.startup", "lifespan.shutdown"]
    assert run.reported == []


async def test_a_client_that_reads_nothing_does_not_hold_the_drain(layer: str) -> None:
    app = Application()
    async with running(app, Limits(grace_s=0.3), tls=tls_of(layer)) as run:
        client = await client_of(run, layer)
        await client.stream.send_all(GET.replace(b"/ ", b"/stream "))
        run.drain.set()
        with trio.fail_after(DEADLINE_S):
            while run.worker.admitted:
                await trio.testing.wait_all_tasks_blocked(0.01)
    assert run.reported == []


class Closed:
    """A connection whose transport is closed while its task has yet to notice."""

    read_by = write_by = float("inf")
    since = float("-inf")
    unread = True

    def __init__(self) -> None:
        self.transport = socket.socket()
        self.transport.close()


async def test_the_sweeper_passes_over_what_is_closed_already(layer: str) -> None:
    async with running(Application(), tls=tls_of(layer)) as run:
        closed: Any = Closed()
        run.worker.connections.add(closed)
        run.worker.tick()
        run.worker.connections.remove(closed)
        client = await client_of(run, layer)
        await client.stream.send_all(GET.replace(b"/ ", b"/quick "))
        assert b"200" in await client.stream.receive_some()
