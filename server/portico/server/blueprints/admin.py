"""What only the holder of the password may see (policy.md, Authentication)."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from quart import Blueprint, Response
from quart_schema import document_response, security_scheme, tag

from portico.core.settings import TABLE, Secret, Settings
from portico.server.state import current_state

api: Final = Blueprint("admin", __name__)

DEFAULT: Final = "default"


class EffectiveSetting(msgspec.Struct):
    """One setting as it is in force, and where it was set; a secret is masked."""

    value: Any
    origin: str


@api.get("/admin/config")
@tag(["admin"])
@security_scheme([{"bearer": []}, {"password": []}])
@document_response(dict[str, EffectiveSetting])
async def config() -> Response:
    """List the effective settings by path, each with its origin."""
    state = current_state()
    shown = effective(state.settings, state.provenance)
    return Response(_encode(shown), content_type="application/json")


def effective(settings: Settings, provenance: Mapping[str, str]) -> dict[str, EffectiveSetting]:
    """Show every setting of the table as it is in force, in the shape of `config show`."""
    return {
        spec.path: EffectiveSetting(
            getattr(getattr(settings, spec.group), spec.key), provenance.get(spec.path, DEFAULT)
        )
        for spec in TABLE.values()
    }


def mask(value: object) -> str:
    """Show what JSON does not know: a secret by its mask, and nothing else.

    Raises:
        NotImplementedError: another kind of value, which nobody decided how to show.
    """
    if isinstance(value, Secret):
        return str(value)
    raise NotImplementedError(f"a {type(value).__name__} cannot be shown")


_encode: Final = msgspec.json.Encoder(enc_hook=mask).encode
