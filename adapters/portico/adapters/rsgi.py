"""The policy in front of any RSGI application: http and websocket, for Granian.

What RSGI cannot do: its path is decoded, so that the policy judges what is made from it again; a
handshake is refused with a status alone, without headers or body.

Source: RSGI 1.6 (https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md).
"""

import time
from collections.abc import Awaitable, Callable
from os import urandom
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from portico.adapters.rate_memory import RateMemory
from portico.adapters.rsgi_call import HttpCall, RsgiCall, WebSocketCall
from portico.core.access import AccessRecord
from portico.core.events import Ask, Proceed, RequestHead, Respond
from portico.core.exchange import Exchange
from portico.core.policy import Policy
from portico.core.tracing import ENTROPY_BYTES

__all__ = ["RsgiPolicy", "read_scope"]

RsgiApplication: TypeAlias = Callable[[Any, Any], Awaitable[None]]

_PATH_SAFE: Final = "/:@!$&'()*+,;=-._~"  # RFC 3986 3.3, pchar
_CALLS: Final[dict[str, type[RsgiCall]]] = {"http": HttpCall, "ws": WebSocketCall}


def _ignore(*_: object) -> None:
    """Take what nobody asked for."""


class RsgiPolicy:
    """An RSGI application that asks the policy before and after another one.

    Attributes:
        rates: The rate limits that this process counts by itself.
        in_flight: Requests and WebSockets whose answer has not yet left whole.
    """

    def __init__(
        self,
        app: Any,
        policy: Policy,
        *,
        on_record: Callable[[AccessRecord], None] = _ignore,
        on_error: Callable[[Exception, Exchange], None] = _ignore,
        find: Callable[[Ask], Awaitable[object]] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        entropy: Callable[[int], bytes] = urandom,
    ) -> None:
        """Put *policy* in front of *app*.

        Args:
            app: Any RSGI application: a callable, or an object with ``__rsgi__``.
            policy: Decides about each request.
            on_record: Gets the access record of each request, once, when its answer has left.
            on_error: Gets each exception of the application, once.
            find: Finds out what a stage asks for that this process does not know by itself;
                needed only by policies that ask so.
            clock: Monotonic seconds.
            wall: Unix seconds.
            entropy: Gives as many random bytes as it is asked for.
        """
        self.app = app
        self.serve: RsgiApplication = getattr(app, "__rsgi__", app)
        self.policy = policy
        self.on_record = on_record
        self.on_error = on_error
        self.find = find
        self.rates = RateMemory(clock)
        self.clock = clock
        self.wall = wall
        self.entropy = entropy
        self.in_flight = 0

    def __rsgi_init__(self, loop: Any) -> None:
        """Let the application begin."""
        if (begin := getattr(self.app, "__rsgi_init__", None)) is not None:
            begin(loop)

    def __rsgi_del__(self, loop: Any) -> None:
        """Let the application end."""
        if (end := getattr(self.app, "__rsgi_del__", None)) is not None:
            end(loop)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Serve one request or one WebSocket."""
        await _CALLS[scope.proto](self, scope, protocol).run()

    def begin(self, scope: Any) -> Exchange:
        """Begin the exchange of one request."""
        return self.policy.exchange(
            peer=_read_peer(scope.client),
            now=self.clock(),
            wall=self.wall(),
            entropy=self.entropy(ENTROPY_BYTES),
            in_flight=self.in_flight,
        )

    async def judge(self, exchange: Exchange, scope: Any) -> Proceed | Respond:
        """Give the policy's verdict, finding out what it asks for."""
        verdict = exchange.request(read_scope(scope))
        while isinstance(verdict, Ask):
            answer: object = self.rates.answer(verdict)
            if answer is None:
                if self.find is None:
                    raise LookupError(f"nothing was given that answers the stage {verdict.stage}")
                answer = await self.find(verdict)
            verdict = exchange.answer(answer)
        return verdict


def read_scope(scope: Any) -> RequestHead:
    """Take a request's head from its RSGI scope."""
    headers = [
        (name.encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in scope.headers.items()
    ]
    if scope.authority and not any(name == b"host" for name, _ in headers):
        headers.insert(0, (b"host", scope.authority.encode("latin-1", "replace")))
    websocket = scope.proto == "ws"
    return RequestHead(
        scope.method,
        quote(scope.path, safe=_PATH_SAFE, errors="surrogatepass").encode("ascii"),
        scope.query_string.encode("latin-1", "replace"),
        headers,
        "websocket" if websocket else "http",
        scope.scheme,
        scope.http_version,
    )


def _read_peer(client: str) -> str | None:
    """Take the address from ``address:port``; a Unix socket's peer has none."""
    address, colon, port = client.rpartition(":")
    return address.strip("[]") or None if colon and port.isdigit() else None
