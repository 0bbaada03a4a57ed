"""Problem details: what a refusal says in its body.

Source: RFC 9457; the titles are the registered reason phrases (RFC 9110 15 and others).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from portico.core.events import Headers, Respond, ResponseHead

__all__ = ["FAILURE", "TITLES", "UNSENDABLE", "Problem", "Refusal"]

CONTENT_TYPE: Final = b"application/problem+json"

TITLES: Final[Mapping[int, str]] = MappingProxyType(
    {
        308: "Permanent Redirect",
        400: "Bad Request",
        401: "Unauthorized",
        402: "Payment Required",
        403: "Forbidden",
        404: "Not Found",
        405: "Method Not Allowed",
        406: "Not Acceptable",
        407: "Proxy Authentication Required",
        408: "Request Timeout",
        409: "Conflict",
        410: "Gone",
        411: "Length Required",
        412: "Precondition Failed",
        413: "Content Too Large",
        414: "URI Too Long",
        415: "Unsupported Media Type",
        416: "Range Not Satisfiable",
        417: "Expectation Failed",
        421: "Misdirected Request",
        422: "Unprocessable Content",
        423: "Locked",
        424: "Failed Dependency",
        425: "Too Early",
        426: "Upgrade Required",
        428: "Precondition Required",
        429: "Too Many Requests",
        431: "Request Header Fields Too Large",
        451: "Unavailable For Legal Reasons",
        500: "Internal Server Error",
        501: "Not Implemented",
        502: "Bad Gateway",
        503: "Service Unavailable",
        504: "Gateway Timeout",
        505: "HTTP Version Not Supported",
        506: "Variant Also Negotiates",
        507: "Insufficient Storage",
        508: "Loop Detected",
        511: "Network Authentication Required",
    }
)
"""Title of each status that a problem may have (IANA HTTP Status Code Registry)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal as its reader sees it.

    Attributes:
        status: From 400 to 599, or 308.
        detail: What is wrong with this request and what to do, without any secret.
        headers: Lines of the answer besides those of its body.
    """

    status: int
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def body(self, instance: str) -> bytes:
        """Give the JSON object; *instance* is the request id (RFC 9457 3.1.5).

        The type is ``about:blank``: the status says it all, and the title is its phrase (4.2.1).
        """
        members = {
            "type": "about:blank",
            "title": TITLES.get(self.status, "Error"),
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        }
        return json.dumps(members, separators=(",", ":")).encode("ascii")

    def respond(self, instance: str, *, head_only: bool = False) -> Respond:
        """Give the whole answer, without CORS headers and request id.

        Args:
            instance: The request id.
            head_only: The request was HEAD, whose answer has no body (RFC 9110 9.3.2).
        """
        body = self.body(instance)
        headers: Headers = [
            (b"content-type", CONTENT_TYPE),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            *self.headers,
        ]
        return Respond(ResponseHead(self.status, headers), b"" if head_only else body)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not served, and what the client gets.

    Attributes:
        reason: Stable code for the access record.
        problem: What the client gets.
    """

    reason: str
    problem: Problem

    def closing(self, http_version: str) -> "Refusal":
        """Give the same refusal, which also ends the connection: nobody wants what follows.

        Args:
            http_version: The request's; HTTP/2 and later forbid the field (RFC 9113 8.2.2).
        """
        if http_version in ("2", "3"):
            return self
        return self.with_header(b"connection", b"close")

    def with_header(self, name: bytes, value: bytes) -> "Refusal":
        """Give the same refusal with one more line in its head."""
        headers = (*self.problem.headers, (name, value))
        return replace(self, problem=replace(self.problem, headers=headers))


FAILURE: Final = Refusal(
    "unhandled_exception", Problem(500, "The server failed to answer this request.")
)
UNSENDABLE: Final = Refusal(
    "invalid_response", Problem(500, "The application's answer is not one that HTTP allows.")
)
