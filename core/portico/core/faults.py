"""Faults that the Trio host survives and another engine does not, or not as well.

``portico plan`` prints those of its engine; the tests of faults hold every other promise.

Measured on Uvicorn 0.54.0 and Granian 2.8.7.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from portico.core.engines import EngineName


@dataclass(frozen=True, slots=True)
class Exposure:
    """A fault that an engine does not survive as the Trio host does.

    Attributes:
        fault: Its key in the table of faults.
        why: What happens instead, in one sentence.
    """

    fault: str
    why: str


EXPOSURES: Final[Mapping[EngineName, tuple[Exposure, ...]]] = MappingProxyType(
    {
        "hypercorn": (),
        "uvicorn": (
            Exposure(
                "streams", "uvicorn tells no stream of the drain, but cuts it after the grace"
            ),
            Exposure("readiness", "with several workers, uvicorn's fail no readiness at SIGTERM"),
            Exposure("worker-killed", "uvicorn looks for dead workers in turn, and late"),
            Exposure("start", "uvicorn's supervisor does not back off between starts"),
            Exposure("blocked", "uvicorn does not see a blocked event loop"),
            Exposure("slow", "uvicorn bounds neither a head nor a body nor a reader in time"),
            Exposure("cap", "uvicorn refuses over the cap only once a whole head has come"),
            Exposure("descriptors", "uvicorn accepts nothing for two seconds after they ran out"),
            Exposure("hangup", "uvicorn keeps the configuration of its start at SIGHUP"),
            Exposure("recycled", "uvicorn replaces workers by requests, not by memory"),
        ),
        "granian": (
            Exposure("streams", "granian kills what outlasts the grace, without lifespan shutdown"),
            Exposure("readiness", "granian's workers fail no readiness at SIGTERM"),
            Exposure("worker-killed", "granian waits 3.5 s before it replaces a dead worker"),
            Exposure("start", "granian's supervisor does not back off between starts"),
            Exposure("blocked", "granian does not see a blocked event loop"),
            Exposure("slow", "granian bounds a head in time, but no body and no reader"),
            Exposure("cap", "granian lets connections over the cap wait"),
            Exposure("hangup", "granian keeps the configuration of its start at SIGHUP"),
            Exposure("recycled", "granian replaces workers by memory, not by requests"),
        ),
    }
)
"""By engine, in the order of the table."""
