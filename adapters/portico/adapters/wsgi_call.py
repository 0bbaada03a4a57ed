"""One request on its way through a WSGI application, with its exchange.

Source: PEP 3333, Specification Details.
"""

from collections.abc import Callable, Iterable, Iterator
from http.client import responses
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from portico.adapters.asgi_call import (
    BODY_BROKEN,
    NO_ANSWER,
    InvalidAnswerError,
    NoAnswerError,
    current_exchange,
)
from portico.adapters.codings import Encoder, encoder
from portico.adapters.environ import Environ, write_environ
from portico.adapters.wsgi_body import CountedBody
from portico.core.access import Outcome
from portico.core.events import PROCEED, Abort, Proceed, Respond, ResponseHead
from portico.core.exchange import Exchange
from portico.core.limits import TIMED_OUT, is_endless
from portico.core.problem import FAILURE, Refusal

if TYPE_CHECKING:
    from portico.adapters.wsgi import WsgiPolicy

__all__ = ["BodyRefusedError", "WsgiAnswer", "WsgiCall"]

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]

# PEP 3333, Other HTTP Features: an application must not speak of the connection, and servers
# refuse one that does.
_HOP_BY_HOP: Final = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization"),
        *(b"te", b"trailers", b"transfer-encoding", b"upgrade"),
    }
)


class BodyRefusedError(OSError):
    """The policy ended the request while the application read its body."""


class WsgiCall:
    """One request on its way through the application; `run` serves it.

    Attributes:
        exchange: Its exchange.
    """

    def __init__(
        self, shell: "WsgiPolicy", exchange: Exchange, environ: Environ, start_response: Any
    ) -> None:
        self.exchange = exchange
        self._shell = shell
        self._environ = environ
        self._start = start_response
        self._write: Callable[[bytes], object] | None = None
        self._head: ResponseHead | None = None
        self._instead: Respond | None = None
        self._encode: Encoder | None = None
        self._begun = False
        self._broken = False
        self._recorded = False
        self._endless = False
        self._before = current_exchange.get()
        timeout_s = shell.policy.request_timeout_s
        self._until = None if timeout_s is None else shell.clock() + timeout_s

    def run(self) -> "WsgiAnswer":
        """Ask the policy, then the application; give what the server iterates and closes."""
        current_exchange.set(self.exchange)
        try:
            verdict = self._shell.judge(self.exchange, self._environ)
        except Exception as error:
            self._shell.on_error(error, self.exchange)
            verdict = self.exchange.fail()
        if isinstance(verdict, Respond):
            self._instead = verdict
            return WsgiAnswer(self, ())
        write_environ(self._environ, self.exchange)
        self._environ["wsgi.input"] = CountedBody(self._environ["wsgi.input"], self)
        try:
            return WsgiAnswer(self, self._shell.app(self._environ, self._start_response))
        except Exception as error:
            self.fail(error)
            return WsgiAnswer(self, ())
        except BaseException:
            self.finish(Outcome.CANCELLED)
            raise

    # What the application does.

    def count(self, size: int) -> None:
        """Count a piece of the request's body.

        Raises:
            BodyRefusedError: The policy refuses it; the application's answer no longer counts.
        """
        if self._instead is not None or self._recorded:
            return
        verdict: Proceed | Respond | Abort = self.exchange.receive_body(size)
        if verdict is PROCEED:
            return
        if isinstance(verdict, Respond):
            self._instead = verdict
        else:
            self.finish()
        raise BodyRefusedError("the policy refused the body of this request")

    def lose_body(self) -> None:
        """Note that the body broke off."""
        self._broken = True

    def _start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: ExcInfo | None = None,
    ) -> Callable[[bytes], None]:
        """Take the application's head, which counts from the first byte of its body."""
        if exc_info is not None and self._begun:
            try:
                raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # a traceback that holds its own frame is not freed
        if exc_info is None and self._head is not None:
            raise AssertionError("start_response was called twice, without exc_info")
        self._head = _read_answer(status, headers)
        return self._write_now

    def _write_now(self, data: bytes) -> None:
        """Send a piece at once, as PEP 3333's ``write`` does."""
        piece = self.send(data)
        if piece and self._write is not None:
            try:
                self._write(piece)
            except OSError:
                self.finish(Outcome.CLIENT_DISCONNECTED)
                raise

    # What the answer does.

    def check_time(self) -> None:
        """Refuse what took too long.

        Raises:
            TimeoutError: An answer was begun, and must break off.
        """
        late = self._until is not None and self._shell.clock() > self._until
        if not late or self._endless or self._instead is not None or self._recorded:
            return
        if not self._begun:
            self._instead = self.exchange.fail(TIMED_OUT)
            return
        self.finish(Outcome.ERROR, TIMED_OUT.reason)
        raise TimeoutError(TIMED_OUT.problem.detail)

    def send(self, data: bytes) -> bytes:
        """Give what is to leave for a piece of the application's answer, sending its head first."""
        if not data or self._instead is not None:
            return b""
        if not self._begin(data):
            return b""
        return self._count(data if self._encode is None else self._encode(data, last=False))

    def _count(self, data: bytes) -> bytes:
        """Count what leaves; the body of an answer to HEAD stays here."""
        if data:
            self.exchange.send_body(len(data))
        return b"" if self.exchange.head.method == "HEAD" else data

    def _begin(self, first: bytes) -> bool:
        """Send the application's head before *first*, unless another answer must replace it."""
        if self._begun:
            return True
        if self._head is None:
            self._fail(NoAnswerError(NO_ANSWER.problem.detail), NO_ANSWER)
            return False
        whole = self.exchange.wants_content and _is_whole(self._head, first)
        head = self.exchange.response(
            self._head, now=self._shell.clock(), content=first if whole else None
        )
        if self.exchange.substitute is not None:
            if self.exchange.fault is not None:
                self._shell.on_error(InvalidAnswerError(self.exchange.fault), self.exchange)
            self._instead = Respond(head, self.exchange.substitute)
            return False
        self._begun = True
        self._endless = is_endless(head.status, head.headers)
        if self.exchange.coding is not None:
            self._encode = encoder(self.exchange.coding)
        self._send_head(head)
        return True

    def conclude(self) -> bytes:
        """Give what is left to leave when the application's answer is at its end."""
        if not self._begun and self._instead is None:
            self._begin(b"")
        if self._instead is None or self._begun:
            if self._encode is None or self._recorded:
                return b""
            return self._count(self._encode(b"", last=True))
        self._begun = True
        self._send_head(self._instead.head)
        return self._instead.body

    def _send_head(self, head: ResponseHead) -> None:
        phrase = responses.get(head.status, "Unknown")
        lines = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in head.headers
            if name.lower() not in _HOP_BY_HOP
        ]
        self._write = self._start(f"{head.status} {phrase}", lines)

    def fail(self, error: Exception) -> None:
        """See to what the application raised.

        Raises:
            Exception: *error*, where an answer was begun: its server must break it off.
        """
        if self._instead is not None or (self._recorded and isinstance(error, OSError)):
            return
        if self._broken and not self._begun:
            self._instead = self.exchange.fail(BODY_BROKEN)
            return
        self._fail(error, FAILURE)
        if self._begun and self._instead is None:
            self.finish(Outcome.ERROR, FAILURE.reason)
            raise error

    def _fail(self, error: Exception, refusal: Refusal) -> None:
        self._shell.on_error(error, self.exchange)
        if not self._begun:
            self._instead = self.exchange.fail(refusal)

    def report(self, error: Exception) -> None:
        """Report what the application raised behind its answer."""
        self._shell.on_error(error, self.exchange)

    def finish(self, outcome: Outcome | None = None, reason: str | None = None) -> None:
        """End the exchange and hand out its record, the first time."""
        if self._recorded:
            return
        self._recorded = True
        self._shell.leave()
        current_exchange.set(self._before)
        now = self._shell.clock()
        self._shell.on_record(self.exchange.finish(now=now, outcome=outcome, reason=reason))


