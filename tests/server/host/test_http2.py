"""RFC 9113 as the host speaks it, asked by h2's client over TLS on a real socket."""

from typing import Any

import h2.errors
import h2.settings
import pytest
import trio
import trio.testing
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
)

from portico.server.host.worker import Limits
from tests.server.host.peers import Http2Peer, http2, secure, server_context
from tests.server.host.wiring import (
    DEADLINE_S,
    Message,
    echo,
    read_body,
    reply,
    running,
    with_lifespan,
)

pytestmark = pytest.mark.trio

BRIEF = Limits(header_timeout_s=0.3, keep_alive_s=0.3)
CODES = h2.errors.ErrorCodes


async def probe(peer: Http2Peer) -> None:
    """The same connection still answers."""
    answer = await peer.answer(await peer.request(b"/probe"))
    assert (answer.status, answer.body) == (200, b"GET /probe ")


async def test_requests_are_answered_and_the_scope_says_all() -> None:
    scopes: list[Message] = []

    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await reply(send, await read_body(receive), headers=[(b"X-Up", b" a "), (b"server", b"x")])

    async with running(app, tls=server_context(), root_path="/api", state={"a": 1}) as run:
        peer = await http2(run)
        cookies = [(b"cookie", b"a=1"), (b"x-a", b"b"), (b"cookie", b"c=2")]
        answer = await peer.answer(await peer.request(b"/a%20b?q=1", b"POST", b"abc", cookies))
        assert answer.body == b"abc"
        assert set(answer.fields) == {b":status", b"x-up", b"server", b"content-length", b"date"}
        assert answer.fields[b"content-length"] == b"3"
    scope = scopes[0]
    assert scope.pop("extensions").keys() >= {"http.response.trailers", "portico.disconnect"}
    assert scope.pop("client")[0] == "127.0.0.1"
    assert scope.pop("server") == ("127.0.0.1", run.port)
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "2",
        "method": "POST",
        "scheme": "https",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"q=1",
        "root_path": "/api",
        "headers": [(b"host", b"localhost"), (b"x-a", b"b"), (b"cookie", b"a=1; c=2")],
        "state": {"a": 1},
    }
    assert run.reported == []


async def test_the_host_adds_no_server_header() -> None:
    async with running(echo, tls=server_context()) as run:
        peer = await http2(run)
        answer = await peer.answer(await peer.request())
        assert set(answer.fields) == {b":status", b"content-type", b"content-length", b"date"}


async def test_many_streams_and_large_contents_cross() -> None:
    body = bytes(range(256)) * 800
    async with running(echo, tls=server_context()) as run:
        peer = await http2(run)
        streams = [await peer.request(b"/%d" % i) for i in range(50)]
        for number, stream in enumerate(streams):
            assert (await peer.answer(stream)).body == b"GET /%d " % number
        stream = await peer.request(b"/big", b"POST", ended=False)
        rest = body
        while rest:
            size = min(
                len(rest),
                peer.frames.local_flow_control_window(stream),
                peer.frames.max_outbound_frame_size,
            )
            if size:
                peer.frames.send_data(stream, rest[:size], end_stream=size == len(rest))
                rest = rest[size:]
                await peer.flush()
            else:
                await peer.take()
        assert (await peer.answer(stream)).body == b"POST /big " + body
        assert run.reported == []


