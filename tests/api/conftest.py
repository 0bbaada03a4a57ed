"""Real servers with a database of their own, and the official client."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from letta_client import Letta

from tests.servers import ENGINES, Server, serve


@dataclass
class Service:
    """A server and what it stores.

    Attributes:
        client: The official client, which checks every answer.
    """

    server: Server
    file: Path
    client: Letta

    def query(self, sql: str, *values: Any) -> list[Any]:
        """Ask the database, or change it."""
        with closing(sqlite3.connect(self.file, timeout=10)) as connection, connection:
            return connection.execute(sql, values).fetchall()

    def new_agent(self, model: str = "letta/offline") -> str:
        """Make an agent."""
        return self.client.agents.create(system="Be kind.", model=model).id


def client_of(server: Server, **headers: str) -> Letta:
    """Make a client that trusts nothing."""
    return Letta(
        base_url=server.url,
        api_key="none",
        default_headers=headers,
        _strict_response_validation=True,
    )


@contextmanager
def service_in(folder: Path, *arguments: str, **environ: str) -> Iterator[Service]:
    """Serve with the database in *folder*."""
    given = {"LETTA_DIR": str(folder), "LETTA_OFFLINE_PACE": "0", **environ}
    with serve(*arguments, environ=given) as server, client_of(server) as client:
        yield Service(server, folder / "portico.sqlite", client)


EVERY_ENGINE = [
    ENGINES[0],
    *(pytest.param(engine, marks=pytest.mark.thorough) for engine in ENGINES[1:]),
]


@pytest.fixture(params=EVERY_ENGINE, scope="session")
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("data")
    with service_in(folder, "--engine", request.param, LETTA_OFFLINE_PACE="10ms") as service:
        yield service
