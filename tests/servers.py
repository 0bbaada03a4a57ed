"""Real server processes for tests: started, waited for with a deadline, ended by their own handle.

    with serve("--engine", "uvicorn") as server:
        assert get(server.url + "/livez").status == 200

A process gets exactly the environment that :func:`environment` builds, works in an empty directory
of its own, and is a session of its own, so that its workers end with it.
"""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from tests.wire import (
    Address,
    Answer,
    Connection,
    NoAnswerError,
    address_of,
    ask,
    get,
    has_closed,
    request_bytes,
)

__all__ = [
    "ENGINES",
    "ROOT",
    "Address",
    "Answer",
    "Connection",
    "EndedEarlyError",
    "NoAnswerError",
    "Process",
    "Server",
    "address_of",
    "ask",
    "environment",
    "get",
    "has_closed",
    "program",
    "request_bytes",
    "run",
    "serve",
]

ROOT: Final = Path(__file__).resolve().parent.parent
ENGINES: Final = ("hypercorn", "uvicorn", "granian")
START_DEADLINE_S: Final = 30.0
STOP_DEADLINE_S: Final = 15.0
# What a child needs to run at all and to be measured; everything else is the test's to give.
_INHERITED: Final = ("PATH", "LANG", "TMPDIR", "SYSTEMROOT")
_MEASURED: Final = "COVERAGE_"


class EndedEarlyError(AssertionError):
    """What was waited for did not come; the message has the process's output."""


@dataclass(slots=True)
class Output:
    """The lines a process has written so far, and a way to wait for one."""

    _lines: list[str] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _open: int = 0

    def follow(self, stream: IO[bytes]) -> threading.Thread:
        """Read *stream* to its end in a thread of its own."""
        with self._changed:
            self._open += 1
        reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        reader.start()
        return reader

    @property
    def lines(self) -> list[str]:
        """A copy of the lines so far, without their ends."""
        with self._changed:
            return list(self._lines)

    @property
    def text(self) -> str:
        """The lines so far as one text."""
        return "\n".join(self.lines)

    def wait_for_line(
        self, wanted: Callable[[str], bool], deadline_s: float, since: int = 0
    ) -> str:
        """Return the first line that is *wanted*, among those written and those to come.

        Args:
            wanted: Is asked about each line once.
            deadline_s: How long to wait, in seconds.
            since: Lines to pass over, counted from the first.

        Raises:
            EndedEarlyError: The deadline passed, or every stream ended, without one.
        """
        seen = since
        found: list[str] = []

        def arrived() -> bool:
            nonlocal seen
            fresh, seen = self._lines[seen:], len(self._lines)
            found.extend(line for line in fresh if wanted(line))
            return bool(found) or not self._open

        with self._changed:
            self._changed.wait_for(arrived, deadline_s)
        if not found:
            ended = "before the output ended" if not self._open else f"within {deadline_s} s"
            last = "\n".join(self.lines[-20:])
            raise EndedEarlyError(f"the line did not come {ended}; the last were:\n{last}")
        return found[0]

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._append(line.decode("utf-8", "replace").rstrip("\r\n"))
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def _append(self, line: str) -> None:
        with self._changed:
            self._lines.append(line)
            self._changed.notify_all()


