"""Probes: health, readiness, liveness and start-up (serving.md, Health).

They do no I/O, need no authentication and are never stored by a cache.
"""

from typing import Final

import msgspec
from quart import Blueprint, Response
from quart_schema import document_response, tag

from portico.core.health import Health as Condition
from portico.core.health import Phase
from portico.core.settings.operations import HealthSettings
from portico.server.state import VERSION, State, current_state

api: Final = Blueprint("health", __name__)
probes: Final = Blueprint("probes", __name__)

API_PROBES: Final = ("/health", "/ready")
ROOT_PROBES: Final = ("/livez", "/readyz", "/startupz")
WENT_UP: Final = frozenset({Phase.SERVING, Phase.DRAINING})


class Health(msgspec.Struct):
    """The server's version and a status that is always `ok`."""

    version: str
    status: str


class Readiness(msgspec.Struct, omit_defaults=True):
    """Whether this process wants requests, and if not, why."""

    status: str
    version: str | None = None
    reasons: list[str] = []


class Probe(msgspec.Struct):
    """One word on this process."""

    status: str


def answer(body: msgspec.Struct, status: int = 200) -> Response:
    """Make the uncacheable answer of a probe."""
    response = Response(msgspec.json.encode(body), status=status, content_type="application/json")
    response.headers["cache-control"] = "no-store"
    return response


HEALTH: Final = Health(version=VERSION, status="ok")


@api.get("/health/")
@tag(["health"])
@document_response(Health)
async def health() -> Response:
    """Tell the version of the server."""
    return answer(HEALTH)


@api.get("/ready/")
@tag(["health"])
@document_response(Readiness)
@document_response(Readiness, 503)
async def ready() -> Response:
    """Tell whether this process wants requests."""
    return answer_readiness(current_state(), version=VERSION)


@probes.get("/readyz")
async def readyz() -> Response:
    """Tell an orchestrator whether to send requests here."""
    return answer_readiness(current_state(), version=None)


@probes.get("/livez")
async def livez() -> Response:
    """Tell an orchestrator that this process still answers."""
    return answer(Probe("live"))


@probes.get("/startupz")
async def startupz() -> Response:
    """Tell an orchestrator whether start-up is over."""
    condition = current_state().lifecycle.health
    if condition.phase in WENT_UP:
        return answer(Probe("started"))
    return answer(Probe(condition.status), 503)


def answer_readiness(state: State, *, version: str | None) -> Response:
    """Make the answer of a readiness probe from the health of this process."""
    condition = state.lifecycle.health
    if condition.ready:
        return answer(Readiness(condition.status, version))
    # A phase or a switch is its own reason; a degraded process names its sources.
    reasons = list(condition.reasons) or [condition.status]
    body = Readiness(condition.status, version, reasons)
    return answer(body, readiness_status(state.settings.health, condition))


def readiness_status(health: HealthSettings, condition: Condition) -> int:
    """Choose the status of a process that is not ready: 503 unless the settings waive it."""
    waived = condition.phase is Phase.DRAINING and not health.drain_returns_503
    return 503 if health.enforced and not waived else 200
