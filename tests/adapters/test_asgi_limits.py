"""What the ASGI shell does about limits: bodies over them, too many requests, and time."""

import sys
from dataclasses import replace
from math import inf

import anyio
import pytest

from portico.adapters.asgi import PolicyMiddleware
from portico.core.policy import Policy
from portico.core.routes import Route
from portico.core.settings import build
from tests.adapters.asgi_engine import (
    ACCEPT,
    BODY,
    CONNECT,
    GONE,
    LAST,
    MORE,
    POLICY,
    START,
    Application,
    Engine,
    Message,
    Receive,
    Scope,
    Send,
    backends,
    http,
    never,
    raising,
    sending,
    websocket,
)

PROBE = Route("/livez", probe=True)
SMALL = Policy.compile(build({"server.max_body": 5}))
LONE = Policy.compile(build({"server.max_concurrency": 1}), routes=[PROBE])
# Long enough to be noticed only where it must pass.
HASTY = replace(POLICY, request_timeout_s=0.01)
PATIENT = replace(POLICY, request_timeout_s=60.0)
PIECE: Message = {**BODY, "more_body": True}


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await sending(START, LAST)(scope, receive, send)


async def hanging(scope: Scope, receive: Receive, send: Send) -> None:
    await anyio.sleep_forever()


# Bodies


