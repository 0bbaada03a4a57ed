"""Turns as the official client sees them, on every engine; what a crash leaves."""

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from letta_client import (
    APIStatusError,
    BadRequestError,
    ConflictError,
    InternalServerError,
    NotFoundError,
    UnprocessableEntityError,
)

from tests.api.conftest import Service, client_of, service_in
from tests.fakes.openai import openai_service
from tests.processes import until

pytestmark = pytest.mark.socket


def kinds(events: Any) -> list[str]:
    return [event.message_type for event in events]


def contents(events: Any) -> list[str]:
    return [event.content for event in events if event.message_type == "assistant_message"]


def stream(service: Service, agent_id: str, text: str, **options: Any) -> Any:
    return service.client.agents.messages.create(
        agent_id, input=text, streaming=True, stream_tokens=True, **options
    )


def test_a_turn_is_answered_and_remembered(service: Service) -> None:
    agent_id = service.new_agent()
    answer = service.client.agents.messages.create(agent_id, input="hello good world")
    assert contents(answer.messages) == ["hello good world"]
    assert answer.stop_reason.stop_reason == "end_turn"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, 3)
    again = service.client.agents.messages.create(
        agent_id, messages=[{"role": "user", "content": "and more"}]
    )
    assert again.usage.prompt_tokens == 2 + 3 + 3 + 2


def test_a_stream_has_its_frames_in_order(service: Service) -> None:
    events = list(stream(service, service.new_agent(), "count from 1 to 3", include_pings=True))
    assert kinds(events) == ["ping", *["assistant_message"] * 3, "stop_reason", "usage_statistics"]
    assert contents(events) == ["1", " 2", " 3"]
    assert len({event.id for event in events[1:4]}) == 1


def test_by_step_a_message_comes_whole(service: Service) -> None:
    events = service.client.agents.messages.create(
        service.new_agent(), input="one two", streaming=True, include_pings=False
    )
    assert contents(events) == ["one two"]


def test_a_background_stream_is_numbered_and_read_again(service: Service) -> None:
    events = list(stream(service, service.new_agent(), "count from 1 to 5", background=True))
    said = [event for event in events if event.message_type == "assistant_message"]
    assert [event.seq_id for event in said] == [1, 2, 3, 4, 5]
    rest = service.client.runs.messages.stream(said[0].run_id, starting_after=2)
    assert contents(rest) == [" 3", " 4", " 5"]


def test_a_foreground_run_cannot_be_read_again(service: Service) -> None:
    (said, *_) = stream(service, service.new_agent(), "hello", include_pings=False)
    with pytest.raises(BadRequestError):
        service.client.runs.messages.stream(said.run_id)


def test_a_cancel_ends_the_stream_and_keeps_what_was_said(service: Service) -> None:
    agent_id = service.new_agent()
    events = []
    for event in stream(service, agent_id, "count from 1 to 2000"):
        events.append(event)
        if getattr(event, "content", "") == " 3":
            cancelled = service.client.agents.messages.cancel(agent_id)
    assert list(cancelled.values()) == ["cancelled"]
    assert (events[-1].message_type, events[-1].stop_reason) == ("stop_reason", "cancelled")
    assert stored(service, agent_id) == [
        ("user", "count from 1 to 2000"),
        ("assistant", "".join(contents(events))),
    ]
    with pytest.raises(ConflictError) as caught:
        service.client.agents.messages.cancel(agent_id)
    assert caught.value.response.headers["x-should-retry"] == "false"


def stored(service: Service, agent_id: str) -> list[tuple[str, str]]:
    rows = service.query(
        "SELECT role, content FROM messages WHERE agent_id = ? ORDER BY position", agent_id
    )
    return [(role, json.loads(content)[0]["text"]) for role, content in rows]


def test_who_leaves_does_not_stop_the_turn(service: Service) -> None:
    agent_id = service.new_agent()
    events = stream(service, agent_id, "count from 1 to 20")
    next(iter(events))
    events.close()
    until(lambda: len(stored(service, agent_id)) == 2, 10)
    assert stored(service, agent_id)[1][1].endswith(" 20")


def test_a_retry_joins_the_turn_in_flight(service: Service) -> None:
    agent_id = service.new_agent()
    answers: list[Any] = []

    def ask(count: str) -> None:
        answers.append(
            service.client.agents.messages.create(
                agent_id,
                input="count from 1 to 60",
                extra_headers={"x-stainless-retry-count": count},
            )
        )

    first = threading.Thread(target=ask, args=("0",))
    first.start()
    until(lambda: len(stored(service, agent_id)) == 1, 5)
    ask("1")
    first.join()
    assert len({answer.messages[0].id for answer in answers}) == 1
    assert len(stored(service, agent_id)) == 2


def test_a_key_answers_the_same_afterwards(service: Service) -> None:
    agent_id = service.new_agent()
    keyed = client_of(service.server, **{"idempotency-key": "mine"})
    answers = [keyed.agents.messages.create(agent_id, input="hello") for _ in range(2)]
    keyed.close()
    assert answers[0].messages[0].id == answers[1].messages[0].id
    assert len(stored(service, agent_id)) == 2


