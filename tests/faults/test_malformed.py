"""A malformed request gets a 400-class answer and loses its connection; nothing else changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from tests.conformance.engines import host
from tests.faults.malformed import ANSWERED, MALFORMED, WAITING
from tests.servers import ENGINES, Server
from tests.wire import Connection

pytestmark = pytest.mark.socket

# What a server may answer to what it cannot read (RFC 9110 15.5 and 15.6, RFC 6585 5).
REFUSALS: Final = frozenset({400, 408, 411, 413, 414, 431, 501, 505})
WAIT_S: Final = 0.3


@dataclass(frozen=True, slots=True)
class Target:
    """A server of the conformance suite's application."""

    engine: str
    server: Server


@pytest.fixture(scope="module", params=ENGINES)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    with host(request.param) as server:
        yield Target(request.param, server)


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_leaves_the_server_as_it_was(target: Target, name: str) -> None:
    server = target.server
    logged = len(server.stderr.lines)
    check_answer(target, name)
    assert server.get("/full/ok").status == 200
    assert server.alive()
    assert "Traceback" not in "\n".join(server.stderr.lines[logged:])


def check_answer(target: Target, name: str) -> None:
    if name in WAITING.get(target.engine, ()):
        with target.server.connect(WAIT_S) as connection, pytest.raises(TimeoutError):
            exchange(connection, MALFORMED[name])
        return
    with target.server.connect() as connection:
        if (status := ANSWERED[target.engine].get(name)) is not None:
            assert connection.ask(MALFORMED[name], "GET").status == status
            return
        received = exchange(connection, MALFORMED[name])
        assert not received or status_of(received) in REFUSALS, received[:200]


def test_a_bad_request_behind_a_good_one_is_refused(target: Target) -> None:
    with target.server.connect() as connection:
        good = b"GET /full/ok HTTP/1.1\r\nHost: test\r\n\r\n"
        assert connection.ask(good).status == 200
        received = exchange(connection, b"nonsense\r\n\r\n")
    assert not received or status_of(received) in REFUSALS


def test_malformed_requests_behind_each_other_do_not_add_up(target: Target) -> None:
    for _ in range(50):
        with target.server.connect() as connection:
            exchange(connection, MALFORMED["no request line"])
    assert target.server.get("/full/ok").status == 200


def exchange(connection: Connection, request: bytes) -> bytes:
    """Send *request* and return all that the server says before it closes.

    A server may close before it has read all; then the rest cannot be sent, and what it said before
    may be lost with the reset (RFC 9112 9.6).
    """
    try:
        connection.send(request)
    except (BrokenPipeError, ConnectionResetError):
        return b""
    return connection.read_until_closed()


def status_of(received: bytes) -> int:
    version, status, *_ = received.split(b" ", 2)
    assert version.startswith(b"HTTP/1."), received[:200]
    return int(status)
