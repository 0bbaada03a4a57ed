"""The API: every blueprint under /v1, and those that /latest mirrors."""

from typing import Final

from quart import Blueprint, Quart

from portico.core.routes import Route
from portico.server.blueprints import admin, agents, blocks, health, history, messages, models

BASE: Final = "/v1"
ALIAS: Final = "/latest"

MIRRORED: Final[tuple[Blueprint, ...]] = (
    agents.api,
    blocks.api,
    health.api,
    history.api,
    messages.api,
    models.api,
)
OWN: Final[tuple[Blueprint, ...]] = (admin.api,)

PROBES: Final = (
    *health.ROOT_PROBES,
    *(base + path for base in (BASE, ALIAS) for path in health.API_PROBES),
)
ROUTES: Final[tuple[Route, ...]] = (
    Route(BASE + admin.GUARDED, admin=True),
    *(Route(path + end, probe=True) for path in PROBES for end in ("", "/")),
    Route("/openapi.json", conditional=True),
)
"""What the policy must know of the routes: who needs no password, who always does, and what
is worth a tag."""


def mount(app: Quart) -> None:
    """Register the API on *app*; the reference server mirrors all but admin under /latest."""
    for blueprint in MIRRORED + OWN:
        app.register_blueprint(blueprint, url_prefix=BASE)
    for blueprint in MIRRORED:
        app.register_blueprint(blueprint, url_prefix=ALIAS, name=f"latest_{blueprint.name}")