@with_lifespan
async def shapes(scope: Message, receive: Any, send: Any) -> None:
    """Answers in the ways that ASGI has."""
    path = scope["path"]
    start = {"type": "http.response.start", "status": 200, "headers": []}
    if path == "/early":
        await send({"type": "http.response.early_hint", "links": [b"</a>; rel=preload"]})
        await reply(send, b"ok")
    elif path == "/trailers":
        await send(start | {"trailers": True})
        await send({"type": "http.response.body", "body": b"ab"})
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"2")]})
    elif path == "/stream":
        await send(start)
        for piece in (b"one", b"", b"two"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    elif path == "/204":
        await reply(send, b"not sent", 204)
    else:
        await reply(send, await read_body(receive))


async def test_streams_trailers_hints_and_answers_without_content() -> None:
    async with running(shapes, tls=server_context()) as run:
        peer = await http2(run)
        assert (await peer.answer(await peer.request(b"/stream"))).body == b"onetwo"
        trailed = await peer.answer(await peer.request(b"/trailers"))
        assert (trailed.body, trailed.trailers) == (b"ab", [(b"x-sum", b"2")])
        hinted = await peer.answer(await peer.request(b"/early"))
        assert hinted.interim == [[(b":status", b"103"), (b"link", b"</a>; rel=preload")]]
        empty = await peer.answer(await peer.request(b"/204"))
        assert (empty.status, empty.body, empty.ended) == (204, b"", True)
        head = await peer.answer(await peer.request(b"/early", b"HEAD"))
        assert (head.fields[b"content-length"], head.body) == (b"2", b"")
        stream = await peer.request(
            b"/p", b"POST", extra=[(b"expect", b"100-continue")], ended=False
        )
        while not peer.exchange(stream).interim:
            await peer.take()
        peer.frames.send_data(stream, b"abc", end_stream=True)
        await peer.flush()
        answer = await peer.answer(stream)
        assert (answer.interim, answer.body) == ([[(b":status", b"100")]], b"abc")
        assert run.reported == []


# What reaches no application, and its status.
REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "path outside ascii": ({"path": b"/\xc3\xa9"}, 400),
    "path with a space": ({"path": b"/a b"}, 400),
    "path without slash": ({"path": b"a"}, 400),
    "asterisk": ({"path": b"*"}, 400),
    "method outside ascii": ({"method": b"G\xcbT"}, 400),
    "long path": ({"path": b"/" + b"a" * 200}, 414),
    "large head": ({"extra": [(b"x", b"a" * 1500)]}, 431),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_request_that_http1_would_not_take_is_refused_here_too(name: str) -> None:
    request, status = REFUSED[name]
    limits = Limits(max_target_bytes=100, max_head_bytes=1000)
    async with running(echo, limits, tls=server_context()) as run:
        peer = await http2(run)
        assert (await peer.answer(await peer.request(**request))).status == status
        await probe(peer)
        assert run.reported == []


async def test_an_error_of_the_application_ends_its_stream_alone() -> None:
    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        if scope["path"] == "/before":
            raise ValueError("before")
        if scope["path"] == "/nothing":
            return
        if scope["path"] == "/during":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
            async with trio.open_nursery() as nursery:
                nursery.cancel_scope.cancel()
                raise ValueError("during")
        await echo(scope, receive, send)

    async with running(app, tls=server_context()) as run:
        peer = await http2(run)
        assert (await peer.answer(await peer.request(b"/before"))).status == 500
        assert (await peer.answer(await peer.request(b"/nothing"))).status == 500
        cut = await peer.answer(await peer.request(b"/during"))
        assert (cut.status, cut.reset) == (200, CODES.INTERNAL_ERROR)
        await probe(peer)
        assert len(run.reported) == 3


BAD_ANSWERS: dict[str, tuple[list[tuple[bytes, bytes]], bytes]] = {
    "line break": ([(b"x", b"a\r\nb")], b""),
    "no name": ([(b"x y", b"a")], b""),
    "too long": ([(b"content-length", b"1")], b"ab"),
    "too short": ([(b"content-length", b"3")], b"ab"),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_an_answer_that_http_forbids_is_an_error(name: str) -> None:
    headers, body = BAD_ANSWERS[name]

    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await reply(send, body, headers=headers)

    async with running(app, tls=server_context()) as run:
        peer = await http2(run)
        assert (await peer.answer(await peer.request())).status == 500
        assert len(run.reported) == 1


@with_lifespan
async def slow_reader(scope: Message, receive: Any, send: Any) -> None:
    """`/wait` reads nothing and waits to be told that the client left."""
    if scope["path"] != "/wait":
        await echo(scope, receive, send)
        return
    left = trio.Event()
    scope["extensions"]["portico.disconnect"]["on_disconnect"](left.set)
    scope["state"]["waiting"].set()
    await left.wait()
    while (await receive())["type"] != "http.disconnect":
        pass
    scope["state"]["left"].set()


async def test_a_handler_that_does_not_read_stalls_nobody_else_and_hears_the_reset() -> None:
    state = {"waiting": trio.Event(), "left": trio.Event()}
    async with running(slow_reader, tls=server_context(), state=state) as run:
        peer = await http2(run)
        stream = await peer.request(b"/wait", b"POST", b"x" * 10000, ended=False)
        await state["waiting"].wait()
        await probe(peer)
        peer.frames.reset_stream(stream, CODES.CANCEL)
        await peer.flush()
        with trio.fail_after(DEADLINE_S):
            await state["left"].wait()
        for _ in range(20):  # the window of what was not read is given back
            stream = await peer.request(b"/p", b"POST", b"y" * 10000)
            assert len((await peer.answer(stream)).body) == 10008
        assert run.reported == []


async def test_a_client_that_vanishes_is_told_to_every_handler() -> None:
    state = {"waiting": trio.Event(), "left": trio.Event()}
    async with running(slow_reader, tls=server_context(), state=state) as run:
        peer = await http2(run)
        await peer.request(b"/wait")
        await state["waiting"].wait()
        await peer.stream.transport_stream.aclose()
        with trio.fail_after(DEADLINE_S):
            await state["left"].wait()
        assert run.reported == []


@with_lifespan
async def endless(scope: Message, receive: Any, send: Any) -> None:
    if scope["path"] != "/endless":
        await echo(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 5000, "more_body": True})
    except OSError:
        scope["state"]["cut"].set()
        raise


async def test_a_stream_whose_window_stays_shut_is_cut_and_the_others_live() -> None:
    state = {"cut": trio.Event()}
    limits = Limits(write_timeout_s=0.3)
    async with running(endless, limits, tls=server_context(), state=state) as run:
        peer = await http2(run)
        peer.frames.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        await peer.flush()
        stream = await peer.request(b"/endless")
        answer = await peer.answer(stream)
        assert (answer.status, answer.reset) == (200, CODES.CANCEL)
        with trio.fail_after(DEADLINE_S):
            await state["cut"].wait()
        peer.frames.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 65535})
        await peer.flush()
        await probe(peer)
        assert run.reported == []


