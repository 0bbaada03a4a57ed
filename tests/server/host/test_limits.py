"""Deadlines and limits on real sockets: what a client may take, and that it alone pays for more."""

import errno
import os
import resource
import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import trio
import trio.testing

from portico.server.host.worker import Limits
from tests.server.host.peers import client_context, secure, server_context
from tests.server.host.wiring import (
    DEADLINE_S,
    Client,
    Message,
    Running,
    bound,
    echo,
    read_body,
    reply,
    running,
    with_lifespan,
)

pytestmark = pytest.mark.trio

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n"


async def until(condition: Any) -> None:
    with trio.fail_after(DEADLINE_S):
        while not condition():
            await trio.testing.wait_all_tasks_blocked(0.01)


async def probe(run: Running) -> float:
    """A new client is answered; seconds that it took."""
    started = trio.current_time()
    client = await run.client()
    await client.send(GET)
    assert (await client.response()).status == 200
    await client.stream.aclose()
    return trio.current_time() - started


async def dribble(client: Client, data: bytes, pause_s: float) -> None:
    """Send byte by byte until the server has had enough."""
    for at in range(len(data)):
        try:
            await client.stream.send_all(data[at : at + 1])
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        with trio.move_on_after(pause_s):
            await trio.sleep_forever()


async def closed_after(client: Client) -> tuple[float, bytes]:
    started = trio.current_time()
    data = await client.rest()
    return trio.current_time() - started, data


# What a client sends at once, what it dribbles, and what it is told.
SLOW: dict[str, tuple[bytes, bytes, bytes]] = {
    "silent": (b"", b"", b""),
    "a head that stops": (GET[:20], b"", b"HTTP/1.1 408 "),
    "a head that dribbles": (GET[:20], b"X: " + b"a" * 500, b"HTTP/1.1 408 "),
    "a body that stops": (POST + b"abc", b"", b"HTTP/1.1 408 "),
    "a body that dribbles": (POST, b"a" * 500, b"HTTP/1.1 408 "),
    "empty lines that dribble": (b"", b"\r\n" * 250, b""),
    "idle": (GET, b"", b"HTTP/1.1 200 "),
}


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("layer", ["clear", "tls"])
async def test_a_slow_client_is_told_and_closed_in_time(name: str, layer: str) -> None:
    at_once, dribbled, told = SLOW[name]
    limits = Limits(header_timeout_s=0.5, keep_alive_s=0.5)
    tls = server_context() if layer == "tls" else None
    async with running(echo, limits, tls=tls) as run:
        client = await (secure(run) if tls else run.client())
        if at_once:
            await client.stream.send_all(at_once)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(dribble, client, dribbled, 0.02)
            took_s, data = await closed_after(client)
            nursery.cancel_scope.cancel()
        assert data.startswith(told)
        assert bool(data) is bool(told)
        assert 0.2 < took_s < 2.5
        assert run.reported == []


async def test_a_handshake_that_never_comes_is_closed_in_time() -> None:
    async with running(echo, Limits(header_timeout_s=0.3), tls=server_context()) as run:
        client = await run.client()
        took_s, data = await closed_after(client)
        assert (data, took_s < 2) == (b"", True)
        await until(lambda: not run.worker.admitted)
        assert run.reported == []


@with_lifespan
async def generous(scope: Message, receive: Any, send: Any) -> None:
    """`/large` sends for ever; says in the state when it was cut."""
    if scope["path"] != "/large":
        await reply(send, b"ok")
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
    except OSError:
        scope["state"]["cut"].set()
        raise


LARGE = GET.replace(b"/ ", b"/large ")


async def test_a_client_that_reads_nothing_is_cut() -> None:
    state = {"cut": trio.Event()}
    async with running(generous, Limits(write_timeout_s=0.5), state=state) as run:
        client = await run.client()
        await client.send(LARGE)
        with trio.fail_after(DEADLINE_S):
            await state["cut"].wait()
        assert await probe(run) < 0.5
        assert run.reported == []


async def test_a_client_that_reads_a_trickle_is_cut_too() -> None:
    state = {"cut": trio.Event()}
    async with running(generous, Limits(write_timeout_s=0.5), state=state) as run:
        client = await run.client()
        client.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await client.send(LARGE)
        with trio.fail_after(DEADLINE_S):
            while not state["cut"].is_set():
                await client.stream.receive_some(1)
                with trio.move_on_after(0.05):
                    await state["cut"].wait()
        assert run.reported == []


