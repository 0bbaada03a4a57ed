"""What one client of HTTP/2 can do to a worker at most: what it costs memory, time and others."""

import struct
from typing import Any

import h2.errors
import h2.events as ev
import h2.exceptions
import pytest
import trio
import trio.testing

from portico.server.host.http2_allowance import Allowance, FrameCutter
from portico.server.host.worker import Limits
from tests.server.host.peers import http2, server_context
from tests.server.host.test_http2 import probe
from tests.server.host.wiring import DEADLINE_S, Message, echo, reply, running, with_lifespan

pytestmark = pytest.mark.trio

CODES = h2.errors.ErrorCodes
DATA, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 8, 9
END_STREAM, END_HEADERS = 1, 4
GET = b"\x82\x87\x84\x41\x01a"
BAD_PATH = b"\x82\x87\x41\x01a\x04\x01x"
PROBE_S = 0.5


def frame(kind: int, flags: int, stream_id: int, body: bytes = b"") -> bytes:
    """One frame by its bytes: no library refuses to make it."""
    head = len(body).to_bytes(3, "big") + bytes((kind, flags))
    return head + stream_id.to_bytes(4, "big") + body


def requests(block: bytes, count: int, *, after: bytes = b"") -> bytes:
    """So many requests, *after* following each with the stream's number in it."""
    ends = END_HEADERS | END_STREAM
    return b"".join(
        frame(HEADERS, ends, stream, block) + after.replace(b"STRM", stream.to_bytes(4, "big"))
        for stream in range(1, 2 * count, 2)
    )


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HL", *pair) for pair in pairs))


@with_lifespan
async def patient(scope: Message, receive: Any, send: Any) -> None:
    """`/` is answered never, everything else at once."""
    if scope["path"] != "/":
        await echo(scope, receive, send)
        return
    while (await receive())["type"] != "http.disconnect":
        pass


RESET = frame(RST_STREAM, 0, 0, b"\x00\x00\x00\x08")
# A window that overflows makes the server reset the stream (CVE-2025-8671, "MadeYouReset").
OVERFLOW = frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff")

