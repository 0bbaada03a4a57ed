"""Flask behind the policy, its matched route in the access record.

app = protect(Flask(__name__), policy)
"""

from typing import Any

from flask import Flask, request

from portico.adapters.asgi_call import current_exchange
from portico.adapters.wsgi import WsgiPolicy
from portico.core.policy import Policy

__all__ = ["protect"]


def protect(app: Flask, policy: Policy, **options: Any) -> Flask:
    """Put *policy* in front of a Flask application, its test client included.

    Args:
        app: Before its first request.
        policy: Decides about each request.
        options: Those of `WsgiPolicy`.
    """
    app.before_request(_report_route)
    served: Any = app
    served.wsgi_app = WsgiPolicy(app.wsgi_app, policy, **options)
    return app


def _report_route() -> None:
    exchange = current_exchange.get()
    if exchange is not None and request.url_rule is not None:
        exchange.route = request.url_rule.rule
