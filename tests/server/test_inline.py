"""One contract for Quart on Trio, kept by Quart-Trio's own connection class and by ours."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import quart
import trio
import trio.testing
from quart_trio import QuartTrio

from portico.adapters.asgi import PolicyMiddleware
from portico.core.access import AccessRecord
from portico.core.policy import Policy
from portico.core.settings import Settings
from portico.server.inline import InlineHTTPConnection, InlineQuartTrio
from tests.server.host.wiring import DEADLINE_S, Client, Running, running

pytestmark = [
    pytest.mark.trio,
    pytest.mark.parametrize("kind", [QuartTrio, InlineQuartTrio], ids=["stock", "inline"]),
]


class Events:
    """What a handler tells the test."""

    def __init__(self) -> None:
        self.begun = trio.Event()
        self.cancelled = trio.Event()
        self.release = trio.Event()
        self.taken = 0


handlers = quart.Blueprint("handlers", __name__)


def make(kind: type[QuartTrio], told: Events) -> QuartTrio:
    app = kind(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 30_000_000
    app.config["RESPONSE_TIMEOUT"] = 0.3
    app.config["EVENTS"] = told
    app.register_blueprint(handlers)
    return app


def events() -> Events:
    told: Events = quart.current_app.config["EVENTS"]
    return told


@handlers.get("/plain")
async def plain() -> Any:
    return "grüße", 201, {"x-a": "b"}


@handlers.get("/stream")
async def stream() -> Any:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"one", b"two", b"three"):
            yield piece

    return pieces(), 200


@handlers.get("/file")
async def file() -> Any:
    return await quart.send_file(__file__)


@handlers.post("/whole")
async def whole() -> Any:
    data = await quart.request.get_data()
    assert await quart.request.get_data() == data
    return data


@handlers.post("/pieces")
async def pieces() -> Any:
    size = 0
    async for piece in quart.request.body:
        size += len(piece)
    return str(size)


@handlers.post("/slow")
async def slow() -> Any:
    async for piece in quart.request.body:
        events().taken += len(piece)
        events().begun.set()
        await events().release.wait()
    return str(events().taken)


@handlers.post("/form")
async def form() -> Any:
    return (await quart.request.form)["a"]


@handlers.post("/json")
async def json() -> Any:
    return await quart.request.get_json()


@handlers.get("/wait")
async def wait() -> Any:
    try:
        events().begun.set()
        await trio.sleep_forever()
    finally:
        events().cancelled.set()


@handlers.get("/endless")
async def endless() -> Any:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await trio.sleep_forever()

    response: Any = await quart.make_response(pieces())
    if "for-ever" in quart.request.args:
        response.timeout = None
    return response


@handlers.get("/error")
async def error() -> Any:
    raise ValueError("as asked")


@handlers.get("/errors")
async def errors() -> Any:
    return quart.abort(418)


@handlers.get("/broken")
async def broken() -> Any:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        raise ValueError("as asked")

    return pieces(), 200


def get(path: bytes, method: bytes = b"GET") -> bytes:
    return b"%b %b HTTP/1.1\r\nHost: a\r\n\r\n" % (method, path)


def post(path: bytes, body: bytes, extra: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST %b HTTP/1.1\r\nHost: a\r\n%b%b\r\n%b" % (path, length, extra, body)


async def asked(run: Running, request: bytes, method: bytes = b"GET") -> Any:
    client = await run.client()
    await client.send(request)
    return await client.response(method)


async def test_plain_answers(kind: type[QuartTrio]) -> None:
    async with running(make(kind, Events())) as run:
        answer = await asked(run, get(b"/plain"))
        assert (answer.status, answer.body) == (201, "grüße".encode())
        assert answer.header(b"x-a") == b"b"
        assert answer.header(b"content-length") == b"7"
        head = await asked(run, get(b"/plain", b"HEAD"), b"HEAD")
        assert (head.status, head.body, head.header(b"content-length")) == (201, b"", b"7")
        client = await run.client()
        for _ in range(3):
            await client.send(get(b"/plain"))
            assert (await client.response()).status == 201
        assert run.reported == []


async def test_streams_and_files(kind: type[QuartTrio]) -> None:
    async with running(make(kind, Events())) as run:
        assert (await asked(run, get(b"/stream"))).body == b"onetwothree"
        file = await asked(run, get(b"/file"))
        assert file.body.startswith(b'"""One contract')
        part = get(b"/file").replace(b"\r\n\r\n", b"\r\nRange: bytes=3-5\r\n\r\n")
        assert (await asked(run, part)).status in (200, 206)
        assert run.reported == []


async def test_uploads(kind: type[QuartTrio]) -> None:
    async with running(make(kind, Events())) as run:
        assert (await asked(run, post(b"/whole", b"abc"))).body == b"abc"
        assert (await asked(run, post(b"/whole", b""))).body == b""
        assert (await asked(run, post(b"/pieces", b"x" * 500_000))).body == b"500000"
        form = post(b"/form", b"a=b%20c", b"Content-Type: application/x-www-form-urlencoded\r\n")
        assert (await asked(run, form)).body == b"b c"
        parts = b'--q\r\nContent-Disposition: form-data; name="a"\r\n\r\nin parts\r\n--q--\r\n'
        multipart = post(b"/form", parts, b"Content-Type: multipart/form-data; boundary=q\r\n")
        assert (await asked(run, multipart)).body == b"in parts"
        json = post(b"/json", b'{"a":1}', b"Content-Type: application/json\r\n")
        assert (await asked(run, json)).body.strip() == b'{"a":1}'
        assert run.reported == []


