"""Probes: health, readiness, liveness and start-up (serving.md, Health).

They do no I/O, need no authentication and are never stored by a cache. With `?verbose`, which
needs the password, they tell what is known of each source too.
"""

from math import isfinite
from typing import Final, NoReturn

import msgspec
from quart import Blueprint, Response, request

from portico.core.auth import MISSING, UNCONFIGURED
from portico.core.health import Health as Condition
from portico.core.health import Phase, Source, SourceState
from portico.core.settings.operations import HealthSettings
from portico.core.settings.request import AuthSettings
from portico.server.blueprints.operation import describes
from portico.server.problems import RefusedError
from portico.server.requests import principal
from portico.server.state import VERSION, current_state

api: Final = Blueprint("health", __name__)
probes: Final = Blueprint("probes", __name__)

API_PROBES: Final = ("/health", "/ready")
ROOT_PROBES: Final = ("/livez", "/readyz", "/startupz")
WENT_UP: Final = frozenset({Phase.SERVING, Phase.DRAINING})
VERBOSE: Final = b"verbose"


class Health(msgspec.Struct):
    """The server's version and a status that is always `ok`."""

    version: str
    status: str


class Measured(msgspec.Struct):
    """What is known of one source of readiness; durations in seconds.

    `value` is null where nothing was measured, `over` where no value is too much.
    """

    value: float | None
    over: float | None
    bad: bool
    since_s: float
    sampled_s: float | None
    active: bool
    gating: bool


class Details(msgspec.Struct):
    """All that is known of the health of this process; durations in seconds."""

    phase: str
    disabled: bool
    live: bool
    heartbeat_s: float
    sources: dict[str, Measured]


class Readiness(msgspec.Struct, omit_defaults=True):
    """Whether this process wants requests, and if not, why."""

    status: str
    version: str | None = None
    reasons: list[str] = []
    details: Details | None = None


def answer(body: msgspec.Struct, status: int = 200) -> Response:
    """Make the uncacheable answer of a probe."""
    response = Response(msgspec.json.encode(body), status=status, content_type="application/json")
    response.headers["cache-control"] = "no-store"
    return response


HEALTH: Final = Health(version=VERSION, status="ok")


@api.get("/health/")
@describes(Health, tags=("health",))
async def health() -> Response:
    """Tell the version of the server."""
    return answer(HEALTH)


@api.get("/ready/")
@describes(Readiness, tags=("health",), SERVICE_UNAVAILABLE=Readiness)
async def ready() -> Response:
    """Tell whether this process wants requests."""
    return answer_readiness(version=VERSION)


@probes.get("/readyz")
async def readyz() -> Response:
    """Tell an orchestrator whether to send requests here."""
    return answer_readiness(version=None)


@probes.get("/livez")
async def livez() -> Response:
    """Tell an orchestrator whether this process goes on, or should be replaced."""
    condition = current_state().lifecycle.health
    status = "live" if condition.live else "stalled"
    body = Readiness(status, details=asked_details(condition))
    return answer(body, 200 if condition.live else 503)


@probes.get("/startupz")
async def startupz() -> Response:
    """Tell an orchestrator whether start-up is over."""
    condition = current_state().lifecycle.health
    went_up = condition.phase in WENT_UP
    status = "started" if went_up else condition.status
    body = Readiness(status, details=asked_details(condition))
    return answer(body, 200 if went_up else 503)


def answer_readiness(*, version: str | None) -> Response:
    """Make the answer of a readiness probe from the health of this process."""
    state = current_state()
    condition = state.lifecycle.health
    details = asked_details(condition)
    if condition.ready:
        return answer(Readiness(condition.status, version, details=details))
    # A phase or a switch is its own reason; a degraded process names its sources.
    reasons = list(condition.reasons) or [condition.status]
    body = Readiness(condition.status, version, reasons, details)
    return answer(body, readiness_status(state.settings.health, condition))


def readiness_status(health: HealthSettings, condition: Condition) -> int:
    """Choose the status of a process that is not ready: 503 unless the settings waive it."""
    waived = condition.phase is Phase.DRAINING and not health.drain_returns_503
    return 503 if health.enforced and not waived else 200


def asked_details(condition: Condition) -> Details | None:
    """Give the details if the request asks for them, and refuse them to who may not have them."""
    if not is_verbose(request.query_string):
        return None
    if principal() is None:
        refuse(current_state().settings.auth)
    return details_of(condition)


def is_verbose(query: bytes) -> bool:
    """Say whether the raw *query* has `verbose`, with a value or without."""
    # Not request.args, which raises on bytes that are no UTF-8.
    return any(field.partition(b"=")[0] == VERBOSE for field in query.split(b"&"))


def refuse(auth: AuthSettings) -> NoReturn:
    """Answer as the policy does where it guards a path itself (policy.md, Authentication)."""
    raise RefusedError(UNCONFIGURED if auth.password is None else MISSING)


def details_of(condition: Condition) -> Details:
    """Tell all that is known, in times before now."""
    return Details(
        phase=condition.phase,
        disabled=condition.disabled,
        live=condition.live,
        heartbeat_s=condition.now - condition.beat_at,
        sources={
            name: measured(condition.sources[name], known, condition.now)
            for name, known in condition.states.items()
        },
    )


def measured(source: Source, known: SourceState, now: float) -> Measured:
    """Tell what is known of one source."""
    return Measured(
        value=known.value,
        over=source.over if isfinite(source.over) else None,
        bad=known.bad,
        since_s=now - known.since,
        sampled_s=None if known.value is None else now - known.sampled_at,
        active=known.active,
        gating=source.gating,
    )
