"""The output of log lines: whole, in order, never waiting, and honest about what was lost."""

import errno
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from time import monotonic

import pytest

from portico.server import output as output_module
from portico.server.output import File, Output, Stream, Stubborn, flush, open_sink, output_of

LINE = b"x" * 99 + b"\n"
PIPE_BYTES = 65536
LONG_S = 10.0


@dataclass
class Pipe:
    """A pipe that is read when the test says so."""

    reader: int
    writer: int
    outputs: list[Output] = field(default_factory=list)

    def output(self, room_bytes: int = 1 << 20) -> Output:
        made = Output(self.writer, room_bytes=room_bytes)
        self.outputs.append(made)
        return made

    def read(self, size: int) -> bytes:
        """Wait for *size* bytes."""
        data = b""
        while len(data) < size:
            data += os.read(self.reader, size - len(data))
        return data

    def read_lines(self, count: int) -> list[bytes]:
        """Wait for *count* lines."""
        data = b""
        while data.count(b"\n") < count:
            data += os.read(self.reader, PIPE_BYTES)
        return data.splitlines(keepends=True)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe(*os.pipe())
    yield made
    os.close(made.reader)  # lets a writer that waits go on
    for output in made.outputs:
        assert output.flush(LONG_S)
        output.close()
    os.close(made.writer)


def numbered(count: int, size: int = 100) -> list[bytes]:
    return [(b"%d\n" % number).rjust(size, b"x") for number in range(count)]


# A reader that keeps up


def test_a_line_is_there_when_write_returns_and_takes_no_thread(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Thread, "start", no_thread)
    pipe.output().write(LINE)
    assert os.read(pipe.reader, PIPE_BYTES) == LINE


def test_the_flags_of_a_shared_descriptor_stay_as_they_were(pipe: Pipe) -> None:
    pipe.output().write(LINE)
    assert os.get_blocking(pipe.writer)


# A reader that stops


def test_lines_wait_in_order_for_a_reader_that_stopped(pipe: Pipe) -> None:
    output = pipe.output()
    lines = numbered(3000)
    begun = monotonic()
    for line in lines:
        output.write(line)
    assert monotonic() - begun < 1.0
    assert not output.flush(0)
    assert pipe.read_lines(len(lines)) == lines
    assert output.flush(LONG_S)
    assert output.dropped == 0
    output.write(LINE)
    assert os.read(pipe.reader, PIPE_BYTES) == LINE


def test_lines_without_room_are_counted_and_told_when_lines_can_be_written_again(
    pipe: Pipe,
) -> None:
    output = pipe.output(room_bytes=5000)
    lines = numbered(3000)
    for line in lines:
        output.write(line)
    kept = 3000 - output.dropped
    assert 600 < kept < 3000
    *whole, notice = pipe.read_lines(kept + 1)
    assert whole == lines[:kept]
    told = json.loads(notice)
    assert told.pop("timestamp").endswith("Z")
    count = 3000 - kept
    assert told == {
        "event": "log_lines_dropped",
        "level": "warning",
        "count": count,
        "total": count,
    }
    assert output.flush(LONG_S)
    output.write(LINE)
    assert os.read(pipe.reader, PIPE_BYTES) == LINE


def test_a_line_longer_than_a_pipe_comes_whole(pipe: Pipe) -> None:
    output = pipe.output()
    long = b"y" * (3 * PIPE_BYTES) + b"\n"
    output.write(long)
    output.write(LINE)
    assert pipe.read(len(long) + len(LINE)) == long + LINE


def test_a_descriptor_that_cannot_be_told_not_to_wait_is_left_to_the_thread(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stream, "reopened", refuse)
    output = pipe.output()
    for line in numbered(1000):
        output.write(line)
    assert pipe.read_lines(1000) == numbered(1000)
    assert isinstance(open_sink(pipe.writer), Stubborn)


def refuse(_: int) -> Stream:
    raise PermissionError(errno.EACCES, "not here")


