"""Listening sockets, bound before anything is started, for every engine in the same way."""

import errno
import os
import socket
import stat
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from portico.core.launch import LaunchPlan

UDS_MODE: Final = 0o666
"""As a loopback port is open to every user of the machine; the directory's mode may narrow it."""

FIRST_ACTIVATED: Final = 3
"""SD_LISTEN_FDS_START."""

STREAMS: Final = frozenset({socket.AF_UNIX, socket.AF_INET, socket.AF_INET6})

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
        BindError: The name is unknown, the address is taken, or the path is; or there are
            several inherited sockets.
    """
    with listening_on_all(plan) as sockets:
        if len(sockets) > 1:
            raise BindError(f"{plan.engine} serves one inherited socket, not {len(sockets)}")
        yield sockets[0]


@contextmanager
def listening_on_all(plan: LaunchPlan) -> Iterator[list[socket.socket]]:
    """Do as :func:`listening`, with as many sockets as were inherited.

    What the service manager listens on is served in place of what *plan* binds.
    """
    if numbers := activated():
        with _adopt(numbers, plan) as sockets:
            yield sockets
    elif (number := inherited(plan)) is not None:
        with _adopt([number], plan) as sockets:
            yield sockets
    elif plan.uds is not None:
        with _listen_unix(Path(plan.uds), plan) as sock:
            yield [sock]
    else:
        with _listen_tcp(plan) as sock:
            yield [sock]


def activated(environ: MutableMapping[str, str] = os.environ) -> list[int]:
    """Take the descriptors that systemd listens on for this process; each is given once.

    Source: sd_listen_fds(3). ``LISTEN_PID`` says whom they are for; the names are removed, so that
    no child takes them for its own.
    """
    pid, count = environ.get("LISTEN_PID", ""), environ.get("LISTEN_FDS", "")
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environ.pop(name, None)
    return list(range(FIRST_ACTIVATED, FIRST_ACTIVATED + int(count)))


def inherited(plan: LaunchPlan) -> int | None:
    """Return N of a *plan* whose ``uds`` is ``fd://N``: a descriptor that the parent opened."""
    scheme, _, number = (plan.uds or "").partition("://")
    if scheme != "fd":
        return None
    if not number.isdecimal():
        raise BindError(f"cannot listen on {plan.uds}: write fd:// and a descriptor's number")
    return int(number)


@contextmanager
def _adopt(numbers: list[int], plan: LaunchPlan) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(_adopt_one(number, plan)) for number in numbers]


def _adopt_one(number: int, plan: LaunchPlan) -> socket.socket:
    try:
        sock = socket.socket(fileno=number)
    except OSError as error:
        raise BindError(f"cannot listen on fd://{number}: it is no open socket") from error
    if sock.type != socket.SOCK_STREAM or sock.family not in STREAMS:
        sock.close()
        raise BindError(f"cannot listen on fd://{number}: it is no TCP or Unix stream socket")
    sock.set_inheritable(False)
    return _start(sock, f"fd://{number}", plan)


def url_of(plan: LaunchPlan, sock: socket.socket) -> str:
    """Return where clients find *sock*: an inherited one may be elsewhere than *plan* says."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{name}"
    host, port = name[:2]
    return (
        plan.url(port) if _is_bound_by(plan, host) else replace(plan, host=host, uds=None).url(port)
    )


def _is_bound_by(plan: LaunchPlan, host: str) -> bool:
    try:
        return plan.uds is None and _find_address(plan)[1][0] == host
    except BindError:  # no such name: it was not needed
        return False


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
    except OSError as error:
        sock.close()
        raise _refusal(plan.url(), error) from error
    return _start(sock, plan.url(), plan)


def _start(sock: socket.socket, where: str, plan: LaunchPlan) -> socket.socket:
    try:
        sock.listen(plan.backlog)
    except OSError as error:
        sock.close()
        raise _refusal(where, error) from error
    sock.setblocking(False)
    return sock


def _refusal(where: str, error: OSError) -> BindError:
    reason = REASONS.get(error.errno or 0) or error.strerror or str(error)
    return BindError(f"cannot listen on {where}: {reason}")
