"""What open connections cost: memory of idle ones and of open streams, and a probe beside them."""

import resource
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Figure, Target
from bench.servers import Server, process_tree, serving

IDLE, STREAMS = 5000, 1000
MOST_BYTES = 40 * 1024
SLOWEST_S = 0.1

_PAGE_BYTES = resource.getpagesize()
_SETTLED_S = 1.0
_PROBES = 50
_COMMAND = (
    *(str(Path(sys.executable).with_name("portico")), "serve", "bench.peers.streams:app"),
    *("--engine", "hypercorn", "--workers", "1", "--port", "0", "--backlog", "8192"),
    *("--max-connections", str(2 * (IDLE + STREAMS)), "--keep-alive", "10m"),
)


def measure(rounds: int) -> list[Figure]:
    """The figures; each round opens all connections anew, in a server of its own.

    Args:
        rounds: How often.
    """
    kinds = {
        f"an idle connection of {IDLE}": (IDLE, b"/probe", b"probe"),
        f"an open stream of {STREAMS}": (STREAMS, b"/stream", b"first\n\n"),
    }
    found: list[Figure] = []
    for name, (count, path, until) in kinds.items():
        costs = [held(count, path, until) for _ in range(rounds)]
        sizes, probes = zip(*costs, strict=True)
        found += [
            figure(
                f"memory of {name} / 40 KiB", sizes, MOST_BYTES, lambda b: f"{b / 1024:.1f} KiB"
            ),
            figure(
                f"slowest probe beside {name} / 100 ms",
                probes,
                SLOWEST_S,
                lambda s: f"{s * 1e3:.1f} ms",
            ),
        ]
    return found


def figure(
    name: str, costs: tuple[float, ...], bound: float, text: Callable[[float], str]
) -> Figure:
    """One row; its ratio is the share of the bound that is used."""
    ratios = tuple(cost / bound for cost in costs)
    return Figure(name, ratios, Target(1.0), text(sorted(costs)[len(costs) // 2]))


def held(count: int, path: bytes, until: bytes) -> tuple[float, float]:
    """Bytes that each of *count* connections adds, and the slowest probe's seconds."""
    with serving(_COMMAND) as server, raised_limit(count):
        slowest_probe(server)
        before = resident_bytes(server)
        opened = [asked(server, path, until) for _ in range(count)]
        try:
            time.sleep(_SETTLED_S)
            slowest = slowest_probe(server)
            return (resident_bytes(server) - before) / count, slowest
        finally:
            for sock in opened:
                sock.close()


def asked(server: Server, path: bytes, until: bytes) -> socket.socket:
    """A connection on which *path* was asked for and answered as far as *until*."""
    sock = socket.create_connection(server.address, timeout=30)
    sock.sendall(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
    received = b""
    while until not in received:
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionError(f"the server closed after {received!r}")
        received += piece
    return sock


def slowest_probe(server: Server) -> float:
    """Seconds of the slowest of some requests, each on a connection of its own."""
    slowest = 0.0
    for _ in range(_PROBES):
        started = time.perf_counter()
        asked(server, b"/probe", b"probe").close()
        slowest = max(slowest, time.perf_counter() - started)
    return slowest


def resident_bytes(server: Server) -> int:
    """Resident memory of the server's whole process tree (proc(5), statm)."""
    statms = (Path(f"/proc/{pid}/statm").read_text("ascii") for pid in process_tree(server.pid))
    return sum(int(text.split()[1]) for text in statms) * _PAGE_BYTES


@contextmanager
def raised_limit(count: int) -> Iterator[None]:
    """Room for *count* sockets in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, count + 1000)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
