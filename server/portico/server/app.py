"""The application: the same blueprints on Trio and on asyncio, behind the policy."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import structlog
from anyio import to_thread
from quart import Quart
from werkzeug.exceptions import HTTPException

from portico.adapters.asgi import PolicyMiddleware
from portico.adapters.codings import OFFERED
from portico.adapters.engine import ASGIApp
from portico.core.access import AccessRecord
from portico.core.exchange import Exchange
from portico.core.policy import Policy
from portico.core.routes import Route
from portico.core.settings import Settings
from portico.server.application import APPLICATIONS, CancellableConnection, Runtime
from portico.server.blueprints import api, docs, health
from portico.server.gauges import read_descriptor_share, read_disk_share
from portico.server.lifecycle import Lifecycle
from portico.server.logs import logs_for
from portico.server.problems import answer_problem
from portico.server.samplers import Samplers
from portico.server.site import Beside
from portico.server.state import State, state_of
from portico.server.suffixes import is_public_suffix

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()
NO_ORIGINS: Final[Mapping[str, str]] = MappingProxyType({})


def create_app(
    settings: Settings,
    runtime: Runtime,
    *,
    provenance: Mapping[str, str] = NO_ORIGINS,
    files: ASGIApp | None = None,
) -> Quart:
    """Build the application for one runtime, the policy in front of it.

    Args:
        settings: The effective settings.
        runtime: `trio` for Hypercorn on Trio, `asyncio` for Uvicorn and Granian.
        provenance: Origin text by dotted path, as a resolution has it.
        files: What serves every path that is not the API's own.
    """
    app = APPLICATIONS[runtime]("portico.server", static_folder=None)
    configure(app)
    if settings.server.request_timeout is not None and runtime == "asyncio":
        app.asgi_http_class = CancellableConnection
    State(settings, provenance, Lifecycle.of(settings)).attach(app)
    mount(app)
    follow_lifespan(app, settings.server.thread_limit)
    # Here, not around the application, so that its test client meets the policy too.
    served: Any = app
    if files is not None:
        rules = [rule.rule for rule in app.url_map.iter_rules()]
        served.asgi_app = Beside.by_rules(served.asgi_app, files, rules)
    served.asgi_app = with_policy(served.asgi_app, settings, routes=api.ROUTES)
    sample_beside_lifespan(app, served.asgi_app)
    return app


NO_LOOP: Final = "no running event loop"
ASYNCIO_HINT: Final = "an application that knows asyncio only needs --asyncio here, which is Trio"


def with_policy(
    app: ASGIApp,
    settings: Settings,
    *,
    routes: Iterable[Route] = (),
    on_record: Callable[[AccessRecord], None] | None = None,
) -> PolicyMiddleware:
    """Put the policy in front of any ASGI application, its records and errors to the log.

    Args:
        app: What is asked when the policy has no objection.
        settings: The effective settings.
        routes: The application's routes that need no password, or always need it.
        on_record: Takes the access records in place of the log.

    Raises:
        PolicyErrors: The settings make no policy.
    """
    policy = Policy.compile(
        settings, routes=routes, is_public_suffix=is_public_suffix, codings=OFFERED
    )
    record = on_record or logs_for(settings.telemetry).recorder()
    return PolicyMiddleware(app, policy, on_record=record, on_error=log_error)


def log_error(error: BaseException, exchange: Exchange) -> None:
    """Log what escaped the application, with the request's identifiers."""
    hint = {"hint": ASYNCIO_HINT} if str(error) == NO_LOOP else {}
    log.error("request failed", exc_info=error, **hint, **exchange.log_context)


def configure(app: Quart) -> None:
    """Set what Quart must do otherwise than by its defaults."""
    app.config.update(
        # The policy bounds body and time, and so in one place.
        MAX_CONTENT_LENGTH=None,
        BODY_TIMEOUT=None,
        RESPONSE_TIMEOUT=None,
        # An error is answered with a problem, in tests and while debugging too.
        PROPAGATE_EXCEPTIONS=False,
    )
    # With and without the last slash, without a redirect; `//` is no second name of a path.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False


def mount(app: Quart) -> None:
    """Register every route and the one way in which errors are answered."""
    api.mount(app)
    app.register_blueprint(health.probes)
    app.register_blueprint(docs.docs)
    app.register_error_handler(HTTPException, answer_problem)


def follow_lifespan(app: Quart, threads: int) -> None:
    """Bound the worker threads and tell the phase as the lifespan has it."""
    lifecycle = state_of(app).lifecycle

    async def start() -> None:
        to_thread.current_default_thread_limiter().total_tokens = threads
        lifecycle.started()

    async def stop() -> None:
        lifecycle.stop()
        await state_of(app).runs.stop()
        await to_thread.run_sync(state_of(app).database.close)

    app.before_serving(start)
    app.after_serving(stop)


def sample_beside_lifespan(app: Quart, policy: PolicyMiddleware) -> None:
    """Measure what readiness depends on for as long as *app* lives.

    Of the table's sources only those that this process has: without a sample none counts.
    """
    state = state_of(app)
    samplers = Samplers(
        state.lifecycle,
        quick={
            "in_flight": lambda: policy.in_flight,
            "pool_wait": state.database.pool_wait,
        },
        blocking={
            "disk": partial(read_disk_share, state.settings.storage.dir),
            "descriptors": read_descriptor_share,
            "database": state.database.is_down,
        },
    )
    served: Any = app
    lifespan = served.asgi_lifespan_class
    served.asgi_lifespan_class = lambda app, scope: samplers.beside(
        state.runs.beside(lifespan(app, scope))
    )
