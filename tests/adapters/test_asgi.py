"""The ASGI shell, driven by a fake engine on asyncio and on Trio."""

import asyncio
import inspect
import json
from dataclasses import dataclass, replace

import anyio
import pytest

from portico.adapters.asgi import (
    InvalidAnswerError,
    NoAnswerError,
    PolicyMiddleware,
    current_exchange,
)
from portico.core.events import Ask
from portico.core.exchange import Exchange
from portico.core.pipeline import Question, Verdict
from portico.core.problem import Problem, Refusal
from tests.adapters.asgi_engine import (
    ACCEPT,
    BODY,
    CONNECT,
    EMPTY,
    GONE,
    LAST,
    MORE,
    ORIGIN,
    POLICY,
    REFUSED_PATH,
    START,
    Engine,
    LostClientError,
    Message,
    Receive,
    Scope,
    Send,
    backends,
    broken_off,
    http,
    never,
    raising,
    sending,
    silent,
    websocket,
)

# Ordinary requests


@backends
def test_an_answer_gets_cors_headers_and_request_id_and_ends_in_a_record(backend: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == BODY
        await sending(START, LAST)(scope, receive, send)

    engine = Engine().serve(app, http("/a%20b", query_string=b"limit=1"), backend)
    request_id = bytes(range(1, 17)).hex()
    start, last = engine.sent
    assert (start["type"], start["status"], last) == ("http.response.start", 200, LAST)
    assert start["headers"][0] == (b"x-app", b"1")
    assert start["headers"][-4:] == [
        (b"access-control-allow-origin", ORIGIN),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"Origin"),
        (b"x-request-id", request_id.encode()),
    ]
    fields = engine.record.fields()
    assert fields["outcome"] == "completed"
    assert fields["url.path"] == "/a%20b"
    assert fields["url.query"] == "limit=1"
    assert fields["client.address"] == "192.0.2.1"
    assert fields["url.scheme"] == "https"
    assert (fields["request_bytes"], fields["response_bytes"]) == (3, 2)
    assert (fields["ttfb_s"], fields["duration_s"]) == (1.0, 3.0)
    assert engine.errors == []


def test_engines_see_a_coroutine_function() -> None:
    assert inspect.iscoroutinefunction(Engine().front(never).__call__)


@backends
def test_a_stream_passes_piece_by_piece_and_ends_with_its_last(backend: str) -> None:
    engine = Engine().serve(sending(START, MORE, MORE, {**LAST, "body": b""}), http(), backend)
    assert engine.sent[1:] == [MORE, MORE, {**LAST, "body": b""}]
    assert engine.record.response_bytes == 8
    assert engine.record.outcome == "completed"


def test_the_record_is_made_when_the_answer_has_left_not_when_background_work_has_ended() -> None:
    engine = Engine()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sending(START, LAST)(scope, receive, send)
        assert len(engine.records) == 1
        engine.time += 1000.0

    assert engine.serve(app, http()).record.duration_s == 2.0


def test_an_empty_body_is_read_and_nothing_counted() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == EMPTY
        await sending(START, LAST)(scope, receive, send)

    assert Engine(incoming=[EMPTY]).serve(app, http()).record.request_bytes == 0


def test_the_answer_to_head_passes_and_counts_no_body() -> None:
    engine = Engine().serve(sending(START, LAST), http(method="HEAD"))
    assert engine.sent[1] == LAST
    assert engine.record.response_bytes == 0


def test_trailers_end_the_answer() -> None:
    trailers = {"type": "http.response.trailers", "headers": [], "more_trailers": True}
    last = {**trailers, "more_trailers": False}
    messages = [{**START, "trailers": True}, LAST, trailers, last]
    engine = Engine().serve(sending(*messages), http())
    assert engine.sent[1:] == messages[1:]
    assert engine.record.outcome == "completed"
    unfinished = Engine().serve(sending(*messages[:-1]), http())
    assert unfinished.record.outcome == "client_disconnected"


@pytest.mark.parametrize(
    "message",
    [
        {"type": "http.response.pathsend", "path": "/file"},
        {"type": "http.response.zerocopysend", "file": 3},
    ],
)
def test_a_file_may_be_the_answer(message: Message) -> None:
    engine = Engine().serve(sending(START, message), http())
    assert engine.sent[1] == message
    assert engine.record.outcome == "completed"


def test_messages_of_other_extensions_pass() -> None:
    debug = {"type": "http.response.debug", "info": {}}
    engine = Engine().serve(sending(debug, START, LAST), http())
    assert engine.sent[0] == debug
    assert engine.record.outcome == "completed"


