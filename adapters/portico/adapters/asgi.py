"""The policy in front of any ASGI application: http, websocket, and lifespan passed through.

It runs on asyncio and on Trio alike: it only awaits what it was given.

Source: ASGI 3 (https://asgi.readthedocs.io/en/stable/specs/main.html) and its www extensions.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from os import urandom
from typing import TYPE_CHECKING, Final, TypeAlias

from portico.adapters.asgi_call import (
    Call,
    InvalidAnswerError,
    Message,
    NoAnswerError,
    Receive,
    Send,
    current_exchange,
)
from portico.adapters.codings import LARGE_PIECE, Encoder, encoder
from portico.adapters.rate_memory import RateMemory
from portico.adapters.scope import DISCONNECT_EXTENSION, Scope
from portico.core.access import AccessRecord
from portico.core.events import PROCEED, Abort, Ask, Proceed, RequestHead, Respond, ResponseHead
from portico.core.exchange import Exchange
from portico.core.policy import Policy
from portico.core.tracing import ENTROPY_BYTES

if TYPE_CHECKING:
    from anyio import CancelScope

__all__ = ["InvalidAnswerError", "NoAnswerError", "PolicyMiddleware", "current_exchange"]

Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

OnRecord: TypeAlias = Callable[[AccessRecord], None]
OnError: TypeAlias = Callable[[Exception, Exchange], None]
Find: TypeAlias = Callable[[Ask], Awaitable[object]]
InThread: TypeAlias = Callable[[Callable[[], bytes]], Awaitable[bytes]]

_REFUSE_OVER_HTTP: Final = "websocket.http.response"
# RFC 6455 7.4.1: normal closure, going away, no status; anything else is a broken connection.
_ORDERLY: Final = frozenset({1000, 1001, 1005})


def _ignore(*_: object) -> None:
    """Take what nobody asked for."""


def _threads(codings: tuple[str, ...]) -> InThread | None:
    if not codings:
        return None
    from anyio import to_thread

    return to_thread.run_sync


def _time_limit(timeout_s: float | None) -> "Callable[[], CancelScope] | None":
    if timeout_s is None:
        return None
    from anyio import move_on_after  # nothing else here needs an event loop's library

    return partial(move_on_after, timeout_s)


class PolicyMiddleware:
    """An ASGI application that asks the policy before and after another one.

    Attributes:
        rates: The rate limits that this process counts by itself.
        in_flight: Requests and WebSockets that were not refused, and whose answer has not yet left
            whole.
        in_thread: Runs what takes long in a thread, or None for a policy that compresses nothing.
        time_limit: Opens a scope that ends with the time of one request, or None without limit.
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
            find: Finds out what a stage asks for that this process does not know by itself;
                needed only by policies that ask so.
            clock: Monotonic seconds.
            wall: Unix seconds.
            entropy: Gives as many random bytes as it is asked for.

        Raises:
            ModuleNotFoundError: The policy limits the time of requests or compresses, and anyio is
                not there.
        """
        self.app = app
        self.policy = policy
        self.on_record = on_record
        self.on_error = on_error
        self.find = find
        self.rates = RateMemory(clock)
        self.clock = clock
        self.wall = wall
        self.entropy = entropy
        self.in_flight = 0
        self.in_thread = _threads(policy.codings)
        self.time_limit = _time_limit(policy.request_timeout_s)

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
            in_flight=self.in_flight,
        )

    async def judge(self, exchange: Exchange, head: RequestHead) -> Proceed | Respond:
        """Give the policy's verdict, finding out what it asks for."""
        verdict = exchange.request(head)
        while isinstance(verdict, Ask):
            answer: object = self.rates.answer(verdict)
            if answer is None:
                if self.find is None:
                    raise LookupError(f"nothing was given that answers the stage {verdict.stage}")
                answer = await self.find(verdict)
            verdict = exchange.answer(answer)
        return verdict


