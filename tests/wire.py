"""An HTTP/1.1 client that sends exactly the bytes it is given and parses the answer with h11."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import urlsplit

import h11

Headers = list[tuple[bytes, bytes]]
Address = tuple[str, int] | str
"""A host and a port, or the path of a Unix socket."""

DEADLINE_S: Final = 10.0
READ_BYTES: Final = 65536
# h11 judges an answer by the request before it; these stand for what was sent byte by byte.
_PLAIN_HEADERS: Final = [(b"host", b"test")]
_UPGRADE_HEADERS: Final = [*_PLAIN_HEADERS, (b"connection", b"upgrade"), (b"upgrade", b"websocket")]


class NoAnswerError(ConnectionError):
    """The server closed the connection before it had answered whole."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response.

    Attributes:
        status: Status code; 101 for a WebSocket that was accepted.
        headers: In wire order, names in lower case.
        body: Decoded from its framing.
        http_version: As in the status line.
        trailing: Bytes that came behind the response.
    """

    status: int
    headers: Headers
    body: bytes = b""
    http_version: str = "1.1"
    trailing: bytes = b""

    def values(self, name: str) -> list[str]:
        """Return every value of the header *name*, in wire order."""
        wanted = name.lower().encode()
        return [value.decode("latin-1") for key, value in self.headers if key == wanted]

    def header(self, name: str) -> str | None:
        """Return the lines of the header *name* joined by commas, or None without one."""
        return ", ".join(self.values(name)) if self.values(name) else None


@dataclass(slots=True)
class Connection:
    """One connection; each wait in it ends by the deadline with a ``TimeoutError``."""

    address: Address
    deadline_s: float = DEADLINE_S
    _socket: socket.socket = field(init=False)
    _received: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        self._socket = _connect(self.address, self.deadline_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; closing it again does nothing."""
        self._socket.close()

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)

    def send(self, *parts: bytes) -> None:
        """Send *parts*, each in a write of its own."""
        for part in parts:
            self._socket.sendall(part)

    def read(self) -> bytes:
        """Return the next bytes, empty once the server has closed (a reset counts as closing)."""
        try:
            return self._socket.recv(READ_BYTES)
        except ConnectionResetError:
            return b""

    def read_exactly(self, size: int) -> bytes:
        """Return the next *size* bytes; raise :class:`NoAnswerError` if they do not come."""
        while len(self._received) < size:
            self._received += self._read_more()
        taken, self._received = self._received[:size], self._received[size:]
        return taken

    def read_until_closed(self) -> bytes:
        """Return everything up to the server's close."""
        chunks = [self._received, *iter(self.read, b"")]
        self._received = b""
        return b"".join(chunks)

    def response(self, method: str = "GET", *, websocket: bool = False) -> Answer:
        """Parse the next response.

        Args:
            method: The request's method, on which the framing of the body depends.
            websocket: The request was a handshake, so that 101 is its answer.

        Raises:
            NoAnswerError: The server closed first.
            h11.RemoteProtocolError: What it sent is not HTTP/1.1.
        """
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        headers = _UPGRADE_HEADERS if websocket else _PLAIN_HEADERS
        parser.send(h11.Request(method=method, target="/", headers=headers))
        parser.send(h11.EndOfMessage())
        if self._received:  # h11 takes empty data for the end of the stream
            parser.receive_data(self._received)
        return self._parse(parser)

    def ask(self, request: bytes, method: str | None = None) -> Answer:
        """Send *request* and return its response."""
        self.send(request)
        return self.response(method or request.split(b" ", 1)[0].decode("latin-1"))

    def _parse(self, parser: h11.Connection) -> Answer:
        head: h11.Response | h11.InformationalResponse | None = None
        body: list[bytes] = []
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                parser.receive_data(self._read_more() if head is None else self.read())
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.InformationalResponse) and event.status_code == 101:
                return self._answer(event, b"", parser)
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return self._answer(head, b"".join(body), parser)

    def _answer(
        self, head: h11.Response | h11.InformationalResponse, body: bytes, parser: h11.Connection
    ) -> Answer:
        self._received = parser.trailing_data[0]
        return Answer(
            status=head.status_code,
            headers=list(head.headers),
            body=body,
            http_version=head.http_version.decode(),
            trailing=self._received,
        )

    def _read_more(self) -> bytes:
        more = self.read()
        if not more:
            raise NoAnswerError("closed in the middle of a message")
        return more


def request_bytes(
    method: str,
    target: str | bytes,
    headers: Iterable[tuple[str | bytes, str | bytes]] = (),
    body: bytes = b"",
    *,
    host: str | None = "test",
) -> bytes:
    """Write a request: Host, *headers* as given, and Content-Length where there is a body."""
    lines = [b"%b %b HTTP/1.1" % (method.encode(), _bytes(target))]
    lines += [b"Host: " + host.encode()] if host is not None else []
    lines += [_bytes(name) + b": " + _bytes(value) for name, value in headers]
    lines += [b"Content-Length: %d" % len(body)] if body else []
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def ask(address: Address | str, request: bytes, *, deadline_s: float = DEADLINE_S) -> Answer:
    """Send *request* on a connection of its own and return the response."""
    with Connection(address_of(address), deadline_s) as connection:
        return connection.ask(request)


def get(url: str, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """GET *url* with exactly *headers* and Host."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return ask(url, request_bytes("GET", target, headers, host=parts.netloc))


def address_of(url: Address | str) -> Address:
    """Return where ``http://host:port/...`` or ``unix:/path`` is reached."""
    if isinstance(url, tuple) or "://" not in url:
        return url if isinstance(url, tuple) else url.removeprefix("unix:")
    parts = urlsplit(url)
    if parts.hostname is None:
        raise ValueError(f"no host in {url!r}")
    return parts.hostname, parts.port or 80


def _connect(address: Address, deadline_s: float) -> socket.socket:
    if isinstance(address, tuple):
        return socket.create_connection(address, timeout=deadline_s)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(deadline_s)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8")


def has_closed(connection: Connection) -> bool:
    """Say whether the server closes *connection* by its deadline, reading what it still sends."""
    try:
        connection.read_until_closed()
    except TimeoutError:
        return False
    return True
