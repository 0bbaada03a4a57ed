"""A malformed request gets a 400-class answer and loses its connection; nothing else changes."""

from collections.abc import Iterator

import pytest

from tests.faults.malformed import MALFORMED
from tests.servers import ENGINES, Server, serve
from tests.wire import Connection

pytestmark = pytest.mark.socket

# RFC 9112 2.2 and 6.1, RFC 6585: what a server may answer to what it cannot read.
REFUSALS = frozenset({400, 408, 411, 413, 414, 431, 501, 505})


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with serve("--engine", request.param) as running:
        yield running


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_is_refused_and_its_connection_closed(
    server: Server, name: str
) -> None:
    with server.connect() as connection:
        received = exchange(connection, MALFORMED[name])
    assert not received or status_of(received) in REFUSALS, received[:200]
    assert server.get("/livez").status == 200
    assert server.alive()
    assert "Traceback" not in server.logs


def test_one_bad_request_behind_a_good_one_ends_only_itself(server: Server) -> None:
    with server.connect() as connection:
        good = b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n"
        connection.send(good + b"nonsense\r\n\r\n")
        assert connection.response().status == 200
        rest = connection.read_until_closed()
    assert not rest or status_of(rest) in REFUSALS


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
