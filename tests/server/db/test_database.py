"""The one door to the database: transactions, errors told plainly, migrations, on both."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import monotonic

import anyio
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text

from portico.core.settings import Secret, Settings
from portico.server.db import migration
from portico.server.db.database import ConflictError, Database, UnavailableError, file_of
from portico.server.db.ids import DEFAULT_ORGANIZATION, DEFAULT_USER, is_id, new_id
from portico.server.db.tables import Base, Organization, User

pytestmark = pytest.mark.anyio


@pytest.fixture
def database(stored: Settings):
    migration.upgrade(stored)
    made = Database(stored)
    yield made
    made.close()


async def test_what_is_written_is_read(database: Database) -> None:
    assert database.is_down() is None
    made = new_id("org")
    await database.write(lambda session: session.add(Organization(id=made, name="Acme")))
    found = await database.read(lambda session: session.get(Organization, made))
    assert found is not None
    assert (found.name, found.privileged_tools) == ("Acme", False)
    assert found.created_at.utcoffset() is not None


async def test_the_default_user_is_there(database: Database) -> None:
    user = await database.read(lambda session: session.get(User, DEFAULT_USER))
    assert user is not None
    assert user.organization_id == DEFAULT_ORGANIZATION


async def test_what_raises_is_rolled_back(database: Database) -> None:
    def work(session) -> None:
        session.add(Organization(id=new_id("org"), name="Never"))
        session.flush()
        raise KeyError("stop")

    with pytest.raises(KeyError):
        await database.write(work)
    names = await database.read(lambda session: session.scalars(select(Organization.name)).all())
    assert names == ["default_org"]


async def test_a_broken_constraint_tells_no_sql(database: Database) -> None:
    lost = User(id=new_id("user"), organization_id=new_id("org"), name="hunter2")
    with pytest.raises(ConflictError) as raised:
        await database.write(lambda session: session.add(lost))
    assert "INSERT" not in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None


async def test_many_writers_all_come_through(database: Database) -> None:
    async def add() -> None:
        await database.write(lambda s: s.add(Organization(id=new_id("org"), name="One")))

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(add)
    ids = await database.read(lambda session: session.scalars(select(Organization.id)).all())
    assert len(ids) == 51
    assert database.pool_wait() == 0.0
    assert database.is_down() == 0.0


def test_the_migrations_make_the_tables_of_the_models(stored: Settings) -> None:
    migration.upgrade(stored)
    migration.upgrade(stored)
    assert migration.current(stored) == migration.newest() is not None
    with migration.connected(stored) as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_workers_that_start_at_once_migrate_once(stored: Settings) -> None:
    with ThreadPoolExecutor(4) as threads:
        for future in [threads.submit(migration.upgrade, stored) for _ in range(4)]:
            future.result()
    assert migration.current(stored) == migration.newest()


async def test_a_locked_file_is_unavailable_within_a_second(tmp_path) -> None:
    settings = replace(Settings(), storage=replace(Settings().storage, dir=str(tmp_path)))
    database = Database(settings)
    await database.read(lambda session: session.execute(text("SELECT 1")).all())
    holder = sqlite3.connect(file_of(settings), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    begin = monotonic()
    with pytest.raises(UnavailableError) as raised:
        await database.write(lambda s: s.add(Organization(id=new_id("org"), name="One")))
    assert monotonic() - begin < 2
    assert ("retry-after", "1") in raised.value.get_headers()
    holder.execute("ROLLBACK")
    holder.close()
    await database.write(lambda s: s.add(Organization(id=new_id("org"), name="One")))
    database.close()


async def test_a_stopped_server_is_unavailable() -> None:
    uri = Secret("postgresql://letta:hunter2@127.0.0.1:9/letta")
    database = Database(replace(Settings(), database=replace(Settings().database, uri=uri)))
    with pytest.raises(UnavailableError) as raised:
        await database.read(lambda session: session.execute(text("SELECT 1")).all())
    assert "hunter2" not in str(raised.value)
    assert database.is_down() == 1.0


async def test_sessions_are_limited_and_their_wait_is_told(tmp_path) -> None:
    own = replace(Settings().database, max_concurrent_sessions=1, pool_timeout=0.05)
    settings = replace(
        Settings(), database=own, storage=replace(Settings().storage, dir=str(tmp_path))
    )
    database = Database(settings)
    waited: list[float] = []

    async def wait_in_line(done: anyio.Event) -> None:
        with pytest.raises(UnavailableError):
            await database.read(lambda session: session.execute(text("SELECT 1")).all())
        done.set()

    await database.read(lambda session: session.execute(text("SELECT 1")).all())
    async with database._turn(database._limiter), anyio.create_task_group() as tasks:
        done = anyio.Event()
        tasks.start_soon(wait_in_line, done)
        while not done.is_set():
            waited.append(database.pool_wait())
            await anyio.lowlevel.checkpoint()
    assert max(waited) > 0.0
    database.close()


def test_ids_are_what_the_clients_expect() -> None:
    assert is_id(new_id("agent"), "agent")
    assert not is_id(new_id("agent"), "block")
    assert not is_id("agent-1", "agent")
