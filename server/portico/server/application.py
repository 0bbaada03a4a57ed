"""The application classes, one per runtime, and what they do otherwise than Quart's own."""

from functools import partial
from types import TracebackType
from typing import Any, Final, Literal, NoReturn, cast

import anyio
import msgspec
import structlog
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPResponseStartEvent
from quart import Quart, Request, Response
from quart.asgi import ASGIHTTPConnection
from quart.ctx import RequestContext
from quart.globals import request_ctx
from quart.json.provider import JSONProvider
from quart.typing import ResponseTypes
from quart.utils import encode_headers
from quart.wrappers.base import BaseRequestWebsocket
from quart.wrappers.response import DataBody
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.routing import MapAdapter

from portico.server.inline import InlineHTTPConnection, create_request
from portico.server.requests import tell_route

Runtime = Literal["trio", "asyncio"]
ExceptionInfo = tuple[type, BaseException, TracebackType] | tuple[None, None, None]

# Names no host: routing does not look at the Host header, which is the policy layer's affair.
ANY_HOST: Final = "localhost"

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()


class Connection(ASGIHTTPConnection):
    """Quart's side of one request: a plain answer in two messages.

    Each message costs the policy and the engine some microseconds, and the engine a write.
    """

    def _create_request_from_scope(self, send: ASGISendCallable) -> Request:
        """Make the request with the fields as the engine gave them."""
        push = partial(self._send_push_promise, send)
        return create_request(self.app.request_class, self.app, self.scope, push)

    async def _send_response(self, send: ASGISendCallable, response: ResponseTypes) -> None:
        body = getattr(response, "response", None)
        if type(body) is not DataBody:
            await super()._send_response(send, response)
            return
        head: HTTPResponseStartEvent = {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": encode_headers(response.headers),
        }
        # RFC 9110 9.3.2: HEAD has no content, and not every server drops what it is given.
        content = b"" if self.scope["method"] == "HEAD" else body.data[body.begin : body.end]
        await send(head)
        await send({"type": "http.response.body", "body": content, "more_body": False})


class CancellableConnection(Connection):
    """The same on asyncio where a request's time is limited: its task ends with it.

    Quart waits for its tasks, and leaves them running when it is cancelled itself.
    """

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer the request."""
        self._handling = anyio.CancelScope()
        try:
            await super().__call__(receive, send)
        finally:
            self._handling.cancel()

    async def handle_request(self, request: Request, send: ASGISendCallable) -> None:
        """Answer the request, in a task of its own."""
        with self._handling:
            await super().handle_request(request, send)


class TrioConnection(InlineHTTPConnection, Connection, TrioASGIHTTPConnection):
    """The same on Trio: inline on the Trio host."""


class Json(JSONProvider):
    """JSON by msgspec: some 40 microseconds a request less than Quart's own."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """Encode *obj* as text."""
        return msgspec.json.encode(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Decode text or UTF-8 bytes."""
        return msgspec.json.decode(s)


class Application(Quart):
    """Quart on asyncio, with nothing of its own on the way of a request or an error."""

    asgi_http_class = Connection
    json_provider_class = Json

    def create_url_adapter(self, request: BaseRequestWebsocket | None) -> MapAdapter | None:
        """Bind the routes without the Host header and without decoding the query.

        Quart's own raises on a host or query that it cannot decode, before any error
        handler can answer, and costs 15 microseconds more.
        """
        if request is None:
            return None
        return self.url_map.bind(
            ANY_HOST,
            script_name=request.root_path or "/",
            url_scheme=request.scheme,
            default_method=request.method,
            path_info=request.path,
        )

    async def make_default_options_response(self) -> Response:
        """Answer OPTIONS with the methods of the path (RFC 9110, 9.3.7) and no content."""
        allowed = ", ".join(allowed_methods())
        response = Response(b"", status=204, headers={"allow": allowed})
        del response.headers["content-type"], response.headers["content-length"]
        return response

    def raise_routing_exception(self, request: BaseRequestWebsocket) -> NoReturn:
        """Tell a wrong method from an unknown path, with and without the last slash.

        Werkzeug matches a path in both forms, but looks for other methods in one only.
        """
        if isinstance(request, Request) and (allowed := allowed_methods()):
            raise MethodNotAllowed(allowed)
        super().raise_routing_exception(request)

    async def full_dispatch_request(
        self, request_context: RequestContext | None = None
    ) -> ResponseTypes:
        """Tell the record the route, and answer a task group's errors like any other.

        Quart-Trio would let those escape the application.
        """
        rule = (request_context or request_ctx).request.url_rule
        if rule is not None:
            tell_route(rule.rule)
        try:
            return await super().full_dispatch_request(request_context)
        except ExceptionGroup as group:
            return await self.handle_exception(group)

    def log_exception(self, exception_info: ExceptionInfo) -> None:
        """Log an error of a handler, once, with the request's context."""
        log.error("request failed", exc_info=exception_info)


def allowed_methods() -> list[str]:
    """List the methods of the path that is asked for, with and without its last slash."""
    adapter = cast("MapAdapter", request_ctx.url_adapter)
    path = adapter.path_info
    other = path[:-1] if path.endswith("/") else f"{path}/"
    return sorted({*adapter.allowed_methods(path), *adapter.allowed_methods(other)})


class TrioApplication(Application, QuartTrio):
    """The same on Trio."""

    asgi_http_class = TrioConnection


APPLICATIONS: Final[dict[Runtime, type[Application]]] = {
    "asyncio": Application,
    "trio": TrioApplication,
}
