"""Clients that are slow or silent lose their connection in time, and cost others nothing."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.faults.conftest import Measured
from tests.faults.harness import Load, on_the_host, serving, thorough
from tests.processes import until
from tests.servers import Server
from tests.wire import Connection, request_bytes

pytestmark = pytest.mark.socket

TIMEOUT_S = 1.0
LATE_S = 1.5
CLIENTS = 10
DRIBBLE_S = 0.1
PROBE_S = 0.5

LIMITS = ("--header-timeout", f"{TIMEOUT_S}s", "--write-timeout", f"{TIMEOUT_S}s")
HEAD = b"POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n"


def dribble(connection: Connection, data: bytes) -> None:
    """Send byte by byte until the server answers or closes, and then what it says to its end."""
    connection.deadline_s = DRIBBLE_S
    connection._socket.settimeout(DRIBBLE_S)
    for byte in data:
        try:
            connection.send(bytes((byte,)))
            if not connection.read():
                return
        except TimeoutError:
            continue
        except OSError:
            return
    raise AssertionError("the server took all of it")


def slow_head(connection: Connection) -> None:
    dribble(connection, b"GET / HTTP/1.1\r\nHost: test\r\nx-padding: " + b"a" * 1000)


def slow_body(connection: Connection) -> None:
    connection.send(HEAD)
    dribble(connection, bytes(1000))


def silent(connection: Connection) -> None:
    assert connection.read() == b""


def idle_body(connection: Connection) -> None:
    connection.send(HEAD + bytes(10))
    connection.read_until_closed()


KINDS: dict[str, Callable[[Connection], None]] = {
    "slow header": slow_head,
    "slow body": slow_body,
    "half a body": idle_body,
    "silent client": silent,
}


def time_to_close(server: Server, misbehave: Callable[[Connection], None]) -> list[float]:
    """So many clients at once: after how long each was closed."""
    took: list[float] = []

    def one() -> None:
        with server.connect(15) as connection:
            began = time.monotonic()
            misbehave(connection)
            took.append(time.monotonic() - began)

    run_together(one)
    assert len(took) == CLIENTS
    return took


def run_together(one: Callable[[], None]) -> None:
    threads = [threading.Thread(target=one, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)


def time_to_give_up(server: Server) -> float:
    """So many clients that ask for more than the buffers take and read nothing.

    What such a client sees of the end waits behind what it does not read; the records tell.
    """
    with ExitStack() as stack:
        began = time.monotonic()
        for _ in range(CLIENTS):
            reader = stack.enter_context(server.connect())
            reader.send(request_bytes("GET", "/flood"))
        until(lambda: len(floods(server)) == CLIENTS, 20, "the records of the slow readers")
        return time.monotonic() - began


def floods(server: Server) -> list[Any]:
    return [record for record in server.events("access") if record["url.path"] == "/flood"]


@on_the_host
def test_slow_clients_are_closed_in_time(workers: int, measured: Measured) -> None:
    longest: dict[str, float] = {}
    with serving(*LIMITS, workers=workers) as server:
        with Load(server.address, clients=2) as probes:
            for name, misbehave in KINDS.items():
                longest[name] = max(time_to_close(server, misbehave))
            longest["slow reader"] = time_to_give_up(server)
        assert server.stop() == 0
    closed = ", ".join(f"{name} {took_s:.2f} s" for name, took_s in longest.items())
    measured(
        "slow",
        f"{CLIENTS} each, limit {TIMEOUT_S} s: {closed}; {probes.answers} probes, the slowest "
        f"{probes.slowest_s * 1000:.0f} ms",
        workers=workers,
    )
    assert not probes.failures
    assert probes.slowest_s < PROBE_S
    readers_s = longest.pop("slow reader")
    assert max(longest.values()) < TIMEOUT_S + LATE_S / 2
    # What the kernel's buffers still take counts as read, once.
    assert readers_s < 2 * TIMEOUT_S + LATE_S
    assert "Traceback" not in server.logs


@thorough
@pytest.mark.parametrize("workers", [1, 2])
def test_granian_closes_what_sends_no_head(workers: int, measured: Measured) -> None:
    with serving("--header-timeout", f"{TIMEOUT_S}s", engine="granian", workers=workers) as server:
        with Load(server.address, clients=2) as probes:
            longest = {
                name: max(time_to_close(server, KINDS[name]))
                for name in ("slow header", "silent client")
            }
        assert server.stop() == 0
    closed = ", ".join(f"{name} {took_s:.2f} s" for name, took_s in longest.items())
    measured("slow", f"{closed}; the slowest probe {probes.slowest_s * 1000:.0f} ms",
             engine="granian", workers=workers)  # fmt: skip
    assert max(longest.values()) < TIMEOUT_S + LATE_S
    assert probes.slowest_s < PROBE_S
