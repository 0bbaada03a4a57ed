"""The bare exchange with the shortest shell that can be: the reference of all adapters."""

from typing import Final

from portico.adapters.codings import encoder
from portico.adapters.rate_memory import RateMemory
from portico.core.events import Abort, Ask, Proceed, Respond, ResponseHead
from portico.core.exchange import Exchange
from portico.core.policy import Policy
from portico.testing.requests import Answer, Application, Find, Request

__all__ = ["perform"]

_ENTROPY: Final = bytes(range(1, 25))


def perform(policy: Policy, application: Application, find: Find, request: Request) -> Answer:
    """Take a request through the exchange."""
    exchange = policy.exchange(
        peer=request.peer, now=1.0, wall=2.0, entropy=_ENTROPY, in_flight=request.in_flight
    )
    step: Proceed | Respond | Ask | Abort = exchange.request(request.head)
    rates = RateMemory(lambda: 1.0)
    while isinstance(step, Ask):
        counted = rates.answer(step)
        step = exchange.answer(find(step) if counted is None else counted)
    for piece in request.pieces:
        if isinstance(step, Proceed):
            step = exchange.receive_body(len(piece))
    if isinstance(step, Respond):
        head, body = step.head, step.body
    else:
        head, body = _respond(exchange, application)
    return Answer(head.status, head.headers, body, (exchange.finish(now=2.0).fields(),))


def _respond(exchange: Exchange, application: Application) -> tuple[ResponseHead, bytes]:
    """Complete the application's answer."""
    websocket = exchange.head.kind == "websocket"
    own = ResponseHead(101 if websocket else application.status, list(application.headers))
    content = application.body if exchange.wants_content else None
    head = exchange.response(own, now=1.5, content=content)
    body = b"" if websocket or exchange.head.method == "HEAD" else application.body
    if exchange.coding is not None:
        body = encoder(exchange.coding)(body, last=True)
    exchange.send_body(len(body))
    return head, body if exchange.substitute is None else exchange.substitute