def test_what_comes_after_the_end_is_dropped() -> None:
    engine = Engine(incoming=[BODY, GONE])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sending(START, LAST, LAST)(scope, receive, send)
        assert [await receive(), await receive()] == [BODY, GONE]

    engine.serve(app, http())
    assert engine.sent[1:] == [LAST]
    assert (engine.record.outcome, engine.record.request_bytes) == ("completed", 0)


@pytest.mark.parametrize("kind", ["lifespan", "other"])
def test_lifespan_and_what_is_unknown_pass_untouched(kind: str) -> None:
    seen: list[object] = []
    engine = Engine()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([scope, receive, send])
        assert current_exchange.get() is None

    scope: Scope = {"type": kind}
    engine.serve(app, scope)
    assert seen == [scope, engine.receive, engine.send]
    assert engine.records == []


def test_defaults_need_no_callbacks() -> None:
    engine = Engine()
    anyio.run(PolicyMiddleware(silent, POLICY), http(), engine.receive, engine.send)
    assert engine.status == 500
    assert engine.header(b"x-request-id") != [bytes(range(1, 17)).hex().encode()]


# What the policy sees of a scope


@pytest.mark.parametrize("client", [None, ("", 0)])
def test_a_peer_without_an_address_has_none(client: object) -> None:
    assert Engine().serve(sending(START, LAST), http(client=client)).record.peer is None


def test_a_scope_without_the_optional_keys_is_enough() -> None:
    scope: Scope = {"type": "http", "method": "GET", "path": "/ä", "headers": ((b"host", b"a"),)}
    record = Engine().serve(sending(START, LAST), scope).record
    assert record.head.path == b"/%C3%A4"
    assert record.peer is None


# Refusals and failures


@backends
def test_a_refusal_is_sent_and_the_application_is_not_called(backend: str) -> None:
    engine = Engine().serve(never, http(REFUSED_PATH), backend)
    assert engine.status == 403
    assert engine.header(b"access-control-allow-origin") == [ORIGIN]
    assert json.loads(engine.sent[1]["body"])["status"] == 403
    assert engine.sent[1]["more_body"] is False
    assert (engine.record.outcome, engine.record.reason) == ("refused", "password_not_configured")


def test_a_path_is_judged_as_the_application_will_read_it() -> None:
    scope = http(REFUSED_PATH, raw_path=b"/livez")
    engine = Engine().serve(never, scope)
    assert engine.status == 403
    assert engine.record.head.path == REFUSED_PATH.encode()


@backends
def test_an_exception_before_the_answer_becomes_a_500(backend: str) -> None:
    error = ValueError("canary")
    engine = Engine().serve(raising(error), http(), backend)
    assert engine.status == 500
    assert engine.header(b"access-control-allow-origin") == [ORIGIN]
    assert engine.header(b"x-request-id")
    assert b"canary" not in engine.sent[1]["body"]
    assert engine.errors == [error]
    assert (engine.record.outcome, engine.record.status) == ("error", 500)


@backends
def test_an_exception_within_the_answer_breaks_the_connection(backend: str) -> None:
    error = ValueError("late")
    engine = Engine()
    with broken_off(ValueError):
        engine.serve(raising(error, START, MORE), http(), backend)
    assert engine.sent[1:] == [MORE]
    assert engine.errors == [error]
    record = engine.record
    assert (record.outcome, record.reason, record.status) == ("error", "unhandled_exception", 200)


def test_an_exception_after_the_answer_is_only_reported() -> None:
    error = ValueError("background")
    engine = Engine().serve(raising(error, START, LAST), http())
    assert engine.errors == [error]
    assert engine.record.outcome == "completed"


def test_an_exception_group_is_an_error_like_any_other() -> None:
    error = ExceptionGroup("tasks", [ValueError("a"), ValueError("b")])
    engine = Engine().serve(raising(error), http())
    assert engine.errors == [error]
    assert engine.status == 500


@backends
def test_no_answer_at_all_becomes_a_500(backend: str) -> None:
    engine = Engine().serve(silent, http(), backend)
    assert engine.status == 500
    assert [type(error) for error in engine.errors] == [NoAnswerError]
    assert (engine.record.outcome, engine.record.reason) == ("error", "no_answer")