@dataclass(slots=True)
class Process:
    """A child process with its output.

    Attributes:
        popen: The handle, by which alone it is ended.
        stdout: Its standard output so far.
        stderr: Its standard error so far.
        directory: Where it works.
    """

    popen: subprocess.Popen[bytes]
    stdout: Output
    stderr: Output
    directory: Path
    _readers: list[threading.Thread] = field(default_factory=list)

    @property
    def logs(self) -> str:
        """Both streams, for a failure's message."""
        return f"{self.stdout.text}\n--- stderr\n{self.stderr.text}"

    def alive(self) -> bool:
        """Say whether the process runs."""
        return self.popen.poll() is None

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return the JSON lines of standard output, those whose ``event`` is *name* if given."""
        parsed = [_parse_event(line) for line in self.stdout.lines]
        return [event for event in parsed if event and name in (None, event.get("event"))]

    def wait_for_event(
        self,
        name: str,
        wanted: Callable[[dict[str, Any]], bool] = lambda _: True,
        deadline_s: float = START_DEADLINE_S,
    ) -> dict[str, Any]:
        """Return the first JSON line whose ``event`` is *name* and that is *wanted*."""

        def matches(line: str) -> bool:
            event = _parse_event(line)
            return event is not None and event.get("event") == name and wanted(event)

        event: dict[str, Any] = json.loads(self._wait_for(matches, deadline_s))
        return event

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        self.popen.send_signal(number)

    def wait(self, deadline_s: float = STOP_DEADLINE_S) -> int:
        """Wait until the process has ended by itself; return its exit code."""
        code = self.popen.wait(deadline_s)
        for reader in self._readers:
            reader.join(deadline_s)
        return code

    def stop(self, deadline_s: float = STOP_DEADLINE_S) -> int:
        """Ask the process to end (SIGTERM) and return its exit code; it may have ended already.

        Raises:
            EndedEarlyError: It did not end by the deadline and was killed.
        """
        if self.alive():
            self.popen.terminate()
        try:
            return self.wait(deadline_s)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise EndedEarlyError(f"still running after SIGTERM; output:\n{self.logs}") from error

    def kill(self) -> None:
        """End the process and whatever it started, at once."""
        with suppress(ProcessLookupError):  # nothing of its session is left
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.wait()

    def _wait_for(self, wanted: Callable[[str], bool], deadline_s: float) -> str:
        try:
            return self.stdout.wait_for_line(wanted, deadline_s)
        except EndedEarlyError as error:
            code = self.popen.poll()
            raise EndedEarlyError(f"exit code {code}: {error}\n{self.stderr.text}") from error


@dataclass(slots=True)
class Server(Process):
    """A server that listens.

    Attributes:
        url: Where, with the real port and no path.
        listening: Its ``listening`` event.
    """

    url: str = ""
    listening: dict[str, Any] = field(default_factory=dict)

    @property
    def address(self) -> Address:
        """Where a socket connects to."""
        return address_of(self.url)

    def connect(self, deadline_s: float = 10.0) -> Connection:
        """Open a connection on which exact bytes can be sent."""
        return Connection(self.address, deadline_s)

    def get(self, path: str, headers: Sequence[tuple[str, str]] = ()) -> Answer:
        """GET *path* on a connection of its own."""
        return get(self.url + path, headers)

    def wait_until_listening(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Wait for the listening line and take the address from it."""
        self.listening = self.wait_for_event("listening", deadline_s=deadline_s)
        self.url = str(self.listening["url"]).rstrip("/")


def environment(given: Mapping[str, str] | None = None, *, home: Path) -> dict[str, str]:
    """Build a child's whole environment: the little it needs to run, and what the test gives."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED or name.startswith(_MEASURED)
    }
    own = {"HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return {**inherited, **own, **(given or {})}


def program(*arguments: str) -> list[str]:
    """Return the command line of the installed ``portico`` with *arguments*."""
    return [sys.executable, str(Path(sysconfig.get_path("scripts")) / "portico"), *arguments]


@contextmanager
def start(
    command: Sequence[str],
    environ: Mapping[str, str] | None = None,
    *,
    files: Mapping[str, str] | None = None,
    kind: type[Process] = Process,
) -> Iterator[Process]:
    """Start *command* in an empty directory holding *files*; end it on the way out."""
    with tempfile.TemporaryDirectory(prefix="portico-test-") as name:
        directory = Path(name)
        for path, text in (files or {}).items():
            (directory / path).write_text(text)
        process = _spawn(command, environment(environ, home=directory), directory, kind)
        try:
            yield process
        finally:
            try:
                process.stop()
            finally:
                process.kill()  # workers whose parent has left them


@contextmanager
def serve(
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    command: Sequence[str] | None = None,
    deadline_s: float = START_DEADLINE_S,
) -> Iterator[Server]:
    """Start ``portico serve --port 0`` with *arguments*, or *command*, and wait until it listens.

    Args:
        arguments: More arguments: ``"--engine", "granian"``, ``"package.module:app"``.
        environ: Added to the little that every child gets; no ``LETTA_*`` is inherited.
        files: Written into its working directory before (``{"conf.yaml": "..."}``).
        command: The whole command line instead; it too must print a ``listening`` event.
        deadline_s: Within which it must listen.

    Raises:
        EndedEarlyError: It did not listen in time; the message has its output.
    """
    line = command or program("serve", "--port", "0", *arguments)
    with start(line, environ, files=files, kind=Server) as process:
        assert isinstance(process, Server)
        process.wait_until_listening(deadline_s)
        yield process


def run(
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    deadline_s: float = START_DEADLINE_S,
) -> tuple[int, str, str]:
    """Run ``portico`` with *arguments* to its end; return exit code, output and errors."""
    with start(program(*arguments), environ, files=files) as process:
        code = process.wait(deadline_s)
        return code, process.stdout.text, process.stderr.text


def _spawn(
    command: Sequence[str], environ: Mapping[str, str], directory: Path, kind: type[Process]
) -> Process:
    popen = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ,
        cwd=directory,
        start_new_session=True,
    )
    process = kind(popen=popen, stdout=Output(), stderr=Output(), directory=directory)
    assert popen.stdout is not None
    assert popen.stderr is not None
    process._readers = [process.stdout.follow(popen.stdout), process.stderr.follow(popen.stderr)]
    return process


def _parse_event(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        return None
    return event if isinstance(event, dict) else None
