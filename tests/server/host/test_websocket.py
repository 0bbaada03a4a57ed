"""RFC 6455 as the host speaks it, asked by the client of websockets on a real socket."""

from typing import Any

import pytest
import trio
import trio.testing
from websockets.frames import Frame, Opcode

from portico.server.host.worker import Limits
from tests.server.host.peers import WebSocketPeer, secure, server_context, websocket
from tests.server.host.wiring import (
    DEADLINE_S,
    Message,
    Running,
    reply,
    running,
    with_lifespan,
)

pytestmark = pytest.mark.trio


@with_lifespan
async def chat(scope: Message, receive: Any, send: Any) -> None:
    """Accept and send back what comes, until "bye"; keep what was said in the state."""
    if scope["type"] == "http":
        await reply(send, b"probe")
        return
    assert (await receive()) == {"type": "websocket.connect"}
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if message["text"] == "bye":
            await send({"type": "websocket.close", "code": 3001, "reason": "as asked"})
        elif message["text"] == "end":
            return
        elif message["text"] == "fail":
            raise ValueError("as asked")
        else:
            answer = {"text": message["text"], "bytes": message["bytes"]}
            await send({"type": "websocket.send", **answer})
    scope["state"]["ends"].append((message["code"], message["reason"]))


async def opened(run: Running) -> WebSocketPeer:
    peer = await websocket(run)
    assert (await peer.handshake()).status_code == 101
    return peer


def ends() -> dict[str, Any]:
    return {"ends": []}


async def until(condition: Any) -> None:
    with trio.fail_after(DEADLINE_S):
        while not condition():
            await trio.testing.wait_all_tasks_blocked(0.01)


async def test_messages_cross_in_both_kinds_and_any_size() -> None:
    async with running(chat, state=ends()) as run:
        peer = await opened(run)
        await peer.text("grüße")
        frame = await peer.frame()
        assert (frame.opcode, frame.data) == (Opcode.TEXT, "grüße".encode())
        large = bytes(range(256)) * 8000
        peer.protocol.send_binary(large[:1000], fin=False)
        for at in range(1000, len(large), 100_000):
            peer.protocol.send_continuation(
                large[at : at + 100_000], fin=at + 100_000 >= len(large)
            )
        await peer.flush()
        frame = await peer.frame()
        assert (frame.opcode, frame.data) == (Opcode.BINARY, large)
        await peer.text("")
        assert (await peer.frame()).data == b""
        assert run.reported == []


async def test_a_ping_is_answered_even_while_the_application_is_busy() -> None:
    release = trio.Event()

    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await release.wait()

    async with running(app) as run:
        peer = await opened(run)
        peer.protocol.send_ping(b"there?")
        await peer.flush()
        frame = await peer.frame()
        assert (frame.opcode, frame.data) == (Opcode.PONG, b"there?")
        release.set()
        assert await peer.end() == (1000, "")


async def test_the_scope_says_what_was_asked() -> None:
    scopes: list[Message] = []

    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        scopes.append(scope)
        headers = [(b"X-Up", b"a")]
        await send({"type": "websocket.accept", "subprotocol": "b", "headers": headers})

    tls = server_context()
    async with running(app, tls=tls, root_path="/api", state={"a": 1}) as run:
        client = await secure(run, "http/1.1")
        peer = WebSocketPeer(client.stream, "/a%20b?q=1", subprotocols=["a", "b"])
        response = await peer.handshake()
        assert response.status_code == 101
        assert response.headers["x-up"] == "a"
        assert "server" not in response.headers
        assert peer.protocol.subprotocol == "b"
    scope = scopes[0]
    headers = dict(scope.pop("headers"))
    assert headers[b"upgrade"] == b"websocket"
    assert scope.pop("client")[0] == "127.0.0.1"
    assert scope.pop("server") == ("127.0.0.1", run.port)
    assert scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "wss",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"q=1",
        "root_path": "/api",
        "subprotocols": ["a", "b"],
        "state": {"a": 1},
        "extensions": {"websocket.http.response": {}},
    }
    assert run.reported == []


