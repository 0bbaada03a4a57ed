"""The ways to put a call or a vector to the policy: bare, in memory, and over three sockets."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from portico import testing
from portico.adapters.asgi_call import NO_ANSWER
from portico.adapters.rate_memory import RateMemory
from portico.adapters.rsgi import RsgiPolicy
from portico.adapters.wsgi import WsgiPolicy
from portico.core.access import AccessRecord
from portico.core.events import Ask, Respond, ResponseHead
from portico.core.exchange import Exchange
from portico.core.limits import TIMED_OUT
from portico.core.policy import Policy
from portico.core.problem import FAILURE
from portico.testing import reference
from portico.testing.requests import application_of
from portico.testing.vectors import find_of, policy_of
from tests.adapters import clients
from tests.conformance.application import application
from tests.conformance.bridges import Waiting, rsgi_application, wsgi_application
from tests.conformance.calls import PEER, SPOKEN, Call, Outcome, head_bytes
from tests.conformance.memory import Unanswered, respond
from tests.conformance.target import Dispatcher, compile_policies
from tests.conformance.vectors import VECTORS, wire_bytes
from tests.servers import Server, serve
from tests.wire import Answer, Connection

RECORD_DEADLINE_S: Final = 10.0
ENTROPY: Final = bytes(range(24))


class Engine(Protocol):
    """Something that answers calls."""

    @property
    def name(self) -> str:
        """``exchange``, ``asgi``, or the engine's."""

    def perform(self, call: Call) -> Outcome:
        """Put *call* to it; wait for the answer and for its access record."""

    def ask(self, call: Call) -> Answer:
        """Put *call* to it; wait for the answer alone."""

    def meet(self, vector: str, request: testing.Request) -> testing.Answer:
        """Put the *request* of a vector of the request policy to it."""


@dataclass(frozen=True, slots=True)
class Bare:
    """The exchange alone, with the shortest shell that can be: the reference of all others."""

    name: str = "exchange"
    _policies: Mapping[str, Policy] = field(default_factory=compile_policies)

    def perform(self, call: Call) -> Outcome:
        policy = self._policies[call.policy]
        exchange = policy.exchange(peer=PEER, now=1.0, wall=2.0, entropy=ENTROPY)
        step = exchange.request(call.head())
        rates = RateMemory(lambda: 1.0)
        while isinstance(step, Ask):
            step = exchange.answer(rates.answer(step))
        answer = (
            _answer(step)
            if isinstance(step, Respond)
            else self._application(exchange, call, policy.request_timeout_s)
        )
        return Outcome(answer, exchange.finish(now=2.0).fields())

    def ask(self, call: Call) -> Answer:
        return self.perform(call).answer

    def meet(self, vector: str, request: testing.Request) -> testing.Answer:
        return client_of(vector, perform)(request)

    def _application(self, exchange: Exchange, call: Call, timeout_s: float | None) -> Answer:
        for piece in call.pieces():
            step = exchange.receive_body(len(piece))
            if isinstance(step, Respond):
                return _answer(step)
        try:
            answer = asyncio.run(asyncio.wait_for(respond(application, call), timeout_s))
        except TimeoutError:
            return _answer(exchange.fail(TIMED_OUT))
        except Unanswered as unanswered:
            return _answer(exchange.fail(FAILURE if unanswered.error else NO_ANSWER))
        head = exchange.response(ResponseHead(answer.status, answer.headers), now=1.5)
        exchange.send_body(len(answer.body))
        body = answer.body if exchange.substitute is None else exchange.substitute
        return Answer(head.status, _lower(head), body)


@dataclass(frozen=True, slots=True)
class InMemory:
    """The ASGI adapter, driven without an engine."""

    name: str = "asgi"
    _records: list[AccessRecord] = field(default_factory=list)

    def perform(self, call: Call) -> Outcome:
        self._records.clear()
        answer = asyncio.run(respond(self._app(), call))
        (record,) = self._records
        return Outcome(answer, record.fields())

    def ask(self, call: Call) -> Answer:
        return self.perform(call).answer

    def meet(self, vector: str, request: testing.Request) -> testing.Answer:
        return client_of(vector, clients.asgi)(request)

    def _app(self) -> Dispatcher:
        return Dispatcher(compile_policies(), self._records.append)


@dataclass(frozen=True, slots=True)
class OverWsgi:
    """The WSGI adapter, driven without a server."""

    name: str = "wsgi"
    _policies: Mapping[str, Policy] = field(default_factory=compile_policies)

    def perform(self, call: Call) -> Outcome:
        records: list[AccessRecord] = []
        policy = self._policies[call.policy]
        front = WsgiPolicy(wsgi_application, policy, on_record=records.append)
        return outcome_of(clients.put_to_wsgi(front, request_of_call(call), records))

    def ask(self, call: Call) -> Answer:
        return self.perform(call).answer

    def meet(self, vector: str, request: testing.Request) -> testing.Answer:
        return client_of(vector, clients.wsgi)(request)


