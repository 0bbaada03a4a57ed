"""`portico db`, and what `serve` says of a database that must be upgraded first."""

import pytest

from portico.core.settings import Settings
from portico.server.db import migration
from tests.servers import run

pytestmark = pytest.mark.socket


def environ_of(stored: Settings) -> dict[str, str]:
    uri = stored.database.uri
    return {"LETTA_DIR": stored.storage.dir} | ({"LETTA_PG_URI": uri.reveal()} if uri else {})


def test_a_database_is_upgraded_by_the_command(stored: Settings) -> None:
    environ = environ_of(stored)
    code, said, _ = run("db", "current", environ=environ)
    assert (code, said) == (0, "none")
    code, _, told = run("db", "check", environ=environ)
    assert code == 1
    assert "portico db upgrade" in told
    newest = str(migration.newest())
    for command in ("upgrade", "upgrade", "check", "current"):
        assert run("db", command, environ=environ)[:2] == (0, newest)


@pytest.mark.parametrize("stored", ["postgresql"], indirect=True)
def test_no_server_starts_before_the_upgrade(stored: Settings) -> None:
    code, _, told = run("serve", "--port", "0", environ=environ_of(stored))
    assert code == 78
    assert "portico db upgrade" in told
    assert "Traceback" not in told


def test_a_database_that_does_not_answer_is_told_without_its_password() -> None:
    environ = {"LETTA_PG_URI": "postgresql://u:hidden@127.0.0.1:1/d"}
    code, _, told = run("db", "current", environ=environ)
    assert code == 1
    assert "does not answer" in told
    assert "hidden" not in told
