"""SIGTERM: what is in flight is answered, streams get a last event, a second one ends at once."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.faults.conftest import Measured
from tests.faults.harness import (
    events_of,
    is_free,
    on_every_engine,
    on_the_host,
    send_signal,
    serving,
)
from tests.processes import has_taken, session_of, until
from tests.servers import Server
from tests.wire import Connection, request_bytes

pytestmark = pytest.mark.socket

TERM = signal.SIGTERM


@contextmanager
def asked(server: Server, target: str, count: int) -> Iterator[list[Connection]]:
    """So many requests, each on a connection of its own."""
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connect(15)) for _ in range(count)]
        for connection in connections:
            connection.send(request_bytes("GET", target))
        yield connections


@on_every_engine
@pytest.mark.parametrize("group", [False, True], ids=["process", "group"])
def test_what_is_in_flight_is_answered(
    engine: str, workers: int, group: bool, measured: Measured
) -> None:
    with (
        serving(engine=engine, workers=workers) as server,
        asked(server, "/slow?s=3", 6) as connections,
    ):
        events_of(server, "slow", 6)
        began = time.monotonic()
        send_signal(server, TERM, group=group)
        answers = [connection.response() for connection in connections]
        code = server.wait()
        took_s = time.monotonic() - began
    whom = "group" if group else "process"
    answered = sum(answer.body == b"slow" for answer in answers)
    measured(
        "drain",
        f"{whom}: {answered}/6, exit {code}, {took_s:.2f} s",
        engine=engine,
        workers=workers,
    )
    assert (answered, code) == (6, 0)
    assert took_s < 3.5


@on_every_engine
def test_streams_end_in_the_grace(engine: str, workers: int, measured: Measured) -> None:
    with (
        serving("--grace", "5s", engine=engine, workers=workers) as server,
        asked(server, "/stream", 50) as connections,
    ):
        for connection in connections:
            assert connection.read_exactly(12) == b"HTTP/1.1 200"
        began = time.monotonic()
        server.signal(TERM)
        bodies = [connection.read_until_closed() for connection in connections]
        code = server.wait()
        took_s = time.monotonic() - began
    ended = sum(b"data: last\n\n" in body for body in bodies)
    shutdowns = len(server.events("lifespan.shutdown"))
    measured(
        "streams",
        f"{ended}/50 final events, exit {code}, {took_s:.2f} s, {shutdowns} shutdowns",
        engine=engine,
        workers=workers,
    )
    assert took_s < 6
    assert code == 0
    if engine == "hypercorn":
        assert (ended, shutdowns) == (50, workers)


@on_every_engine
def test_a_second_signal_ends_at_once(engine: str, workers: int, measured: Measured) -> None:
    with (
        serving(engine=engine, workers=workers) as server,
        asked(server, "/slow?s=60", 4),
    ):
        events_of(server, "slow", 4)
        server.signal(TERM)
        until(lambda: is_draining(server, engine), 5, "the drain")
        began = time.monotonic()
        server.signal(TERM)
        code = server.wait(5)
        until(lambda: not session_of(server.popen.pid), 5, "its children end")
        took_s = time.monotonic() - began
    told = f"exit {code}, all gone after {took_s:.2f} s"
    measured("twice", told, engine=engine, workers=workers)
    assert code != 0  # four requests were cut
    assert took_s < 1


def is_draining(server: Server, engine: str) -> bool:
    """The host says so; of the others it is seen that the signal was taken."""
    if engine == "hypercorn":
        return bool(server.events("draining"))
    return has_taken(server.popen.pid, TERM)


@on_the_host
def test_readiness_fails_before_the_listeners_close(workers: int, measured: Measured) -> None:
    with serving("--drain-delay", "1s", workers=workers, target=None) as server:
        assert server.get("/readyz").status == 200
        server.signal(TERM)
        began = time.monotonic()
        until(lambda: server.get("/readyz").status == 503, 0.8, "readiness fails")
        failed_s = time.monotonic() - began
        accepted = 0
        while time.monotonic() - began < 0.8:
            answer = server.get("/readyz")
            assert json.loads(answer.body)["status"] == "draining"
            assert server.get("/v1/health/").status == 200
            accepted += 2
        assert server.wait(5) == 0
        took_s = time.monotonic() - began
    measured(
        "readiness",
        f"503 draining after {failed_s:.3f} s, then {accepted} more requests accepted, "
        f"exit 0 after {took_s:.2f} s",
        workers=workers,
    )
    assert 1 <= took_s < 2


@on_the_host
def test_a_client_that_has_just_connected_is_answered(workers: int) -> None:
    with serving(workers=workers) as server, server.connect() as connection:
        assert server.get("/").status == 200  # the connection before it was accepted too
        server.signal(TERM)
        server.wait_for_event("draining")
        until(lambda: is_free(server.address), 5, "the listeners close")
        answer = connection.ask(request_bytes("GET", "/"))
        assert answer.status == 200
        assert answer.header("connection") == "close"
        assert server.wait() == 0
