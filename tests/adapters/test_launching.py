"""The three launchers over real sockets: the same promises from each."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Server, serve, start
from tests.wire import Connection, NoAnswerError, request_bytes

ENGINES = ("hypercorn", "uvicorn", "granian")
SEVERAL = [(engine, workers) for engine in ENGINES for workers in (1, 2)]

pytestmark = pytest.mark.socket
every_engine = pytest.mark.parametrize("engine", ENGINES)
every_count = pytest.mark.parametrize(("engine", "workers"), SEVERAL)


def command(engine: str, maker: str = "make_application", **changes: Any) -> list[str]:
    return [sys.executable, "-m", "tests.adapters.launched", engine, maker, json.dumps(changes)]


@contextmanager
def launched(engine: str, maker: str = "make_application", **changes: Any) -> Iterator[Server]:
    with serve(command=command(engine, maker, **changes)) as server:
        yield server


def run(engine: str, maker: str = "make_application", **changes: Any) -> tuple[int, str, str]:
    with start(command(engine, maker, **changes)) as process:
        return process.wait(20), process.stdout.text, process.stderr.text


def is_free(address: tuple[str, int]) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(address) != 0


def eventually_answers(server: Server, deadline_s: float = 5.0) -> bool:
    """Connect again and again until there is room; each try is a whole round trip."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        with suppress(NoAnswerError):
            return server.get("/").status == 200
    return False


@every_count
def test_the_real_port_is_announced_and_answers(engine: str, workers: int):
    with launched(engine, workers=workers) as server:
        assert server.get("/").body == b"plain"
        assert server.stop() == 0
    assert [event["event"] for event in server.events("shutdown")] == ["shutdown"] * workers


@every_count
def test_a_request_in_flight_is_answered_at_sigterm(engine: str, workers: int):
    with launched(engine, workers=workers) as server, server.connect() as connection:
        connection.send(request_bytes("GET", "/slow"))
        server.wait_for_event("slow")
        server.signal(signal.SIGTERM)
        assert connection.response().body == b"slow"
        assert server.wait() == 0


@every_count
def test_a_request_in_flight_is_answered_at_sigterm_to_the_group(engine: str, workers: int):
    with launched(engine, workers=workers) as server, server.connect() as connection:
        connection.send(request_bytes("GET", "/slow"))
        server.wait_for_event("slow")
        os.killpg(server.popen.pid, signal.SIGTERM)
        assert connection.response().body == b"slow"
        assert server.wait() == 0


@every_count
def test_endless_work_is_cut_after_the_grace(engine: str, workers: int):
    with launched(engine, workers=workers, grace_s=1.0) as server, server.connect() as connection:
        connection.send(request_bytes("GET", "/endless"))
        connection.read_exactly(1)
        server.signal(signal.SIGTERM)
        assert server.wait(6) == 0


def test_a_client_that_does_not_read_does_not_hold_hypercorn_at_shutdown():
    with launched("hypercorn", grace_s=0.5) as server, server.connect() as connection:
        connection.send(request_bytes("GET", "/flood"))
        server.wait_for_event("flood")
        server.signal(signal.SIGTERM)
        assert server.wait(4) == 0


@every_count
def test_a_second_signal_ends_at_once(engine: str, workers: int):
    with launched(engine, workers=workers) as server, server.connect() as connection:
        connection.send(request_bytes("GET", "/endless"))
        connection.read_exactly(1)
        server.signal(signal.SIGTERM)
        server.wait_for_event("draining")
        server.signal(signal.SIGTERM)
        assert server.wait(3) in {0, 1}


@every_count
def test_a_taken_port_is_one_line_and_code_2(engine: str, workers: int):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, errors = run(engine, port=port, workers=workers)
    assert (code, out) == (2, "")
    assert errors == (f"cannot listen on http://127.0.0.1:{port}: it is in use by another process")


@every_count
def test_a_start_up_that_fails_is_code_3(engine: str, workers: int):
    code, _, errors = run(engine, "make_failing", workers=workers)
    assert code == 3
    assert "Traceback" not in errors


@every_count
def test_an_application_that_cannot_be_made_is_code_3(engine: str, workers: int):
    code, _, errors = run(engine, "make_nothing", workers=workers)
    assert code == 3
    assert "the application cannot be made: LookupError: there is no application" in errors
    assert "Traceback" not in errors


@every_engine
@pytest.mark.parametrize("maker", ["make_without_lifespan", "make_silent_at_lifespan"])
def test_an_application_without_lifespan_serves(engine: str, maker: str):
    with launched(engine, maker) as server:
        assert server.get("/").body == b"plain"
        assert server.stop() == 0


