"""Real servers with a database of their own, and the official client."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from letta_client import Letta, NotFoundError

from tests.servers import ENGINES, Server, serve

ORGANIZATION = "org-00000000-0000-4000-8000-000000000000"


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
        """Store an agent."""
        agent_id = f"agent-{uuid4()}"
        self.query(
            "INSERT INTO agents (id, organization_id, name, agent_type, system, model,"
            " context_window, message_ids, options, created_at, updated_at) VALUES"
            " (?, ?, 'a', 'letta_v1_agent', 'Be kind.', ?, 32000, '[]', '{}',"
            " datetime('now'), datetime('now'))",
            agent_id,
            ORGANIZATION,
            model,
        )
        return agent_id


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
        with pytest.raises(NotFoundError):  # from here on the tables are there
            client.agents.messages.create(f"agent-{uuid4()}", input="hello")
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
