"""What the policy knows of the request that is being handled."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from portico.adapters.asgi import current_exchange

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def log_context() -> Mapping[str, str]:
    """Give the identifiers for a log line: empty outside a request."""
    exchange = current_exchange.get()
    return NOTHING if exchange is None else exchange.log_context


def request_id() -> str:
    """Give the id of the request that is being handled, empty outside one."""
    exchange = current_exchange.get()
    return "" if exchange is None else exchange.request_id


def principal() -> str | None:
    """Tell who authenticated for the request that is being handled."""
    exchange = current_exchange.get()
    return None if exchange is None else exchange.principal


def tell_route(template: str) -> None:
    """Tell the policy which route serves the request, for its record."""
    exchange = current_exchange.get()
    if exchange is not None:
        exchange.route = template
