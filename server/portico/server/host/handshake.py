"""The opening handshake of a WebSocket (RFC 6455 4.2) over HTTP/1.1. No I/O."""

import base64
import binascii
from collections.abc import Iterable

from wsproto.utilities import generate_accept_token

from portico.server.host.request import Head, RequestRefusedError
from portico.server.host.response import InvalidResponseError

_VERSION = b"13"
_KEY_BYTES = 16
# The handshake's own fields, which an application does not write.
_OWNED = (b"upgrade", b"connection", b"sec-websocket-")


class Handshake:
    """What the client offered; `check` it, then `accept` it."""

    __slots__ = ("_head", "_key", "_version", "subprotocols")

    def __init__(self, head: Head) -> None:
        self._head = head
        self._key = self._version = b""
        self.subprotocols: list[str] = []
        for name, value in head.headers:
            if name == b"sec-websocket-key":
                self._key += value
            elif name == b"sec-websocket-version":
                self._version += value
            elif name == b"sec-websocket-protocol":
                names = (item.strip() for item in value.decode("latin-1").split(","))
                self.subprotocols += filter(None, names)

    def check(self) -> None:
        """Refuse a handshake that RFC 6455 does.

        Raises:
            RequestRefusedError: 400, or 426 with the version that is spoken here.
        """
        if self._head.has_body or not self._head.http11:
            raise RequestRefusedError(400, "a WebSocket handshake is HTTP/1.1 without content")
        if self._version != _VERSION:
            version = [(b"sec-websocket-version", _VERSION)]
            raise RequestRefusedError(426, "this server speaks WebSocket 13", version)
        try:
            key = base64.b64decode(self._key, validate=True)
        except binascii.Error:
            key = b""
        if len(key) != _KEY_BYTES:
            raise RequestRefusedError(400, "sec-websocket-key is not 16 bytes in base64")

    def accept(
        self, subprotocol: str | None, headers: Iterable[tuple[bytes, bytes]]
    ) -> list[tuple[bytes, bytes]]:
        """The headers of the 101 answer.

        Raises:
            InvalidResponseError: a subprotocol that was not offered, or a header that is the
                handshake's own.
        """
        fields = [
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-accept", generate_accept_token(self._key)),
        ]
        if subprotocol is not None:
            if subprotocol not in self.subprotocols:
                raise InvalidResponseError(f"the client did not offer {subprotocol!r}")
            fields.append((b"sec-websocket-protocol", subprotocol.encode("latin-1")))
        for name, value in headers:
            if bytes(name).lower().startswith(_OWNED):
                raise InvalidResponseError(f"{name!r} is the handshake's own")
            fields.append((name, value))
        return fields
