"""Django behind the policy, over ASGI or WSGI.

    application = protect_asgi(get_asgi_application(), policy)
    application = protect_wsgi(get_wsgi_application(), policy)

``portico.adapters.django.report_route`` in ``MIDDLEWARE`` puts the matched route into the access
record.
"""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction

from portico.adapters.asgi import PolicyMiddleware
from portico.adapters.asgi_call import current_exchange
from portico.adapters.wsgi import WsgiPolicy
from portico.core.policy import Policy

__all__ = ["protect_asgi", "protect_wsgi", "report_route"]


def protect_asgi(application: Any, policy: Policy, **options: Any) -> PolicyMiddleware:
    """Put *policy* in front of Django's ASGI application.

    Args:
        application: What ``get_asgi_application`` gives; serve what this returns in its place.
        policy: Decides about each request.
        options: Those of `PolicyMiddleware`.
    """
    return PolicyMiddleware(_without_lifespan(application), policy, **options)


def protect_wsgi(application: Any, policy: Policy, **options: Any) -> WsgiPolicy:
    """Put *policy* in front of Django's WSGI application.

    Args:
        application: What ``get_wsgi_application`` gives; serve what this returns in its place.
        policy: Decides about each request.
        options: Those of `WsgiPolicy`.
    """
    return WsgiPolicy(application, policy, **options)


def _without_lifespan(application: Any) -> Any:
    """Answer the lifespan, which Django's application refuses with an exception."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await application(scope, receive, send)
            return
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})

    return app


def report_route(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Be the middleware that tells the exchange which route matched."""

    async def in_async(request: Any) -> Any:
        response = await get_response(request)
        _report(request)
        return response

    def in_sync(request: Any) -> Any:
        response = get_response(request)
        _report(request)
        return response

    return in_async if iscoroutinefunction(get_response) else in_sync


# What Django asks of a middleware before it decides how to call it.
vars(report_route).update(sync_capable=True, async_capable=True)


def _report(request: Any) -> None:
    exchange = current_exchange.get()
    match = request.resolver_match
    if exchange is not None and match is not None:
        exchange.route = f"/{match.route}"
