"""Starlette behind the policy, its matched route in the access record.

served = protect(Starlette(routes=[...]), policy)
"""

from typing import Any

from portico.adapters.asgi import PolicyMiddleware
from portico.adapters.asgi_call import Message, Receive, Send, current_exchange
from portico.adapters.scope import Scope
from portico.core.policy import Policy

__all__ = ["RouteReporter", "protect"]


def protect(app: Any, policy: Policy, **options: Any) -> PolicyMiddleware:
    """Put *policy* in front of a Starlette application, outside its own handlers of errors.

    Args:
        app: The application; serve what this returns in its place.
        policy: Decides about each request.
        options: Those of `PolicyMiddleware`.
    """
    return PolicyMiddleware(RouteReporter(app), policy, **options)


class RouteReporter:
    """Tells the exchange which route matched, as the router leaves it in the scope."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, and report the route before the answer's first message."""
        exchange = current_exchange.get()

        async def send_on(message: Message) -> None:
            if exchange is not None and exchange.route is None:
                exchange.route = _route_of(scope)
            await send(message)

        await self.app(scope, receive, send_on)


def _route_of(scope: Scope) -> str | None:
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) and path else None