class _HttpCall(Call):
    """One HTTP request."""

    __slots__ = ("_encode", "_held", "_trailers", "_whole")

    def __init__(self, shell: PolicyMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(shell, scope, receive, send)
        # Files that the engine is to send by itself never come through here to be compressed.
        extensions = scope.get("extensions") or {}
        if shell.in_thread is not None and not _FILES.isdisjoint(extensions):
            self._scope = {**scope, "extensions": _without_files(extensions)}
        # An application that the host cancels does not receive that its client has left.
        if DISCONNECT_EXTENSION in extensions:
            extensions[DISCONNECT_EXTENSION]["on_disconnect"](self._notice_leaving)
        self._encode: Encoder | None = None
        self._held: Message | None = None
        self._trailers = False
        self._whole = False

    def _notice_leaving(self) -> None:
        self.gone = not self.over

    async def respond(self, answer: Respond) -> None:
        """Send an answer of the policy's own."""
        await self._respond_in("http.response", answer)

    async def receive(self) -> Message:
        """Count the body, and stop it when the policy refuses more."""
        if self.stopped:
            return {"type": "http.disconnect"}
        message = await self._receive()
        if self.over:
            return message
        if message["type"] == "http.disconnect":
            self.gone = True
            self.cut = not self._whole
            return message
        if body := message.get("body"):
            verdict = self.exchange.receive_body(len(body))
            if verdict is not PROCEED:
                return await self._stop(verdict)
        self._whole = not message.get("more_body", False)
        return message

    async def _stop(self, verdict: Proceed | Respond | Abort) -> Message:
        """End the request; to the application it is as if its client had left."""
        self.stopped = True
        if isinstance(verdict, Respond):
            await self.respond(verdict)
        else:  # what has begun ends without its end, so that the engine breaks it off
            self._finish()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Complete the head, count the body, and see the end."""
        if self.over or self.answered or self.stopped:
            return
        if message["type"] == "http.response.start":
            self._trailers = message.get("trailers", False)
            if self.exchange.wants_content:
                self._held = message
            else:
                await self._open(message, message["status"])
            return
        if self._held is not None:
            await self._open_held(self._held, message)
            if self.answered:
                return
        if self._encode is not None and message["type"] == "http.response.body":
            message = await self._code(self._encode, message)
        if body := message.get("body"):
            self.exchange.send_body(len(body))
        await self._pass_on_to_end(message, last=self._is_last(message))

    async def _open_held(self, start: Message, message: Message) -> None:
        """Send a head that waited for the first message of its body, which may be the whole."""
        self._held = None
        whole = message["type"] == "http.response.body" and not message.get("more_body", False)
        content = message.get("body", b"") if whole and not self._trailers else None
        await self._open(start, start["status"], content)

    def _prepare(self) -> None:
        if self.exchange.coding is not None:
            self._encode = encoder(self.exchange.coding)

    async def _code(self, encode: Encoder, message: Message) -> Message:
        """Compress a piece; a large one in a thread, so that others need not wait for it."""
        body, more = message.get("body", b""), message.get("more_body", False)
        work = partial(encode, body, last=not more)
        in_thread = self._shell.in_thread
        coded = work() if in_thread is None or len(body) < LARGE_PIECE else await in_thread(work)
        return {**message, "body": coded}

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


class _WebSocketCall(Call):
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
            self.begun = self.answered = True
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
        if self.over or self.answered or self.stopped:
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


_CALLS: Final[dict[str, type[Call]]] = {"http": _HttpCall, "websocket": _WebSocketCall}


_FILES: Final = frozenset({"http.response.pathsend", "http.response.zerocopysend"})


def _without_files(extensions: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in extensions.items() if name not in _FILES}


def _is_last_of_refusal(message: Message) -> bool:
    last = not message.get("more_body", False)
    return message["type"] == "websocket.http.response.body" and last


def _size(message: Message) -> int:
    data = message.get("bytes") or message.get("body")
    if data is not None:
        return len(data)
    text = message.get("text") or ""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
