"""One request on its way through an ASGI application, with its exchange: what all kinds share."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from contextvars import ContextVar
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from portico.adapters.scope import Scope, read_head, write_scope
from portico.core.access import Outcome
from portico.core.events import Respond, ResponseHead
from portico.core.exchange import Exchange
from portico.core.limits import TIMED_OUT, is_endless
from portico.core.problem import Problem, Refusal

if TYPE_CHECKING:
    from anyio import CancelScope

    from portico.adapters.asgi import PolicyMiddleware

__all__ = [
    "BODY_BROKEN",
    "NO_ANSWER",
    "Call",
    "InvalidAnswerError",
    "Message",
    "NoAnswerError",
    "Receive",
    "Send",
    "current_exchange",
]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

current_exchange: Final[ContextVar[Exchange | None]] = ContextVar("current_exchange", default=None)
"""The exchange of the request that is being handled; None outside of any."""

NO_ANSWER: Final = Refusal(
    "no_answer", Problem(500, "The application ended without answering this request.")
)
BODY_BROKEN: Final = Refusal(
    "body_broken", Problem(400, "The body of the request broke off, or is not framed as HTTP.")
)


class NoAnswerError(RuntimeError):
    """The application returned without an answer, though its client was there."""


class InvalidAnswerError(ValueError):
    """The application gave an answer that HTTP does not allow; the client got a 500."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"the application's answer was replaced: {fault}")


class Call(ABC):
    """One request on its way through the application; `run` serves it.

    Attributes:
        exchange: Its exchange.
        begun: An answer has begun to leave.
        answered: It is the policy's own; the application's messages go nowhere.
        over: It has left whole, or the WebSocket was closed in good order.
        gone: The client left before that.
        cut: It left, or so the engine says, in the middle of the body.
        stopped: The policy ended the request while the application had it.
    """

    __slots__ = (
        "_counted",
        "_patience",
        "_receive",
        "_recorded",
        "_scope",
        "_send",
        "_shell",
        "answered",
        "begun",
        "cut",
        "exchange",
        "gone",
        "over",
        "stopped",
    )

    def __init__(
        self, shell: "PolicyMiddleware", scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._shell = shell
        self._scope = scope
        self._receive = receive
        self._send = send
        self._recorded = False
        self._counted = False
        self._patience: CancelScope | None = None
        self.exchange = shell.begin(scope)
        self.begun = False
        self.answered = False
        self.over = False
        self.gone = False
        self.cut = False
        self.stopped = False

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
        self._counted = True
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
            # What a lost client makes an application raise is no error of its, nor is what it
            # raises because the policy told it so.
            if self.stopped:
                return
            if self.cut and not self.begun:
                await self._answer_broken()
                return
            if self.gone:
                raise
            self._shell.on_error(error, self.exchange)
            if not self.begun:
                await self.respond(self.exchange.fail())
            elif not self.over:
                # What has begun cannot be taken back: the engine must break the connection.
                self._finish(Outcome.ERROR, "unhandled_exception")
                raise

    async def _serve(self) -> None:
        head = read_head(self._scope)
        verdict = await self._shell.judge(self.exchange, head)
        if isinstance(verdict, Respond):
            self._leave()  # a client that does not read its refusal takes nobody's room
            await self.respond(verdict)
            return
        self._scope = write_scope(self._scope, head, self.exchange)
        if self._shell.time_limit is None:
            await self._shell.app(self._scope, self.receive, self.send)
        else:
            await self._run_within(self._shell.time_limit())
        await self._conclude()

    async def _run_within(self, patience: "CancelScope") -> None:
        """Cancel the application when its time is over; what is endless has no end of time."""
        self._patience = patience
        with patience:
            await self._shell.app(self._scope, self.receive, self.send)
        if not patience.cancel_called or self.over:
            return
        self.stopped = True
        if self.begun:  # what has begun ends without its end, so that the engine breaks it off
            self._finish(Outcome.ERROR, TIMED_OUT.reason)
        else:
            await self.respond(self.exchange.fail(TIMED_OUT))

    async def _conclude(self) -> None:
        """See to the answer of an application that has returned."""
        if self.stopped:
            return
        if self.begun:
            if self.ends_by_returning and not self.over:
                self._end()
        elif self.cut:
            await self._answer_broken()
        elif not self.gone:
            self._shell.on_error(NoAnswerError(NO_ANSWER.problem.detail), self.exchange)
            await self.respond(self.exchange.fail(NO_ANSWER))

    async def _answer_broken(self) -> None:
        """Answer a body that broke off, though most likely nobody is there to read it.

        Granian says of broken chunks too that the client has left, and then answers 500 itself.
        """
        refusal = BODY_BROKEN.closing(self.exchange.head.http_version)
        with suppress(OSError):
            await self.respond(self.exchange.fail(refusal))

    async def _open(self, message: Message, status: int, content: bytes | None = None) -> None:
        """Send the application's head with the policy's headers, or what must replace it."""
        own = ResponseHead(status, list(message.get("headers") or ()))
        head = self.exchange.response(own, now=self._shell.clock(), content=content)
        body = self.exchange.substitute
        if self._patience is not None and is_endless(head.status, head.headers):
            self._patience.deadline = inf
        if body is None:
            self._prepare()
            self.begun = True
            status_too = {"status": head.status} if "status" in message else {}
            await self._pass_on({**message, **status_too, "headers": head.headers})
            return
        if self.exchange.fault is not None:
            self._shell.on_error(InvalidAnswerError(self.exchange.fault), self.exchange)
        await self.respond(Respond(head, body))

    def _prepare(self) -> None:  # noqa: B027 -- most kinds need nothing
        """Get ready for the body of an answer whose head is complete."""

    async def _respond_in(self, kind: str, answer: Respond) -> None:
        """Send *answer* by messages whose types begin with *kind*."""
        self.begun = self.answered = True
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
            self._leave()
            now = self._shell.clock()
            self._shell.on_record(self.exchange.finish(now=now, outcome=outcome, reason=reason))

    def _leave(self) -> None:
        """Make room for another request, once."""
        if self._counted:
            self._counted = False
            self._shell.in_flight -= 1
