"""Settings without an effect yet are told when somebody set them, in one line."""

from portico.core.settings import TABLE
from portico.server.pending import PENDING, PENDING_ON, list_pending


def test_what_works_is_not_told():
    assert list_pending("hypercorn", {"server.port", "cors.origins", "auth.password"}) == []


def test_what_does_not_work_is_one_line():
    chosen = {"server.port", "redis.url", "server.replicas"}
    (line,) = list_pending("uvicorn", chosen)
    assert line == "no effect in this version yet: redis.url, server.replicas"


def test_an_engine_has_gaps_of_its_own():
    assert list_pending("granian", {"server.drain_delay"})
    assert not list_pending("hypercorn", {"server.drain_delay"})


def test_every_row_names_a_setting():
    rows = [*PENDING, *(row for rows in PENDING_ON.values() for row in rows)]
    assert [row for row in rows if not any(path.startswith(row) for path in TABLE)] == []
