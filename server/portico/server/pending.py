"""Settings that are declared and checked, but that nothing carries out in this version yet."""

from collections.abc import Collection, Mapping
from typing import Final

from portico.core.engines import EngineName

PENDING: Final = (
    "auth.api_keys_file",
    "health.redis_gates",
    "hosts.",
    "proxy.hops",
    "ratelimit.on_store_failure",
    "ratelimit.store",
    "redis.",
    "server.force_https",
    "server.replicas",
    "streaming.cancellation_aware",
    "telemetry.disable_tracing",
    "telemetry.environment",
    "telemetry.llm_api_logging",
    "telemetry.log_file",
    "telemetry.metrics_address",
    "telemetry.metrics_path",
    "telemetry.otlp_endpoint",
    "telemetry.sqlalchemy_tracing",
    "telemetry.track_",
)
"""Beginnings of their paths."""

PARTIAL: Final[Mapping[str, str]] = {
    "proxy.trusted": "is believed for request ids and traces, not yet for address, scheme and host",
}
"""Settings of which a part works, and which."""

PENDING_ON: Final[Mapping[EngineName, tuple[str, ...]]] = {
    "hypercorn": (),
    "uvicorn": (),
    "granian": ("server.drain_delay",),
}
"""The same for one engine."""


def list_pending(engine: EngineName, chosen: Collection[str]) -> list[str]:
    """Say which of the *chosen* settings have no effect, all in one line, and which have less."""
    beginnings = PENDING + PENDING_ON[engine]
    found = sorted(path for path in chosen if path.startswith(beginnings))
    lines = [f"no effect in this version yet: {', '.join(found)}"] if found else []
    return lines + [f"{path} {part}" for path, part in PARTIAL.items() if path in chosen]
