"""Problem details: what a refusal says in its body.

Source: RFC 9457; the titles are the reason phrases of RFC 9110 15 and RFC 6585.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from portico.core.events import Headers, Respond, ResponseHead

__all__ = ["TITLES", "Problem"]

CONTENT_TYPE: Final = b"application/problem+json"

TITLES: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "Bad Request",
        401: "Unauthorized",
        403: "Forbidden",
        404: "Not Found",
        405: "Method Not Allowed",
        408: "Request Timeout",
        409: "Conflict",
        413: "Content Too Large",
        414: "URI Too Long",
        415: "Unsupported Media Type",
        421: "Misdirected Request",
        422: "Unprocessable Content",
        429: "Too Many Requests",
        431: "Request Header Fields Too Large",
        500: "Internal Server Error",
        501: "Not Implemented",
        502: "Bad Gateway",
        503: "Service Unavailable",
        504: "Gateway Timeout",
    }
)
"""Title of each status that Portico answers with a problem."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal as its reader sees it.

    Attributes:
        status: A status of `TITLES`.
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
            "title": TITLES[self.status],
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