async def test_a_client_that_reads_nothing_at_all_is_cut() -> None:
    state = {"cut": trio.Event()}
    limits = Limits(write_timeout_s=0.3)
    async with running(endless, limits, tls=server_context(), state=state) as run:
        peer = await http2(run)
        peer.frames.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
        peer.frames.increment_flow_control_window(2**30)
        await peer.request(b"/endless")
        with trio.fail_after(DEADLINE_S):
            await state["cut"].wait()
            while run.worker.connections:
                await trio.testing.wait_all_tasks_blocked(0.01)
        assert run.reported == []


async def test_an_upload_that_stalls_is_408() -> None:
    async with running(echo, BRIEF, tls=server_context()) as run:
        peer = await http2(run)
        stream = await peer.request(b"/p", b"POST", b"abc", ended=False)
        answer = await peer.answer(stream)
        assert answer.status == 408
        await probe(peer)
        assert run.reported == []


async def test_an_idle_connection_is_told_goaway_and_closed() -> None:
    async with running(echo, Limits(keep_alive_s=0.2), tls=server_context()) as run:
        peer = await http2(run)
        await probe(peer)
        await peer.end()
        assert peer.goaway == CODES.NO_ERROR


async def test_a_client_that_asks_for_nothing_is_closed() -> None:
    async with running(echo, Limits(header_timeout_s=0.2), tls=server_context()) as run:
        peer = await http2(run)
        await peer.end()
        assert peer.goaway == CODES.NO_ERROR


async def test_an_early_answer_lets_the_client_stop_its_upload() -> None:
    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await reply(send, b"no", 403)

    async with running(app, tls=server_context()) as run:
        peer = await http2(run)
        stream = await peer.request(b"/", b"POST", b"abc", ended=False)
        answer = await peer.answer(stream)
        assert (answer.status, answer.body) == (403, b"no")
        while peer.exchange(stream).reset is None:
            await peer.take()
        assert peer.exchange(stream).reset == CODES.NO_ERROR


async def test_a_drain_lets_requests_end_and_takes_no_more() -> None:
    started, release = trio.Event(), trio.Event()

    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        started.set()
        await release.wait()
        await reply(send, b"late")

    async with running(app, tls=server_context()) as run:
        peer, idle = await http2(run), await http2(run)
        stream = await peer.request()
        await started.wait()
        run.drain.set()
        await idle.end()
        assert idle.goaway == CODES.NO_ERROR
        while peer.goaway is None:
            await peer.take()
        release.set()
        answer = await peer.answer(stream)
        assert (answer.status, answer.body) == (200, b"late")
        await peer.end()
        assert run.reported == []


async def test_a_drain_cuts_what_outlives_the_grace() -> None:
    state = {"waiting": trio.Event(), "left": trio.Event()}
    limits = Limits(grace_s=0.2)
    async with running(slow_reader, limits, tls=server_context(), state=state) as run:
        peer = await http2(run)
        await peer.request(b"/wait")
        await state["waiting"].wait()
        run.drain.set()
        await peer.end()
        with trio.fail_after(DEADLINE_S):
            await state["left"].wait()
        assert run.reported == []


def serialised(*frames: Any) -> bytes:
    return b"".join(frame.serialize() for frame in frames)


