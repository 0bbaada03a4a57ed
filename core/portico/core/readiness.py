"""What readiness depends on: the closed table of sources, as the settings have it.

A source that nobody samples is good for ever, so the table names also what a process lacks.

Source: design page "Serving", Health.
"""

from collections.abc import Mapping
from math import inf
from typing import Final

from portico.core.health import Source
from portico.core.settings.operations import HealthSettings

__all__ = ["sources", "used_share"]

FULL: Final = 0.9
"""Share of a disk or of the descriptors above which a process is not ready."""
LOOP_TTL_S: Final = 30.0
"""A loop that lags is sampled late: silence shorter than this does not mean that it recovered."""


def sources(settings: HealthSettings) -> Mapping[str, Source]:
    """Give every source by its name, in the order in which reasons are listed.

    Values are seconds for ``loop_lag`` and ``pool_wait``, requests for ``in_flight``, shares from
    0 to 1 for ``disk`` and ``descriptors``, and 1 for a database or Redis that does not answer.

    Args:
        settings: The bounds, and whether what all replicas share gates.
    """
    in_flight = inf if settings.in_flight is None else settings.in_flight
    return {
        "loop_lag": Source(settings.loop_lag, 10.0, 10.0, ttl_s=LOOP_TTL_S),
        "in_flight": Source(in_flight, 5.0, 5.0),
        "pool_wait": Source(settings.pool_wait, 10.0, 10.0),
        "disk": Source(FULL, 10.0, 10.0),
        "descriptors": Source(FULL, 10.0, 10.0),
        # Shared: by default a failure does not gate, or all replicas would leave together.
        "database": Source(0.0, 5.0, 2.0, gating=settings.database_gates),
        "redis": Source(0.0, 5.0, 2.0, gating=settings.redis_gates),
    }


def used_share(total: int, free: int, available: int) -> float:
    """Give the share that is used of what this process may use, from 0 to 1.

    Args:
        total: Blocks or files of a file system.
        free: Those that nobody uses.
        available: Those of them that are not kept for the superuser.

    Returns:
        As ``df`` has it; 0 where nothing is counted, as for the files of some file systems.

    Source: GNU coreutils ``df``, "Use%".
    """
    used = max(0, total - free)
    usable = used + max(0, available)
    return used / usable if usable else 0.0