class WsgiAnswer:
    """What the server iterates and closes: the application's pieces, or the policy's answer."""

    def __init__(self, call: WsgiCall, pieces: Iterable[bytes]) -> None:
        self._call = call
        self._pieces = pieces
        self._iterator: Iterator[bytes] | None = None
        self._ended = False

    def __iter__(self) -> "WsgiAnswer":
        return self

    def __next__(self) -> bytes:
        """Give the next piece that is not empty."""
        if self._ended:
            raise StopIteration
        while (data := self._take()) is not None:
            if piece := self._call.send(data):
                return piece
        self._ended = True
        last = self._call.conclude()
        self._call.finish()
        if last:
            return last
        raise StopIteration

    def _take(self) -> bytes | None:
        """Take the application's next piece; None at its end, and when it no longer counts."""
        try:
            if self._iterator is None:
                self._iterator = iter(self._pieces)
            data = next(self._iterator, None)
        except Exception as error:
            self._call.fail(error)
            return None
        self._call.check_time()
        return data

    def close(self) -> None:
        """Let the application clean up; an answer that was not exhausted has lost its client."""
        close = getattr(self._pieces, "close", None)
        try:
            if close is not None:
                close()
        except Exception as error:
            self._call.report(error)
        finally:
            self._call.finish(Outcome.CLIENT_DISCONNECTED)


def _is_whole(head: ResponseHead, first: bytes) -> bool:
    """Say whether *first* has the length that *head* declares."""
    declared = b"%d" % len(first)
    return any(name.lower() == b"content-length" and v == declared for name, v in head.headers)


def _read_answer(status: str, headers: list[tuple[str, str]]) -> ResponseHead:
    """Read what the application gave; what is no status or no Latin-1 text is made unsendable."""
    code = status[:3]
    number = int(code) if code.isascii() and code.isdigit() and status[3:4] in ("", " ") else 0
    lines = [(_encode(name), _encode(value)) for name, value in headers]
    return ResponseHead(number, lines)


def _encode(text: str) -> bytes:
    """Encode a native string; NUL, which no header allows, stands for what has no byte."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return b"\x00"
