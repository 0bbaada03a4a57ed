"""Resolving the settings from the environment, against pydantic-settings with as many fields."""

import os
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr, create_model
from pydantic_settings import BaseSettings, SettingsConfigDict

from bench.measure import Figure, Target, cpu_per_call, interleave, ratio, whole
from portico.core.settings import TABLE, Sources, Spec, resolve

PREFIX = "LETTA_"
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

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")


PEER_TYPES: Mapping[str, Any] = {
    "boolean": bool,
    "count": int,
    "count or auto": int,
    "duration": float,
    "port": int,
    "secret": SecretStr,
    "size": int,
    "status": int,
}
"""What pydantic is asked to parse for each of our kinds; lists are ``list[str]``, others text."""


def peer_model() -> type[BaseSettings]:
    """A flat pydantic-settings model with a field for each row of the table."""
    fields: dict[str, Any] = {field_name(spec): peer_field(spec) for spec in TABLE.values()}
    return create_model("PeerSettings", __base__=Peer, **fields)


def field_name(spec: Spec) -> str:
    """The name under which the peer's field reads the setting's own ``LETTA_`` variable."""
    names = [name for name in spec.names if name.startswith(PREFIX)]
    return names[0].removeprefix(PREFIX).lower() if names else spec.path.replace(".", "_")


def peer_field(spec: Spec) -> tuple[Any, object]:
    """The peer's type and default for one setting."""
    if isinstance(spec.default, tuple):
        return list[str], list(spec.default)
    peer_type = PEER_TYPES.get(spec.kind.name, str)
    return (peer_type | None if spec.default is None else peer_type), spec.default


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
