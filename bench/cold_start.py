"""From exec to the first 200 over loopback: the full server beside bare Quart on Hypercorn.

Both from a warm page cache, which the round that warms up leaves behind.
"""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, sleep

from bench.measure import Costs, Figure, Target, interleave, ratio, whole
from bench.servers import Server, end, environment

REQUEST = b"GET /v1/health/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
OK = b"HTTP/1.1 200"
POLL_S = 0.002
LIMIT_S = 60.0
BIN = Path(sys.executable).parent


def commands(port: int) -> dict[str, list[str]]:
    """The servers that are started, each on *port*."""
    address = f"127.0.0.1:{port}"
    return {
        "portico": [str(BIN / "portico"), "serve", "--host", "127.0.0.1", "--port", str(port)],
        "peer": [str(BIN / "hypercorn"), "--bind", address, "bench.peers.bare_quart:app"],
    }


def start(name: str) -> tuple[float, float]:
    """Start the server *name* and end it; wall and CPU seconds until its first answer."""
    port = free_port()
    began = perf_counter()
    process = subprocess.Popen(
        commands(port)[name],
        cwd=Path(__file__).parent.parent,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not is_answered(port):
            if process.poll() is not None or perf_counter() - began > LIMIT_S:
                raise RuntimeError(f"{process.args!r} gave no answer")
            sleep(POLL_S)
        return perf_counter() - began, Server(("127.0.0.1", port), process.pid).cpu_s()
    finally:
        end(process)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def is_answered(port: int) -> bool:
    """Whether a request is answered with 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as sock:
            sock.sendall(REQUEST)
            return sock.recv(65536).startswith(OK)
    except OSError:
        return False


def measure(rounds: int) -> list[Figure]:
    """The figures of a cold start; wall and CPU time are of the same starts."""
    cpu: dict[str, list[float]] = {"portico": [], "peer": []}

    def case(name: str) -> Callable[[], float]:
        def started() -> float:
            wall_s, cpu_s = start(name)
            cpu[name].append(cpu_s)
            return wall_s

        return started

    walls = interleave({name: case(name) for name in cpu}, rounds)
    cpus: list[Costs] = [
        {"portico": mine, "peer": theirs}
        for mine, theirs in zip(cpu["portico"][1:], cpu["peer"][1:], strict=True)
    ]
    return [
        figure("cold start to the first answer / bare Quart on Hypercorn", walls, Target(1.5)),
        figure("the same, CPU time of the process tree", cpus),
    ]


def figure(name: str, rounds: list[Costs], target: Target | None = None) -> Figure:
    """The full server's cost in relation to the peer's."""
    return ratio(name, rounds, of=whole("portico"), to=whole("peer"), target=target)
