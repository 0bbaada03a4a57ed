"""Settings that are declared and checked, but that nothing carries out in this version yet."""

from collections.abc import Collection, Mapping
from typing import Final

from portico.core.engines import EngineName

PENDING: Final = (
    "auth.api_keys_file",
    "health.redis_gates",
    "ratelimit.on_store_failure",
    "ratelimit.store",
    "redis.",
    "server.replicas",
    "telemetry.disable_tracing",
    "telemetry.environment",
    "telemetry.log_file",
    "telemetry.metrics_address",
    "telemetry.metrics_path",
    "telemetry.otlp_endpoint",
    "telemetry.sqlalchemy_tracing",
)
"""Beginnings of their paths."""

PENDING_ON: Final[Mapping[EngineName, tuple[str, ...]]] = {
    "hypercorn": (),
    "uvicorn": (),
    "granian": ("server.drain_delay",),
}
"""The same for one engine."""


def list_pending(engine: EngineName, chosen: Collection[str]) -> list[str]:
    """Say which of the *chosen* settings have no effect, all in one line."""
    beginnings = PENDING + PENDING_ON[engine]
    found = sorted(path for path in chosen if path.startswith(beginnings))
    return [f"no effect in this version yet: {', '.join(found)}"] if found else []
