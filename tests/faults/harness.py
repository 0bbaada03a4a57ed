"""Servers to do harm to, and a load that counts failures."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self

import pytest

from tests.processes import until
from tests.servers import Server, serve
from tests.wire import Address, Connection, NoAnswerError, request_bytes

APPLICATION: Final = "tests.faults.application:app"
POLL_S: Final = 0.01

thorough = pytest.mark.thorough
on_the_host = pytest.mark.parametrize("workers", [pytest.param(1, marks=thorough), 2])
on_every_engine = pytest.mark.parametrize(
    ("engine", "workers"),
    [
        ("hypercorn", 2),
        *(
            pytest.param(engine, workers, marks=thorough)
            for engine in ("hypercorn", "uvicorn", "granian")
            for workers in (1, 2)
            if (engine, workers) != ("hypercorn", 2)
        ),
    ],
)


@contextmanager
def serving(
    *arguments: str,
    engine: str = "hypercorn",
    workers: int = 1,
    target: str | None = APPLICATION,
    environ: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Serve the application of faults, or the server's own where *target* is None."""
    chosen = ["--engine", engine, "--workers", str(workers), *arguments]
    with serve(*chosen, *([target] if target else []), environ=environ, files=files) as server:
        yield server


def send_signal(server: Server, number: signal.Signals, *, group: bool) -> None:
    """Send a signal to the process, or to its whole group as a terminal does."""
    if group:
        os.killpg(server.popen.pid, number)
    else:
        server.signal(number)


def events_of(server: Server, name: str, count: int, deadline_s: float = 10.0) -> list[Any]:
    """Wait until so many events of one name were written."""
    until(lambda: len(server.events(name)) >= count, deadline_s, f"{count} x {name}")
    return server.events(name)


def is_free(address: Address) -> bool:
    """Whether nobody listens at *address*: it can be bound."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(address)
        except OSError:
            return False
        return True


def pid_that_answers(server: Server) -> int:
    """The worker that answers one request."""
    return int(server.get("/").body)


# -- load ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class Load:
    """Clients that ask without pause, each one request at a time, until they are told to stop.

    Half of them keep their connection. A kept one that the server closes before it has answered
    anything is no failure: any client must expect that, and asks again (RFC 9112, 9.3.1 and 9.5).

    Attributes:
        answers: The bodies of the answers with 200, by their count.
        failures: What else happened, in words.
        slowest_s: The longest time that an answer took.
    """

    address: Address
    path: str = "/"
    clients: int = 4
    answers: int = 0
    bodies: set[bytes] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        for number in range(self.clients):
            ask = self._ask_keeping if number % 2 else self._ask_anew
            thread = threading.Thread(target=ask, daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Let every client finish its request."""
        self._stop.set()
        for thread in self._threads:
            thread.join(15)
            assert not thread.is_alive(), "a request of the load was never answered"

    def wait_for_more(self, count: int, deadline_s: float = 20.0) -> None:
        """Wait until so many more requests were answered."""
        wanted = self.answers + count
        until(lambda: self.answers >= wanted, deadline_s, f"{count} more answers; {self.failures}")

    def _ask_anew(self) -> None:
        while not self._stop.wait(POLL_S / 2):
            began = time.monotonic()
            try:
                with Connection(self.address) as connection:
                    self._take(connection, began)
            except (OSError, TimeoutError) as error:
                self._fail(error)

    def _ask_keeping(self) -> None:
        while not self._stop.is_set():
            try:
                with Connection(self.address) as connection:
                    self._ask_on(connection)
            except (OSError, TimeoutError) as error:
                self._fail(error)

    def _ask_on(self, connection: Connection) -> None:
        self._take(connection, time.monotonic())
        while not self._stop.wait(POLL_S / 2):
            try:
                kept = self._take(connection, time.monotonic())
            except (NoAnswerError, BrokenPipeError, ConnectionResetError):
                return  # it was kept, and is asked again on another one
            if not kept:
                return

    def _take(self, connection: Connection, began: float) -> bool:
        answer = connection.ask(request_bytes("GET", self.path))
        took_s = time.monotonic() - began
        with self._lock:
            self.slowest_s = max(self.slowest_s, took_s)
            if answer.status == 200:
                self.answers += 1
                self.bodies.add(answer.body)
            else:
                self.failures.append(f"{answer.status} {answer.body!r}")
        return answer.header("connection") != "close"

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self.failures.append(f"{type(error).__name__}: {error}")