def test_models_are_listed(service: Service) -> None:
    assert [model.handle for model in service.client.models.list()] == ["letta/offline"]
    assert service.client.models.embeddings.list() == []


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server in front of a service that misbehaves."""
    folder = tmp_path_factory.mktemp("data")
    with openai_service() as fake, service_in(folder, OPENAI_BASE_URL=fake.url) as service:
        yield service


@pytest.mark.parametrize(("model", "status"), [("unauthorized", 502), ("limited", 429)])
def test_a_service_that_refuses_is_typed_and_not_asked_again(
    behind: Service, model: str, status: int
) -> None:
    agent_id = behind.new_agent(f"openai/{model}")
    with pytest.raises(APIStatusError) as caught:
        behind.client.agents.messages.create(agent_id, input="hello")
    assert caught.value.status_code == status
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert behind.query("SELECT is_err FROM messages WHERE agent_id = ?", agent_id) == [(1,)]


def test_a_broken_stream_ends_with_an_error_event(behind: Service) -> None:
    agent_id = behind.new_agent("openai/cutting")
    seen: list[Any] = []
    with pytest.raises(APIStatusError) as caught:
        seen.extend(stream(behind, agent_id, "hello", include_pings=False))
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error_type"] == "llm_error"
    assert stored(behind, agent_id) == [("user", "hello"), ("assistant", "One")]


def test_a_silent_service_is_cancelled_at_once(behind: Service) -> None:
    agent_id = behind.new_agent("openai/silent")
    events = iter(stream(behind, agent_id, "hello", include_pings=True))
    assert next(events).message_type == "ping"
    behind.client.agents.messages.cancel(agent_id)
    assert [event.stop_reason for event in events] == ["cancelled"]


def test_an_unknown_model_is_told(behind: Service) -> None:
    agent_id = behind.new_agent()
    behind.query("UPDATE agents SET model = 'nobody/x' WHERE id = ?", agent_id)
    with pytest.raises(InternalServerError, match="letta/offline"):
        behind.client.agents.messages.create(agent_id, input="hello")


@pytest.mark.thorough
def test_a_run_whose_server_was_killed_fails_with_a_reason(tmp_path: Path) -> None:
    with service_in(tmp_path, LETTA_OFFLINE_PACE="50ms") as service:
        agent_id = service.new_agent()
        next(iter(stream(service, agent_id, "count from 1 to 1000")))
        service.server.kill()
    service.query("UPDATE runs SET lease_expires_at = '2000-01-01 00:00:00.000000'")
    with service_in(tmp_path) as restarted:
        ended = "SELECT status, json_extract(error, '$.error_type') FROM runs"
        until(lambda: restarted.query(ended) == [("failed", "stream_incomplete")], 10)
        assert stored(restarted, agent_id) == [("user", "count from 1 to 1000")]


@pytest.mark.thorough
def test_a_cancel_reaches_another_worker(tmp_path: Path) -> None:
    with service_in(tmp_path, "--workers", "2", LETTA_OFFLINE_PACE="20ms") as service:
        for _ in range(4):
            agent_id = service.new_agent()
            events = iter(stream(service, agent_id, "count from 1 to 1000"))
            next(events)
            with client_of(service.server) as other:
                other.agents.messages.cancel(agent_id)
            assert [*events][-1].stop_reason == "cancelled"


def test_iterating_gives_each_message_once_in_either_order(service: Service) -> None:
    agent_id = service.new_agent()
    for said in ("one", "two", "three"):
        service.client.agents.messages.create(agent_id, input=said)
    listed: Any = service.client.agents.messages.list
    for order, limit in (("asc", 2), ("desc", 2), ("desc", 1), ("asc", 5)):
        ids = [message.id for message in listed(agent_id, order=order, limit=limit)]
        assert len(ids) == len(set(ids)) == 6
    listed_texts = [message.content for message in listed(agent_id, order="asc")]
    assert listed_texts == ["one", "one", "two", "two", "three", "three"]
    middle = listed(agent_id, order="asc").items[3].id
    before = listed(agent_id, order="desc", before=middle, limit=1)
    assert [message.content for message in before.items] == ["three"]
    asked = listed(agent_id, include_return_message_types=["user_message"])
    assert {message.message_type for message in asked} == {"user_message"}


def test_a_reset_forgets_what_was_said(service: Service) -> None:
    agent_id = service.new_agent()
    service.client.agents.messages.create(agent_id, input="hello")
    service.client.agents.messages.reset(agent_id)
    assert list(service.client.agents.messages.list(agent_id)) == []
    assert service.client.agents.messages.create(agent_id, input="a").usage.prompt_tokens == 3


def test_a_wrong_question_for_messages_is_told(service: Service) -> None:
    agent_id = service.new_agent()
    with pytest.raises(UnprocessableEntityError, match="limit"):
        service.client.agents.messages.list(agent_id, limit=0)
    with pytest.raises(BadRequestError, match="message-nobody"):
        service.client.agents.messages.list(agent_id, after="message-nobody")
    with pytest.raises(NotFoundError):
        service.client.agents.messages.list(f"agent-{uuid4()}")


@pytest.mark.thorough
def test_a_drain_gives_a_last_event_and_the_next_process_the_rest(tmp_path: Path) -> None:
    with service_in(tmp_path, "--grace", "2s", LETTA_OFFLINE_PACE="50ms") as service:
        events = iter(stream(service, service.new_agent(), "count from 1 to 1000", background=True))
        first = next(event for event in events if event.message_type == "assistant_message")
        service.server.signal(signal.SIGTERM)
        with pytest.raises(APIStatusError) as caught:
            list(events)
        assert error_type(caught.value) == "stream_incomplete"
        assert service.server.wait() == 0
    with service_in(tmp_path) as following:
        again: list[Any] = []
        with pytest.raises(APIStatusError) as caught:
            again.extend(following.client.runs.messages.stream(first.run_id, starting_after=1))
        assert error_type(caught.value) == "stream_incomplete"
        assert contents(again)[0] == " 2"


def error_type(error: APIStatusError) -> Any:
    assert isinstance(error.body, dict)
    return error.body["error_type"]
