"""The engine of the settings: SQLite in `storage.dir`, or PostgreSQL through psycopg 3."""

from sqlite3 import Connection as SqliteConnection
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool, create_engine, event

from portico.core.settings import DatabaseTarget, Settings, database_target
from portico.server.db.database import file_of

BUSY_S: Final = 0.8
"""How long a statement waits for another process's lock on the SQLite file."""
CONNECT_S: Final = 2
"""libpq takes no less."""
STATEMENT_MS: Final = 30_000
"""A thread cannot be interrupted, but its statement can (engines.md)."""
IMMEDIATE: Final = "portico_immediate"


def make_engine(settings: Settings) -> Engine:
    """Make the engine; nothing is connected yet."""
    target = database_target(settings)
    engine = create_engine(
        sqlite_url(settings) if target is None else postgresql_url(target),
        connect_args=sqlite_arguments() if target is None else postgresql_arguments(),
        hide_parameters=True,
        echo=settings.database.echo,
        **pool_arguments(settings),
    )
    if target is None:
        event.listen(engine, "connect", prepare_sqlite)
        event.listen(engine, "begin", begin_sqlite)
    return engine


def sqlite_url(settings: Settings) -> URL:
    """Give the URL of the SQLite file."""
    return URL.create("sqlite", database=str(file_of(settings)))


def postgresql_url(target: DatabaseTarget) -> URL:
    """Give the URL of a PostgreSQL database; a socket's directory is an option of libpq."""
    options = dict(target.options)
    host = target.host
    if host is not None and host.startswith(("/", "@")):
        options["host"], host = host, None
    return URL.create(
        "postgresql+psycopg",
        username=target.user,
        password=target.password.reveal() if target.password else None,
        host=host,
        port=target.port,
        database=target.name,
        query=options,
    )


def sqlite_arguments() -> dict[str, Any]:
    """Say how a SQLite file is opened: its transactions are begun by us."""
    return {"timeout": BUSY_S, "check_same_thread": False, "isolation_level": None}


def postgresql_arguments() -> dict[str, Any]:
    """Say how PostgreSQL is connected to; poolers between cannot do prepared statements."""
    return {
        "connect_timeout": CONNECT_S,
        "prepare_threshold": None,
        "application_name": "portico",
        "options": f"-c statement_timeout={STATEMENT_MS}",
    }


def pool_arguments(settings: Settings) -> dict[str, Any]:
    """Give the pool's part of the settings."""
    database = settings.database
    if database.disable_pooling:
        return {"poolclass": NullPool}
    return {
        "poolclass": QueuePool,
        "pool_size": database.pool_size,
        "max_overflow": database.max_overflow,
        "pool_timeout": database.pool_timeout,
        "pool_recycle": int(database.pool_recycle),
        "pool_pre_ping": database.pool_pre_ping,
        "pool_use_lifo": database.pool_use_lifo,
    }


def prepare_sqlite(connection: SqliteConnection, _record: object) -> None:
    """Set what SQLite forgets between connections."""
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def begin_sqlite(connection: Connection) -> None:
    """Begin a transaction, with the write lock where it is to write.

    A reader that turns writer fails at once if somebody wrote in between.
    """
    immediate = connection.get_execution_options().get(IMMEDIATE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
