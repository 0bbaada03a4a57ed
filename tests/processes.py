"""A look at processes from outside, and waiting with a deadline for what is seen there."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

POLL_S: Final = 0.01


def until(holds: Callable[[], bool], deadline_s: float, what: str = "the condition") -> float:
    """Ask again and again until it *holds*; the seconds that took.

    Raises:
        AssertionError: It does not by the deadline.
    """
    began = time.monotonic()
    pause = threading.Event()
    while not holds():
        assert time.monotonic() - began < deadline_s, f"not within {deadline_s} s: {what}"
        pause.wait(POLL_S)
    return time.monotonic() - began


def children_of(pid: int) -> set[int]:
    """The processes whose parent is *pid*, those that ended but were not waited for left out."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            state, parent = _status(entry)
            if parent == pid and state != "Z":
                found.add(int(entry.name))
    return found


def _status(process: Path) -> tuple[str, int]:
    try:
        words = (process / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return "Z", 0
    return words[0], int(words[1])


def is_running(pid: int) -> bool:
    """Whether the process *pid* runs."""
    return _status(Path(f"/proc/{pid}"))[0] != "Z"


def has_taken(pid: int, number: signal.Signals) -> bool:
    """Whether a signal is no longer pending and the process *pid* waits for the next thing."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    pending = int(fields["ShdPnd"], 16) >> (number - 1) & 1
    return not pending and fields["State"].startswith("S")


def session_of(pid: int) -> set[int]:
    """The processes of the session of *pid* that run, itself included."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and is_running(int(entry.name)):
            try:
                same = os.getsid(int(entry.name)) == pid
            except ProcessLookupError:
                continue
            if same:
                found.add(int(entry.name))
    return found