async def test_a_client_that_reads_slowly_but_well_is_served_on() -> None:
    state = {"cut": trio.Event()}
    async with running(generous, Limits(write_timeout_s=0.3), state=state) as run:
        client = await run.client()
        await client.send(LARGE)
        with trio.move_on_after(2):
            while True:
                await client.stream.receive_some(30_000)
                with trio.move_on_after(0.02):
                    await trio.sleep_forever()
        assert not state["cut"].is_set()


async def test_three_times_the_cap_is_refused_at_once_and_harms_nobody() -> None:
    release = trio.Event()

    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await release.wait()
        await reply(send, b"late")

    async with running(app, Limits(max_connections=20)) as run:
        first = [await run.client() for _ in range(20)]
        for client in first:
            await client.send(GET)
        await until(lambda: run.worker.requests == 20)
        for _ in range(40):
            started = trio.current_time()
            client = await run.client()
            answer = await client.response()
            assert trio.current_time() - started < 0.05
            assert (answer.status, answer.header(b"retry-after")) == (503, b"1")
            assert await client.ended()
        release.set()
        for client in first:
            assert (await client.response()).body == b"late"
        for client in first:
            await client.stream.aclose()
        await until(lambda: run.worker.admitted == 0)
        assert (await run.client()) is not None
        assert run.reported == []