FLOODS: dict[str, bytes] = {
    "requests over the bound of streams": requests(GET, 3000),
    "requests that are refused": requests(BAD_PATH, 3000),
    "resets": requests(GET, 3000, after=RESET[:5] + b"STRM" + RESET[9:]),
    "resets of the server's": requests(GET, 3000, after=OVERFLOW[:5] + b"STRM" + OVERFLOW[9:]),
    "unknown settings": b"".join(
        settings(*((number, 1) for number in range(first, first + 2000)))
        for first in range(16, 40000, 2000)
    ),
    "settings once more": settings((4, 65535)) * 3000,
    "a head without an end": frame(HEADERS, 0, 1)
    + b"".join(frame(CONTINUATION, 0, 1, bytes(16384)) for _ in range(20)),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_is_answered_by_the_end_of_its_connection(name: str) -> None:
    limits = Limits(header_timeout_s=60, keep_alive_s=60)  # nothing else ends the connection
    async with running(patient, limits, tls=server_context()) as run:
        calm, peer = await http2(run), await http2(run)
        await probe(calm)
        try:
            await peer.stream.send_all(FLOODS[name])
        except trio.BrokenResourceError:
            peer.closed = True
        with trio.fail_after(DEADLINE_S):
            await ended(peer)
        await probe(calm)
        assert run.reported == []


async def ended(peer: Any) -> None:
    """Until the server has closed; what it says of streams that h2 does not know is passed over."""
    while not peer.closed:
        try:
            await peer.take()
        except h2.exceptions.ProtocolError:
            continue


async def test_the_servers_table_of_headers_stays_small_whatever_the_client_offers() -> None:
    """hpack searches its table from end to end: 10,000 answers made one cost 11 ms, not 0.1."""
    async with running(echo, tls=server_context()) as run:
        peer = await http2(run)
        table = h2.settings.SettingCodes.HEADER_TABLE_SIZE
        peer.frames.update_settings({table: 2**31})
        peer.frames.decoder.max_allowed_table_size = 2**31
        await peer.flush()
        await probe(peer)
        assert peer.frames.decoder.header_table_size == 4096


@pytest.mark.parametrize("block", [BAD_PATH, GET])
async def test_a_request_that_was_reset_at_once_harms_no_other_on_its_connection(
    block: bytes,
) -> None:
    async with running(echo, tls=server_context()) as run:
        peer = await http2(run)
        await probe(peer)
        stream = peer.frames.get_next_available_stream_id()
        head = frame(HEADERS, END_HEADERS, stream, block)
        reset = frame(RST_STREAM, 0, stream, b"\x00\x00\x00\x08")
        peer.frames.send_headers(stream, [(b":method", b"GET")])
        peer.frames.reset_stream(stream)
        peer.frames.data_to_send()
        await peer.flush(head + reset)
        await probe(peer)
        assert run.reported == []


async def test_content_in_slivers_is_taken_slowly_and_keeps_nobody_waiting() -> None:
    """Each costs a hundred microseconds: 20 such clients once kept a probe waiting for 5 s."""
    taken = 0

    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        nonlocal taken
        message: Message = {"more_body": scope["method"] == "POST"}
        while message.get("more_body"):
            message = await receive()
            taken += len(message.get("body", b""))
        await reply(send, b"GET /probe ")

    slivers = frame(DATA, 0, 1, b"x") * 5000
    post = b"\x83\x87\x84\x41\x01a"
    async with running(app, tls=server_context()) as run:
        calm = await http2(run)
        await probe(calm)
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                peer = await http2(run)
                head = frame(HEADERS, END_HEADERS, 1, post)
                nursery.start_soon(peer.stream.send_all, head + slivers)
            while taken < 3 * 2000:
                with trio.fail_after(PROBE_S):
                    await probe(calm)
            for _ in range(3):
                await probe(calm)
            assert taken < 3 * 3000
            nursery.cancel_scope.cancel()
        assert run.reported == []


# -- the allowance ------------------------------------------------------------------------------


def content(data: bytes, *, last: bool = False) -> ev.DataReceived:
    event = ev.DataReceived(stream_id=1)
    event.data = data
    event.stream_ended = ev.StreamEnded(stream_id=1) if last else None
    return event


async def test_content_costs_nothing_unless_it_is_void_or_a_sliver() -> None:
    allowance = Allowance(0.0)
    honest: list[ev.Event] = [content(b"x" * 64), content(b"", last=True), content(b"x", last=True)]
    assert all(allowance.afford(honest, 0, 0.0) for _ in range(5000))
    assert allowance.debt_s == 0
    assert all(allowance.afford([content(b"")], 0, 0.0) for _ in range(1000))
    assert not allowance.afford([content(b"")], 0, 0.0)
    assert allowance.afford([content(b"")], 0, 0.1)


async def test_slivers_are_paid_in_time() -> None:
    allowance = Allowance(0.0)
    assert all(allowance.afford([content(b"x")], 0, 0.0) for _ in range(2400))
    assert allowance.debt_s == pytest.approx(2.0)
    assert allowance.afford([ev.PingReceived(ping_data=bytes(8))], 0, 2.0)
    assert allowance.debt_s == 0


async def test_only_frames_that_are_whole_or_large_earn_window_updates() -> None:
    allowance = Allowance(0.0)
    for sent, whole, borne in ((1, False, False), (1024, False, True), (1, True, True)):
        while allowance.afford([ev.WindowUpdated(stream_id=1)], 0, 0.0):
            pass
        for _ in range(3):
            allowance.earn(sent, whole=whole)
        assert allowance.afford([ev.WindowUpdated(stream_id=1)], 0, 0.0) is borne


# -- turns --------------------------------------------------------------------------------------

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@pytest.mark.parametrize("size", [1, 5, 9, 33, 10**6])
async def test_a_turn_is_a_few_frames_however_the_bytes_arrive(size: int) -> None:
    frames = [frame(DATA, 0, 1, bytes(length)) for length in (0, 1, 300, 0, 0, 20000) * 5]
    data = PREFACE + b"".join(frames)
    starts = [len(PREFACE) + sum(map(len, frames[:count])) for count in range(len(frames))]
    cutter = FrameCutter()
    pieces = [
        piece for at in range(0, len(data), size) for piece in cutter.cut(data[at : at + size])
    ]
    assert b"".join(pieces) == data
    at = 0
    for piece in pieces:
        assert sum(at < start < at + len(piece) for start in starts) <= 4
        at += len(piece)


async def test_an_upload_in_large_frames_is_not_cut() -> None:
    cutter, data = FrameCutter(), PREFACE + frame(DATA, 0, 1, bytes(16384))
    assert list(cutter.cut(data)) == [data]
