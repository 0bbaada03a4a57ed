"""Resolving the settings from the environment, against pydantic-settings with as many fields."""

import os
from typing import Any

from pydantic import SecretStr, create_model
from pydantic_settings import BaseSettings, SettingsConfigDict

from bench.measure import Figure, Target, cpu_per_call, interleave, ratio, whole
from portico.core.settings import TABLE, Secret, Sources, resolve

SET_BY_A_DEPLOYMENT = {
    "LETTA_HOST": "0.0.0.0",
    "LETTA_PORT": "8283",
    "LETTA_ENGINE": "uvicorn",
    "LETTA_WORKERS": "2",
    "LETTA_KEEP_ALIVE": "15",
    "LETTA_CORS_CREDENTIALS": "true",
    "LETTA_SERVER_PASSWORD": "correct horse battery staple",
    "LETTA_PG_HOST": "db",
    "LETTA_PG_PORT": "5432",
    "LETTA_PG_USER": "letta",
    "LETTA_PG_PASSWORD": "letta",
    "LETTA_PG_DB": "letta",
    "LETTA_LOG_LEVEL": "info",
}
"""Thirteen settings of a typical deployment, in the spelling that both sides read."""


class Peer(BaseSettings):
    """What the peer's model starts from: the prefix, and nothing from a file."""

    model_config = SettingsConfigDict(env_prefix="LETTA_", extra="ignore")


def peer_model() -> type[BaseSettings]:
    """A flat pydantic-settings model with a field of the same type for each row of the table."""
    fields: dict[str, Any] = {
        field_name(path, spec.env): (peer_type(spec.default), peer_default(spec.default))
        for path, spec in TABLE.items()
    }
    return create_model("PeerSettings", __base__=Peer, **fields)


def field_name(path: str, names: tuple[str, ...]) -> str:
    """The field that reads the setting's first ``LETTA_`` variable."""
    prefixed = [name.removeprefix("LETTA_").lower() for name in names if name.startswith("LETTA_")]
    return prefixed[0] if prefixed else path.replace(".", "_")


def peer_type(default: object) -> Any:
    """The type that pydantic is asked to parse, where our default is *default*."""
    match default:
        case Secret():
            return SecretStr
        case bool() | int() | float() | str():
            return type(default)
        case tuple():
            return list[str]
        case _:
            return str | None


def peer_default(default: object) -> object:
    """*default* as pydantic holds it."""
    return list(default) if isinstance(default, tuple) else default


def measure(rounds: int, batch_s: float) -> list[Figure]:
    """The resolve figure of settings.md; both sides read the same environment.

    Args:
        rounds: Rounds over both.
        batch_s: CPU seconds that one side takes in one round.
    """
    os.environ.update(SET_BY_A_DEPLOYMENT)
    sources = Sources(env=dict(os.environ))
    assert resolve(sources).settings is not None
    cases = {
        "resolve": cpu_per_call(
            "resolve(sources)", {"resolve": resolve, "sources": sources}, batch_s
        ),
        "peer": cpu_per_call("model()", {"model": peer_model()}, batch_s),
    }
    name = f"resolve from the environment / pydantic-settings, {len(TABLE)} fields each"
    figure = ratio(
        name,
        interleave(cases, rounds),
        of=whole("resolve"),
        to=whole("peer"),
        target=Target(1 / 3),
    )
    return [figure]
