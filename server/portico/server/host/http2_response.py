"""The fields of one HTTP/2 response, from the application's ASGI messages. No I/O."""

from portico.server.host.response import (
    OWNED,
    Headers,
    InvalidResponseError,
    known_names,
    learn_name,
)

Fields = list[tuple[bytes, bytes]]

_DROPPED = OWNED | {b"upgrade"}
_FORBIDDEN = (b"\r", b"\n", b"\0")


class Http2Response:
    """What was announced and how much of it is sent.

    ``started`` says that its head was framed, ``complete`` that all of it was given.
    """

    __slots__ = ("_fields", "_left", "_status", "_trailers", "_without_body", "complete", "started")

    def __init__(self, *, without_body: bool) -> None:
        self._fields: Fields = []
        self._left: int | None = None
        self._status = 0
        self._trailers = False
        self._without_body = without_body
        self.started = False
        self.complete = False

    def start(self, status: int, headers: Headers, *, trailers: bool) -> None:
        """Take status and headers; the head is framed with the first content.

        Raises:
            InvalidResponseError: started already, not a final status, or a header that HTTP
                forbids.
        """
        if self._status:
            raise InvalidResponseError("http.response.start was sent twice")
        if not (isinstance(status, int) and 200 <= status <= 599):
            raise InvalidResponseError(f"{status!r} is not a final HTTP status (200 to 599)")
        self._fields = _checked(headers)
        self._status = status
        self._trailers = trailers
        self._without_body = self._without_body or status in (204, 304)  # RFC 9110 6.4.1
        for name, value in self._fields:
            if name == b"content-length":
                self._left = _length(value)

    def body(self, data: bytes, *, more: bool) -> bytes:
        """The content that is sent for this message.

        Raises:
            InvalidResponseError: out of order, or not what content-length announced.
        """
        if self.complete or not self._status:
            raise InvalidResponseError("http.response.body came before the start or after the end")
        if self._left is None:
            self._announce_length(None if more or self._trailers else len(data))
        elif not self._without_body:
            self._count(self._left, len(data), more=more)
        self.complete = not more and not self._trailers
        return b"" if self._without_body else bytes(data)

    def head(self, date: bytes) -> Fields:
        """The fields of the head, once."""
        self.started = True
        dated = any(name == b"date" for name, _ in self._fields)
        date_field = [] if dated else [(b"date", date)]
        return [(b":status", b"%d" % self._status), *self._fields, *date_field]

    def trailers(self, headers: Headers) -> Fields:
        """The trailer section.

        Raises:
            InvalidResponseError: none were announced, or a header that HTTP forbids.
        """
        if self.complete or not (self.started and self._trailers):
            raise InvalidResponseError("http.response.trailers was sent without being announced")
        self.complete = True
        return _checked(headers)

    def _announce_length(self, length: int | None) -> None:
        if length is not None and not self.started and self._status not in (204, 304):
            self._fields.append((b"content-length", b"%d" % length))

    def _count(self, left: int, size: int, *, more: bool) -> None:
        self._left = left - size
        if self._left < 0:
            raise InvalidResponseError("the body is longer than its content-length")
        if self._left and not more:
            raise InvalidResponseError("the body is shorter than its content-length")


def _length(value: bytes) -> int:
    if not value.isdigit():
        raise InvalidResponseError(f"content-length {value!r} is not one length")
    return int(value)


def _checked(headers: Headers) -> Fields:
    fields = []
    for name, value in headers:
        lower = known_names.get(name) or learn_name(name)
        if any(map(value.__contains__, _FORBIDDEN)):
            raise InvalidResponseError("a header value contains a line break or NUL")
        if lower not in _DROPPED:
            fields.append((lower, bytes(value).strip(b" \t")))
    return fields