@backends
def test_a_body_over_its_bound_is_refused_and_the_application_gets_no_more(backend: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert [await receive(), await receive(), await receive()] == [PIECE, GONE, GONE]
        await sending(START, LAST)(scope, receive, send)

    engine = Engine([PIECE, PIECE, PIECE], policy=SMALL).serve(app, http(method="POST"), backend)
    assert engine.status == 413
    assert engine.header(b"connection") == [b"close"]
    assert len(engine.sent) == 2
    assert engine.incoming == [PIECE]
    assert (engine.record.outcome, engine.record.reason) == ("refused", "body_too_large")


def test_what_an_application_raises_because_its_body_was_refused_is_not_reported() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise ConnectionError("client disconnected")

    engine = Engine([{**BODY, "body": b"123456"}], policy=SMALL).serve(app, http(method="POST"))
    assert engine.status == 413
    assert engine.errors == []


@backends
def test_a_body_over_its_bound_behind_a_begun_answer_leaves_that_unfinished(backend: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sending(START, MORE)(scope, receive, send)
        assert [await receive(), await receive(), await receive()] == [PIECE, GONE, GONE]
        await send(LAST)

    engine = Engine([PIECE, PIECE, PIECE], policy=SMALL).serve(app, http(method="POST"), backend)
    assert engine.sent[1:] == [MORE]
    record = engine.record
    assert (record.outcome, record.status, record.reason) == ("refused", 200, "body_too_large")


@backends
@pytest.mark.parametrize("app", [reading, raising(ValueError("not reported"))])
def test_a_body_that_breaks_off_is_a_bad_request(backend: str, app: Application) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        assert [await receive(), await receive()] == [PIECE, GONE]
        if app is not reading:
            await app(scope, receive, send)

    engine = Engine([PIECE, GONE]).serve(broken, http(method="POST"), backend)
    assert engine.status == 400
    assert engine.header(b"connection") == [b"close"]
    assert engine.errors == []
    record = engine.record
    assert (record.outcome, record.reason) == ("client_disconnected", "body_broken")


def test_a_client_that_left_in_the_middle_of_its_body_gets_nothing() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == GONE

    engine = Engine([GONE], failing_from=0).serve(app, http(method="POST"))
    assert engine.sent == []
    assert engine.record.outcome == "client_disconnected"


def test_a_body_that_breaks_off_behind_a_begun_answer_is_a_lost_client() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sending(START, MORE)(scope, receive, send)
        assert await receive() == GONE

    engine = Engine([GONE]).serve(app, http(method="POST"))
    assert engine.sent[1:] == [MORE]
    assert (engine.record.outcome, engine.record.status) == ("client_disconnected", 200)


# Requests at once


@backends
def test_a_request_above_the_bound_is_refused_until_another_has_ended(backend: str) -> None:
    first, second, third, probe = (Engine(policy=LONE) for _ in range(4))
    front = first.front(sending(START, LAST))
    statuses: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert front.in_flight == 1
        front.app = sending(START, LAST)
        await front(http(), second.receive, second.send)
        await front(http("/livez"), probe.receive, probe.send)
        assert front.in_flight == 1
        await sending(START, LAST)(scope, receive, send)
        statuses.append(front.in_flight)

    async def main() -> None:
        front.app = app
        await front(http(), first.receive, first.send)
        await front(http(), third.receive, third.send)

    anyio.run(main, backend=backend)
    assert [engine.status for engine in (first, second, probe, third)] == [200, 503, 200, 200]
    assert statuses == [front.in_flight] == [0]
    assert second.header(b"retry-after") == [b"1"]


def test_a_client_that_does_not_read_its_refusal_takes_nobodys_room() -> None:
    engine = Engine()
    front = engine.front(never)
    seen: list[int] = []

    async def send(message: Message) -> None:
        seen.append(front.in_flight)

    anyio.run(front, http("/v1/admin"), engine.receive, send)
    assert seen == [0, 0]
    assert front.in_flight == 0


# Time


@backends
def test_an_application_that_takes_too_long_is_cancelled_and_answered_for(backend: str) -> None:
    engine = Engine(policy=HASTY).serve(hanging, http(), backend)
    assert engine.status == 504
    assert engine.errors == []
    record = engine.record
    assert (record.outcome, record.reason, record.status) == ("error", "request_timeout", 504)


@backends
def test_an_answer_that_takes_too_long_stays_unfinished(backend: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sending(START, MORE)(scope, receive, send)
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await send(LAST)

    engine = Engine(policy=HASTY).serve(app, http(), backend)
    assert engine.sent[-1] == LAST
    assert engine.record.outcome == "completed"
    engine = Engine(policy=HASTY).serve(begin_and_hang, http(), backend)
    assert engine.sent[1:] == [MORE]
    record = engine.record
    assert (record.outcome, record.reason, record.status) == ("error", "request_timeout", 200)


async def begin_and_hang(scope: Scope, receive: Receive, send: Send) -> None:
    await sending(START, MORE)(scope, receive, send)
    await anyio.sleep_forever()


@backends
def test_work_behind_an_answer_is_cancelled_too_and_the_answer_is_complete(backend: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sending(START, LAST)(scope, receive, send)
        await anyio.sleep_forever()

    engine = Engine(policy=HASTY).serve(app, http(), backend)
    assert engine.record.outcome == "completed"


def test_what_an_application_raises_as_it_is_cancelled_is_answered_as_its_own_error() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("in cleaning up")

    engine = Engine(policy=HASTY).serve(app, http())
    assert engine.status == 500
    assert [type(error) for error in engine.errors] == [ValueError]


@backends
@pytest.mark.parametrize("stream", [True, False])
def test_time_does_not_run_for_a_stream_of_events(backend: str, stream: bool) -> None:
    kind = b"text/event-stream; charset=utf-8" if stream else b"text/plain"
    deadlines: list[float] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"content-type", kind)]})
        deadlines.append(anyio.current_effective_deadline())
        await send(LAST)

    assert Engine(policy=PATIENT).serve(app, http(), backend).record.outcome == "completed"
    assert (deadlines == [inf]) is stream


@backends
def test_time_does_not_run_for_an_open_websocket(backend: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == CONNECT
        await send(dict(ACCEPT))
        assert anyio.current_effective_deadline() == inf

    engine = Engine([CONNECT], policy=PATIENT).serve(app, websocket(), backend)
    assert engine.record.outcome == "completed"


@backends
def test_a_handshake_that_takes_too_long_is_refused(backend: str) -> None:
    engine = Engine([CONNECT], policy=HASTY).serve(hanging, websocket(), backend)
    assert engine.status == 504
    assert engine.record.reason == "request_timeout"


def test_a_time_limit_without_anyio_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anyio", None)
    PolicyMiddleware(never, POLICY)
    with pytest.raises(ModuleNotFoundError, match="anyio"):
        PolicyMiddleware(never, HASTY)
