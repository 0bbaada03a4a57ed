"""What the policy knows of the request that is being handled."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def log_context() -> Mapping[str, Any]:
    """Give the identifiers for a log line: empty outside a request."""
    return NOTHING


def request_id() -> str:
    """Give the id of the request that is being handled, empty outside one."""
    return ""
