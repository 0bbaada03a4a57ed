"""Standard input, output and error closed by whoever started the server."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.servers import ENGINES, START_DEADLINE_S, program, start
from tests.wire import Connection, NoAnswerError, request_bytes

pytestmark = pytest.mark.socket

CLOSED = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")


def ask_until_answered(address: str, popen: subprocess.Popen[bytes]) -> int:
    """Connect again while the server starts; one that ends instead is a failure at once."""
    deadline = time.monotonic() + START_DEADLINE_S
    while True:
        try:
            with Connection(address) as connection:
                return connection.ask(request_bytes("GET", "/livez")).status
        except (OSError, NoAnswerError):
            if time.monotonic() > deadline:
                raise
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"the server ended with {popen.wait(0.05)}")


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("engine", ENGINES)
def test_no_socket_takes_the_place_of_a_closed_output(
    engine: str, workers: str, tmp_path: Path
) -> None:
    address = str(tmp_path / "s")
    arguments = ("--uds", address, "--engine", engine, "--workers", workers)
    with start([*CLOSED, *program("serve", *arguments)]) as process:
        assert ask_until_answered(address, process.popen) == 200
        for pid in session_of(process.popen.pid):
            held = [Path(f"/proc/{pid}/fd/{number}").readlink() for number in (1, 2)]
            assert held == [Path(os.devnull)] * 2
        process.signal(signal.SIGTERM)
        assert process.wait() == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_warning_that_finds_no_room_stops_no_server(engine: str, tmp_path: Path) -> None:
    address = str(tmp_path / "s")
    full = ("sh", "-c", 'exec "$@" 2>/dev/full', "sh")
    served = program("serve", "--uds", address, "--engine", engine)
    with start([*full, *served], {"LETTA_PG_URI": "postgresql://u:p@h/d"}) as process:
        assert ask_until_answered(address, process.popen) == 200
        process.signal(signal.SIGTERM)
        assert process.wait() == 0


def session_of(leader: int) -> list[int]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if belongs(pid, leader)]


def belongs(pid: int, leader: int) -> bool:
    try:
        return os.getsid(pid) == leader
    except ProcessLookupError:
        return False