@pytest.mark.parametrize(
    ("code", "reason", "heard"),
    [(1000, "", (1000, "")), (1001, "away", (1001, "away")), (None, "", (1005, ""))],
)
async def test_the_application_hears_the_code_of_the_client(
    code: int | None, reason: str, heard: tuple[int, str]
) -> None:
    async with running(chat, state=ends()) as run:
        peer = await opened(run)
        peer.protocol.send_close(code, reason)
        await peer.flush()
        await peer.end()
        await until(lambda: run.worker.state["ends"])
        assert run.worker.state["ends"] == [heard]
        assert run.reported == []


async def test_a_client_that_vanishes_is_1006_and_no_error() -> None:
    async with running(chat, state=ends()) as run:
        peer = await opened(run)
        await peer.stream.aclose()
        await until(lambda: run.worker.state["ends"])
        assert run.worker.state["ends"] == [(1006, "")]
        assert run.reported == []


@pytest.mark.parametrize(
    ("text", "close", "errors"),
    [("bye", (3001, "as asked"), 0), ("end", (1000, ""), 0), ("fail", (1011, ""), 1)],
)
async def test_the_client_hears_how_the_application_ended(
    text: str, close: tuple[int, str], errors: int
) -> None:
    async with running(chat, state=ends()) as run:
        peer = await opened(run)
        await peer.text(text)
        assert await peer.end() == close
        assert len(run.reported) == errors


def refusing(*messages: Message) -> Any:
    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return app


