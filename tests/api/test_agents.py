"""Agents and their blocks as the official client sees them."""

from uuid import uuid4

import pytest
from letta_client import ConflictError, NotFoundError, UnprocessableEntityError

from tests.api.conftest import Service, client_of

pytestmark = pytest.mark.socket


def test_an_agent_is_made_with_all_that_belongs_to_it(service: Service) -> None:
    agents, shared = service.client.agents, service.client.blocks.create(label="team", value="us")
    made = agents.create(
        name="Ada",
        system="Be kind.",
        description="A friend",
        metadata={"a": 1},
        memory_blocks=[{"label": "human", "value": "Bob", "limit": 20}],
        block_ids=[shared.id],
        tags=["b", "a", "b"],
        model="letta/offline",
        embedding="letta/letta-free",
        timezone="Europe/Rome",
    )
    assert (made.name, made.system, made.metadata) == ("Ada", "Be kind.", {"a": 1})
    assert {block.label: block.value for block in made.blocks} == {"team": "us", "human": "Bob"}
    assert made.memory.blocks == made.blocks
    assert (made.tags, made.tools, made.model) == (["a", "b"], [], "letta/offline")
    assert made.llm_config.context_window == 32_000
    assert agents.retrieve(made.id, include=["agent.blocks"]) == made
    assert [(a.id, a.tags) for a in agents.list(name="Ada")] == [(made.id, ["a", "b"])]


def test_nothing_need_be_said_of_an_agent(service: Service) -> None:
    made = service.client.agents.create()
    assert made.name
    assert made.model == "letta/offline"


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_going_through_a_list_gives_each_once(service: Service, order: str) -> None:
    tag = uuid4().hex
    made = [service.client.agents.create(name=str(n), tags=[tag]).id for n in range(5)]
    wanted = made if order == "asc" else made[::-1]
    agents = service.client.agents
    listed = agents.list(tags=[tag], limit=2, order=order)  # type: ignore[arg-type]
    assert [agent.id for agent in listed] == wanted
    before = agents.list(tags=[tag], limit=2, order=order, before=wanted[3])  # type: ignore[arg-type]
    assert [agent.id for agent in before.items] == wanted[1:3]


def test_tags_are_matched_one_or_all(service: Service) -> None:
    one, two = uuid4().hex, uuid4().hex
    first = service.client.agents.create(tags=[one]).id
    both = service.client.agents.create(tags=[one, two]).id
    agents = service.client.agents
    assert [a.id for a in agents.list(tags=[one, two], order="asc")] == [first, both]
    assert [a.id for a in agents.list(tags=[one, two], match_all_tags=True)] == [both]


def test_an_update_changes_what_it_names_and_no_more(service: Service) -> None:
    agents = service.client.agents
    made = agents.create(name="x", description="old", tags=["t"], metadata={"a": 1})
    changed = agents.update(made.id, name="y", description=None, max_files_open=3)
    assert (changed.name, changed.description, changed.max_files_open) == ("y", None, 3)
    assert (changed.tags, changed.metadata) == (["t"], {"a": 1})
    assert agents.update(made.id, tags=[]).tags == []


def test_a_deleted_agent_is_gone_and_its_blocks_stay(service: Service) -> None:
    client = service.client
    made = client.agents.create(memory_blocks=[{"label": "human", "value": "Bob"}])
    before = client.get("/v1/agents/count", cast_to=int)
    client.agents.messages.create(made.id, input="hello")
    client.agents.delete(made.id)
    assert client.get("/v1/agents/count", cast_to=int) == before - 1
    assert client.blocks.retrieve(str(made.blocks[0].id)).value == "Bob"
    with pytest.raises(NotFoundError, match=made.id):
        client.agents.retrieve(made.id)


