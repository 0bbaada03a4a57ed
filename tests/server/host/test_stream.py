"""Answers as ASGI messages: errors before and after the head, cancellation, context, fairness."""

import contextvars
from typing import Any

import pytest
import trio
import trio.testing

from portico.server.host.worker import Limits
from tests.server.host.wiring import (
    DEADLINE_S,
    Client,
    Message,
    reply,
    running,
    with_lifespan,
)

pytestmark = pytest.mark.trio

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
START = {"type": "http.response.start", "status": 200, "headers": []}
PART = {"type": "http.response.body", "body": b"part", "more_body": True}
LAST = {"type": "http.response.body", "body": b"last"}


def sending(*messages: Message, error: BaseException | None = None) -> Any:
    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        if scope["path"] == "/probe":
            await reply(send, b"probe")
            return
        for message in messages:
            await send(message)
        if error is not None:
            raise error

    return app


def start(*headers: tuple[bytes, bytes], status: Any = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


# The messages of an application that is wrong before a byte of its answer has left.
WRONG: dict[str, Any] = {
    "raises": sending(error=ValueError("as asked")),
    "raises a group": sending(error=ExceptionGroup("as asked", [ValueError("x")])),
    "raises after the start": sending(START, error=ValueError("as asked")),
    "returns": sending(),
    "returns after the start": sending(START),
    "body first": sending(LAST),
    "two starts": sending(START, START),
    "no final status": sending(start(status=100)),
    "no number for a status": sending(start(status="200")),
    "status out of range": sending(start(status=600)),
    "name with a space": sending(start((b"x y", b"z")), LAST),
    "line break in a value": sending(start((b"x", b"y\r\nz: q")), LAST),
    "nul in a value": sending(start((b"x", b"\0")), LAST),
    "two lengths": sending(start((b"content-length", b"4"), (b"content-length", b"5")), LAST),
    "length that is none": sending(start((b"content-length", b"-4")), LAST),
    "more than its length": sending(start((b"content-length", b"3")), LAST),
    "less than its length": sending(start((b"content-length", b"5")), LAST),
    "trailers not announced": sending(START, {"type": "http.response.trailers", "headers": []}),
    "unknown message": sending({"type": "http.response.x"}),
}


@pytest.mark.parametrize("name", WRONG)
async def test_an_error_before_the_head_is_500_and_reported_once(name: str) -> None:
    async with running(WRONG[name]) as run:
        client = await run.client()
        await client.send(GET)
        answer = await client.response()
        assert (answer.status, answer.header(b"connection")) == (500, b"close")
        assert await client.ended()
        other = await run.client()
        await other.send(GET.replace(b"/ ", b"/probe "))
        assert (await other.response()).body == b"probe"
        assert len(run.reported) == 1


LATE: dict[str, Any] = {
    "raises": sending(START, PART, error=ValueError("as asked")),
    "returns": sending(START, PART),
    "starts again": sending(START, PART, START),
    "less than its length": sending(start((b"content-length", b"9")), PART, LAST),
    "more than its length": sending(start((b"content-length", b"5")), PART, LAST),
}


@pytest.mark.parametrize("name", LATE)
async def test_an_error_after_the_head_cuts_the_answer_and_is_reported_once(name: str) -> None:
    async with running(LATE[name]) as run:
        client = await run.client()
        await client.send(GET)
        data = await client.rest()
        assert data.startswith(b"HTTP/1.1 200 ")
        assert not data.endswith(b"0\r\n\r\n")
        assert b"500" not in data
        assert len(run.reported) == 1


async def test_an_error_after_the_end_is_reported_and_the_answer_stands() -> None:
    async with running(sending(START, LAST, error=ValueError("late"))) as run:
        client = await run.client()
        await client.send(GET)
        assert (await client.response()).body == b"last"
        assert await client.ended()
        assert len(run.reported) == 1


async def test_the_last_send_is_not_the_applications_to_cancel() -> None:
    size = 12_000_000

    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        with trio.move_on_after(0.05):
            await reply(send, b"x" * size)

    async with running(app) as run:
        client = await run.client()
        await client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        await trio.testing.wait_all_tasks_blocked(0.1)
        assert (await client.rest()).count(b"x") == size
        assert run.reported == []


async def test_a_cancelled_part_ends_the_connection_not_the_worker() -> None:
    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send(START)
        with trio.move_on_after(0.05):
            await send({"type": "http.response.body", "body": b"x" * 12_000_000, "more_body": True})
        with pytest.raises(OSError):
            await send(LAST)

    async with running(app) as run:
        client = await run.client()
        await client.send(GET)
        await trio.testing.wait_all_tasks_blocked(0.1)
        assert len(await client.rest()) < 12_000_000
        assert run.reported == []


async def test_context_variables_do_not_leak_between_requests() -> None:
    seen: contextvars.ContextVar[int] = contextvars.ContextVar("seen", default=0)

    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        before = seen.get()
        seen.set(before + 1)
        await trio.lowlevel.checkpoint()
        await reply(send, b"%d%d" % (before, seen.get()))

    async with running(app) as run:
        client = await run.client()
        for _ in range(3):
            await client.send(GET + GET)
            assert (await client.response()).body == b"01"
            assert (await client.response()).body == b"01"


async def test_a_request_changes_no_other_requests_state() -> None:
    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        scope["state"]["mine"] = scope["state"].get("mine", 0) + 1
        await reply(send, b"%d" % scope["state"]["mine"])

    async with running(app) as run:
        client = await run.client()
        for _ in range(2):
            await client.send(GET)
            assert (await client.response()).body == b"1"


async def read_on(client: Client) -> None:
    while await client.stream.receive_some():
        pass


async def test_a_stream_that_never_blocks_lets_others_have_their_turn() -> None:
    stop = trio.Event()

    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        if scope["path"] == "/probe":
            await reply(send, b"probe")
            return
        await send(START)
        while not stop.is_set():
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        await send(LAST)

    async with running(app) as run:
        client, other = await run.client(), await run.client()
        async with trio.open_nursery() as nursery:
            await client.stream.send_all(GET)
            nursery.start_soon(read_on, client)
            for _ in range(20):
                started = trio.current_time()
                await other.stream.send_all(GET.replace(b"/ ", b"/probe "))
                assert (await other.response()).body == b"probe"
                assert trio.current_time() - started < 0.5
            stop.set()
            nursery.cancel_scope.cancel()
        assert run.reported == []


async def test_pipelined_requests_let_others_have_their_turn() -> None:
    async with running(sending(START, LAST)) as run:
        client, other = await run.client(), await run.client()
        await client.stream.send_all(GET * 500)
        await other.stream.send_all(GET)
        with trio.fail_after(DEADLINE_S):
            assert (await other.response()).body == b"last"
            answered = run.worker.requests
            for _ in range(500):
                assert (await client.response()).body == b"last"
        assert answered < 501


async def test_a_receive_after_the_answer_is_a_disconnect() -> None:
    heard: list[str] = []

    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await reply(send, b"ok")
        heard.append((await receive())["type"])
        heard.append((await receive())["type"])

    async with running(app, Limits(keep_alive_s=0.2)) as run:
        client = await run.client()
        await client.send(GET)
        assert (await client.response()).body == b"ok"
        assert await client.ended()
        assert heard == ["http.disconnect", "http.disconnect"]
        assert run.reported == []


async def test_a_hook_of_the_application_that_fails_is_reported_and_harms_nobody() -> None:
    begun = trio.Event()

    @with_lifespan
    async def app(scope: Message, receive: Any, send: Any) -> None:
        if scope["path"] == "/probe":
            await reply(send, b"probe")
            return

        def fail() -> None:
            raise ValueError("as asked")

        scope["extensions"]["portico.disconnect"]["on_disconnect"](fail)
        begun.set()
        await receive()
        await receive()

    async with running(app) as run:
        client = await run.client()
        await client.send(GET)
        await begun.wait()
        await client.stream.aclose()
        with trio.fail_after(DEADLINE_S):
            while not run.reported:
                await trio.testing.wait_all_tasks_blocked(0.01)
        other = await run.client()
        await other.send(GET.replace(b"/ ", b"/probe "))
        assert (await other.response()).body == b"probe"
        assert [str(error) for error in run.reported][:1] == ["as asked"]
