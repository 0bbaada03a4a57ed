"""What is too large, too many, or more than the process may have."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.faults.conftest import Measured
from tests.faults.harness import APPLICATION, on_every_engine, on_the_host, serving
from tests.processes import until
from tests.servers import Server, program, serve
from tests.wire import NoAnswerError, request_bytes

pytestmark = pytest.mark.socket

MAX_HEAD = 4096
MAX_TARGET = 1024
MAX_BODY = 10_000
LIMITS = ("--max-head", f"{MAX_HEAD}", "--max-target", f"{MAX_TARGET}", "--max-body", f"{MAX_BODY}")
CAP = 20


# -- size ---------------------------------------------------------------------------------------


def head_of(size: int) -> bytes:
    """A request head of *size* bytes."""
    start = b"GET / HTTP/1.1\r\nHost: test\r\nx-padding: "
    return start + b"a" * (size - len(start) - 4) + b"\r\n\r\n"


def target_of(size: int) -> bytes:
    """A request for a target of *size* bytes."""
    return b"GET /" + b"a" * (size - 1) + b" HTTP/1.1\r\nHost: test\r\n\r\n"


def body_by_length(size: int) -> bytes:
    return request_bytes("POST", "/upload", body=bytes(size))


def body_in_chunks(size: int) -> bytes:
    head = request_bytes("POST", "/upload", [("transfer-encoding", "chunked")])
    pieces = [bytes(min(1000, size - start)) for start in range(0, size, 1000)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head + chunks + b"0\r\n\r\n"


def status_of(server: Server, request: bytes, piece: int) -> int:
    """Send *request* in pieces of so many bytes and return the status of the answer."""
    method = request.split(b" ", 1)[0].decode()
    with server.connect() as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it read all
            connection.send(*in_pieces(request, piece))
        return connection.response(method).status


def in_pieces(request: bytes, piece: int) -> Iterator[bytes]:
    return (request[start : start + piece] for start in range(0, len(request), piece))


BOUNDS: dict[str, tuple[Callable[[int], bytes], int, int]] = {
    "head": (head_of, MAX_HEAD, 431),
    "target": (target_of, MAX_TARGET, 414),
    "body by length": (body_by_length, MAX_BODY, 413),
    "body in chunks": (body_in_chunks, MAX_BODY, 413),
}


@on_every_engine
def test_what_is_too_large_is_refused_at_the_limit(
    engine: str, workers: int, measured: Measured
) -> None:
    with serving(*LIMITS, engine=engine, workers=workers) as server:
        found = {
            (name, piece): (
                status_of(server, make(limit), piece),
                status_of(server, make(limit + 1), piece),
            )
            for name, (make, limit, _) in BOUNDS.items()
            for piece in (1 << 20, 97)
        }
        assert server.get("/").status == 200
        assert server.stop() == 0
    told = ", ".join(
        f"{name} of {limit}: {found[name, 97][0]}, of {limit + 1}: {found[name, 97][1]}"
        for name, (_, limit, _) in BOUNDS.items()
    )
    measured("large", told, engine=engine, workers=workers)
    assert found == {(name, piece): (200, BOUNDS[name][2]) for name, piece in found}


# -- number -------------------------------------------------------------------------------------


@on_the_host
def test_connections_over_the_cap_are_refused_at_once(workers: int, measured: Measured) -> None:
    with serving("--max-connections", f"{CAP}", workers=workers) as server, ExitStack() as stack:
        kept, refused = [], []
        for _ in range(3 * CAP * workers):
            began = time.monotonic()
            connection = stack.enter_context(server.connect())
            try:
                connection.send(request_bytes("GET", "/stream"))
                status = int(connection.read_exactly(12)[9:])
            except (BrokenPipeError, ConnectionResetError, NoAnswerError):
                status = 0
            if status == 200:
                kept.append(connection)
            else:
                refused.append(((time.monotonic() - began), status))
        for connection in kept:  # they stream on
            connection.read_exactly(200)
        for connection in kept:
            connection.close()
        until(lambda: is_admitted(server), 5, "room for others")
        assert server.stop() == 0
    slowest_s = max(took_s for took_s, _ in refused)
    told = sum(status == 503 for _, status in refused)
    measured(
        "cap",
        f"cap {CAP}: {len(kept)} served on, {len(refused)} refused ({told} were told 503), the "
        f"slowest after {slowest_s * 1000:.1f} ms",
        workers=workers,
    )
    assert CAP <= len(kept) <= CAP * workers
    assert len(kept) + len(refused) == 3 * CAP * workers
    assert slowest_s < 0.05


def is_admitted(server: Server) -> bool:
    with server.connect() as connection:
        try:
            return connection.ask(request_bytes("GET", "/")).status == 200
        except (ConnectionError, BrokenPipeError):
            return False


@on_every_engine
def test_without_descriptors_the_server_recovers(
    engine: str, workers: int, measured: Measured
) -> None:
    descriptors = 64
    limited = ["prlimit", f"--nofile={descriptors}:{descriptors}"]
    chosen = ["--port", "0", "--engine", engine, "--workers", f"{workers}", APPLICATION]
    command = [*limited, *program("serve", *chosen)]
    with serve(command=command) as server:
        with ExitStack() as stack:
            for _ in range(2 * descriptors * workers):
                stack.enter_context(server.connect())
            if engine == "hypercorn":  # who alone says so
                until(lambda: exhausted(server), 10, "the descriptors are exhausted")
        took_s = until(lambda: is_admitted(server), 10, "recovery")
        took_s += until(lambda: all(is_admitted(server) for _ in range(10)), 10, "recovery")
        starts = len(server.events("lifespan.startup"))
        assert server.stop() == 0
    measured(
        "descriptors",
        f"{2 * descriptors * workers} connections with {descriptors} descriptors a worker: "
        f"recovered after {took_s:.2f} s, {starts - workers} workers lost",
        engine=engine,
        workers=workers,
    )
    assert took_s < (4 if engine == "uvicorn" else 2)
    assert starts == workers


def exhausted(server: Server) -> bool:
    return any("Too many open files" in line for line in server.stdout.lines)
