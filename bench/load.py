"""A closed-loop HTTP/1.1 client on raw sockets, in the clear or over TLS.

Each connection sends its next request when the last one is answered. The client is far cheaper than
any server here, so the server is never idle.
"""

import selectors
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

CONNECTIONS = 32
SILENCE_S = 30.0


class Connection:
    """One keep-alive connection and the bytes of its unfinished answer."""

    __slots__ = ("_received", "socket")

    def __init__(self, address: tuple[str, int], *, tls: bool = False) -> None:
        self.socket = socket.create_connection(address, timeout=SILENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = client_context().wrap_socket(self.socket)
        self._received = b""

    def answered(self) -> bool:
        """Read what is there; whether the answer is now complete."""
        received = self.socket.recv(65536)
        if not received:
            raise ConnectionError("the server closed a keep-alive connection")
        self._received += received
        # What TLS has decrypted already makes no socket readable.
        while isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            self._received += self.socket.recv(65536)
        if not is_complete(self._received):
            return False
        if not self._received.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"not a 200: {self._received[:200]!r}")
        self._received = b""
        return True


@cache
def client_context() -> ssl.SSLContext:
    """TLS for HTTP/1.1 with a server whose certificate is its own; session tickets as they come."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def is_complete(answer: bytes) -> bool:
    """Whether all of an answer is there; a stream ends with its last chunk."""
    head, found, content = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    if b"\r\ntransfer-encoding: chunked" in head.lower():
        return content.endswith(b"0\r\n\r\n")
    return len(content) >= content_length(head + found)


def content_length(answer: bytes) -> int:
    """The declared length of an answer's body."""
    _, found, rest = answer.lower().partition(b"\r\ncontent-length:")
    if not found:
        raise ConnectionError(f"an answer without Content-Length: {answer[:200]!r}")
    return int(rest.partition(b"\r\n")[0])


@contextmanager
def connections(
    address: tuple[str, int], count: int = CONNECTIONS, *, tls: bool = False
) -> Iterator[list[Connection]]:
    """*count* open connections to *address*, closed at the end."""
    opened = [Connection(address, tls=tls) for _ in range(count)]
    try:
        yield opened
    finally:
        for connection in opened:
            connection.socket.close()


def run(opened: list[Connection], request: bytes, total: int) -> None:
    """Send *request* *total* times over the connections and read every answer.

    Raises:
        ConnectionError: The server closed a connection, or answered other than 200.
        TimeoutError: No answer came for `SILENCE_S` seconds.
    """
    with selectors.DefaultSelector() as selector:
        for connection in opened:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.socket.sendall(request)
        unsent, unanswered = total - len(opened), total
        while unanswered:
            ready = selector.select(SILENCE_S)
            if not ready:
                raise TimeoutError(f"no answer for {SILENCE_S} s")
            for key, _ in ready:
                connection = key.data
                if not connection.answered():
                    continue
                unanswered -= 1
                if unsent > 0:
                    unsent -= 1
                    connection.socket.sendall(request)
