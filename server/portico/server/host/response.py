"""The bytes of one HTTP/1.1 response, framed from the application's ASGI messages.

No I/O: the connection asks for bytes and sends them. The application's status and headers are
kept until its first body message, so that head and body leave in one write and a body that comes
whole gets its Content-Length.
"""

import json
import re
from collections.abc import Iterable
from http import HTTPStatus

Headers = Iterable[tuple[bytes, bytes]]

_STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode("ascii"))
    for status in HTTPStatus
}
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.6.2

# RFC 9110 7.6.1: fields of the connection, which the host alone writes.
OWNED = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding"))
_FRAMING = OWNED | {b"content-length", b"date"}
_KNOWN_NAMES_MAX = 1024
known_names: dict[bytes, bytes] = {}


class InvalidResponseError(Exception):
    """The application's messages do not make an HTTP response; nothing of them was sent."""


class Response:
    """One response: its state, and the bytes that each message becomes.

    ``closes`` says whether the connection ends with it; ``started`` that bytes of its head were
    handed out; ``complete`` that all of it was.
    """

    __slots__ = (
        "_chunked",
        "_headers",
        "_http11",
        "_left",
        "_status",
        "_trailers",
        "_without_body",
        "closes",
        "complete",
        "started",
    )

    def __init__(self, *, method: str, http11: bool, closes: bool) -> None:
        self._http11 = http11
        self._without_body = method == "HEAD"
        self._status = 0
        self._headers: Headers = ()
        self._trailers = False
        self._chunked = False
        self._left: int | None = None
        self.closes = closes
        self.started = False
        self.complete = False

    @property
    def announced(self) -> bool:
        """Whether the application has given its status and headers."""
        return self._status != 0

    @property
    def status(self) -> int:
        """The status that the application gave, 0 before it did."""
        return self._status

    def start(self, status: int, headers: Headers, *, trailers: bool = False) -> None:
        """Take status and headers; nothing is framed before the first body message.

        Raises:
            InvalidResponseError: started already, or not a final status.
        """
        if self._status:
            raise InvalidResponseError("http.response.start was sent twice")
        if not (isinstance(status, int) and 200 <= status <= 599):
            raise InvalidResponseError(f"{status!r} is not a final HTTP status (200 to 599)")
        self._status = status
        self._headers = headers
        self._trailers = trailers and self._http11
        # RFC 9110 6.4.1: these never have content.
        self._without_body = self._without_body or status in (204, 304)

    def body(self, data: bytes, *, more: bool, date: bytes) -> bytes:
        """The bytes that this body message becomes, the head included if it is the first.

        Args:
            data: Content of the message.
            more: Whether more content follows.
            date: The ready ``date: ...`` line, with its line end.

        Raises:
            InvalidResponseError: out of order, longer or shorter than its Content-Length, or
                headers that HTTP forbids.
        """
        if self.complete or not self._status:
            raise InvalidResponseError("http.response.body came before the start or after the end")
        head = b"" if self.started else self._head(None if more else len(data), date)
        content = b"" if self._without_body else self._frame(data)
        if not more and not self._trailers:
            content += self._end()
        self.started = True
        return head + content if head else content

    def trailers(self, headers: Headers) -> bytes:
        """The last chunk and the trailer section (RFC 9112 7.1.2).

        Raises:
            InvalidResponseError: no trailers were announced, or a header that HTTP forbids.
        """
        if self.complete or not (self.started and self._trailers):
            raise InvalidResponseError("http.response.trailers was sent without being announced")
        self.complete = True
        if not self._chunked:
            return b""
        return _checked([b"0\r\n", *(_line(name, value) for name, value in headers), b"\r\n"])

    def _head(self, length: int | None, date: bytes) -> bytes:
        status_line = _STATUS_LINES.get(self._status) or b"HTTP/1.1 %d \r\n" % self._status
        lines = [status_line]
        append = lines.append
        dated = False
        for name, value in self._headers:
            lower = known_names.get(name) or learn_name(name)
            if lower in _FRAMING:
                if lower == b"connection":
                    self.closes = self.closes or b"close" in value.lower()
                elif lower == b"content-length":
                    self._declare(value)
                    continue
                if lower in OWNED:
                    continue
                dated = True
            append(b"%b: %b\r\n" % (lower, value))
        append(self._framing(length))
        if not dated:
            append(date)
        append(self._connection())
        append(b"\r\n")
        return _checked(lines)

    def _declare(self, value: bytes) -> None:
        text = value.strip()
        if not text.isdigit() or self._left not in (None, int(text)):
            raise InvalidResponseError(f"content-length {value!r} is not one length")
        self._left = int(text)

    def _framing(self, length: int | None) -> bytes:
        """RFC 9112 6: the line that says where the content ends."""
        if self._trailers and not self._without_body:
            self._left = None
        elif self._left is not None:
            return b"" if self._status == 204 else b"content-length: %d\r\n" % self._left
        elif self._status in (204, 304):
            return b""
        elif length is not None:
            self._left = length
            return b"content-length: %d\r\n" % length
        if self._http11:
            self._chunked = not self._without_body
            return b"transfer-encoding: chunked\r\n"
        self.closes = True
        return b""

    def _connection(self) -> bytes:
        if self.closes:
            return b"connection: close\r\n"
        return b"" if self._http11 else b"connection: keep-alive\r\n"

    def _frame(self, data: bytes) -> bytes:
        if self._chunked:
            return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        if self._left is not None:
            if len(data) > self._left:
                raise InvalidResponseError("the body is longer than its content-length")
            self._left -= len(data)
        return data

    def _end(self) -> bytes:
        if self._left and not self._without_body:
            raise InvalidResponseError("the body is shorter than its content-length")
        self.complete = True
        return b"0\r\n\r\n" if self._chunked else b""


def interim(status: int, headers: Headers = ()) -> bytes:
    """A whole 1xx response (RFC 9110 15.2)."""
    return _checked(
        [_STATUS_LINES[status], *(_line(name, value) for name, value in headers), b"\r\n"]
    )


def problem(status: int, date: bytes, detail: str = "", *, headers: Headers = ()) -> bytes:
    """A whole response of the host's own, which closes the connection (RFC 9457)."""
    members = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    content = json.dumps(members | ({"detail": detail} if detail else {})).encode()
    response = Response(method="GET", http11=True, closes=True)
    response.start(status, [(b"content-type", b"application/problem+json"), *headers])
    return response.body(content, more=False, date=date)


def _line(name: bytes, value: bytes) -> bytes:
    return b"%b: %b\r\n" % (known_names.get(name) or learn_name(name), value)


def learn_name(name: bytes) -> bytes:
    """Validate a field name once; the set of names that an application uses is small."""
    if not _TOKEN.fullmatch(name):
        raise InvalidResponseError(f"{name!r} is not a header name")
    lower = bytes(name).lower()
    if len(known_names) < _KNOWN_NAMES_MAX:
        known_names[bytes(name)] = lower
    return lower


def _checked(lines: list[bytes]) -> bytes:
    """Join the lines; RFC 9110 5.5: a value that brings CR, LF or NUL would forge a field."""
    head = b"".join(lines)
    ends = sum(map(bool, lines))
    if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head:
        raise InvalidResponseError("a header value contains a line break or NUL")
    return head
