"""A mixed load, hostile and honest, for minutes: nothing may grow, fail, or keep a probe waiting.

    python -m tests.faults.soak [minutes]

gives half the time to HTTP/1.1 and WebSocket in clear, half to HTTP/2 over TLS, each on the Trio
host with two workers, and prints what it measured. The exit code is 1 after a broken promise.
Of ten probes within an attack the middle one is judged: the slowest tells as much of the machine's
other work as of the server's.
"""

import os
import socket
import ssl
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from tests.faults.harness import Load, serving
from tests.processes import children_of, until
from tests.servers import Server

WORKERS: Final = 2
HOSTILE: Final = 10
PROBES: Final = 10
PROBE_S: Final = 0.5
WARM_ROUNDS: Final = 2
DEADLINE_S: Final = 10.0
SETTLED_S: Final = 15.0
# What allocator and caches may still take once warm, and descriptors that are about to close.
GROWN_BYTES_MAX: Final = 16 * 1024 * 1024
GROWN_DESCRIPTORS_MAX: Final = 4
DESCRIPTORS_IDLE: Final = 40

GET: Final = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
CHUNKED: Final = b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
HANDSHAKE: Final = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
IN_CLEAR: Final[Mapping[str, bytes]] = {
    "silence": b"",
    "half a head": b"GET / HTTP/1.1\r\nHo",
    "pipeline": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 200,
    "unread answer": b"GET /flood HTTP/1.1\r\nHost: a\r\n\r\n",
    "tiny chunks": CHUNKED + b"1\r\nx\r\n" * 2000,
    "endless chunk": CHUNKED + b"ffffffffffffffff\r\n" + bytes(1000),
    "fragments": HANDSHAKE + b"\x02\x80abcd" + b"\x00\x80abcd" * 1000,
    "noise": bytes(range(256)) * 16,
}


def frame(kind: int, flags: int, stream_id: int, body: bytes = b"") -> bytes:
    """One frame of HTTP/2 by its bytes."""
    head = len(body).to_bytes(3, "big") + bytes((kind, flags))
    return head + stream_id.to_bytes(4, "big") + body


BLOCK: Final = b"\x82\x87\x84\x41\x01a"
START: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
STREAMS: Final = range(1, 600, 2)
SETTINGS: Final = b"".join(number.to_bytes(2, "big") + bytes(4) for number in range(16, 2000))
OVER_TLS: Final[Mapping[str, bytes]] = {
    "silence": START,
    "requests": START + b"".join(frame(1, 5, stream, BLOCK) for stream in STREAMS),
    "resets": START
    + b"".join(frame(1, 5, s, BLOCK) + frame(3, 0, s, b"\x00\x00\x00\x08") for s in STREAMS),
    "overflows": START
    + b"".join(frame(1, 5, s, BLOCK) + frame(8, 0, s, b"\x7f\xff\xff\xff") for s in STREAMS),
    "slivers": START + frame(1, 4, 1, b"\x83" + BLOCK[1:]) + frame(0, 0, 1, b"x") * 2000,
    "settings": START + frame(4, 0, 0, SETTINGS),
    "pings": START + frame(6, 0, 0, bytes(8)) * 2000,
    "continuations": START + frame(1, 0, 1) + frame(9, 0, 1, bytes(16384)) * 10,
}


@dataclass(slots=True)
class Soak:
    """One server under a mixed load; `broken` says which promises it broke.

    Attributes:
        secure: Over TLS with HTTP/2, or in clear.
        seconds: How long.
    """

    secure: bool
    seconds: float
    connections: int = 0
    slowest_s: float = 0.0
    broken: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Serve, attack, measure, and end the server."""
        secure = ["--localhttps"] if self.secure else []
        with serving(*secure, workers=WORKERS) as server:
            before = children_of(server.popen.pid)
            with nullcontext() if self.secure else Load(server.address, clients=2) as honest:
                self._attack(server)
            if honest and honest.failures:
                self.broken.append(f"honest requests failed: {honest.failures[:3]}")
            if children_of(server.popen.pid) != before:
                self.broken.append("a worker ended")
            if server.stop() != 0:
                self.broken.append("the exit code is not 0")
            if "Traceback" in server.logs or '"exc_type"' in server.logs:
                self.broken.append("an error was logged with its trace")

    def _attack(self, server: Server) -> None:
        end = time.monotonic() + self.seconds
        for _ in range(WARM_ROUNDS):
            self._round(server)
        memory, descriptors = self._settle(server)
        while time.monotonic() < end:
            self._round(server)
        grown, more = self._settle(server)
        print(
            f"{'TLS' if self.secure else 'clear'}: {self.connections} hostile connections, slowest "
            f"probe {self.slowest_s * 1000:.0f} ms, memory {memory >> 20} to {grown >> 20} MiB, "
            f"descriptors {descriptors} to {more}"
        )
        if grown - memory > GROWN_BYTES_MAX * WORKERS:
            self.broken.append(f"memory grew by {grown - memory} bytes")
        if more - descriptors > GROWN_DESCRIPTORS_MAX * WORKERS:
            self.broken.append(f"descriptors grew from {descriptors} to {more}")

    def _round(self, server: Server) -> None:
        """Every attack once, each from several clients at a time, and probes meanwhile."""
        for attack, data in (OVER_TLS if self.secure else IN_CLEAR).items():
            with ExitStack() as stack:
                for _ in range(HOSTILE):
                    self._throw(stack.enter_context(self._connect(server, "h2")), data)
                took_s = [self._probe(server, attack) for _ in range(PROBES)]
            self.slowest_s = max(self.slowest_s, *took_s)
            if median(took_s) > PROBE_S:
                self.broken.append(f"probes within {attack} took {median(took_s):.3f} s")

    def _connect(self, server: Server, *alpn: str) -> socket.socket:
        address = server.address
        assert isinstance(address, tuple)
        sock = socket.create_connection(address, timeout=DEADLINE_S)
        return context(*alpn).wrap_socket(sock) if self.secure else sock

    def _throw(self, sock: socket.socket, data: bytes) -> None:
        self.connections += 1
        with suppress(OSError):  # the server need not hear it to its end
            sock.sendall(data)

    def _probe(self, server: Server, attack: str) -> float:
        """Ask as anybody would; the seconds until the answer began."""
        began = time.monotonic()
        try:
            with self._connect(server) as sock:
                sock.sendall(GET)
                answer = sock.recv(12)
        except OSError as error:
            answer = repr(error).encode()
        if answer != b"HTTP/1.1 200":
            self.broken.append(f"a probe within {attack} got {answer!r}")
        return time.monotonic() - began

    def _settle(self, server: Server) -> tuple[int, int]:
        """Resident bytes and descriptors of the workers, once the attackers' are closed."""
        workers = children_of(server.popen.pid)

        def descriptors() -> int:
            return sum(map(descriptors_of, workers))

        until(lambda: descriptors() < DESCRIPTORS_IDLE * WORKERS, SETTLED_S, "connections closed")
        return sum(map(resident_bytes, workers)), descriptors()


def context(*alpn: str) -> ssl.SSLContext:
    """A client's context for a certificate that nobody vouches for."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if alpn:
        made.set_alpn_protocols(list(alpn))
    return made


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def descriptors_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def main(arguments: list[str]) -> int:
    minutes = float(arguments[0]) if arguments else 10.0
    broken = []
    for secure in (False, True):
        soak = Soak(secure, minutes * 30)
        soak.run()
        broken += soak.broken
    for promise in broken[:20]:
        print(f"broken: {promise}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
