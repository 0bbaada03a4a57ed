"""The settings of what the server uses: database, storage, Redis, models."""

from portico.core.settings.addresses import DATABASE_HOST, DATABASE_URI, REDIS_URL, WEB_URL
from portico.core.settings.group import Group, group
from portico.core.settings.kinds import BOOLEAN, PATH, REMOTE_PORT, SECRET, TEXT, count
from portico.core.settings.quantities import DURATION
from portico.core.settings.secret import Secret
from portico.core.settings.services import SERVICES, Service
from portico.core.settings.spec import Parts, setting


@group
class DatabaseSettings(Group):
    """PostgreSQL by URI or by parts; without either, SQLite in ``storage.dir``."""

    uri: Secret | None = setting(
        None,
        DATABASE_URI,
        "LETTA_PG_URI",
        doc="postgresql://user:password@host:5432/name; excludes the parts.",
    )
    host: str | None = setting(
        None, DATABASE_HOST, "LETTA_PG_HOST", doc="The database's host, or its socket's directory."
    )
    port: int | None = setting(
        None, REMOTE_PORT, "LETTA_PG_PORT", doc="The database's port; 5432 when the rest is set."
    )
    user: str | None = setting(None, TEXT, "LETTA_PG_USER", doc="The database's user.")
    password: Secret | None = setting(
        None, SECRET, "LETTA_PG_PASSWORD", doc="The user's password, without any encoding."
    )
    name: str | None = setting(None, TEXT, "LETTA_PG_DB", doc="The database's name.")
    pool_size: int = setting(25, count(1), "LETTA_PG_POOL_SIZE", doc="Connections kept per worker.")
    max_overflow: int = setting(
        10, count(0), "LETTA_PG_MAX_OVERFLOW", doc="Connections above pool_size under load."
    )
    pool_timeout: float = setting(
        30.0, DURATION, "LETTA_PG_POOL_TIMEOUT", doc="Time to wait for a connection of the pool."
    )
    pool_recycle: float = setting(
        1800.0, DURATION, "LETTA_PG_POOL_RECYCLE", doc="Age at which a connection is replaced."
    )
    echo: bool = setting(False, BOOLEAN, "LETTA_PG_ECHO", doc="Log every statement.")
    pool_pre_ping: bool = setting(
        True, BOOLEAN, "LETTA_POOL_PRE_PING", doc="Test a connection before it is used."
    )
    pool_use_lifo: bool = setting(
        True, BOOLEAN, "LETTA_POOL_USE_LIFO", doc="Use the newest connection first, so others rest."
    )
    disable_pooling: bool = setting(
        False,
        BOOLEAN,
        "LETTA_DISABLE_SQLALCHEMY_POOLING",
        doc="Open a connection for every use, for external poolers.",
    )
    max_concurrent_sessions: int | None = setting(
        None,
        count(1),
        "LETTA_DB_MAX_CONCURRENT_SESSIONS",
        doc="Sessions at once per worker.",
    )


@group
class StorageSettings(Group):
    """Files that the server keeps."""

    dir: str = setting(
        "~/.portico",
        PATH,
        "LETTA_DIR",
        doc="The directory of the SQLite file and of generated certificates.",
    )


@group
class RedisSettings(Group):
    """Redis."""

    url: Secret | None = setting(
        None,
        REDIS_URL,
        "LETTA_REDIS_URL",
        parts=Parts("LETTA_REDIS_HOST", "LETTA_REDIS_PORT"),
        doc="Redis for shared rate limits and cancellation wake-ups.",
    )


@group
class ModelsSettings(Group):
    """Language models."""

    services: tuple[Service, ...] = setting(
        (),
        SERVICES,
        doc="More OpenAI-compatible services: a list of name, base_url and api_key_file.",
    )
    openai_base_url: str | None = setting(
        None,
        WEB_URL,
        "OPENAI_BASE_URL",
        "OPENAI_API_BASE",
        doc="The base URL of an OpenAI-compatible service.",
    )
    openai_api_key: Secret | None = setting(
        None, SECRET, "OPENAI_API_KEY", doc="The key of that service."
    )
    default: str = setting(
        "letta/offline",
        TEXT,
        "LETTA_DEFAULT_LLM_HANDLE",
        doc="The model of agents that name none.",
    )
    offline_pace: float = setting(
        0.02,
        DURATION,
        "LETTA_OFFLINE_PACE",
        doc="The offline model's delay per word.",
    )
