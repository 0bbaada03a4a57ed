"""The end of a turn whose storing fails, and what is left by a worker that died."""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from portico.server.db.ids import now
from portico.server.db.queries import turns
from tests.server.runs.conftest import Api, Start, events_of

pytestmark = pytest.mark.anyio

REFUSES = "CREATE TRIGGER refuses BEFORE UPDATE ON steps BEGIN SELECT RAISE(ABORT, 'no'); END"


def expire(api: Api) -> None:
    """Let the time of every lease pass, as a sweep sees it."""
    api.query("UPDATE runs SET lease_expires_at = '2000-01-01 00:00:00.000000'")
    assert api.state.database.run(turns.fail_abandoned) == 1


def events_called(name: str, logs: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [event for event in logs if event["event"] == name]


async def test_a_stream_whose_end_is_refused_ends_with_an_error(api_with: Start) -> None:
    async with api_with() as api:
        agent_id = api.new_agent()
        api.query(REFUSES)
        said, stop, (name, error), done = await api.stream(agent_id, "hello", stream_tokens=True)
        assert (said["content"], stop["stop_reason"], done) == ("hello", "error", "[DONE]")
        assert (name, error["error_type"]) == ("error", "stream_incomplete")
        assert api.query("SELECT role FROM messages") == [("user",)]
        api.query("DROP TRIGGER refuses")
        expire(api)
        assert api.query("SELECT status, stop_reason FROM runs") == [("failed", "error")]
        assert api.query("SELECT status FROM steps") == [("failed",)]
        assert (await api.say(agent_id, "again")).status_code == 200


async def test_who_waits_for_a_refused_end_is_told(api_with: Start) -> None:
    async with api_with() as api:
        agent_id = api.new_agent()
        api.query(REFUSES)
        answer = await api.say(agent_id, "hello")
        assert (answer.status_code, answer.headers["x-should-retry"]) == (503, "false")
        assert "could not be stored" in answer.json()["detail"]


async def test_a_locked_database_is_waited_for(api_with: Start, tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with api_with(models={"offline_pace": 0.1}) as api:
            agent_id = api.new_agent()
            bodies = []

            async def ask() -> None:
                bodies.append(await api.stream(agent_id, "one two", stream_tokens=True))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                with closing(sqlite3.connect(tmp_path / "portico.sqlite")) as other:
                    await api.until(lambda: api.query("SELECT id FROM runs"))
                    other.execute("BEGIN IMMEDIATE")
                    # The heartbeat fails, and at least one attempt to store the end.
                    await api.until(lambda: len(events_called("database unavailable", logs)) >= 3)
                    other.execute("ROLLBACK")
            (events,) = bodies
            assert [event["content"] for event in events[:2]] == ["one", " two"]
            assert events[2]["stop_reason"] == "end_turn"
            assert api.query("SELECT role FROM messages ORDER BY position") == [
                ("user",),
                ("assistant",),
            ]


async def test_a_turn_that_was_given_up_by_others_is_not_stored_over_it(api_with: Start) -> None:
    async with api_with(models={"offline_pace": 0.3}) as api:
        agent_id = api.new_agent()

        async def give_up() -> None:
            await api.until(lambda: api.query("SELECT id FROM runs"))
            expire(api)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(give_up)
            events = await api.stream(agent_id, "one two three")
        assert events[-2][1]["error_type"] == "stream_incomplete"
        assert api.query("SELECT status FROM runs") == [("failed",)]


async def test_a_stream_whose_worker_died_is_read_to_an_error(api_with: Start) -> None:
    async with api_with() as api:
        agent_id = api.new_agent()
        await api.stream(agent_id, "one two", stream_tokens=True, background=True)
        ((run_id,),) = api.query("SELECT id FROM runs")
        api.query("DELETE FROM run_events WHERE seq > 2")
        api.query("UPDATE runs SET status = 'running'")
        expire(api)
        answer = await api.client.post(f"/v1/runs/{run_id}/stream", json={"starting_after": 1})
        _, said, stop, (name, error), done = events_of(answer.text)
        assert (said["seq_id"], stop["stop_reason"], done) == (2, "error", "[DONE]")
        assert (name, error["seq_id"], error["run_id"]) == ("error", 4, run_id)


async def test_a_beat_stores_the_news_of_all_runs_and_names_those_that_are_gone(
    api_with: Start,
) -> None:
    async with api_with() as api:
        agent_id = api.new_agent()
        for _ in range(3):
            await api.stream(agent_id, "hello")
        ids = [run_id for (run_id,) in api.query("SELECT id FROM runs")]
        api.query("DELETE FROM run_events")
        api.query("UPDATE runs SET status = 'running', lease_expires_at = NULL")
        api.query(f"UPDATE runs SET cancel_requested_at = '{now()}' WHERE id = '{ids[0]}'")
        news = {run_id: [(1, "data: x\n\n")] for run_id in [*ids, "run-gone"]}
        unwanted = api.state.database.run(lambda session: turns.keep_alive(session, news))
        assert unwanted == {ids[0], "run-gone"}
        assert api.query("SELECT count(*), count(DISTINCT run_id) FROM run_events") == [(3, 3)]
        assert api.query("SELECT count(lease_expires_at) FROM runs") == [(3,)]
