"""systemd: sockets that it listens on, and what it is told (sd_listen_fds(3), sd_notify(3))."""

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.harness import APPLICATION, Load, on_every_engine, on_the_host, serving
from tests.servers import Server, program, serve
from tests.wire import ask, request_bytes

pytestmark = pytest.mark.socket

REQUEST = request_bytes("GET", "/")


@contextmanager
def activated(*places: str, engine: str = "hypercorn", workers: int = 1) -> Iterator[Server]:
    """Serve on sockets that another one listens on; the port of the plan is never bound."""
    chosen = ["serve", "--port", "1", "--engine", engine, "--workers", str(workers), APPLICATION]
    activator = [sys.executable, "-m", "tests.faults.activator", *places, "--"]
    with serve(command=[*activator, *program(*chosen)]) as server:
        yield server


@on_every_engine
def test_a_socket_of_the_service_manager_is_served(engine: str, workers: int) -> None:
    with activated("tcp", engine=engine, workers=workers) as server:
        assert not server.url.endswith(":1")
        assert server.get("/").status == 200
        assert server.stop() == 0


@on_the_host
def test_several_sockets_are_served_together(workers: int, tmp_path: Path) -> None:
    path = tmp_path / "portico.sock"
    with activated("tcp", f"unix:{path}", workers=workers) as server:
        first, second = str(server.listening["url"]).split(", ")
        assert second == f"unix:{path}"
        assert ask(first, REQUEST).status == 200
        assert ask(str(path), REQUEST).status == 200
        server.signal(signal.SIGHUP)  # the next workers have them too
        server.wait_for_event("reloading")
        with Load(str(path)) as load:
            load.wait_for_more(100)
        assert ask(first, REQUEST).status == 200
        assert server.stop() == 0
    assert load.failures == []
    assert path.exists()  # it is not ours to remove


@contextmanager
def manager(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.settimeout(10)
        yield sock


def next_of(sock: socket.socket, *, watchdog: bool = False) -> list[str]:
    """The next message, those of the watchdog left out unless asked for."""
    while True:
        lines = sock.recv(4096).decode().split("\n")
        if watchdog or lines != ["WATCHDOG=1"]:
            return lines


@on_every_engine
def test_the_service_manager_is_told(engine: str, workers: int, tmp_path: Path) -> None:
    path = tmp_path / "notify"
    environ = {"NOTIFY_SOCKET": str(path)}
    with (
        manager(path) as sock,
        serving(engine=engine, workers=workers, environ=environ) as server,
    ):
        assert next_of(sock) == ["READY=1"]
        if engine == "hypercorn":
            server.signal(signal.SIGHUP)
            reloading = next_of(sock)
            assert reloading[0] == "RELOADING=1"
            assert reloading[1].startswith("MONOTONIC_USEC=")
            assert next_of(sock) == ["READY=1"]
        assert server.stop() == 0
        assert next_of(sock) == ["STOPPING=1"]


@on_the_host
def test_the_watchdog_is_fed_twice_in_its_time(workers: int, tmp_path: Path) -> None:
    path = tmp_path / "notify"
    environ = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "1000000"}
    with manager(path) as sock, serving(workers=workers, environ=environ) as server:
        sock.settimeout(1.0)
        fed = 0
        while fed < 4:
            fed += next_of(sock, watchdog=True) == ["WATCHDOG=1"]
        assert server.stop() == 0