def headers_frame(stream_id: int, block: bytes = b"\x82\x87\x84\x41\x01a", *flags: str) -> Any:
    """GET https / with authority "a", unless another block is given."""
    return HeadersFrame(stream_id, block, flags=list(flags))


FLOODS: dict[str, bytes] = {
    "pings": serialised(*(PingFrame(0, b"12345678") for _ in range(5000))),
    "settings": serialised(*(SettingsFrame(0, settings={1: 4096}) for _ in range(5000))),
    "resets": serialised(
        *(
            frame
            for stream in range(1, 3001, 2)
            for frame in (
                headers_frame(stream, b"\x82\x87\x84\x41\x01a", "END_HEADERS", "END_STREAM"),
                RstStreamFrame(stream, error_code=8),
            )
        )
    ),
    "priorities": serialised(
        *(PriorityFrame(stream, depends_on=stream - 2) for stream in range(3, 12000, 2))
    ),
    "continuations": serialised(
        headers_frame(1, b""), *(ContinuationFrame(1, b"") for _ in range(5000))
    ),
    "endless continuation": serialised(
        headers_frame(1, b""), *(ContinuationFrame(1, b"\x00" * 16000) for _ in range(70))
    ),
    "empty data": serialised(
        headers_frame(1, b"\x83\x87\x84\x41\x01a", "END_HEADERS"),
        *(DataFrame(1, b"") for _ in range(5000)),
    ),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_ends_its_connection_alone(name: str) -> None:
    async with running(echo, tls=server_context()) as run:
        calm, peer = await http2(run), await http2(run)
        await probe(calm)
        try:
            await peer.flush(FLOODS[name])
        except trio.BrokenResourceError:
            peer.closed = True
        await peer.end()
        if name != "resets":  # what the client reset may be answered beyond its knowledge
            assert peer.goaway in (CODES.ENHANCE_YOUR_CALM, CODES.PROTOCOL_ERROR, None)
        await probe(calm)
        assert run.reported == []


# Frames that break the rules, after the preface: the connection or the stream ends, nothing else.
BROKEN: dict[str, bytes] = {
    "data after the end": serialised(
        headers_frame(1, b"\x82\x87\x84\x41\x01a", "END_HEADERS", "END_STREAM"),
        DataFrame(1, b"late"),
    ),
    "data on an idle stream": serialised(DataFrame(1, b"x")),
    "priority on itself": serialised(PriorityFrame(1, depends_on=1)),
    "circular priorities": serialised(
        PriorityFrame(1, depends_on=3), PriorityFrame(3, depends_on=1)
    ),
    "no pseudo-headers": serialised(headers_frame(1, b"", "END_HEADERS", "END_STREAM")),
    "broken hpack": serialised(headers_frame(1, b"\xff\xff\xff\xff\xff\xff", "END_HEADERS")),
    "plain connect": serialised(
        headers_frame(1, b"\x42\x07CONNECT\x41\x01a", "END_HEADERS", "END_STREAM")
    ),
    "even stream": serialised(headers_frame(2, b"\x82\x87\x84\x41\x01a", "END_HEADERS")),
    "large frame": b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + b"x" * 20000,
    "unknown frames": b"\x00\x00\x01\xee\x00\x00\x00\x00\x00x" * 20,
    "window overflow": b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xff\xff\xff" * 2,
    "zero window update": b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    "huge header list": serialised(
        headers_frame(
            1, b"\x82\x87\x84\x41\x01a\x40\x01x\x7f\xe1\x5e" + b"a" * 12000 + b"\xbe" * 50
        ),
        ContinuationFrame(1, b"\xbe" * 1000, flags=["END_HEADERS"]),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_frames_against_the_rules_end_at_most_their_connection(name: str) -> None:
    async with running(echo, BRIEF, tls=server_context()) as run:
        calm, peer = await http2(run), await http2(run)
        await probe(calm)
        await peer.flush(BROKEN[name])
        await probe(calm)
        await peer.end()
        assert run.reported == []


async def test_a_preface_that_is_none_is_closed() -> None:
    async with running(echo, tls=server_context()) as run:
        client = await secure(run, "h2")
        await client.stream.send_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with trio.fail_after(DEADLINE_S):
            while await client.stream.receive_some():
                pass
        assert run.reported == []


CLEAR = {
    "prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "upgrade": (
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
    ),
}


@pytest.mark.parametrize(("name", "status"), [("prior knowledge", 505), ("upgrade", 200)])
async def test_http2_is_never_spoken_in_clear(name: str, status: int) -> None:
    async with running(echo) as run:
        client = await run.client()
        await client.send(CLEAR[name])
        assert (await client.response()).status == status
