"""Workers and supervisors that die, do not start, or do not go on."""

import os
import signal
import time
from itertools import pairwise

import pytest

from tests.faults.conftest import Measured
from tests.faults.harness import (
    APPLICATION,
    Load,
    events_of,
    is_free,
    on_every_engine,
    on_the_host,
    pid_that_answers,
    serving,
)
from tests.processes import session_of, until
from tests.servers import Server, program, start
from tests.wire import NoAnswerError, request_bytes

pytestmark = pytest.mark.socket

STALL_S = 2.0


def workers_of(server: Server, engine: str) -> set[int]:
    """The processes that serve; with one worker Uvicorn serves in its only process."""
    return {event["pid"] for event in server.events("lifespan.startup")} & session_of(
        server.popen.pid
    )


@on_every_engine
def test_a_killed_worker_is_replaced(engine: str, workers: int, measured: Measured) -> None:
    # Uvicorn replaces workers where it has a supervisor, which recycling gives it.
    recycled = ["--max-requests", "1000000"] if engine == "uvicorn" else []
    with serving(*recycled, engine=engine, workers=workers) as server:
        with Load(server.address) as load:
            load.wait_for_more(100)
            killed = min(workers_of(server, engine))
            with server.connect() as victims:
                began = time.monotonic()
                os.kill(killed, signal.SIGKILL)
                until(
                    lambda: len(workers_of(server, engine) - {killed}) == workers,
                    10,
                    "full strength",
                )
                strength_s = time.monotonic() - began
                victims.close()
            load.wait_for_more(200)
        assert server.stop() == 0
    measured(
        "worker-killed",
        f"{len(load.failures)} failures of {load.answers} requests by 4 clients, "
        f"full strength after {strength_s:.2f} s",
        engine=engine,
        workers=workers,
    )
    assert len(load.failures) <= load.clients  # each client has one request in flight
    if engine == "hypercorn":
        assert strength_s < 2


@on_every_engine
def test_workers_die_with_their_supervisor(engine: str, workers: int, measured: Measured) -> None:
    with serving(engine=engine, workers=workers) as server, server.connect() as idle:
        assert idle.ask(request_bytes("GET", "/")).status == 200
        began = time.monotonic()
        os.kill(server.popen.pid, signal.SIGKILL)
        until(lambda: not session_of(server.popen.pid), 5, "the workers end")
        until(lambda: is_free(server.address), 5, "the port is free")
        took_s = time.monotonic() - began
    measured("supervisor-killed", f"free after {took_s:.2f} s", engine=engine, workers=workers)
    assert took_s < 1


@on_every_engine
def test_a_start_that_fails_is_given_up(engine: str, workers: int, measured: Measured) -> None:
    command = program(
        "serve", "--port", "0", "--engine", engine, "--workers", str(workers),
        "tests.faults.application:without_luck",
    )  # fmt: skip
    with start(command) as process:
        began = time.monotonic()
        code = process.wait(30)
        took_s = time.monotonic() - began
    tries = [event["at"] for event in process.events("tried")]
    measured(
        "start",
        f"{len(tries)} starts within {took_s:.1f} s, exit {code}",
        engine=engine,
        workers=workers,
    )
    assert code == 3
    assert len(tries) <= 6 * (workers if engine != "hypercorn" else 1)
    assert "Traceback" not in process.stderr.text
    if engine == "hypercorn":
        pauses = [later - earlier for earlier, later in pairwise(tries)]
        assert pauses[-1] > pauses[0]


@on_the_host
def test_a_blocked_loop_is_found_and_replaced(workers: int, measured: Measured) -> None:
    with serving("--stall-limit", f"{STALL_S}s", workers=workers) as server:
        before = workers_of(server, "hypercorn")
        with server.connect(15) as blocking:
            blocking.send(request_bytes("GET", "/block?s=60"))
            blocked = events_of(server, "block", 1)[0]["pid"]
            began = time.monotonic()
            served = 0
            if workers > 1:
                with Load(server.address) as load:
                    event = server.wait_for_event("worker_blocked", deadline_s=2 * STALL_S)
                served = load.answers
            else:
                event = server.wait_for_event("worker_blocked", deadline_s=2 * STALL_S)
            found_s = time.monotonic() - began
            with pytest.raises((NoAnswerError, ConnectionResetError)):
                blocking.response()
        until(lambda: len(workers_of(server, "hypercorn")) == workers, 5, "full strength")
        assert pid_that_answers(server) != blocked
        assert (before - {blocked}) <= workers_of(server, "hypercorn")
        assert server.stop() == 0
    others = f", {served} requests served meanwhile" if workers > 1 else ""
    measured("blocked", f"found after {found_s:.2f} s of {STALL_S} s{others}", workers=workers)
    assert event["worker"] == blocked
    assert "in block" in event["stack"]
    assert "application.py" in event["stack"]
    assert found_s < 1.5 * STALL_S
    assert served or workers == 1


def test_a_loop_that_is_blocked_for_less_is_left_alone() -> None:
    with serving("--stall-limit", f"{STALL_S}s") as server, server.connect() as blocking:
        before = pid_that_answers(server)
        assert blocking.ask(request_bytes("GET", f"/block?s={0.95 * STALL_S}")).status == 200
        assert pid_that_answers(server) == before
        assert not server.events("worker_blocked")


@on_every_engine
def test_frozen_processes_go_on_where_they_were(
    engine: str, workers: int, measured: Measured
) -> None:
    """As `docker pause` and a suspended virtual machine do it."""
    limit = ["--stall-limit", "1s"] if engine == "hypercorn" else []
    with serving(*limit, engine=engine, workers=workers) as server:
        before = workers_of(server, engine)
        everybody = session_of(server.popen.pid)
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        with server.connect(STALL_S) as held:
            held.send(request_bytes("GET", "/"))
            with pytest.raises(TimeoutError):
                held.read()
            for pid in (server.popen.pid, *(everybody - {server.popen.pid})):
                os.kill(pid, signal.SIGCONT)
            assert held.response().status == 200
        with Load(server.address) as load:
            load.wait_for_more(200)
        after = workers_of(server, engine)
        assert server.stop() == 0
    kept = f"{len(after & before)}/{workers} workers kept"
    measured("frozen", kept, engine=engine, workers=workers)
    assert after == before
    assert not load.failures


def test_an_application_that_is_not_found_is_code_2() -> None:
    command = program("serve", "--port", "0", f"{APPLICATION}x")
    with start(command) as process:
        assert process.wait(20) == 2
    assert len(process.stderr.lines) == 1
