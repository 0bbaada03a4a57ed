"""Server processes under measurement: started on a free port, their CPU read from /proc."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
STOP_S = 20.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its address, the root of its process tree, and whether it speaks TLS."""

    address: tuple[str, int]
    pid: int
    tls: bool = False

    def cpu_s(self) -> float:
        """CPU seconds, user and system, that the whole process tree has used."""
        return sum(map(process_cpu_s, process_tree(self.pid)))


@contextmanager
def serving(command: Sequence[str]) -> Iterator[Server]:
    """Run *command* until the block ends; it must print a ``listening`` line as JSON.

    What it logs after that line goes through a pipe to ``wc``, which drains it at next to no cost:
    the same for every server, so that writing its log is paid for by the server that writes.

    Raises:
        RuntimeError: The process ended without having listened.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as process:
        try:
            url = listening_at(process)
            with subprocess.Popen(
                ["wc", "-l"], stdin=process.stdout, stdout=subprocess.DEVNULL
            ) as drain:
                try:
                    yield Server(address_of(url), process.pid, url.scheme == "https")
                finally:
                    end(process)
                    drain.wait(STOP_S)
        finally:
            end(process)


def environment() -> dict[str, str]:
    """The same few variables for every server: no setting of the caller's leaks in."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "PATH") if name in os.environ}
    return kept | {"PYTHONUNBUFFERED": "1", "LETTA_LOG_FORMAT": "json"}


def listening_at(process: "subprocess.Popen[bytes]") -> SplitResult:
    """The URL in the ``listening`` line; lines before it are passed over."""
    assert process.stdout is not None
    for line in iter(process.stdout.readline, b""):
        url = listening_url(line)
        if url is not None:
            return urlsplit(url)
    raise RuntimeError(f"{process.args!r} ended with {process.wait()} before it listened")


def address_of(url: SplitResult) -> tuple[str, int]:
    """Host and port of *url*."""
    return url.hostname or "127.0.0.1", url.port or 80


def listening_url(line: bytes) -> str | None:
    """The URL in a ``listening`` line, None for any other line."""
    if not line.startswith(b"{"):
        return None
    record = json.loads(line)
    return str(record["url"]) if record.get("event") == "listening" else None


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ask the process to stop, and make it stop if it does not."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()


def process_tree(root: int) -> list[int]:
    """*root* and every process below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := stat_fields(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    tree = [root]
    for pid in tree:
        tree.extend(children.get(pid, ()))
    return tree


def process_cpu_s(pid: int) -> float:
    """User and system time of one process, its reaped children included (proc(5), fields 14-17)."""
    fields = stat_fields(pid)
    return sum(int(ticks) for ticks in fields[11:15]) * TICK_S if fields else 0.0


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the third on; empty where the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def module_command(module: str, argument: str) -> list[str]:
    """The command that runs one of the peers' modules."""
    return [sys.executable, "-m", module, argument]
