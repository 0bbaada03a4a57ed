"""Listening sockets, bound before anything is started, for every engine in the same way."""

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from portico.core.launch import LaunchPlan

UDS_MODE: Final = 0o666
"""As a loopback port is open to every user of the machine; the directory's mode may narrow it."""

REASONS: Final = {
    errno.EADDRINUSE: "it is in use by another process",
    errno.EADDRNOTAVAIL: "this machine does not have that address",
    errno.EACCES: "permission denied",
    errno.ENOENT: "its directory does not exist",
    errno.ENOTDIR: "its directory does not exist",
}


class BindError(Exception):
    """Nothing can be bound there; the text is one line that says where and why."""


@contextmanager
def listening(plan: LaunchPlan) -> Iterator[socket.socket]:
    """Bind and listen as *plan* says, and leave no socket file behind.

    Args:
        plan: Host and port, or the path of a Unix socket; the backlog.

    Yields:
        The listening socket, not blocking, not inheritable.

    Raises:
        BindError: The name is unknown, the address is taken, or the path is.
    """
    if plan.uds is None:
        with _listen_tcp(plan) as sock:
            yield sock
        return
    with _listen_unix(Path(plan.uds), plan) as sock:
        yield sock


def real_port(sock: socket.socket) -> int | None:
    """Return the port that the system chose for port 0; None for a Unix socket."""
    return None if sock.family == socket.AF_UNIX else int(sock.getsockname()[1])


def _listen_tcp(plan: LaunchPlan) -> socket.socket:
    family, address = _find_address(plan)
    sock = socket.socket(family)
    # Without it a restart fails while old connections linger in TIME_WAIT.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Inherited by accepted connections; without it small writes wait for the client's ACK.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _listen(sock, address, plan)


def _find_address(plan: LaunchPlan) -> tuple[int, tuple[object, ...]]:
    try:
        found = socket.getaddrinfo(plan.host, plan.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise BindError(f"cannot listen on {plan.authority()}: the host is unknown") from error
    # A name such as localhost may mean both: IPv4 first, as Hypercorn and Uvicorn bind it.
    family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    return family, address


@contextmanager
def _listen_unix(path: Path, plan: LaunchPlan) -> Iterator[socket.socket]:
    _remove_stale(path, plan)
    with _listen(socket.socket(socket.AF_UNIX), str(path), plan) as sock:
        path.chmod(UDS_MODE)
        ours = path.stat()
        try:
            yield sock
        finally:
            # Only our own: a successor may have put its socket there already.
            with suppress(FileNotFoundError):
                if os.path.samestat(ours, path.stat()):
                    path.unlink()


def _remove_stale(path: Path, plan: LaunchPlan) -> None:
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise BindError(f"cannot listen on {plan.url()}: there is a file that is no socket")
        if not _answers(path):
            path.unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
    return True


def _listen(
    sock: socket.socket, address: str | tuple[object, ...], plan: LaunchPlan
) -> socket.socket:
    try:
        sock.bind(address)
        sock.listen(plan.backlog)
    except OSError as error:
        sock.close()
        reason = REASONS.get(error.errno or 0) or error.strerror or str(error)
        raise BindError(f"cannot listen on {plan.url()}: {reason}") from error
    sock.setblocking(False)
    return sock