@pytest.mark.parametrize("path", [b"/whole", b"/pieces"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_an_upload_over_the_limit_is_413(
    kind: type[QuartTrio], framing: str, path: bytes
) -> None:
    app = make(kind, Events())
    app.config["MAX_CONTENT_LENGTH"] = 10
    async with running(app) as run:
        data = post(path, b"x" * 11)
        if framing == "chunked":
            data = (
                b"POST %b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"8\r\nxxxxxxxx\r\n3\r\nxxx\r\n0\r\n\r\n" % path
            )
        assert (await asked(run, data)).status == 413
        assert (await asked(run, post(path, b"x" * 10))).status == 200
        assert run.reported == []


async def test_a_client_that_leaves_cancels_its_handler(kind: type[QuartTrio]) -> None:
    told = Events()
    async with running(make(kind, told)) as run:
        client = await run.client()
        await client.send(get(b"/wait"))
        await told.begun.wait()
        await client.stream.aclose()
        with trio.fail_after(DEADLINE_S):
            await told.cancelled.wait()
        assert (await asked(run, get(b"/plain"))).status == 201
        assert run.reported == []


async def test_the_policy_hears_of_a_client_that_leaves(kind: type[QuartTrio]) -> None:
    told = Events()
    records: list[AccessRecord] = []
    errors: list[Exception] = []
    recorded = trio.Event()

    def record_it(record: AccessRecord) -> None:
        records.append(record)
        recorded.set()

    served: Any = make(kind, told)
    app = PolicyMiddleware(
        served,
        Policy.compile(Settings()),
        on_record=record_it,
        on_error=lambda error, _: errors.append(error),
    )
    async with running(app) as run:
        client = await run.client()
        await client.send(get(b"/wait"))
        await told.begun.wait()
        await client.stream.aclose()
        with trio.fail_after(DEADLINE_S):
            await recorded.wait()
    (record,) = records
    assert (record.outcome, record.reason, record.status) == ("client_disconnected", None, None)
    assert errors == run.reported == []


async def test_a_client_that_leaves_within_its_upload_is_no_error(kind: type[QuartTrio]) -> None:
    async with running(make(kind, Events())) as run:
        client = await run.client()
        await client.send(post(b"/whole", b"x" * 1000)[:-1])
        await client.stream.aclose()
        assert (await asked(run, get(b"/plain"))).status == 201
        assert run.reported == []


async def test_errors_are_answered(kind: type[QuartTrio]) -> None:
    async with running(make(kind, Events())) as run:
        assert (await asked(run, get(b"/error"))).status == 500
        assert (await asked(run, get(b"/errors"))).status == 418
        assert (await asked(run, get(b"/nowhere"))).status == 404
        assert (await asked(run, get(b"/whole"))).status == 405
        assert run.reported == []


async def test_an_error_within_a_stream_cuts_it(kind: type[QuartTrio]) -> None:
    async with running(make(kind, Events())) as run:
        client = await run.client()
        await client.send(get(b"/broken"))
        data = await client.rest()
        assert data.endswith(b"5\r\nfirst\r\n")
        assert len(run.reported) == 1


async def test_a_response_that_takes_too_long_is_cut_unless_it_may(kind: type[QuartTrio]) -> None:
    async with running(make(kind, Events())) as run:
        cut, kept = await run.client(), await run.client()
        await kept.send(get(b"/endless?for-ever"))
        await cut.send(get(b"/endless"))
        assert (await cut.rest()).endswith(b"5\r\nfirst\r\n")
        assert b"first" in await kept.stream.receive_some()
        with trio.move_on_after(0.1) as wait:
            await kept.stream.receive_some()
        assert wait.cancelled_caught
        assert len(run.reported) == 1  # a response that never ended


async def flood(client: Client, data: bytes) -> None:
    try:
        await client.stream.send_all(data)
    except trio.BrokenResourceError:
        return


async def test_a_handler_that_reads_slowly_slows_the_client(kind: type[QuartTrio]) -> None:
    told = Events()
    async with running(make(kind, told)) as run:
        client = await run.client()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood, client, post(b"/slow", b"x" * 20_000_000))
            await told.begun.wait()
            with trio.fail_after(DEADLINE_S):
                await trio.testing.wait_all_tasks_blocked(0.05)
            assert told.taken < 1_000_000
            if kind is InlineQuartTrio:  # the stock class takes the whole upload meanwhile
                assert nursery.child_tasks
            told.release.set()
            assert (await client.response()).body == b"20000000"
        assert run.reported == []


async def test_without_a_private_name_the_stock_class_runs(
    kind: type[QuartTrio], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InlineHTTPConnection, "stock", True)
    async with running(make(kind, Events())) as run:
        assert (await asked(run, get(b"/plain"))).status == 201
        assert (await asked(run, post(b"/whole", b"abc"))).body == b"abc"
