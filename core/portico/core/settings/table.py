"""The typed result, and the table of every setting, walked from it."""

from collections.abc import Mapping
from dataclasses import field, fields
from types import MappingProxyType
from typing import Any, Final

from portico.core.settings.group import Group, group
from portico.core.settings.operations import HealthSettings, TelemetrySettings
from portico.core.settings.request import (
    AuthSettings,
    CompressionSettings,
    CorsSettings,
    HeadersSettings,
    HostsSettings,
    ProxySettings,
    RateLimitSettings,
    StreamingSettings,
)
from portico.core.settings.resources import (
    DatabaseSettings,
    ModelsSettings,
    RedisSettings,
    StorageSettings,
)
from portico.core.settings.serving import ServerSettings
from portico.core.settings.spec import Spec, placed


@group
class Settings(Group):
    """Every setting; ``Settings()`` has the built-in defaults."""

    server: ServerSettings = field(default=ServerSettings())
    cors: CorsSettings = field(default=CorsSettings())
    auth: AuthSettings = field(default=AuthSettings())
    proxy: ProxySettings = field(default=ProxySettings())
    hosts: HostsSettings = field(default=HostsSettings())
    ratelimit: RateLimitSettings = field(default=RateLimitSettings())
    headers: HeadersSettings = field(default=HeadersSettings())
    compression: CompressionSettings = field(default=CompressionSettings())
    streaming: StreamingSettings = field(default=StreamingSettings())
    database: DatabaseSettings = field(default=DatabaseSettings())
    storage: StorageSettings = field(default=StorageSettings())
    redis: RedisSettings = field(default=RedisSettings())
    telemetry: TelemetrySettings = field(default=TelemetrySettings())
    models: ModelsSettings = field(default=ModelsSettings())
    health: HealthSettings = field(default=HealthSettings())


GROUPS: Final[Mapping[str, type[Any]]] = MappingProxyType(
    {group.name: type(group.default) for group in fields(Settings)}
)
"""Top-level key of the configuration file to the class of its group."""

TABLE: Final[Mapping[str, Spec]] = MappingProxyType(
    {
        spec.path: spec
        for group, members in GROUPS.items()
        for declared in fields(members)
        for spec in [placed(declared, group)]
    }
)
"""``server.port`` to its spec, in the order of declaration."""


def build(values: Mapping[str, object]) -> Settings:
    """Make settings from typed *values* by path; what is missing has its default."""
    groups: dict[str, dict[str, object]] = {}
    for path, value in values.items():
        group, _, key = path.partition(".")
        groups.setdefault(group, {})[key] = value
    return Settings(**{group: GROUPS[group](**keys) for group, keys in groups.items()})