@every_engine
def test_an_error_in_the_application_harms_nobody_else(engine: str):
    with launched(engine) as server:
        for path in ("/broken", "/misused"):
            assert server.get(path).status == 500
            assert server.get("/").body == b"plain"
        assert server.stop() == 0


@every_engine
def test_ipv6(engine: str):
    with launched(engine, host="::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert server.get("/").body == b"plain"


@every_count
def test_a_unix_socket_replaces_a_stale_one_and_goes_at_the_end(
    engine: str, workers: int, tmp_path: Path
):
    path = tmp_path / "portico.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with launched(engine, uds=str(path), workers=workers) as server:
        with Connection(str(path)) as connection:
            assert connection.ask(request_bytes("GET", "/")).body == b"plain"
        code, _, errors = run(engine, uds=str(path), workers=workers)
        assert (code, errors) == (
            2,
            f"cannot listen on unix:{path}: it is in use by another process",
        )
        assert server.stop() == 0
    assert not path.exists()


@every_engine
@pytest.mark.parametrize("path", ["/paths", "/api/paths"])
def test_the_root_path_stands_once_before_every_path(engine: str, path: str):
    with launched(engine, root_path="/api") as server:
        assert json.loads(server.get(path).body) == ["/api/paths", "/api/paths", "/api"]


@every_engine
def test_a_connection_that_asks_for_it_is_closed(engine: str):
    with launched(engine) as server, server.connect() as asked:
        answer = asked.ask(request_bytes("GET", "/", [("connection", "close")]))
        assert answer.body == b"plain"
        assert asked.read() == b""


def test_hypercorn_keeps_to_its_connection_cap():
    with launched("hypercorn", max_connections=2) as server:
        with server.connect() as first, server.connect() as second, server.connect() as third:
            assert first.ask(request_bytes("GET", "/")).status == 200
            assert second.ask(request_bytes("GET", "/")).status == 200
            assert third.read().startswith(b"HTTP/1.1 503 ")
            for connection in (first, second):
                closing = request_bytes("GET", "/", [("connection", "close")])
                assert connection.ask(closing).status == 200
                assert connection.read() == b""
        assert eventually_answers(server)


@every_engine
def test_workers_do_not_outlive_their_supervisor(engine: str):
    with launched(engine, workers=2) as server:
        server.signal(signal.SIGKILL)
        server.wait()  # the output ends with the last of the processes that hold it
        assert is_free(("127.0.0.1", int(server.url.rpartition(":")[2])))


def test_uvicorn_replaces_a_worker_after_its_requests():
    with launched("uvicorn", workers=1, max_requests=2) as server:
        assert [server.get("/").status for _ in range(8)] == [200] * 8
        assert server.stop() == 0


def test_an_asyncio_application_runs_on_trio():
    with launched("hypercorn", "make_bridged", asyncio_app=True, grace_s=0.5) as server:
        with server.connect() as connection:
            posted = request_bytes("POST", "/", [("content-length", "5")]) + b"hello"
            assert connection.ask(posted).body == b"hello 5"
        with server.connect() as leaver:
            leaver.send(request_bytes("GET", "/endless"))
            leaver.read_exactly(1)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    assert server.events("left")
    assert server.events("shutdown")


@every_engine
def test_http2_is_never_spoken_in_the_clear(engine: str):
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    with launched(engine) as server:
        with server.connect() as known, suppress(NoAnswerError):
            known.send(preface)
            assert known.read()[:9] in {b"", b"HTTP/1.1 "}
        upgrade = [("connection", "upgrade, http2-settings"), ("upgrade", "h2c")]
        with server.connect() as asked:
            request = request_bytes("GET", "/", [*upgrade, ("http2-settings", "")])
            assert asked.ask(request).body == b"plain"


@pytest.mark.parametrize(
    ("engine", "changes"),
    [
        ("hypercorn", {"keep_alive_s": 0.5}),
        ("uvicorn", {"keep_alive_s": 0.5}),
        ("granian", {"header_timeout_s": 0.5}),
    ],
)
def test_an_idle_connection_is_closed_in_its_time(engine: str, changes: dict[str, Any]):
    with launched(engine, **changes) as server, server.connect() as idle:
        assert idle.ask(request_bytes("GET", "/")).body == b"plain"
        assert idle.read() == b""


@every_engine
def test_a_killed_worker_is_replaced(engine: str):
    with launched(engine, workers=1, max_requests=10**6) as server:
        before = worker_pid(server)
        os.kill(before, signal.SIGKILL)
        assert eventually_answers(server)
        assert worker_pid(server) != before
        assert server.stop() == 0


def worker_pid(server: Server) -> int:
    return int(server.get("/pid").body)
