"""One stream of an HTTP/2 connection: a request and its answer, as ASGI has them."""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import trio
from h2.errors import ErrorCodes
from trio.lowlevel import ParkingLot

from portico.adapters.scope import DISCONNECT_EXTENSION
from portico.server.host.body import Patience
from portico.server.host.connection import Message
from portico.server.host.context import own_errors, run_in
from portico.server.host.http2_response import Http2Response
from portico.server.host.request import Head, http_scope
from portico.server.host.response import InvalidResponseError
from portico.server.host.transport import ConnectionLostError

if TYPE_CHECKING:
    from portico.server.host.http2 import Http2


class Stream:
    """A request that was accepted; `run` answers it, the connection feeds and wakes it.

    Content that waits for the application keeps its share of the client's window, which bounds
    it: the window is given back as the application takes it. It is ``gone`` when nobody is there
    to answer to.
    """

    __slots__ = (
        "_ended",
        "_given",
        "_head",
        "_hooks",
        "_http2",
        "_inbox",
        "_news",
        "_owed",
        "_patience",
        "_response",
        "gone",
        "id",
    )

    def __init__(self, http2: "Http2", stream_id: int, head: Head) -> None:
        self.id = stream_id
        self._http2 = http2
        self._head = head
        self._response = Http2Response(without_body=head.method == "HEAD")
        self._patience = Patience(http2.worker.limits.header_timeout_s)
        self._inbox: deque[bytes] = deque()
        self._owed = 0
        self._ended = False
        self._given = False
        self.gone = False
        self._news = ParkingLot()
        self._hooks: list[Callable[[], object]] = []

    # -- what the connection says ---------------------------------------------------------------

    def feed(self, data: bytes, size: int) -> bool:
        """Take content that costs *size* of the window; False if nobody will read it."""
        if self.gone:
            return False
        self._owed += size
        if data:
            self._inbox.append(data)
            self.wake()
        return True

    def feed_end(self) -> None:
        """The request is whole."""
        self._ended = True
        self.wake()

    def wake(self) -> None:
        """Something changed: window, content, or the end."""
        self._news.unpark_all()

    def leave(self) -> None:
        """The client gave the request up, or the connection ended."""
        self.gone = True
        self.wake()
        hooks, self._hooks = self._hooks, []
        for hook in hooks:
            try:
                hook()
            except Exception as error:  # the application's: this may be the sweeper's task
                self._http2.worker.report(error)

    # -- the application ------------------------------------------------------------------------

    async def run(self) -> None:
        """Answer the request.

        Raises:
            ConnectionLostError: the client is not there any more.
        """
        worker = self._http2.worker
        worker.requests += 1
        try:
            await run_in(
                worker.context.copy(), worker.app(self._scope(), self._receive, self._send)
            )
        except BaseExceptionGroup as group:
            errors = own_errors(group)
            if errors is None:
                raise
            await self._failed(errors)
        except ConnectionLostError:
            raise
        except Exception as error:
            await self._failed(error)
        else:
            if not (self._response.complete or self.gone):
                await self._failed(
                    InvalidResponseError("the application returned before its response ended")
                )
        finally:
            self._hooks.clear()
            self._http2.acknowledge(self._take_owed(), self.id)
        await self._conclude()

    def _scope(self) -> dict[str, Any]:
        http2, worker = self._http2, self._http2.worker
        scope = http_scope(
            self._head,
            scheme=worker.scheme,
            client=http2.client,
            server=http2.server,
            root_path=worker.root_path,
            state=worker.state,
            extensions={
                DISCONNECT_EXTENSION: {"on_disconnect": self._hooks.append},
                "http.response.trailers": {},
                "http.response.early_hint": {},
            },
        )
        scope["http_version"] = "2"
        return scope

    async def _failed(self, error: BaseException) -> None:
        """The application broke: say so where nothing was sent, cut the stream otherwise."""
        if self.gone:
            raise ConnectionLostError("the client was gone") from error
        self._http2.worker.report(error)
        if self._response.started:
            self._http2.reset(self.id, ErrorCodes.INTERNAL_ERROR)
        else:
            self._answer(500)
        await self._http2.flush()

    def _answer(self, status: int) -> None:
        """Answer instead of the application, without content."""
        headers = [(b":status", b"%d" % status), (b"content-length", b"0")]
        self._http2.send_headers(self.id, headers, last=True)
        self._response.started = self._response.complete = True

    async def _conclude(self) -> None:
        """RFC 9113 8.1: after an early answer the client need not send the rest."""
        if not (self._ended or self.gone) and self._response.complete:
            self._http2.reset(self.id, ErrorCodes.NO_ERROR)
            await self._http2.flush()

    # -- ASGI -----------------------------------------------------------------------------------

    async def _receive(self) -> Message:
        while not (self.gone or self._response.complete):
            if not self._given and (self._inbox or self._ended):
                return await self._content()
            if self._given:
                await self._news.park()
            else:
                await self._wait_for_content()
        return {"type": "http.disconnect"}

    async def _content(self) -> Message:
        data = b"".join(self._inbox)
        self._inbox.clear()
        self._given = self._ended
        self._http2.acknowledge(self._take_owed(), self.id)
        await self._http2.flush()
        return {"type": "http.request", "body": data, "more_body": not self._given}

    async def _wait_for_content(self) -> None:
        if self._expects_continue() and not self._response.started:
            self._http2.send_headers(self.id, [(b":status", b"100")], last=False)
            await self._http2.flush()
            if self._inbox or self._ended or self.gone:
                return
        started_s, before = trio.current_time(), self._owed
        with trio.move_on_after(self._patience.credit_s) as wait:
            await self._news.park()
        if wait.cancelled_caught:
            await self._give_up()
        self._patience.take(self._owed - before, trio.current_time() - started_s)

    def _expects_continue(self) -> bool:
        """RFC 9110 10.1.1, once."""
        expectation = (b"expect", b"100-continue")
        if expectation not in self._head.headers or self._inbox or self._ended:
            return False
        self._head.headers.remove(expectation)
        return True

    async def _give_up(self) -> None:
        """The content does not arrive in time."""
        if not self._response.started:
            self._answer(408)
        self._http2.reset(self.id, ErrorCodes.CANCEL)
        self.leave()
        await self._http2.flush()

    def _take_owed(self) -> int:
        owed, self._owed = self._owed, 0
        return owed

    async def _send(self, message: Message) -> None:
        if self.gone:
            raise ConnectionLostError("the client is gone")
        kind, response = message["type"], self._response
        if kind == "http.response.start":
            response.start(
                message["status"],
                message.get("headers", ()),
                trailers=message.get("trailers", False),
            )
        elif kind == "http.response.body":
            more = message.get("more_body", False)
            data = response.body(message.get("body", b""), more=more)
            await self._send_body(data)
        elif kind == "http.response.trailers":
            fields = response.trailers(message["headers"])
            self._http2.send_headers(self.id, fields, last=True)
            await self._http2.flush()
            self.wake()
        elif kind == "http.response.early_hint":
            links = [(b":status", b"103"), *((b"link", link) for link in message["links"])]
            self._http2.send_headers(self.id, links, last=False)
            await self._http2.flush()
        else:
            raise InvalidResponseError(f"{kind!r} is no message of an HTTP response")

    async def _send_body(self, data: bytes) -> None:
        response = self._response
        if not response.started:
            last = response.complete and not data
            self._http2.send_headers(self.id, response.head(self._http2.worker.date), last=last)
            if last:
                await self._http2.flush()
                return
        await self._send_content(data)
        if response.complete:
            self.wake()

    async def _send_content(self, data: bytes) -> None:
        """Send what the client's windows take, and wait for more of them."""
        if not data and not self._response.complete:
            await self._http2.flush()
            return
        patience = Patience(self._http2.worker.limits.write_timeout_s)
        rest = memoryview(data)
        while True:
            sent = await self._http2.send_content(self.id, rest, last=self._response.complete)
            rest = rest[sent:]
            if not rest:
                return
            if not self._http2.room(self.id):
                patience.take(sent, 0.0)
                await self._wait_for_window(patience)

    async def _wait_for_window(self, patience: Patience) -> None:
        started_s = trio.current_time()
        with trio.move_on_after(patience.credit_s) as wait:
            await self._news.park()
        if wait.cancelled_caught:
            self._http2.reset(self.id, ErrorCodes.CANCEL)
            self.leave()
            await self._http2.flush()
        if self.gone:
            raise ConnectionLostError("the client is gone")
        patience.take(0, trio.current_time() - started_s)