def test_blocks_are_attached_changed_and_detached(service: Service) -> None:
    client = service.client
    agent = client.agents.create(memory_blocks=[{"label": "human", "value": "Bob"}])
    block = client.blocks.create(label="notes", value="none", tags=["t"])
    attached = client.agents.blocks.attach(block.id, agent_id=agent.id)
    assert {shown.label for shown in attached.blocks} == {"human", "notes"}
    client.agents.blocks.update("notes", agent_id=agent.id, value="some")
    assert client.blocks.retrieve(block.id).value == "some"
    assert client.agents.blocks.retrieve("notes", agent_id=agent.id).tags == ["t"]
    client.blocks.update(block.id, label="log")
    assert [b.label for b in client.agents.blocks.list(agent.id, order="asc")] == ["human", "log"]
    assert [shown.id for shown in client.blocks.agents.list(block.id)] == [agent.id]
    detached = client.agents.blocks.detach(block.id, agent_id=agent.id)
    assert [shown.label for shown in detached.blocks] == ["human"]
    client.blocks.delete(block.id)
    with pytest.raises(NotFoundError):
        client.blocks.retrieve(block.id)


def test_an_agent_has_each_label_once(service: Service) -> None:
    client = service.client
    agent = client.agents.create(memory_blocks=[{"label": "human", "value": "Bob"}])
    other = client.blocks.create(label="human", value="Eve")
    with pytest.raises(ConflictError, match="human") as caught:
        client.agents.blocks.attach(other.id, agent_id=agent.id)
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_blocks_are_found_by_what_they_hold(service: Service) -> None:
    label = uuid4().hex
    made = [service.client.blocks.create(label=label, value=f"100%{n}").id for n in range(3)]
    blocks = service.client.blocks
    assert [block.id for block in blocks.list(label=label, limit=1)] == made
    assert [block.id for block in blocks.list(label=label, value_search="0%2")] == made[2:]


def test_what_cannot_be_is_refused_with_the_reason(service: Service) -> None:
    client = service.client
    with pytest.raises(UnprocessableEntityError, match="limit is 3"):
        client.blocks.create(label="x", value="long", limit=3)
    with pytest.raises(UnprocessableEntityError, match="agent- and a UUID"):
        client.agents.retrieve("nonsense")
    with pytest.raises(UnprocessableEntityError, match="order must be"):
        client.get("/v1/agents/?order=up", cast_to=object)
    with pytest.raises(UnprocessableEntityError, match=r"U\+0000"):
        client.agents.create(name="a\0b")
    with pytest.raises(NotFoundError, match="no model nobody/x"):
        client.agents.create(model="nobody/x")
    with pytest.raises(NotFoundError, match="web_search"):
        client.agents.create(tools=["web_search"])


def test_another_organisation_sees_nothing_of_it(service: Service) -> None:
    organization, user = f"org-{uuid4()}", f"user-{uuid4()}"
    agent = service.client.agents.create(memory_blocks=[{"label": "human", "value": "Bob"}])
    block = str(agent.blocks[0].id)
    service.query(
        "INSERT INTO organizations (id, name, privileged_tools, created_at, updated_at)"
        " VALUES (?, 'other', 0, datetime('now'), datetime('now'))",
        organization,
    )
    service.query(
        "INSERT INTO users (id, organization_id, name, created_at, updated_at)"
        " VALUES (?, ?, 'other', datetime('now'), datetime('now'))",
        user,
        organization,
    )
    with client_of(service.server, user_id=user) as other:
        assert other.agents.list().items == other.blocks.list().items == []
        for reach in (
            lambda: other.agents.retrieve(agent.id),
            lambda: other.agents.update(agent.id, name="mine"),
            lambda: other.agents.delete(agent.id),
            lambda: other.agents.create(block_ids=[block]),
            lambda: other.agents.blocks.list(agent.id),
            lambda: other.agents.blocks.update("human", agent_id=agent.id, value="Eve"),
            lambda: other.blocks.retrieve(block),
            lambda: other.blocks.update(block, value="Eve"),
            lambda: other.blocks.delete(block),
            lambda: other.blocks.agents.list(block),
        ):
            with pytest.raises(NotFoundError):
                reach()
