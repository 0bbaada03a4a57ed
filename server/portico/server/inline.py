"""Quart on the Trio host: a request runs in its connection's task and pulls its body.

Quart-Trio's own connection class opens a nursery and a task per request, to notice a client that
leaves, and takes a whole upload whether or not the handler reads it. The Trio host says by itself
when a client leaves, so that neither is needed there. On any other server the stock class runs,
and with a Quart that lacks one of the private names in `NAMES`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from math import inf
from typing import Any, Final, cast

import trio
from quart import Response
from quart.wrappers.request import Body
from quart.wrappers.response import DataBody
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection
from werkzeug.exceptions import RequestEntityTooLarge

from portico.server.host.connection import DISCONNECT_EXTENSION
from portico.server.host.foundations import Names, lacking

NAMES: Final[Names] = {
    "quart.asgi": (
        "ASGIHTTPConnection._create_request_from_scope",
        "ASGIHTTPConnection._send_response",
    ),
    "quart.wrappers.request": ("Body.__aiter__", "Body.__await__", "Body.clear"),
    "quart.wrappers.response": ("DataBody",),
}

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class PulledBody:
    """A request body that receives only what is asked of it, with the interface of Quart's."""

    def __init__(
        self,
        receive: Receive,
        on_end: Callable[[], object],
        *,
        expected: int | None,
        limit: int | None,
    ) -> None:
        """Prepare to receive.

        Args:
            receive: Gives the next ASGI message.
            on_end: Cancels the request, when its client has left or was refused.
            expected: The declared length in bytes, or None.
            limit: Most bytes that are taken, or None.
        """
        self._receive = receive
        self._on_end = on_end
        self._limit = limit
        self._taken = 0
        self._complete = False
        self._data = bytearray()
        self._too_large = expected is not None and limit is not None and expected > limit

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


class InlineHTTPConnection(TrioASGIHTTPConnection):
    """One request, in the task that the host calls it from."""

    stock = bool(lacking(NAMES))

    async def __call__(self, receive: Receive, send: Send) -> None:
        """Answer the request; a client that leaves cancels it."""
        extension = self.scope.get("extensions", {}).get(DISCONNECT_EXTENSION)
        if extension is None or self.stock:
            await super().__call__(receive, send)
            return
        request = self._create_request_from_scope(send)
        limit = self.app.config["MAX_CONTENT_LENGTH"]
        with trio.CancelScope() as scope:
            body = PulledBody(receive, scope.cancel, expected=request.content_length, limit=limit)
            request.body = cast("Body", body)
            extension["on_disconnect"](scope.cancel)
            response = await self.app.handle_request(request)
            await self._answer(send, response)

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
