"""Migrations: of an empty SQLite file at start, of everything else by `portico db upgrade`."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine, inspect, text

from portico.core.settings import Settings, database_target
from portico.server.db.database import file_of, is_new
from portico.server.db.engine import postgresql_arguments, postgresql_url, sqlite_url
from portico.server.db.ids import DEFAULT_ORGANIZATION, DEFAULT_USER

SCRIPTS: Final = "portico.server.db:migrations"
LOCK: Final = 0x706F7274
"""PostgreSQL's advisory lock of whoever migrates."""
IN_PROCESS: Final = Lock()
"""Alembic's environment is one for the whole process."""


def prepare_file(settings: Settings) -> None:
    """Make the SQLite file and, if it is empty, its tables; safe for workers that start at once."""
    path = file_of(settings)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(lock_of(settings)), connected(settings) as connection:
        if not inspect(connection).get_table_names():
            upgrade_on(connection)


def lock_of(settings: Settings) -> Path:
    """Give the file that is locked while the SQLite file is migrated."""
    return file_of(settings).with_suffix(".lock")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock of *path*, which ends with its holder."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def connected(settings: Settings) -> Iterator[Connection]:
    """Connect once, outside the pool and without its limits of time."""
    target = database_target(settings)
    engine = (
        create_engine(sqlite_url(settings), poolclass=NullPool)
        if target is None
        else create_engine(
            postgresql_url(target), poolclass=NullPool, connect_args=connection_only()
        )
    )
    with engine.connect() as connection:
        yield connection


def connection_only() -> dict[str, object]:
    """Give what PostgreSQL is connected with, without the limit on a statement's time."""
    return {name: value for name, value in postgresql_arguments().items() if name != "options"}


def upgrade(settings: Settings) -> None:
    """Bring the database to the newest revision."""
    if database_target(settings) is None:
        prepare_file(settings)
        with alone(lock_of(settings)), connected(settings) as connection:
            upgrade_on(connection)
        return
    with connected(settings) as connection:
        upgrade_on(connection)


def upgrade_on(connection: Connection) -> None:
    """Bring the database of *connection* to the newest revision, in one transaction."""
    with IN_PROCESS:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        configuration = Config()
        configuration.set_main_option("script_location", SCRIPTS)
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "head")
        add_defaults(connection)
        connection.commit()


def add_defaults(connection: Connection) -> None:
    """Add the organisation and the user of whoever names none, unless they are there."""
    from sqlalchemy.orm import Session

    from portico.server.db.tables import Organization, User

    with Session(connection) as session:
        if session.get(Organization, DEFAULT_ORGANIZATION) is None:
            session.add(Organization(id=DEFAULT_ORGANIZATION, name="default_org"))
            session.flush()
            session.add(
                User(id=DEFAULT_USER, organization_id=DEFAULT_ORGANIZATION, name="default_user")
            )
        session.commit()


def current(settings: Settings) -> str | None:
    """Tell the revision of the database, None if it has none."""
    if is_new(settings):
        return None
    with connected(settings) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str | None:
    """Tell the revision that this version needs."""
    configuration = Config()
    configuration.set_main_option("script_location", SCRIPTS)
    return ScriptDirectory.from_config(configuration).get_current_head()


def lack(settings: Settings) -> str | None:
    """Say what the database lacks and what to do about it; None if it is as it must be."""
    found, needed = current(settings), newest()
    if found == needed:
        return None
    return (
        f"the database is at revision {found or 'none'}, this version needs {needed}:"
        " run `portico db upgrade` with the same settings"
    )


def unreachable() -> tuple[type[Exception], ...]:
    """Name the errors of a database that does not answer."""
    from sqlalchemy.exc import InterfaceError, OperationalError

    return (OperationalError, InterfaceError)
