"""The application: the same blueprints on Trio and on asyncio, behind the policy."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from anyio import to_thread
from quart import Quart
from werkzeug.exceptions import HTTPException

from portico.core.settings import Settings
from portico.server.application import APPLICATIONS, Runtime
from portico.server.blueprints import api, docs, health
from portico.server.problems import answer_problem
from portico.server.state import State, state_of

NO_ORIGINS: Final[Mapping[str, str]] = MappingProxyType({})


def create_app(
    settings: Settings, runtime: Runtime, *, provenance: Mapping[str, str] = NO_ORIGINS
) -> Quart:
    """Build the application for one runtime, the policy in front of it.

    Args:
        settings: The effective settings.
        runtime: `trio` for Hypercorn on Trio, `asyncio` for Uvicorn and Granian.
        provenance: Origin text by dotted path, as a resolution has it.
    """
    app = APPLICATIONS[runtime]("portico.server", static_folder=None)
    configure(app, settings)
    State(settings, provenance).attach(app)
    mount(app)
    follow_lifespan(app, settings.server.thread_limit)
    return app


def configure(app: Quart, settings: Settings) -> None:
    """Set what Quart must do otherwise than by its defaults."""
    app.config.update(
        MAX_CONTENT_LENGTH=settings.server.max_body,
        # A time limit per response would cut streams, and costs a task on asyncio.
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

    app.before_serving(start)
    app.after_serving(stop)