START = {"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-a", b"b")]}
REFUSALS: dict[str, tuple[list[Message], int, bytes | None, int]] = {
    "close": ([{"type": "websocket.close"}], 403, None, 0),
    "answer": ([START, {"type": "websocket.http.response.body", "body": b"no"}], 401, b"no", 0),
    "answer in pieces": (
        [
            START,
            {"type": "websocket.http.response.body", "body": b"n", "more_body": True},
            {"type": "websocket.http.response.body", "body": b"o"},
        ],
        401,
        b"no",
        0,
    ),
    "nothing": ([], 500, None, 1),
    "only a start": ([START], 500, None, 1),
    "a message before accept": (
        [{"type": "websocket.send", "text": "x"}],
        500,
        None,
        1,
    ),
    "a subprotocol not offered": (
        [{"type": "websocket.accept", "subprotocol": "x"}],
        500,
        None,
        1,
    ),
    "a header of the handshake": (
        [{"type": "websocket.accept", "headers": [(b"Upgrade", b"x")]}],
        500,
        None,
        1,
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refused_handshake_is_an_ordinary_answer(name: str) -> None:
    messages, status, body, errors = REFUSALS[name]
    async with running(refusing(*messages)) as run:
        peer = await websocket(run)
        response = await peer.handshake()
        assert response.status_code == status
        assert body in (None, response.body)
        assert response.headers["connection"] == "close"
        assert not {"upgrade", "sec-websocket-accept"} & {key.lower() for key in response.headers}
        assert len(run.reported) == errors


KEY = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
ASKED = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n"
HANDSHAKES: dict[str, tuple[bytes, int]] = {
    "complete": (ASKED + KEY + b"Sec-WebSocket-Version: 13\r\n\r\n", 101),
    "old version": (ASKED + KEY + b"Sec-WebSocket-Version: 8\r\n\r\n", 426),
    "no version": (ASKED + KEY + b"\r\n", 426),
    "no key": (ASKED + b"Sec-WebSocket-Version: 13\r\n\r\n", 400),
    "short key": (ASKED + b"Sec-WebSocket-Key: AAAA\r\nSec-WebSocket-Version: 13\r\n\r\n", 400),
    "no base64": (ASKED + b"Sec-WebSocket-Key: \xe9\r\nSec-WebSocket-Version: 13\r\n\r\n", 400),
    "with content": (
        ASKED + KEY + b"Sec-WebSocket-Version: 13\r\nContent-Length: 1\r\n\r\nx",
        400,
    ),
    "another upgrade": (ASKED.replace(b"WebSocket", b"other") + b"\r\n", 200),
    "a post": (ASKED.replace(b"GET", b"POST") + KEY + b"Sec-WebSocket-Version: 13\r\n\r\n", 200),
}


@pytest.mark.parametrize("name", HANDSHAKES)
async def test_a_handshake_is_taken_as_the_rfc_has_it(name: str) -> None:
    data, status = HANDSHAKES[name]
    async with running(chat, state=ends()) as run:
        client = await run.client()
        await client.send(data)
        received = b""
        while b"\r\n\r\n" not in received:
            received += await client.stream.receive_some()
        assert received.startswith(b"HTTP/1.1 %d " % status)
        if status == 426:
            assert b"\r\nsec-websocket-version: 13\r\n" in received
        assert run.reported == []


async def test_frames_that_come_with_the_handshake_are_not_lost() -> None:
    async with running(chat, state=ends()) as run:
        peer = await websocket(run)
        peer.protocol.send_request(peer.protocol.connect())
        early = Frame(Opcode.TEXT, b"early").serialize(mask=True)
        await peer.stream.send_all(b"".join(peer.protocol.data_to_send()) + early)
        while not peer.received:
            await peer.take()
        peer.received.pop(0)
        assert (await peer.frame()).data == b"early"


@with_lifespan
async def never_accepts(scope: Message, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    scope["state"]["asked"].set()
    message = await receive()
    scope["state"]["ends"].append(message["code"])


async def test_a_client_that_leaves_before_it_is_accepted_is_heard() -> None:
    async with running(never_accepts, state={"asked": trio.Event(), "ends": []}) as run:
        peer = await websocket(run)
        peer.protocol.send_request(peer.protocol.connect())
        await peer.flush()
        await run.worker.state["asked"].wait()
        await peer.stream.aclose()
        await until(lambda: run.worker.state["ends"])
        assert run.worker.state["ends"] == [1006]
        assert run.reported == []


BROKEN = {
    "unmasked": (Frame(Opcode.TEXT, b"x").serialize(mask=False), 1002),
    "reserved bit": (b"\xc1\x80\x00\x00\x00\x00", 1002),
    "unknown opcode": (b"\x83\x80\x00\x00\x00\x00", 1002),
    "bare continuation": (Frame(Opcode.CONT, b"x").serialize(mask=True), 1002),
    "long ping": (Frame(Opcode.BINARY, b"x" * 200).serialize(mask=True), 1002),
    "text that is no utf-8": (Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True), 1007),
}
BROKEN["long ping"] = (b"\x89" + BROKEN["long ping"][0][1:], 1002)


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_frame_is_told_and_closed(name: str) -> None:
    data, code = BROKEN[name]
    async with running(chat, state=ends()) as run:
        peer = await opened(run)
        await peer.stream.send_all(data)
        assert (await peer.end())[0] == code
        await until(lambda: run.worker.state["ends"])
        assert run.worker.state["ends"][0][0] == code
        assert run.reported == []


@pytest.mark.parametrize("fragments", [1, 100])
async def test_a_message_over_the_limit_is_1009(fragments: int) -> None:
    async with running(chat, Limits(max_message_bytes=1000), state=ends()) as run:
        peer = await opened(run)
        peer.protocol.send_binary(b"", fin=False)
        for _ in range(fragments):
            peer.protocol.send_continuation(b"x" * (2000 // fragments), fin=False)
        await peer.flush()
        assert (await peer.end())[0] == 1009
        await until(lambda: run.worker.state["ends"])
        assert run.reported == []


async def test_a_client_that_floods_waits_for_the_application() -> None:
    release = trio.Event()

    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await release.wait()
        for _ in range(1000):
            assert (await receive())["type"] == "websocket.receive"

    async with running(app) as run:
        peer = await opened(run)
        sent = 0

        async def flood() -> None:
            nonlocal sent
            for _ in range(1000):
                await peer.stream.send_all(Frame(Opcode.BINARY, b"x" * 60000).serialize(mask=True))
                sent += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            with trio.fail_after(DEADLINE_S):
                before = -1
                while before != sent:
                    before = sent
                    await trio.testing.wait_all_tasks_blocked(0.05)
            assert sent < 500  # the rest waits in the sockets' buffers and in the client
            release.set()
        assert sent == 1000
        assert (await peer.end())[0] == 1000
        assert run.reported == []


async def test_a_client_that_reads_nothing_is_cut() -> None:
    cut = trio.Event()

    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        try:
            while True:
                await send({"type": "websocket.send", "bytes": b"x" * 100_000})
        except OSError:
            cut.set()
            raise

    async with running(app, Limits(write_timeout_s=0.3)) as run:
        await opened(run)
        with trio.fail_after(DEADLINE_S):
            await cut.wait()
        assert run.reported == []


async def test_a_silent_client_is_asked_and_then_cut() -> None:
    async with running(chat, Limits(websocket_ping_s=0.3), state=ends()) as run:
        alive, silent = await opened(run), await opened(run)
        for _ in range(3):  # each take answers a ping
            assert (await alive.frame()).opcode == Opcode.PING
        await until(lambda: run.worker.state["ends"])
        assert run.worker.state["ends"] == [(1006, "")]
        await alive.text("still here")
        while (frame := await alive.frame()).opcode == Opcode.PING:
            pass
        assert frame.data == b"still here"
        await silent.stream.aclose()
        assert run.reported == []


async def test_a_drain_tells_both_sides() -> None:
    async with running(chat, state=ends()) as run:
        peer = await opened(run)
        run.drain.set()
        assert (await peer.end())[0] == 1012
        assert run.worker.state["ends"] == [(1012, "the server is about to end")]
        assert run.reported == []


async def test_a_drain_does_not_wait_for_a_client_that_does_not_say_goodbye() -> None:
    async with running(chat, Limits(grace_s=0.3), state=ends()) as run:
        peer = await opened(run)
        run.drain.set()
        await until(lambda: not run.worker.admitted)
        await peer.stream.aclose()
        assert run.reported == []


async def test_nothing_can_be_sent_after_the_end() -> None:
    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})
        with pytest.raises(OSError):
            await send({"type": "websocket.send", "text": "late"})
        assert (await receive())["type"] == "websocket.connect"
        assert (await receive()) == {"type": "websocket.disconnect", "code": 1000, "reason": ""}
        scope["state"]["ends"].append("checked")

    async with running(app, state=ends()) as run:
        peer = await opened(run)
        assert (await peer.end())[0] == 1000
        await until(lambda: run.worker.state["ends"])
        assert run.reported == []


async def test_a_flood_of_fragments_keeps_nobody_waiting() -> None:
    """Those of one read once held the event loop until all were parsed."""
    answered: list[str] = []

    async def hear(name: str, peer: WebSocketPeer) -> None:
        await peer.frame()
        answered.append(name)

    async with running(chat, state=ends()) as run:
        flood, calm = await opened(run), await opened(run)
        async with trio.open_nursery() as nursery:
            fragments = b"\x02\x80abcd" + b"\x00\x80abcd" * 10000 + b"\x80\x81abcdx"
            await flood.stream.send_all(fragments)
            await calm.text("calm")
            nursery.start_soon(hear, "flood", flood)
            nursery.start_soon(hear, "calm", calm)
        assert answered == ["calm", "flood"]
        assert run.reported == []
