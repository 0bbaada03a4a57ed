"""Profiles: named layers just above the built-in defaults."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_DEV: Final = {
    "server.reload": "true",
    "telemetry.debug": "true",
    "telemetry.log_format": "console",
    "server.keep_alive": "2s",
    "server.workers": "1",
}
_PROD: Final = {
    "server.workers": "auto",
    "telemetry.log_format": "json",
    "server.keep_alive": "15s",
    "headers.hsts": "365d",
    "telemetry.log_level": "warning",
}
_CONTAINER: Final = {
    **_PROD,
    "server.host": "0.0.0.0",  # noqa: S104 -- a container is reached from outside it
    "server.drain_delay": "10s",
}

PROFILES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "dev": MappingProxyType(_DEV),
        "prod": MappingProxyType(_PROD),
        "container": MappingProxyType(_CONTAINER),
    }
)
"""Profile to the texts of its values, by path."""

PUBLIC_PROFILES: Final = ("prod", "container")
"""Profiles of servers that others reach."""
