"""A log that nobody reads, or whose disk is full, takes no request with it."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.conftest import Measured
from tests.faults.harness import Load, on_the_host, thorough
from tests.processes import until
from tests.servers import Output, environment, program
from tests.wire import Connection, ask, request_bytes

pytestmark = pytest.mark.socket

PATH = "/v1/health/"
BATCH = 100
BATCHES = 120  # some 6 MB of lines, of which 4 MiB may wait
REQUESTS = 600  # of which each writes a line of some 500 bytes: five times what a pipe holds


@contextmanager
def logging_to(sink: int, path: Path, workers: int) -> Iterator[subprocess.Popen[bytes]]:
    """Serve at a Unix socket with *sink* for its output; nobody reads a line of it."""
    # Not the application of faults: it writes to the sink itself, and would wait there.
    arguments = ("--uds", str(path), "--workers", str(workers))
    process = subprocess.Popen(
        program("serve", *arguments),
        stdin=subprocess.DEVNULL,
        stdout=sink,
        stderr=subprocess.DEVNULL,
        env=environment(home=path.parent),
        cwd=path.parent,
        start_new_session=True,
    )
    try:
        until(lambda: answers(path), 20, "the server answers")
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(path: Path) -> bool:
    try:
        return ask(str(path), request_bytes("GET", PATH)).status == 200
    except OSError:
        return False


@on_the_host
def test_a_full_disk(workers: int, measured: Measured, tmp_path: Path) -> None:
    path = tmp_path / "portico.sock"
    with (
        Path("/dev/full").open("wb") as full,
        logging_to(full.fileno(), path, workers) as process,
    ):
        with Load(str(path), PATH) as load:
            load.wait_for_more(REQUESTS)
        process.terminate()
        assert process.wait(10) == 0
    measured("log", f"full: {len(load.failures)} failures of {load.answers}", workers=workers)
    assert load.failures == []


@on_the_host
def test_a_pipe_that_nobody_reads(workers: int, measured: Measured, tmp_path: Path) -> None:
    path = tmp_path / "portico.sock"
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as log, os.fdopen(writer, "wb") as sink:
        with logging_to(sink.fileno(), path, workers) as process:
            with Load(str(path), PATH) as load:
                load.wait_for_more(REQUESTS)
            process.send_signal(signal.SIGHUP)  # the supervisor logs it
            with Load(str(path), PATH) as reloaded:
                reloaded.wait_for_more(50)
            process.terminate()
            assert process.wait(10) == 0
        sink.close()
        kept = log.read().splitlines()
    failures = [*load.failures, *reloaded.failures]
    measured(
        "log",
        f"blocked: {len(failures)} failures of {load.answers + reloaded.answers}, "
        f"{len(kept)} lines kept, none torn",
        workers=workers,
    )
    assert failures == []
    assert all(isinstance(json.loads(line), dict) for line in kept)


@thorough
def test_what_was_dropped_is_counted(measured: Measured, tmp_path: Path) -> None:
    """More lines than may wait; then somebody reads again, and is told how many are missing."""
    path = tmp_path / "portico.sock"
    reader, writer = os.pipe()
    log = os.fdopen(reader, "rb")
    with os.fdopen(writer, "wb") as sink, logging_to(sink.fileno(), path, 1) as process:
        asked = ask_many(path, BATCHES)
        output = Output()
        follower = output.follow(log)
        line = output.wait_for_line(lambda line: '"log_lines_dropped"' in line, 20)
        process.terminate()
        assert process.wait(10) == 0
    follower.join(10)
    records = sum('"event":"access"' in line for line in output.lines)
    dropped = json.loads(line)["count"]
    measured("log", f"{asked} requests, {records} records kept, {dropped} counted as lost")
    assert dropped > 0
    assert records + dropped >= asked


def ask_many(path: Path, batches: int) -> int:
    """Ask in pipelined batches, the fastest way to fill a log; how many requests."""
    request = request_bytes("GET", PATH)
    with Connection(str(path)) as connection:
        connection.send(request)
        size = len(connection.read())
        for _ in range(batches):
            connection.send(request * BATCH)
            connection.read_exactly(size * BATCH)
    return 1 + batches * BATCH
