"""The API: every blueprint under /v1, and those that /latest mirrors."""

from typing import Final

from quart import Blueprint, Quart

from portico.server.blueprints import admin, health

BASE: Final = "/v1"
ALIAS: Final = "/latest"

MIRRORED: Final[tuple[Blueprint, ...]] = (health.api,)
OWN: Final[tuple[Blueprint, ...]] = (admin.api,)


def mount(app: Quart) -> None:
    """Register the API on *app*; the reference server mirrors all but admin under /latest."""
    for blueprint in MIRRORED + OWN:
        app.register_blueprint(blueprint, url_prefix=BASE)
    for blueprint in MIRRORED:
        app.register_blueprint(blueprint, url_prefix=ALIAS, name=f"latest_{blueprint.name}")
