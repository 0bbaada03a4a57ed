"""The policy in front of any ASGI application: http, websocket, and lifespan passed through.

It runs on asyncio and on Trio alike: it only awaits what it was given.

Source: ASGI 3 (https://asgi.readthedocs.io/en/stable/specs/main.html) and its www extensions.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from os import urandom
from typing import Any, Final, TypeAlias

from portico.adapters.scope import Scope, read_head
from portico.core.access import AccessRecord, Outcome
from portico.core.events import Ask, Proceed, RequestHead, Respond, ResponseHead
from portico.core.exchange import Exchange
from portico.core.policy import Policy
from portico.core.problem import Problem, Refusal
from portico.core.tracing import ENTROPY_BYTES

__all__ = ["InvalidAnswerError", "NoAnswerError", "PolicyMiddleware", "current_exchange"]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

OnRecord: TypeAlias = Callable[[AccessRecord], None]
OnError: TypeAlias = Callable[[Exception, Exchange], None]
Find: TypeAlias = Callable[[Ask], Awaitable[object]]

current_exchange: Final[ContextVar[Exchange | None]] = ContextVar("current_exchange", default=None)
"""The exchange of the request that is being handled; None outside of any."""

NO_ANSWER: Final = Refusal(
    "no_answer", Problem(500, "The application ended without answering this request.")
)
_REFUSE_OVER_HTTP: Final = "websocket.http.response"
# RFC 6455 7.4.1: normal closure, going away, no status; anything else is a broken connection.
_ORDERLY: Final = frozenset({1000, 1001, 1005})


class NoAnswerError(RuntimeError):
    """The application returned without an answer, though its client was there."""


class InvalidAnswerError(ValueError):
    """The application gave an answer that HTTP does not allow; the client got a 500."""


def _ignore(*_: object) -> None:
    """Take what nobody asked for."""


class PolicyMiddleware:
    """An ASGI application that asks the policy before and after another one.

    Attributes:
        in_flight: Requests and WebSockets whose answer has not yet left whole.
    """

    def __init__(
        self,
        app: Application,
        policy: Policy,
        *,
        on_record: OnRecord = _ignore,
        on_error: OnError = _ignore,
        find: Find | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        entropy: Callable[[int], bytes] = urandom,
    ) -> None:
        """Put *policy* in front of *app*.

        Args:
            app: Any ASGI 3 application.
            policy: Decides about each request.
            on_record: Gets the access record of each request, once, when its answer has left.
            on_error: Gets each exception of the application, once.
            find: Finds out what a stage asks for; needed only by policies that ask.
            clock: Monotonic seconds.
            wall: Unix seconds.
            entropy: Gives as many random bytes as it is asked for.
        """
        self.app = app
        self.policy = policy
        self.on_record = on_record
        self.on_error = on_error
        self.find = find
        self.clock = clock
        self.wall = wall
        self.entropy = entropy
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one WebSocket, or the lifespan."""
        # Engines tell an ASGI 3 application by this being a coroutine function.
        call = _CALLS.get(scope["type"])
        if call is None:
            await self.app(scope, receive, send)
        else:
            await call(self, scope, receive, send).run()

    def begin(self, scope: Scope) -> Exchange:
        """Begin the exchange of one request."""
        client = scope.get("client")
        return self.policy.exchange(
            peer=(client[0] or None) if client else None,
            now=self.clock(),
            wall=self.wall(),
            entropy=self.entropy(ENTROPY_BYTES),
        )

    async def judge(self, exchange: Exchange, head: RequestHead) -> Proceed | Respond:
        """Give the policy's verdict, finding out what it asks for."""
        verdict = exchange.request(head)
        while isinstance(verdict, Ask):
            if self.find is None:
                raise LookupError(f"nothing was given that answers the stage {verdict.stage}")
            verdict = exchange.answer(await self.find(verdict))
        return verdict