@pytest.mark.parametrize(
    "change",
    [{"status": 99}, {"status": 999}, {"headers": [(b"a b", b"")]}, {"headers": [(b"a", b"\n")]}],
)
def test_an_answer_that_http_forbids_becomes_a_500(change: Message) -> None:
    engine = Engine().serve(sending({**START, **change}, MORE, LAST), http())
    assert engine.status == 500
    assert json.loads(engine.sent[1]["body"])["status"] == 500
    assert len(engine.sent) == 2
    assert [type(error) for error in engine.errors] == [InvalidAnswerError]
    assert (engine.record.outcome, engine.record.reason) == ("error", "invalid_response")


def test_headers_that_are_no_bytes_are_the_applications_error() -> None:
    engine = Engine().serve(sending({**START, "headers": [("x-text", "1")]}), http())
    assert engine.status == 500
    assert [type(error) for error in engine.errors] == [TypeError]


# Clients that leave, and cancellation


@backends
def test_a_stream_without_its_last_message_has_lost_its_client(backend: str) -> None:
    engine = Engine().serve(sending(START, MORE), http(), backend)
    assert (engine.record.outcome, engine.record.status) == ("client_disconnected", 200)
    assert engine.errors == []


@backends
def test_a_client_that_left_before_the_answer_gets_none(backend: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert [await receive(), await receive()] == [BODY, GONE]

    engine = Engine(incoming=[BODY, GONE]).serve(app, http(), backend)
    assert engine.sent == []
    assert (engine.record.outcome, engine.record.status) == ("client_disconnected", None)
    assert engine.errors == []


def test_an_answer_to_a_client_that_has_left_is_not_completed() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await sending(START, LAST)(scope, receive, send)

    assert Engine(incoming=[GONE]).serve(app, http()).record.outcome == "client_disconnected"


@backends
@pytest.mark.parametrize("failing_from", [0, 1])
def test_an_engine_that_cannot_send_has_lost_its_client(backend: str, failing_from: int) -> None:
    engine = Engine(failing_from=failing_from)
    with broken_off(LostClientError):
        engine.serve(sending(START, MORE, LAST), http(), backend)
    assert engine.record.outcome == "client_disconnected"
    assert engine.errors == []


def test_what_a_lost_client_makes_an_application_raise_is_not_reported() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert [await receive(), await receive()] == [BODY, GONE]
        raise ValueError("nobody is there")

    engine = Engine(incoming=[BODY, GONE])
    with broken_off(ValueError):
        engine.serve(app, http())
    assert engine.errors == []
    assert engine.record.outcome == "client_disconnected"


def test_a_client_that_leaves_under_a_refusal_is_recorded() -> None:
    engine = Engine(failing_from=1)
    with broken_off(LostClientError):
        engine.serve(never, http(REFUSED_PATH))
    record = engine.record
    assert (record.outcome, record.status) == ("client_disconnected", 403)


def test_an_engine_that_breaks_under_our_500_is_told_of_it() -> None:
    engine = Engine(failing_from=1, failure=RuntimeError("engine"))
    with broken_off(RuntimeError):
        engine.serve(raising(ValueError()), http())
    assert len(engine.records) == 1


@backends
def test_cancellation_is_recorded_and_goes_on(backend: str) -> None:
    engine = Engine()

    async def main() -> None:
        with anyio.CancelScope() as scope:

            async def app(_: Scope, __: Receive, send: Send) -> None:
                await send(dict(START))
                scope.cancel()
                await anyio.lowlevel.checkpoint()

            await engine.front(app)(http(), engine.receive, engine.send)
        assert scope.cancelled_caught

    anyio.run(main, backend=backend)
    assert (engine.record.outcome, engine.record.status) == ("cancelled", 200)
    assert engine.errors == []


@backends
def test_what_the_engine_does_after_the_last_message_is_no_news(backend: str) -> None:
    """Hypercorn on Trio cancels the application's task before that send returns."""
    engine = Engine(incoming=[GONE])

    async def main() -> None:
        with anyio.CancelScope() as scope:

            async def send(message: Message) -> None:
                engine.sent.append(message)
                if message["type"] == "http.response.body":
                    scope.cancel()
                    await anyio.lowlevel.checkpoint()

            await engine.front(sending(START, LAST))(http(), engine.receive, send)

    anyio.run(main, backend=backend)
    assert len(engine.sent) == 2
    assert (engine.record.outcome, engine.record.response_bytes) == ("completed", 2)


def test_a_last_message_that_the_engine_refuses_breaks_the_connection() -> None:
    engine = Engine(failing_from=1, failure=RuntimeError("shorter than Content-Length"))
    with broken_off(RuntimeError):
        engine.serve(sending(START, LAST), http())
    assert [type(error) for error in engine.errors] == [RuntimeError]
    assert (engine.record.outcome, engine.record.reason) == ("error", "unhandled_exception")


def test_a_request_cancelled_because_its_client_left_says_so() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise asyncio.CancelledError

    engine = Engine(incoming=[GONE])
    with pytest.raises(asyncio.CancelledError):
        engine.serve(app, http())
    assert engine.record.outcome == "client_disconnected"


def test_a_call_that_is_closed_unfinished_is_recorded() -> None:
    engine = Engine()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        call = engine.front(app)(http(), engine.receive, engine.send)
        call.send(None)
        call.close()

    anyio.run(main)
    assert engine.record.outcome == "cancelled"


# The exchange of the request being handled


@backends
def test_the_application_finds_its_exchange_and_the_next_request_does_not(backend: str) -> None:
    found: list[Exchange | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        exchange = current_exchange.get()
        assert exchange is not None
        exchange.route = "/route"
        found.append(exchange)
        await sending(START, LAST)(scope, receive, send)

    async def main() -> None:
        for _ in range(2):
            engine = Engine()
            await engine.front(app)(http(), engine.receive, engine.send)
            assert engine.record.route == "/route"
            assert current_exchange.get() is None

    anyio.run(main, backend=backend)
    assert found[0] is not found[1]


def test_within_another_policy_the_outer_exchange_comes_back() -> None:
    inner, outer = Engine(), Engine()
    seen: list[Exchange | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        before = current_exchange.get()
        await inner.front(sending(START, LAST))(scope, receive, send)
        seen.extend([before, current_exchange.get()])

    outer.serve(app, http())
    assert seen[0] is seen[1] is not None


# Stages that ask or judge the body


@dataclass(frozen=True)
class Asking:
    """A stage that wants to know whether to pass."""

    name: str = "asking"
    reads: frozenset[bytes] = frozenset()

    def request(self, exchange: Exchange) -> Verdict:
        return Question("pass?", lambda _, answer: None if answer else TEAPOT)


TEAPOT = Refusal("teapot", Problem(400, "no"))
ASKING = replace(
    POLICY, pipeline=replace(POLICY.pipeline, stages=(*POLICY.pipeline.stages, Asking()))
)


@backends
@pytest.mark.parametrize(("answer", "status"), [(True, 200), (False, 400)])
def test_the_shell_finds_out_what_a_stage_asks(backend: str, answer: bool, status: int) -> None:
    async def find(question: Ask) -> object:
        assert question == Ask("asking", "pass?")
        await anyio.lowlevel.checkpoint()
        return answer

    engine = Engine(policy=ASKING, find=find).serve(sending(START, LAST), http(), backend)
    assert engine.status == status


def test_a_question_that_cannot_be_answered_becomes_a_500() -> None:
    async def find(_: Ask) -> object:
        raise TimeoutError("store")

    engine = Engine(policy=ASKING, find=find).serve(never, http())
    assert engine.status == 500
    assert [type(error) for error in engine.errors] == [TimeoutError]
    engine = Engine(policy=ASKING).serve(never, http())
    assert [type(error) for error in engine.errors] == [LookupError]


@dataclass(frozen=True)
class Limit:
    """Refuses any body."""

    def receive(self, exchange: Exchange) -> Refusal | None:
        return Refusal("too_large", Problem(413, "too large"))


def test_a_body_that_is_refused_ends_the_request_for_the_application() -> None:
    policy = replace(POLICY, pipeline=replace(POLICY.pipeline, body_stages=(Limit(),)))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == GONE
        await sending(START, LAST)(scope, receive, send)

    engine = Engine(policy=policy).serve(app, http())
    assert engine.status == 413
    assert len(engine.sent) == 2
    assert (engine.record.outcome, engine.record.reason) == ("refused", "too_large")


# WebSockets


def leaving(code: int) -> Message:
    return {"type": "websocket.disconnect", "code": code}


TEXT: Message = {"type": "websocket.receive", "text": "ä"}
BYTES: Message = {"type": "websocket.receive", "bytes": b"12", "text": None}


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    assert await receive() == CONNECT
    await send(dict(ACCEPT))
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


@backends
@pytest.mark.parametrize("code", [1000, 1001, 1005])
def test_a_websocket_is_counted_to_its_orderly_end(backend: str, code: int) -> None:
    engine = Engine([CONNECT, TEXT, BYTES, leaving(code)]).serve(echo, websocket(), backend)
    assert engine.sent[0] == {
        **ACCEPT,
        "headers": [(b"x-request-id", bytes(range(1, 17)).hex().encode())],
    }
    assert len(engine.sent) == 3
    record = engine.record
    assert (record.outcome, record.status, record.head.kind) == ("completed", 101, "websocket")
    assert (record.request_bytes, record.response_bytes) == (4, 4)


def test_a_websocket_whose_client_vanishes_says_so() -> None:
    engine = Engine([CONNECT, leaving(1006)]).serve(echo, websocket())
    assert engine.record.outcome == "client_disconnected"


def test_a_client_that_leaves_before_the_handshake_ends_gets_no_answer() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert [await receive(), await receive()] == [CONNECT, leaving(1006)]

    engine = Engine([CONNECT, leaving(1006)]).serve(app, websocket())
    assert engine.sent == []
    assert engine.record.outcome == "client_disconnected"


def test_the_application_may_close() -> None:
    closing = {"type": "websocket.close", "code": 1000}
    sent = {"type": "websocket.send", "text": "hello"}
    engine = Engine([CONNECT, leaving(1006)])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await sending(ACCEPT, sent, closing, sent)(scope, receive, send)
        assert await receive() == leaving(1006)

    engine.serve(app, websocket())
    assert engine.sent[1:] == [sent, closing]
    assert (engine.record.outcome, engine.record.response_bytes) == ("completed", 5)


@backends
def test_a_handshake_is_refused_over_http_where_the_engine_can(backend: str) -> None:
    engine = Engine([CONNECT]).serve(never, websocket(REFUSED_PATH), backend)
    start, body = engine.sent
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
    assert engine.header(b"x-request-id")
    assert body["type"] == "websocket.http.response.body"
    assert json.loads(body["body"])["status"] == 403
    assert engine.incoming == []
    assert (engine.record.outcome, engine.record.status) == ("refused", 403)


@pytest.mark.parametrize("extensions", [None, {}])
def test_a_handshake_is_refused_by_closing_where_it_cannot(extensions: object) -> None:
    scope = websocket(
        extensions=extensions, headers=[(b"host", b"a"), (b"origin", b"https://evil.test")]
    )
    engine = Engine([CONNECT]).serve(never, scope)
    assert engine.sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]
    assert (engine.record.outcome, engine.record.reason) == ("refused", "origin_not_allowed")


def test_the_applications_refusal_carries_the_request_id() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 1000})

    engine = Engine([CONNECT]).serve(app, websocket())
    assert engine.status == 403
    assert engine.header(b"content-length") == [b"0"]
    assert engine.header(b"x-request-id")
    assert (engine.record.outcome, engine.record.status) == ("completed", 403)