@contextmanager
def descriptors_left(count: int) -> Iterator[list[socket.socket]]:
    """Take all descriptors of this process but *count*."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[socket.socket] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            taken.extend(socket.socket() for _ in range(256))
        for _ in range(count):
            taken.pop().close()
        yield taken
    finally:
        for sock in taken:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_worker_without_descriptors_recovers() -> None:
    async with running(echo) as run:
        before = await run.client()
        with descriptors_left(1):
            turned_away = await run.client()  # takes the last one: none is left to accept it
            assert await turned_away.ended()
            await before.send(GET)
            assert (await before.response()).status == 200
        started = trio.current_time()
        await probe(run)
        assert trio.current_time() - started < 2
        assert {getattr(error, "errno", None) for error in run.reported} == {errno.EMFILE}


@with_lifespan
async def waiting(scope: Message, receive: Any, send: Any) -> None:
    """Waits until the client leaves, and says how it heard."""
    state = scope["state"]
    scope["extensions"]["portico.disconnect"]["on_disconnect"](state["hook"].set)
    state["begun"].set()
    if scope["path"] == "/receive":
        while (await receive())["type"] != "http.disconnect":
            pass
    else:
        await state["hook"].wait()
        assert (await receive())["type"] in ("http.request", "http.disconnect")
        assert (await receive())["type"] == "http.disconnect"
    with pytest.raises(OSError):
        await reply(send, b"too late")
    state["heard"].set()


LEAVES: dict[str, bytes] = {
    "waiting": GET,
    "receiving": GET.replace(b"/ ", b"/receive "),
    "behind pipelined bytes": GET + GET,
    "behind half a request": GET + GET[:10],
    "within its content": POST.replace(b"/ ", b"/receive ") + b"abc",
}


@pytest.mark.parametrize("name", LEAVES)
@pytest.mark.parametrize("layer", ["clear", "tls"])
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_leaves_is_noticed(name: str, layer: str, how: str) -> None:
    state = {name: trio.Event() for name in ("hook", "begun", "heard")}
    tls = server_context() if layer == "tls" else None
    async with running(waiting, state=state, tls=tls) as run:
        client = await (secure(run) if tls else run.client())
        await client.stream.send_all(LEAVES[name])
        await state["begun"].wait()
        stream: Any = client.stream
        plain = stream.transport_stream if tls else stream
        if how == "reset":
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await plain.aclose()
        with trio.fail_after(DEADLINE_S):
            await state["heard"].wait()
        await until(lambda: not run.worker.admitted)
        assert run.reported == []


async def test_an_upload_waits_for_the_application() -> None:
    release, taken = trio.Event(), [0]

    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            taken[0] += len(message["body"])
            more = message["more_body"]
            await release.wait()
        await reply(send, b"%d" % taken[0])

    async with running(app) as run:
        client = await run.client()
        sent = [0]

        async def upload() -> None:
            await client.stream.send_all(POST.replace(b"10000", b"20000000"))
            for _ in range(200):
                await client.stream.send_all(b"x" * 100_000)
                sent[0] += 100_000

        async with trio.open_nursery() as nursery:
            nursery.start_soon(upload)
            await until(lambda: taken[0] > 0)
            with trio.fail_after(DEADLINE_S):
                await trio.testing.wait_all_tasks_blocked(0.05)
            assert taken[0] <= 65536
            assert sent[0] < 20_000_000
            release.set()
            assert (await client.response()).body == b"20000000"
        assert run.reported == []


async def test_what_is_not_tls_is_told_so_on_the_tls_port() -> None:
    async with running(echo, tls=server_context()) as run:
        client = await run.client()
        await client.send(GET)
        answer = await client.response()
        assert (answer.status, b"HTTPS" in answer.body) == (400, True)
        for data in (b"\x16\x03\x01\x00\x05hello", b"\0" * 100, b"SSH-2.0-x\r\n"):
            other = await run.client()
            await other.send(data)
            await other.rest()
        client = await secure(run)
        await client.stream.send_all(GET)
        assert b"200 OK" in await client.stream.receive_some()
        assert run.reported == []


async def test_an_old_tls_is_refused() -> None:
    async with running(echo, tls=server_context()) as run:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1_1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        stream = trio.SSLStream((await run.client()).stream, context)
        with pytest.raises(trio.BrokenResourceError):
            await stream.do_handshake()
        assert run.reported == []


async def test_an_orderly_end_is_told_apart_from_a_cut() -> None:
    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await read_body(receive)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        if scope["path"] == "/cut":
            raise ValueError("as asked")
        await send({"type": "http.response.body", "body": b"last"})

    old = b"GET %b HTTP/1.0\r\nHost: a\r\n\r\n"
    async with running(app, tls=server_context()) as run:
        for path, whole in ((b"/", True), (b"/cut", False)):
            client = await secure(run)
            client.stream._https_compatible = False  # the peer of a stream without a length
            await client.stream.send_all(old % path)
            data = b""
            try:
                while piece := await client.stream.receive_some():
                    data += piece
            except trio.BrokenResourceError:
                assert not whole
            else:
                assert whole
            assert data.endswith(b"firstlast" if whole else b"first")
        assert len(run.reported) == 1


async def test_content_in_tiny_chunks_keeps_nobody_waiting() -> None:
    """Their parsing once held the event loop for as long as a client went on sending them."""
    state = {"taken": 0}

    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        message: Message = {"more_body": scope["method"] == "POST"}
        while message.get("more_body"):
            message = await receive()
            state["taken"] += len(message.get("body", b""))
        await reply(send, b"ok")

    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with running(app) as run:
        flood, probe = await run.client(), await run.client()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood.stream.send_all, head + b"1\r\nx\r\n" * 20000)
            while not state["taken"]:
                await trio.lowlevel.checkpoint()
            await probe.stream.send_all(GET)
            assert (await probe.response()).body == b"ok"
            assert state["taken"] < 10000
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
async def test_a_drain_does_not_wait_for_handshakes_that_nobody_goes_on_with(protocol: str) -> None:
    async with running(echo, tls=server_context()) as run:
        await run.client()  # says nothing
        late = await run.client()
        await until(lambda: run.worker.admitted == 2)
        started = trio.current_time()
        run.drain.set()
        await until(lambda: run.worker.draining)
        stream: Any = trio.SSLStream(
            late.stream,
            client_context(protocol),
            server_hostname="localhost",
            https_compatible=True,
        )
        with suppress(trio.BrokenResourceError):  # it may go on, and is let go soon
            await stream.do_handshake()
            while await stream.receive_some():
                pass
        await until(lambda: run.worker.admitted == 0)
        assert trio.current_time() - started < 3


class Listener:
    """A listening socket whose queue holds connections that failed before they were accepted."""

    def __init__(self, sock: socket.socket, failures: list[int]) -> None:
        self._sock = sock
        self.failures = failures

    def fileno(self) -> int:
        return self._sock.fileno()

    def accept(self) -> Any:
        if self.failures:
            raise OSError(self.failures.pop(), "failed in the queue")
        return self._sock.accept()


async def test_a_connection_that_failed_in_the_queue_does_not_end_the_worker() -> None:
    """accept(2): Linux hands the network's errors on with the connection."""
    failures = [errno.EPROTO, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EPERM]
    async with running(echo) as run, trio.open_nursery() as nursery:
        with bound() as sock:
            listener: Any = Listener(sock, failures)
            nursery.start_soon(run.worker.accept, listener, nursery)
            client = Client(await trio.open_tcp_stream(*sock.getsockname()))
            await client.stream.send_all(GET)
            assert (await client.response()).status == 200
            await client.stream.aclose()
            nursery.cancel_scope.cancel()
    assert failures == []
    assert run.reported == []
