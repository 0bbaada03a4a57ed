"""Errors of routing and of handlers as problem bodies (RFC 9457), never as pages."""

import traceback
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from quart import Response
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed

from portico.core.problem import CONTENT_TYPE, Problem, Refusal
from portico.server.requests import request_id
from portico.server.state import current_state

MEDIA_TYPE: Final = CONTENT_TYPE.decode("ascii")
DETAILS: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "The request cannot be understood.",
        404: "There is nothing at this path; /openapi.json lists the paths that there are.",
        405: "This path does not know the method; the Allow header lists those that it knows.",
        408: "The body of the request did not arrive in time.",
        413: "The body of the request is larger than server.max_body allows.",
        500: "The server failed to answer; its log has the reason under this request's id.",
    }
)
"""What to tell where the one who raised the error said nothing of their own."""


class RefusedError(HTTPException):
    """A refusal in the policy's words, raised by a handler."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.problem.detail)
        self.code = refusal.problem.status
        self._lines = refusal.problem.headers

    def get_headers(self, *_: object) -> list[tuple[str, str]]:
        """Give the problem's own header lines."""
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._lines]


async def answer_problem(error: HTTPException) -> Response:
    """Make the answer to an error of routing or of a handler."""
    status = error.code or 500
    body = Problem(status, detail_of(error, status)).body(request_id())
    response = Response(body, status, dict(headers_of(error)), content_type=MEDIA_TYPE)
    response.headers.setdefault("cache-control", "no-store")
    return response


def detail_of(error: HTTPException, status: int) -> str:
    """Say what is wrong; what the server was doing is told only to whoever debugs it."""
    cause = error.original_exception if isinstance(error, InternalServerError) else None
    if cause is not None and current_state().settings.telemetry.debug:
        return "".join(traceback.format_exception(cause))
    own = error.description != type(error).description
    return (own and error.description) or DETAILS.get(status) or error.name


def headers_of(error: HTTPException) -> Iterator[tuple[str, str]]:
    """Give the header lines of *error* without those of its page, in a fixed order."""
    if isinstance(error, MethodNotAllowed):
        yield "allow", ", ".join(sorted(error.valid_methods or ()))
        return
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            yield name.lower(), value