@dataclass(frozen=True, slots=True)
class OverRsgi:
    """The RSGI adapter, driven without a server."""

    name: str = "rsgi"
    _policies: Mapping[str, Policy] = field(default_factory=compile_policies)

    def perform(self, call: Call) -> Outcome:
        records: list[AccessRecord] = []
        policy = self._policies[call.policy]
        front = RsgiPolicy(rsgi_application, policy, on_record=records.append)
        request = request_of_call(call)
        protocol = Waiting(request.pieces)
        return outcome_of(clients.put_to_rsgi(front, request, protocol, records))

    def ask(self, call: Call) -> Answer:
        return self.perform(call).answer

    def meet(self, vector: str, request: testing.Request) -> testing.Answer:
        return client_of(vector, clients.rsgi)(request)


@dataclass(frozen=True, slots=True)
class OnSocket:
    """A real engine, started by Portico's launcher."""

    name: str
    server: Server

    def perform(self, call: Call) -> Outcome:
        since = len(self.server.stdout.lines)
        answer = self.ask(call)
        return Outcome(answer, self.record(since))

    def record(self, since: int) -> Mapping[str, Any]:
        """Return the first access record behind so many lines of the server's output."""
        line = self.server.stdout.wait_for_line(_is_record, RECORD_DEADLINE_S, since)
        record: dict[str, Any] = json.loads(line)
        return record

    def ask(self, call: Call) -> Answer:
        with self.server.connect() as connection:
            return send(connection, call)

    def meet(self, vector: str, request: testing.Request) -> testing.Answer:
        """Put it to the engine; without records where it was the engine itself that answered."""
        since = len(self.server.stdout.lines)
        with self.server.connect() as connection:
            connection.send(wire_bytes(vector, request))
            websocket = request.head.kind == "websocket"
            answer = connection.response(_readable(request.head.method), websocket=websocket)
        own = answer.header("x-request-id") is None and answer.status != 101
        records = () if own else (self.record(since),)
        return testing.Answer(answer.status, answer.headers, answer.body, records)


@contextmanager
def host(engine: str) -> Iterator[Server]:
    """Serve the suite's application on *engine*, in a process of its own."""
    with serve(command=[sys.executable, "-m", "tests.conformance.host", engine]) as server:
        yield server


def send(connection: Connection, call: Call) -> Answer:
    """Send *call* on a connection and return the answer; a WebSocket speaks once, then closes."""
    connection.send(head_bytes(call) + call.wire_body())
    websocket = call.kind == "websocket"
    answer = connection.response(call.method, websocket=websocket)
    if not websocket or answer.status != 101:
        return answer
    return replace(answer, body=_speak(connection))


def _speak(connection: Connection) -> bytes:
    """Send one text and the closing frame; return what came back to the text (RFC 6455 5.2)."""
    mask = bytes(4)
    text = SPOKEN.encode()
    connection.send(b"\x81" + bytes([0x80 | len(text)]) + mask + text)
    opcode, length = connection.read_exactly(2)
    assert opcode == 0x81
    said = connection.read_exactly(length)
    connection.send(b"\x88\x82" + mask + (1000).to_bytes(2, "big"))
    connection.read_until_closed()
    return said


def client_of(vector: str, make_client: testing.MakeClient) -> testing.Client:
    """Make a client for a vector of the request policy."""
    meant = VECTORS[vector]
    return make_client(policy_of(meant), application_of(meant), find_of(meant))


def perform(policy: Policy, application: testing.Application, find: testing.Find) -> testing.Client:
    """Make a client of the bare exchange."""
    return lambda request: reference.perform(policy, application, find, request)


def request_of_call(call: Call) -> testing.Request:
    return testing.Request(call.head(), tuple(call.pieces()), PEER)


def outcome_of(came: testing.Answer) -> Outcome:
    """Say what came of a call, as an engine on a socket says it."""
    (record,) = came.records
    headers = [(name.lower(), value) for name, value in came.headers]
    return Outcome(Answer(came.status, headers, came.body), record)


def _readable(method: str) -> str:
    """Give h11 a method that it takes: an answer's framing depends on HEAD and CONNECT alone."""
    return method if method.isalpha() else "GET"


def _answer(step: Respond) -> Answer:
    return Answer(step.head.status, _lower(step.head), step.body)


def _lower(head: ResponseHead) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in head.headers]


def _is_record(line: str) -> bool:
    return line.startswith('{"event":"access"')
