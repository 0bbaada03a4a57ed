"""Asking a running server one question, as ``cors explain --url`` does."""

from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Final
from urllib.parse import SplitResult, urlsplit

TIMEOUT_S: Final = 5.0
CONNECTIONS: Final = {"http": HTTPConnection, "https": HTTPSConnection}


class ProbeError(Exception):
    """The server could not be asked; the text says why, for a person."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of a response.

    Attributes:
        status: Its status code.
        headers: Names in lower case with their values, as they arrived.
    """

    status: int
    headers: tuple[tuple[str, str], ...]


def parse_url(text: str) -> SplitResult:
    """Read the URL of a running server.

    Raises:
        ProbeError: It is no http or https URL with a host.
    """
    try:
        url = urlsplit(text)
        usable = url.scheme in CONNECTIONS and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable or not text.isascii() or not text.isprintable() or " " in text:
        raise ProbeError(f"{text!r} is not a URL such as http://127.0.0.1:8283/v1/health/")
    return url


def ask(
    url: SplitResult,
    method: str,
    headers: Iterable[tuple[str, str]],
    *,
    timeout_s: float = TIMEOUT_S,
) -> Answer:
    """Send one request without a body and read the head of the answer.

    Args:
        url: As :func:`parse_url` gives it.
        method: The request's method.
        headers: Sent as they are, after Host.
        timeout_s: Bound on connecting and on each wait for the server.

    Raises:
        ProbeError: Nobody answered, or not in HTTP, or not in time.
    """
    host = url.hostname or ""
    connection = CONNECTIONS[url.scheme](host, url.port, timeout=timeout_s)
    try:
        connection.putrequest(method, target_of(url), skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        return head_of(connection.getresponse())
    except TimeoutError as error:
        raise ProbeError(f"{url.geturl()} did not answer within {timeout_s:g} s") from error
    except (OSError, HTTPException, ValueError) as error:
        raise ProbeError(f"{url.geturl()} could not be asked: {error}") from error
    finally:
        connection.close()


def target_of(url: SplitResult) -> str:
    """Return the request target: path and query."""
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


def head_of(response: HTTPResponse) -> Answer:
    """Keep the head; the body is not read."""
    headers = tuple((name.lower(), value) for name, value in response.getheaders())
    return Answer(response.status, headers)
