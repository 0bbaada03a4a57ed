"""Asking a server one question over TCP, a Unix socket or TLS, with trio and h11 alone."""

import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import h11
import trio

MAX_BODY: Final = 64 * 1024
READ_BYTES: Final = 16 * 1024
PORTS: Final = {"http": 80, "https": 443}
UNIX: Final = "unix:"
# What listens on every address is asked on this machine's own.
LOOPBACKS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not to bind


class InquiryError(Exception):
    """Nobody answered, or not in time, or not in HTTP; the text is one line for a person."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server listens.

    Attributes:
        host: Name or address, an IPv6 one without brackets; of a Unix socket ``localhost``.
        port: TCP port.
        uds: Path of a Unix socket, in place of them.
        tls: Whether it speaks HTTPS.
        path: What else the URL names, empty for nothing.
    """

    host: str = "localhost"
    port: int = 0
    uds: str | None = None
    tls: bool = False
    path: str = ""

    @classmethod
    def parse(cls, url: str) -> "Endpoint":
        """Read a URL as ``portico serve`` prints it.

        Args:
            url: ``http://127.0.0.1:8283``, ``https://[::1]``, ``unix:/run/portico.sock``.

        Raises:
            ValueError: It is none; the text is one line for a person.
        """
        if url.startswith(UNIX) and len(url) > len(UNIX):
            return cls(uds=url.removeprefix(UNIX))
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise _no_url(url) from None
        host = parts.hostname
        if parts.scheme not in PORTS or not host or port == 0 or not _is_plain(url):
            raise _no_url(url)
        path = parts.path.rstrip("/") and parts.path
        query = f"?{parts.query}" if parts.query else ""
        return cls(
            LOOPBACKS.get(host, host),
            port or PORTS[parts.scheme],
            tls=parts.scheme == "https",
            path=path + query if path else "",
        )

    @property
    def authority(self) -> str:
        """What stands in the Host header (RFC 9110 7.2)."""
        if self.uds is not None:
            return self.host
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def url(self, target: str) -> str:
        """Name *target* there, for a person."""
        if self.uds is not None:
            return f"{UNIX}{self.uds} {target}"
        return f"{'https' if self.tls else 'http'}://{self.authority}{target}"


def _is_plain(url: str) -> bool:
    # A name with a password in it must not reach a process list, nor the line that is printed.
    return url.isascii() and url.isprintable() and not set(url) & set(" @#\\")


def _no_url(url: str) -> ValueError:
    shown = "***" if "@" in url else url
    return ValueError(f"{shown!r} is not a URL such as http://127.0.0.1:8283 or unix:/run/p.sock")


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer.

    Attributes:
        status: Its status code.
        body: At most so much of it as a probe may say.
    """

    status: int
    body: bytes


def ask(
    endpoint: Endpoint, target: str, *, context: ssl.SSLContext | None, timeout_s: float
) -> Answer:
    """Send one GET and read the answer.

    Args:
        endpoint: Who is asked.
        target: Path and query.
        context: How its certificate is judged, where it speaks HTTPS.
        timeout_s: Bound on all of it, in seconds.

    Raises:
        InquiryError: Nobody answered, or not in time, or not in HTTP.
    """
    try:
        return trio.run(_ask_within, endpoint, target, context, timeout_s)
    except trio.TooSlowError as error:
        raise InquiryError(f"no answer within {timeout_s:g} s") from error
    except h11.RemoteProtocolError as error:
        raise InquiryError(f"the answer is no HTTP: {error}") from error
    except (OSError, trio.BrokenResourceError) as error:
        raise InquiryError(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """Say what was wrong at the root: trio puts its own errors around the system's."""
    for cause in reversed(list(_causes(error))):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"no TLS with it: {(cause.reason or str(cause)).lower().replace('_', ' ')}"
        if isinstance(cause, socket.gaierror):
            return "the host is unknown"
        if isinstance(cause, OSError) and cause.errno is not None:
            return os.strerror(cause.errno).lower()
    return str(error) or "the connection broke"


def _causes(error: BaseException) -> Iterator[BaseException]:
    following: BaseException | None = error
    while following is not None:
        yield following
        if isinstance(following, BaseExceptionGroup):
            following = following.exceptions[0]
        else:
            following = following.__cause__


async def _ask_within(
    endpoint: Endpoint, target: str, context: ssl.SSLContext | None, timeout_s: float
) -> Answer:
    with trio.fail_after(timeout_s):
        plain = await _connect(endpoint)
        try:
            stream = plain if context is None else await _secure(plain, endpoint, context)
            return await _converse(stream, _request(endpoint, target))
        finally:
            await trio.aclose_forcefully(plain)


async def _connect(endpoint: Endpoint) -> trio.SocketStream:
    if endpoint.uds is not None:
        return await trio.open_unix_socket(endpoint.uds)
    return await trio.open_tcp_stream(endpoint.host, endpoint.port)


async def _secure(
    plain: trio.SocketStream, endpoint: Endpoint, context: ssl.SSLContext
) -> trio.abc.Stream:
    stream = trio.SSLStream(plain, context, server_hostname=endpoint.host, https_compatible=True)
    await stream.do_handshake()
    return stream


def _request(endpoint: Endpoint, target: str) -> h11.Request:
    return h11.Request(
        method="GET",
        target=target,
        headers=[
            ("host", endpoint.authority),
            ("user-agent", "portico-healthcheck"),
            ("accept", "application/json"),
            ("connection", "close"),
        ],
    )


async def _converse(stream: trio.abc.Stream, request: h11.Request) -> Answer:
    parser = h11.Connection(h11.CLIENT)
    sent = (parser.send(request) or b"") + (parser.send(h11.EndOfMessage()) or b"")
    await stream.send_all(sent)
    status, body = 0, b""
    while len(body) < MAX_BODY:
        match parser.next_event():
            case h11.NEED_DATA:
                received = bytes(await stream.receive_some(READ_BYTES))
                if not received and not status and not parser.trailing_data[0]:
                    raise InquiryError("the connection was closed without an answer")
                parser.receive_data(received)
            case h11.Response(status_code=status):
                pass
            case h11.Data(data=data):
                body += data
            case h11.EndOfMessage() | h11.ConnectionClosed():
                break
    return Answer(status, body)
