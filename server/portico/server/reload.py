"""``--reload``: the same command as a child, started again when the source changes.

One way for every engine, each of which has its own, different one.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from portico.core.settings import Settings

MARK: Final = "PORTICO_RELOAD_PIPE"
"""Tells the child that it is watched, and through which descriptor it sees its parent end."""

SUFFIXES: Final = (".py", ".yaml", ".yml", ".json", ".toml", ".env")
IGNORED: Final = frozenset(
    {".git", ".venv", "venv", ".tox", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache"}
)
POLL_MS: Final = 300
EXIT_CANNOT_BIND: Final = 2
EXTRA_GRACE_S: Final = 2.0


def is_watched(environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether this process is the child; if so, end it when its parent is gone."""
    descriptor = environ.get(MARK, "")
    if not descriptor.isdecimal():
        return False
    threading.Thread(target=_end_with_parent, args=(int(descriptor),), daemon=True).start()
    return True


def _end_with_parent(descriptor: int) -> None:
    os.read(descriptor, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def watch_and_serve(settings: Settings) -> int:
    """Run this very command as a child until a signal, and again after each change.

    Returns:
        The exit code of the last child, or 2 where the first one could not bind.
    """
    child = Child([sys.executable, *sys.orig_argv[1:]], settings.server.grace + EXTRA_GRACE_S)
    with _stopping() as stop, child:
        child.start()
        code = _watch(child, stop)
        return child.stop() if code is None else code


def _watch(child: "Child", stop: threading.Event) -> int | None:
    """Restart on changes until *stop*; return a code where there is nothing to wait for."""
    import watchfiles

    restarted, told = False, False
    for changes in watchfiles.watch(
        *watched_directories(),
        watch_filter=_is_source,
        stop_event=stop,
        rust_timeout=POLL_MS,
        yield_on_timeout=True,
        raise_interrupt=False,
    ):
        if changes:
            _say(f"{_name(changes)} changed: starting again")
            child.restart()
            restarted, told = True, False
        elif not told and (code := child.ended()) is not None:
            if code == EXIT_CANNOT_BIND and not restarted:
                return code
            _say(f"the server ended with code {code}; waiting for a change")
            told = True
    return None


def watched_directories() -> list[Path]:
    """Return the current directory, and this package's where it is no installed copy."""
    import portico

    own = [Path(path) for path in portico.__path__ if "site-packages" not in Path(path).parts]
    here = Path.cwd()
    return [here, *(path for path in own if not path.is_relative_to(here))]


def _is_source(_change: object, path: str) -> bool:
    return path.endswith(SUFFIXES) and not IGNORED.intersection(Path(path).parts)


def _name(changes: Iterable[tuple[object, str]]) -> str:
    names = sorted({Path(path).name for _, path in changes})
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


class Child:
    """The server's process, in a session of its own: signals reach it through its parent alone.

    It holds one end of a pipe; when the other end is gone, so is its parent, and it ends too.
    """

    def __init__(self, command: Sequence[str], grace_s: float) -> None:
        self._command = command
        self._grace_s = grace_s
        self._reader, self._writer = os.pipe()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._reader)
        os.close(self._writer)

    def start(self) -> None:
        """Start the command."""
        self._process = subprocess.Popen(  # noqa: S603 - the command that was typed
            self._command,
            env={**os.environ, MARK: str(self._reader)},
            pass_fds=(self._reader,),
            start_new_session=True,
        )

    def ended(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return None if self._process is None else self._process.poll()

    def stop(self) -> int:
        """Let it end in its grace, then kill it; return its exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(self._grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def restart(self) -> None:
        """End it and start it again."""
        self.stop()
        self.start()


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Turn SIGINT and SIGTERM into an event."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    print(f"portico: {text}", file=sys.stderr, flush=True)