def test_without_a_thread_lines_wait_for_the_next_one(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = pipe.output()
    with monkeypatch.context() as patched:
        patched.setattr(Thread, "start", no_thread)
        for line in numbered(1000):
            output.write(line)
    output.write(b"last\n")
    assert pipe.read_lines(1001)[-1] == b"last\n"


def no_thread(_: Thread) -> None:
    raise RuntimeError("can't start new thread")


# A reader that leaves, a disk that is full


def test_a_reader_that_left_is_counted() -> None:
    reader, writer = os.pipe()
    output = Output(writer)
    os.close(reader)
    output.write(LINE)
    output.write(LINE)
    assert output.dropped == 2
    output.close()
    os.close(writer)


def test_a_reader_that_leaves_lines_waiting_is_counted() -> None:
    reader, writer = os.pipe()
    output = Output(writer)
    for line in numbered(1000):
        output.write(line)
    assert not output.flush(0)
    os.close(reader)
    assert output.flush(LONG_S)
    assert output.dropped > 300
    output.close()
    os.close(writer)


def test_a_closed_descriptor_loses_its_lines() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    output = Output(writer)
    output.write(LINE)
    assert output.dropped == 1
    assert not output.is_terminal()
    assert output_of(writer).dropped == 0


@dataclass
class Disk:
    """A sink with so much room; what goes beyond is refused."""

    room: int
    taken: bytes = b""
    slow: bool = False

    def offer(self, data: bytes, /) -> int:
        if self.slow:
            raise BlockingIOError
        return self.push(data)

    def push(self, data: bytes, /) -> int:
        if self.room == 0:
            raise OSError(errno.ENOSPC, "full")
        size = min(self.room, len(data))
        self.room -= size
        self.taken += data[:size]
        return size


def on(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> Output:
    monkeypatch.setattr(output_module, "open_sink", lambda fd: disk)
    return Output()


def test_a_full_disk_loses_lines_and_tells_when_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = Disk(0)
    output = on(disk, monkeypatch)
    output.write(b"a\n")
    output.write(b"b\n")
    disk.room = 1000
    output.write(b"c\n")
    notice, line = disk.taken.splitlines()
    assert (json.loads(notice)["count"], line) == (2, b"c")


@pytest.mark.parametrize("slow", [False, True])
def test_a_line_that_a_full_disk_tore_is_ended_before_the_next(
    monkeypatch: pytest.MonkeyPatch, slow: bool
) -> None:
    disk = Disk(1, slow=slow)
    output = on(disk, monkeypatch)
    output.write(b"first\n")
    assert output.flush(LONG_S)
    assert output.dropped == 1
    output.write(b"lost\n")
    assert output.flush(LONG_S)
    disk.room = 1000
    output.write(b"next\n")
    assert output.flush(LONG_S)
    torn, *whole = disk.taken.splitlines()
    assert torn == b"f"
    notices = [json.loads(line)["count"] for line in whole if line.startswith(b"{")]
    assert notices == [2]
    assert output.dropped == 2
    assert [line for line in whole if not line.startswith(b"{")] == [b"next"]


# Other descriptors


def test_a_file_is_written_to_at_once(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        assert isinstance(open_sink(file.fileno()), File)
        Output(file.fileno()).write(LINE)
    assert (tmp_path / "log").read_bytes() == LINE


def test_a_socket_is_told_not_to_wait() -> None:
    near, far = socket.socketpair()
    with near, far:
        output = Output(near.fileno())
        lines = numbered(20_000)
        for line in lines:
            output.write(line)
        assert not output.flush(0)
        received = b""
        while len(received) < 100 * len(lines):
            received += far.recv(PIPE_BYTES)
        assert output.dropped == 0
        assert received.splitlines(keepends=True) == lines
        assert near.getblocking()
        output.close()


def test_a_terminal_is_recognised_and_does_not_make_anybody_wait() -> None:
    primary, secondary = os.openpty()
    output = Output(secondary)
    assert output.is_terminal()
    begun = monotonic()
    for line in numbered(1000):
        output.write(line)
    assert monotonic() - begun < 1.0
    os.close(primary)
    assert output.flush(LONG_S)
    output.close()
    os.close(secondary)


def test_a_process_has_one_output_for_a_descriptor(pipe: Pipe) -> None:
    assert output_of(pipe.writer) is output_of(pipe.writer)
    assert output_of(pipe.writer) is not output_of(pipe.reader)
    output_of(pipe.writer).close()


# Processes

WRITING = """\
import os, sys
from portico.server.output import Output, flush
output = Output()
children = []
for worker in range(4):
    pid = os.fork()
    if pid == 0:
        for number in range(2000):
            text = f"{worker}:{number}:"
            output.write(text.ljust(500 + number % 3500, "x").encode() + b"\\n")
        flush(30)
        os._exit(0)
    children.append(pid)
sys.exit(max(os.waitpid(pid, 0)[1] for pid in children))
"""


def test_the_lines_of_several_workers_do_not_mix() -> None:
    done = subprocess.run([sys.executable, "-c", WRITING], stdout=subprocess.PIPE, check=True)
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 8000
    for worker in range(4):
        own = [line for line in lines if line.startswith(f"{worker}:")]
        assert own == [f"{worker}:{n}:".ljust(500 + n % 3500, "x") for n in range(2000)]


ENDING = """\
import os, sys
from portico.server.output import Output
output = Output()
for number in range(2000):
    output.write((b"%d\\n" % number).rjust(100, b"x"))
os.write(2, b".")
"""


def test_what_waits_at_the_end_of_a_process_is_written_first() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ENDING], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.read(1) == b"."
        assert process.stdout.read().splitlines(keepends=True) == numbered(2000)


def test_a_process_whose_lines_nobody_reads_ends_all_the_same() -> None:
    with subprocess.Popen([sys.executable, "-c", ENDING], stdout=subprocess.PIPE) as process:
        assert process.wait(LONG_S) == 0


FORKING = """\
import os
from portico.server.output import Output, flush
output = Output()
for number in range(1000):
    output.write((b"%d\\n" % number).rjust(100, b"x"))
output.dropped = 7
pid = os.fork()
if pid == 0:
    os._exit(0 if flush(0) is None and not output._queue and output.dropped == 0 else 1)
os.write(2, b"%d" % os.waitpid(pid, 0)[1])
"""


def test_lines_that_wait_are_their_own_processs_and_not_its_childs() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FORKING], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.read(1) == b"0"
        assert process.stdout.read().splitlines(keepends=True) == numbered(1000)


def test_flushing_all_outputs_is_bounded(pipe: Pipe) -> None:
    output = pipe.output()
    for line in numbered(1000):
        output.write(line)
    begun = monotonic()
    flush(0.05)
    assert 0.05 <= monotonic() - begun < 1.0


def test_waiting_costs_no_memory_beyond_its_room(pipe: Pipe) -> None:
    output = pipe.output(room_bytes=1 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(50_000):
        output.write(b"z" * 1000 + b"\n")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024
    assert output.dropped > 40_000
