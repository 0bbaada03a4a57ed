"""What only the holder of the password may see (policy.md, Authentication)."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from quart import Blueprint, Response, abort

from portico.core.settings import TABLE, Settings
from portico.core.settings.wording import to_json
from portico.server.blueprints.operation import describes
from portico.server.requests import principal
from portico.server.state import current_state

api: Final = Blueprint("admin", __name__)

GUARDED: Final = "/admin"
DEFAULT: Final = "default"


class EffectiveSetting(msgspec.Struct):
    """One setting as it is in force, and where it was set; a secret is masked."""

    value: Any
    origin: str


@api.get(f"{GUARDED}/config")
@describes(dict[str, EffectiveSetting], tags=("admin",), security=("bearer", "password"))
async def config() -> Response:
    """List the effective settings by path, each with its origin."""
    if principal() is None:  # the policy refuses before this; a gap in it must not open the door
        abort(401)
    state = current_state()
    shown = effective(state.settings, state.provenance)
    return Response(msgspec.json.encode(shown), content_type="application/json")


def effective(settings: Settings, provenance: Mapping[str, str]) -> dict[str, EffectiveSetting]:
    """Show every setting of the table as it is in force, in the shape of `config show`."""
    return {
        path: EffectiveSetting(
            to_json(getattr(getattr(settings, spec.group), spec.key)),
            provenance.get(path, DEFAULT),
        )
        for path, spec in TABLE.items()
    }
