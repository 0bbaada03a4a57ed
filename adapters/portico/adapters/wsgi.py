"""The policy in front of any WSGI application.

What WSGI cannot do: a call that blocks cannot be cut short, so the time limit is looked at between
the pieces of an answer; and the connection is its server's, so that no answer can end it.

Source: PEP 3333.
"""

import threading
import time
from collections.abc import Callable, Iterable
from os import urandom
from typing import Any, Final, TypeAlias

from portico.adapters.environ import Environ, read_environ
from portico.adapters.rate_memory import RateMemory
from portico.adapters.wsgi_call import WsgiAnswer, WsgiCall
from portico.core.access import AccessRecord
from portico.core.events import Ask, Proceed, Respond
from portico.core.exchange import Exchange
from portico.core.policy import Policy
from portico.core.tracing import ENTROPY_BYTES

__all__ = ["ENVIRON_KEY", "WsgiPolicy"]

WsgiApplication: TypeAlias = Callable[[Environ, Any], Iterable[bytes]]

ENVIRON_KEY: Final = "portico.exchange"
"""Where the application finds its exchange in the environment."""


def _ignore(*_: object) -> None:
    """Take what nobody asked for."""


class WsgiPolicy:
    """A WSGI application that asks the policy before and after another one.

    Attributes:
        rates: The rate limits that this process counts by itself.
        in_flight: Requests that were not refused, and whose answer has not yet left whole.
    """

    def __init__(
        self,
        app: WsgiApplication,
        policy: Policy,
        *,
        on_record: Callable[[AccessRecord], None] = _ignore,
        on_error: Callable[[Exception, Exchange], None] = _ignore,
        find: Callable[[Ask], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        entropy: Callable[[int], bytes] = urandom,
    ) -> None:
        """Put *policy* in front of *app*.

        Args:
            app: Any WSGI application.
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
        self.policy = policy
        self.on_record = on_record
        self.on_error = on_error
        self.find = find
        self.rates = RateMemory(clock)
        self.clock = clock
        self.wall = wall
        self.entropy = entropy
        self.in_flight = 0
        self._lock = threading.Lock()

    def __call__(self, environ: Environ, start_response: Any) -> WsgiAnswer:
        """Serve one request; its record is made when the answer is exhausted or closed."""
        exchange = self._begin(environ)
        environ[ENVIRON_KEY] = exchange
        return WsgiCall(self, exchange, environ, start_response).run()

    def _begin(self, environ: Environ) -> Exchange:
        with self._lock:
            in_flight = self.in_flight
            self.in_flight += 1
        return self.policy.exchange(
            peer=environ.get("REMOTE_ADDR") or None,
            now=self.clock(),
            wall=self.wall(),
            entropy=self.entropy(ENTROPY_BYTES),
            in_flight=in_flight,
        )

    def leave(self) -> None:
        """Make room for another request."""
        with self._lock:
            self.in_flight -= 1

    def judge(self, exchange: Exchange, environ: Environ) -> Proceed | Respond:
        """Give the policy's verdict, finding out what it asks for."""
        verdict = exchange.request(read_environ(environ))
        while isinstance(verdict, Ask):
            answer: object = self.rates.answer(verdict)
            if answer is None:
                if self.find is None:
                    raise LookupError(f"nothing was given that answers the stage {verdict.stage}")
                answer = self.find(verdict)
            verdict = exchange.answer(answer)
        return verdict
