"""Quart on the Trio host: a request runs in its connection's task and pulls its body.

Quart-Trio's own connection class opens a nursery and a task per request, to notice a client that
leaves, and takes a whole upload whether or not the handler reads it. The Trio host says by itself
when a client leaves, so that neither is needed there. On any other server the stock class runs,
and with a Quart that lacks one of the private names in `NAMES`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from functools import cache, partial
from math import inf
from typing import Any, Final, cast

import trio
from hypercorn.typing import HTTPScope
from quart import Quart, Request, Response
from quart.wrappers.request import Body
from quart.wrappers.response import DataBody
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection
from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestEntityTooLarge

from portico.adapters.scope import DISCONNECT_EXTENSION
from portico.server.host.foundations import Names, lacking

NAMES: Final[Names] = {
    "quart.asgi": (
        "ASGIHTTPConnection._send_push_promise",
        "ASGIHTTPConnection._send_response",
    ),
    "quart.wrappers.request": (
        "Body.__aiter__",
        "Body.__await__",
        "Body.clear",
        "Request.body_class",
        "Request.content_length",
        "Request.blueprints",
    ),
    "quart.wrappers.response": ("DataBody",),
    "werkzeug.datastructures": ("Headers",),
}

_CONTENT: Final = frozenset({b"content-length", b"transfer-encoding"})

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
PushPromise = Callable[[str, Headers], Awaitable[None]]


class PulledBody:
    """A request body that receives only what is asked of it, with the interface of Quart's."""

    def __init__(self, expected: int | None, limit: int | None) -> None:
        """Prepare to receive, once `follow` said from where.

        Args:
            expected: The declared length in bytes, or None.
            limit: Most bytes that are taken, or None.
        """
        self._limit = limit
        self._taken = 0
        self._complete = False
        self._data = bytearray()
        self._too_large = expected is not None and limit is not None and expected > limit

    def follow(self, receive: Receive, on_end: Callable[[], object]) -> None:
        """Say where the body comes from.

        Args:
            receive: Gives the next ASGI message.
            on_end: Cancels the request, when its client has left or was refused.
        """
        self._receive = receive
        self._on_end = on_end

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._data and not self._complete:
            await self._pull()
        self._check()
        if not self._data:
            raise StopAsyncIteration
        data = bytes(self._data)
        self._data.clear()
        return data

    def __await__(self) -> Generator[Any, None, bytes]:
        return self._whole().__await__()

    def clear(self) -> None:
        """Forget what was received."""
        self._data.clear()

    async def _whole(self) -> bytes:
        self._check()
        while not self._complete:
            await self._pull()
            self._check()
        return bytes(self._data)

    def _check(self) -> None:
        if self._too_large:
            raise RequestEntityTooLarge

    async def _pull(self) -> None:
        self._check()
        message = await self._receive()
        if message["type"] != "http.request":
            self._on_end()
            await trio.sleep_forever()  # until the cancellation
        data = message.get("body", b"")
        self._taken += len(data)
        self._too_large = self._limit is not None and self._taken > self._limit
        self._complete = not message.get("more_body", False)
        self._data += data


class InlineRequest(Request):
    """What a request on the host does otherwise than the application's own request class."""

    body_class = cast("type[Body]", PulledBody)

    @property
    def content_length(self) -> int | None:
        """The declared length: the host has seen to it that there is one or none (RFC 9112 6.3)."""
        fields = dict(self.scope["headers"])
        length = fields.get(b"content-length", b"")
        return int(length) if length.isdigit() and b"transfer-encoding" not in fields else None

    @property
    def blueprints(self) -> list[str]:
        """The names of the route's blueprints, from the innermost to the outermost."""
        return [] if self.url_rule is None else blueprints_of(self.url_rule.endpoint)


@cache
def blueprints_of(endpoint: str) -> list[str]:
    """The blueprints in the name of an endpoint; every request asks three times."""
    name = endpoint.rpartition(".")[0]
    return [name, *blueprints_of(name)] if name else []


@cache
def inline(request_class: type[Request]) -> type[Request]:
    """*request_class* for the requests that run inline."""
    return type(request_class.__name__, (InlineRequest, request_class), {})


def has_content(scope: HTTPScope) -> bool:
    """Whether the request announces a body, even an empty one."""
    return any(name in _CONTENT for name, _ in scope["headers"])


def create_request(
    request_class: type[Request], app: Quart, scope: HTTPScope, push: PushPromise
) -> Request:
    """Make the request as Quart does, but take the fields as they are.

    Quart adds them one by one, and Werkzeug validates each, which the engine and the policy
    have done: 15 microseconds a request.
    """
    config = app.config
    client = scope.get("client") or ["<local>"]
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    headers = Headers()
    headers._list = [("remote-addr", client[0]), *fields]
    if scope["http_version"] < "1.1":
        headers.setdefault("host", config["SERVER_NAME"] or "")
    root_path = scope.get("root_path", "")
    return request_class(
        scope["method"],
        scope["scheme"],
        # ASGI's path begins with the root path, which the launchers see to.
        scope["path"].removeprefix(root_path) or "/",
        scope["query_string"],
        headers,
        root_path,
        scope["http_version"],
        max_content_length=config["MAX_CONTENT_LENGTH"],
        body_timeout=config["BODY_TIMEOUT"],
        send_push_promise=push,
        scope=scope,
    )


class InlineHTTPConnection(TrioASGIHTTPConnection):
    """One request, in the task that the host calls it from."""

    stock = bool(lacking(NAMES))

    async def __call__(self, receive: Receive, send: Send) -> None:
        """Answer the request; a client that leaves cancels it."""
        extension = self.scope.get("extensions", {}).get(DISCONNECT_EXTENSION)
        if extension is None or self.stock:
            await super().__call__(receive, send)
            return
        push = partial(self._send_push_promise, send)
        request = create_request(inline(self.app.request_class), self.app, self.scope, push)
        cancel = extension.get("cancel")
        # A body may be refused while its client waits for the answer: that ends the request alone.
        if cancel is not None and not has_content(self.scope):
            await self._run(request, receive, send, cancel)
            return
        with trio.CancelScope() as scope:
            await self._run(request, receive, send, scope.cancel)

    async def _run(
        self, request: Request, receive: Receive, send: Send, cancel: Callable[[], object]
    ) -> None:
        cast("PulledBody", request.body).follow(receive, cancel)
        self.scope["extensions"][DISCONNECT_EXTENSION]["on_disconnect"](cancel)
        await self._answer(send, await self.app.handle_request(request))

    async def _answer(self, send: Send, response: Any) -> None:
        body = response.response
        if type(body) is DataBody:
            await send(
                {
                    "type": "http.response.start",
                    "status": response.status_code,
                    "headers": _encoded(response.headers),
                }
            )
            data = body.data
            if body.end - body.begin != len(data):
                data = data[body.begin : body.end]
            await send({"type": "http.response.body", "body": data})
            return
        timeout = response.timeout if isinstance(response, Response) else ...
        if timeout is ...:
            timeout = self.app.config["RESPONSE_TIMEOUT"]
        with trio.move_on_after(inf if timeout is None else timeout):
            await self._send_response(send, response)


def _encoded(headers: Any) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers]


class InlineQuartTrio(QuartTrio):
    """`QuartTrio` whose requests run inline on the Trio host."""

    asgi_http_class = InlineHTTPConnection