def test_the_application_may_refuse_over_http_itself() -> None:
    start = {"type": "websocket.http.response.start", "status": 404, "headers": [(b"a", b"b")]}
    part = {"type": "websocket.http.response.body", "body": b"no", "more_body": True}
    last = {**part, "more_body": False}
    engine = Engine([CONNECT]).serve(sending(start, part, last), websocket())
    assert engine.status == 404
    assert engine.header(b"a") == [b"b"]
    assert engine.sent[1:] == [part, last]
    record = engine.record
    assert (record.outcome, record.status, record.response_bytes) == ("completed", 404, 4)


def test_an_accept_that_http_forbids_becomes_a_500() -> None:
    accept = {**ACCEPT, "headers": [(b"a", b"b\r\nc: d")]}
    engine = Engine([CONNECT]).serve(sending(accept), websocket())
    assert engine.status == 500
    assert [type(error) for error in engine.errors] == [InvalidAnswerError]


@backends
def test_a_handshake_whose_application_raises_is_refused_with_500(backend: str) -> None:
    engine = Engine([CONNECT]).serve(raising(ValueError()), websocket(), backend)
    assert engine.status == 500
    assert [type(error) for error in engine.errors] == [ValueError]
    assert engine.record.outcome == "error"


def test_an_open_websocket_whose_application_raises_breaks_off() -> None:
    engine = Engine([CONNECT])
    with broken_off(ValueError):
        engine.serve(raising(ValueError(), ACCEPT), websocket())
    assert (engine.record.outcome, engine.record.reason) == ("error", "unhandled_exception")


def test_an_open_websocket_whose_application_returns_is_completed() -> None:
    assert Engine([CONNECT]).serve(sending(ACCEPT), websocket()).record.outcome == "completed"
