"""What each switch of telemetry and of streams changes, on and off."""

import json
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from tests.server.runs.conftest import Api, Start, events_of

pytestmark = pytest.mark.anyio
both = pytest.mark.parametrize("on", [True, False])
BROKEN = "openai/nobody"
UNREACHABLE = {"openai_base_url": "http://127.0.0.1:9/v1"}


async def ask(start: Start, sql: str, model: str = "letta/offline", **telemetry: bool) -> Any:
    """Carry out one turn; give what is asked of the database then."""
    async with start(telemetry=telemetry, models=dict(UNREACHABLE)) as api:
        await api.say(api.new_agent(model), "hello")
        await api.state.runs.traces.flush()
        return api.query(sql)


@both
async def test_track_agent_run(api_with: Start, on: bool) -> None:
    async with api_with(telemetry={"track_agent_run": on}) as api:
        agent_id = api.new_agent()
        assert [event["content"] for event in (await api.stream(agent_id, "a"))[:1]] == ["a"]
        assert api.query("SELECT count(*) FROM runs") == [(on,)]
        cancelled = await api.client.post(f"/v1/agents/{agent_id}/messages/cancel")
        assert cancelled.status_code == (409 if on else 400)
        behind = await api.say(agent_id, "a", streaming=True, background=True)
        assert behind.status_code == (200 if on else 400)


@both
async def test_track_last_agent_run(api_with: Start, on: bool) -> None:
    sql = "SELECT last_run_completion IS NOT NULL, last_run_duration_ms IS NOT NULL FROM agents"
    assert await ask(api_with, sql, track_last_agent_run=on) == [(on, on)]


@both
async def test_track_stop_reason(api_with: Start, on: bool) -> None:
    sql = (
        "SELECT runs.stop_reason, steps.stop_reason, last_stop_reason FROM runs"
        " JOIN steps ON steps.run_id = runs.id JOIN agents ON agents.id = runs.agent_id"
    )
    found = await ask(api_with, sql, track_stop_reason=on)
    assert found == [("end_turn",) * 3 if on else (None,) * 3]


@both
async def test_track_errored_messages(api_with: Start, on: bool) -> None:
    found = await ask(api_with, "SELECT is_err FROM messages", BROKEN, track_errored_messages=on)
    assert found == ([(1,)] if on else [])


@both
async def test_track_provider_trace(api_with: Start, on: bool) -> None:
    found = await ask(
        api_with,
        "SELECT request_json, response_json FROM provider_traces",
        track_provider_trace=on,
    )
    assert [json.loads(response)["content"] for _, response in found] == ["hello"] * on


@both
@pytest.mark.parametrize("debug", [True, False])
async def test_llm_api_logging(api_with: Start, on: bool, debug: bool) -> None:
    with capture_logs() as logs:
        await ask(api_with, "SELECT 1", llm_api_logging=on, debug=debug)
    calls = [event for event in logs if event["event"] == "model call"]
    assert [call["handle"] for call in calls] == ["letta/offline"] * on
    assert ["request" in call for call in calls] == [debug] * on


@both
async def test_keepalive(api_with: Start, on: bool) -> None:
    streaming = {"keepalive": on, "keepalive_interval": 0.1}
    async with api_with(streaming=streaming, models={"offline_pace": 0.6}) as api:
        answer = await api.say(api.new_agent(), "hello", streaming=True, include_pings=True)
        kinds = [event.get("message_type") for event in events_of(answer.text)[:-1]]
        assert (kinds.count("ping") >= 3) is on
        assert ("ping" in kinds) is on
        quiet = await api.say(api.new_agent(), "hello", streaming=True, include_pings=False)
        assert (": keepalive" in quiet.text) is on


@both
async def test_cancellation_aware(api_with: Start, on: bool) -> None:
    streaming = {"cancellation_aware": on}
    async with api_with(streaming=streaming, models={"offline_pace": 0.2}) as api:
        agent_id = api.new_agent()

        async def cancel() -> None:
            await api.until(lambda: api.query("SELECT id FROM runs"))
            answer = await api.client.post(f"/v1/agents/{agent_id}/messages/cancel")
            assert set(answer.json().values()) == {"cancelled"}

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel)
            events = await api.stream(agent_id, "count from 1 to 6", stream_tokens=True)
        said = [event for event in events if said_in(event)]
        assert (len(said) == 6) is not on
        assert api.query("SELECT status, stop_reason FROM runs") == [("cancelled", "cancelled")]


def said_in(event: Any) -> bool:
    return isinstance(event, dict) and event["message_type"] == "assistant_message"


async def test_who_waits_is_cancelled_either_way(api_with: Start) -> None:
    groups: dict[str, Any] = {"streaming": {"cancellation_aware": False}}
    async with api_with(models={"offline_pace": 30.0}, **groups) as api:
        agent_id = api.new_agent()
        answers = []

        async def wait(api: Api = api) -> None:
            answers.append(await api.say(agent_id, "hello"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await api.until(lambda: api.query("SELECT id FROM runs"))
            await api.client.post(f"/v1/agents/{agent_id}/messages/cancel")
        assert answers[0].json()["stop_reason"]["stop_reason"] == "cancelled"