class _Call(ABC):
    """One request on its way through the application; what http and websocket share.

    Attributes:
        exchange: Its exchange.
        begun: An answer has begun to leave.
        over: It has left whole, or the WebSocket was closed in good order.
        gone: The client left before that.
    """

    __slots__ = (
        "_receive",
        "_recorded",
        "_scope",
        "_send",
        "_shell",
        "begun",
        "exchange",
        "gone",
        "over",
    )

    def __init__(self, shell: PolicyMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
        self._shell = shell
        self._scope = scope
        self._receive = receive
        self._send = send
        self._recorded = False
        self.exchange = shell.begin(scope)
        self.begun = False
        self.over = False
        self.gone = False

    ends_by_returning = False
    """Whether an application that returns has ended what it began, as the engine sees it."""

    @abstractmethod
    async def receive(self) -> Message:
        """Give the application the next message from the client."""

    @abstractmethod
    async def send(self, message: Message) -> None:
        """Take a message to the client from the application."""

    @abstractmethod
    async def respond(self, answer: Respond) -> None:
        """Send an answer of the policy's own."""

    async def run(self) -> None:
        """Serve the request; whatever happens, it ends in one record."""
        before = current_exchange.get()
        current_exchange.set(self.exchange)
        self._shell.in_flight += 1
        try:
            await self._attempt()
        except BaseException as error:
            self._finish(self._judge_end(error))
            raise
        finally:
            # Not by a token: that is refused in any context but its own, and a coroutine may be
            # closed in another one.
            current_exchange.set(before)
            # An answer without its last message has lost its client.
            self._finish(None if self.over else Outcome.CLIENT_DISCONNECTED)

    def _judge_end(self, error: BaseException) -> Outcome | None:
        """Say how a call ended that *error* ended."""
        if self.gone or isinstance(error, Exception):
            return Outcome.CLIENT_DISCONNECTED
        return None if self.over else Outcome.CANCELLED

    async def _attempt(self) -> None:
        try:
            await self._serve()
        except Exception as error:
            if self.gone:  # what a lost client makes an application raise is no error of its
                raise
            self._shell.on_error(error, self.exchange)
            if not self.begun:
                await self.respond(self.exchange.fail())
            elif not self.over:
                # What has begun cannot be taken back: the engine must break the connection.
                self._finish(Outcome.ERROR, "unhandled_exception")
                raise

    async def _serve(self) -> None:
        verdict = await self._shell.judge(self.exchange, read_head(self._scope))
        if isinstance(verdict, Respond):
            await self.respond(verdict)
            return
        await self._shell.app(self._scope, self.receive, self.send)
        if self.begun and self.ends_by_returning and not self.over:
            self._end()
        if not self.begun and not self.gone:
            self._shell.on_error(NoAnswerError(NO_ANSWER.problem.detail), self.exchange)
            await self.respond(self.exchange.fail(NO_ANSWER))

    async def _open(self, message: Message, status: int) -> None:
        """Send the application's head with the policy's headers, or what must replace it."""
        own = ResponseHead(status, list(message.get("headers") or ()))
        head = self.exchange.response(own, now=self._shell.clock())
        body = self.exchange.substitute
        if body is None:
            self.begun = True
            status_too = {"status": head.status} if "status" in message else {}
            await self._pass_on({**message, **status_too, "headers": head.headers})
            return
        fault = InvalidAnswerError(f"the application's answer was replaced: {self.exchange.fault}")
        self._shell.on_error(fault, self.exchange)
        await self.respond(Respond(head, body))

    async def _respond_in(self, kind: str, answer: Respond) -> None:
        """Send *answer* by messages whose types begin with *kind*."""
        self.begun = True
        head = answer.head
        await self._pass_on(
            {"type": f"{kind}.start", "status": head.status, "headers": head.headers}
        )
        body = {"type": f"{kind}.body", "body": answer.body, "more_body": False}
        await self._pass_on_to_end(body, last=True)

    async def _pass_on(self, message: Message) -> None:
        """Hand a message to the engine, and notice when it says that the client has left."""
        try:
            await self._send(message)
        except OSError:
            self.gone = True
            raise

    async def _pass_on_to_end(self, message: Message, *, last: bool) -> None:
        # Hypercorn says that the client has left, or has this task cancelled, before the send of
        # the last message returns: from here on that is no news.
        self.over = last
        try:
            await self._pass_on(message)
        except Exception:
            self.over = False
            raise
        if last:
            self._end()

    def _end(self) -> None:
        self.over = True
        self._finish(Outcome.CLIENT_DISCONNECTED if self.gone else None)

    def _finish(self, outcome: Outcome | None = None, reason: str | None = None) -> None:
        """End the exchange and hand out its record, the first time."""
        if not self._recorded:
            self._recorded = True
            self._shell.in_flight -= 1
            now = self._shell.clock()
            self._shell.on_record(self.exchange.finish(now=now, outcome=outcome, reason=reason))


class _HttpCall(_Call):
    """One HTTP request."""

    __slots__ = ("_trailers",)

    def __init__(self, shell: PolicyMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(shell, scope, receive, send)
        self._trailers = False

    async def respond(self, answer: Respond) -> None:
        """Send an answer of the policy's own."""
        await self._respond_in("http.response", answer)

    async def receive(self) -> Message:
        """Count the body, and stop it when the policy refuses more."""
        message = await self._receive()
        if self.over:
            return message
        if message["type"] == "http.disconnect":
            self.gone = True
        elif body := message.get("body"):
            verdict = self.exchange.receive_body(len(body))
            if isinstance(verdict, Respond):
                await self.respond(verdict)
                return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        """Complete the head, count the body, and see the end."""
        if self.over:
            return
        if message["type"] == "http.response.start":
            self._trailers = message.get("trailers", False)
            await self._open(message, message["status"])
            return
        if body := message.get("body"):
            self.exchange.send_body(len(body))
        await self._pass_on_to_end(message, last=self._is_last(message))

    def _is_last(self, message: Message) -> bool:
        match message["type"]:
            case "http.response.trailers":
                return not message.get("more_trailers", False)
            case "http.response.body" | "http.response.zerocopysend":
                return not self._trailers and not message.get("more_body", False)
            case "http.response.pathsend":
                return not self._trailers
            case _:
                return False


class _WebSocketCall(_Call):
    """One WebSocket, from its handshake to its end."""

    __slots__ = ("_connected",)
    ends_by_returning = True

    def __init__(self, shell: PolicyMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(shell, scope, receive, send)
        self._connected = False

    async def respond(self, answer: Respond) -> None:
        """Refuse the handshake, with this answer if the engine can, else with its own 403."""
        if not self._connected:
            await self.receive()
        if _REFUSE_OVER_HTTP in (self._scope.get("extensions") or ()):
            await self._respond_in(_REFUSE_OVER_HTTP, answer)
        else:
            self.begun = True
            close = {"type": "websocket.close", "code": 1008, "reason": ""}
            await self._pass_on_to_end(close, last=True)

    async def receive(self) -> Message:
        """Count what the client sends, and see how it leaves."""
        message = await self._receive()
        match message["type"]:
            case "websocket.connect":
                self._connected = True
            case "websocket.receive" if not self.over:
                self.exchange.receive_body(_size(message))
            case "websocket.disconnect" if not self.over:
                self.over = self.begun and message.get("code", 1005) in _ORDERLY
                self.gone = not self.over
        return message

    async def send(self, message: Message) -> None:
        """Complete the handshake, count what the application sends, and see the end."""
        if self.over:
            return
        match message["type"]:
            case "websocket.accept":
                await self._open(message, 101)
            case "websocket.http.response.start":
                await self._open(message, message["status"])
            case "websocket.close" if not self.begun:
                refusal = ResponseHead(403, [(b"content-length", b"0")])
                await self.respond(Respond(self.exchange.response(refusal), b""))
            case kind:
                self.exchange.send_body(_size(message))
                last = kind == "websocket.close" or _is_last_of_refusal(message)
                await self._pass_on_to_end(message, last=last)


_CALLS: Final[dict[str, type[_Call]]] = {"http": _HttpCall, "websocket": _WebSocketCall}


def _is_last_of_refusal(message: Message) -> bool:
    last = not message.get("more_body", False)
    return message["type"] == "websocket.http.response.body" and last


def _size(message: Message) -> int:
    data = message.get("bytes") or message.get("body")
    if data is not None:
        return len(data)
    text = message.get("text") or ""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
