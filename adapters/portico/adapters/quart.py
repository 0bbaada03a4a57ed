"""Quart behind the policy, its matched route in the access record.

app = protect(Quart(__name__), policy)
"""

from typing import Any

from quart import Quart, request

from portico.adapters.asgi import PolicyMiddleware
from portico.adapters.asgi_call import current_exchange
from portico.core.policy import Policy

__all__ = ["protect"]


def protect(app: Quart, policy: Policy, **options: Any) -> Quart:
    """Put *policy* in front of a Quart or QuartTrio application, its test client included.

    Args:
        app: Before its first request.
        policy: Decides about each request.
        options: Those of `PolicyMiddleware`.
    """
    app.before_request(_report_route)
    served: Any = app
    served.asgi_app = PolicyMiddleware(served.asgi_app, policy, **options)
    return app


def _report_route() -> None:
    exchange = current_exchange.get()
    if exchange is not None and request.url_rule is not None:
        exchange.route = request.url_rule.rule
