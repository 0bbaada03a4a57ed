"""Agents: made, listed, changed and deleted."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint, Response, request

from portico.server.blueprints.agent_shapes import AgentShown, AgentType, show_agent
from portico.server.blueprints.blocks import BlockCreate, Limit
from portico.server.blueprints.content import (
    RequestError,
    answer_json,
    asked_flag,
    asked_page,
    read,
    reading,
    writing,
)
from portico.server.blueprints.operation import describes
from portico.server.db.ids import new_id
from portico.server.models.provider import UnknownModelError
from portico.server.state import current_state

if TYPE_CHECKING:
    from portico.server.db.queries.agents import Relations

api: Final = Blueprint("agents", __name__)
TAGS: Final = ("agents",)

ORDERS: Final = ("created_at", "updated_at", "last_run_completion")
FILTERS: Final = ("name", "query_text", "project_id", "last_stop_reason")
COLUMNS: Final = {
    "name": "name",
    "agent_type": "agent_type",
    "system": "system",
    "description": "description",
    "model": "model",
    "context_window_limit": "context_window",
    "embedding": "embedding",
    "timezone": "timezone",
    "hidden": "hidden",
    "project_id": "project_id",
    "metadata": "metadata_",
}
"""The column of each field."""
NULLABLE: Final = frozenset(
    {"description", "embedding", "timezone", "hidden", "project_id", "metadata"}
)
OPTIONS: Final = (
    *("model_settings", "compaction_settings", "response_format", "tool_rules"),
    *("message_buffer_autoclear", "enable_sleeptime", "max_files_open"),
    "per_file_view_window_char_limit",
)
"""What is given back as it was given."""

Name = Annotated[str, Meta(min_length=1, max_length=255)]


class AgentUpdate(msgspec.Struct):
    """What is changed in an agent."""

    name: Name | None | UnsetType = UNSET
    system: str | None | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    model: str | None | UnsetType = UNSET
    context_window_limit: Limit | None | UnsetType = UNSET
    embedding: str | None | UnsetType = UNSET
    timezone: str | None | UnsetType = UNSET
    hidden: bool | None | UnsetType = UNSET
    project_id: str | None | UnsetType = UNSET
    metadata: dict[str, Any] | None | UnsetType = UNSET
    model_settings: dict[str, Any] | None | UnsetType = UNSET
    compaction_settings: dict[str, Any] | None | UnsetType = UNSET
    response_format: dict[str, Any] | None | UnsetType = UNSET
    tool_rules: list[dict[str, Any]] | None | UnsetType = UNSET
    message_buffer_autoclear: bool | None | UnsetType = UNSET
    enable_sleeptime: bool | None | UnsetType = UNSET
    max_files_open: Limit | None | UnsetType = UNSET
    per_file_view_window_char_limit: Limit | None | UnsetType = UNSET
    block_ids: list[str] | None = None
    tags: list[Name] | None = None
    tool_ids: list[str] | None = None
    secrets: dict[str, str] | None = None

    def values(self) -> dict[str, Any]:
        """Give what is stored, by column."""
        given = {name: v for name, v in msgspec.structs.asdict(self).items() if v is not UNSET}
        columns = {
            COLUMNS[name]: value
            for name, value in given.items()
            if name in COLUMNS and (value is not None or name in NULLABLE)
        }
        return columns | {"options": {name: given[name] for name in OPTIONS if name in given}}


class AgentCreate(AgentUpdate, kw_only=True):
    """A new agent."""

    agent_type: AgentType = "letta_v1_agent"
    memory_blocks: list[BlockCreate] | None = None
    tools: list[str] | None = None


@api.post("/agents/")
@describes(AgentShown, body=AgentCreate, tags=TAGS)
async def create_agent() -> Response:
    """Make an agent."""
    from portico.server.db.queries import agents

    body = await read(AgentCreate)
    body.model = body.model or current_state().models.builtin.handle
    values = with_model(body.values())
    values.setdefault("name", f"Agent {new_id('agent')[-12:]}")
    relations = relations_of(
        body,
        new_blocks=[block.values() for block in body.memory_blocks or ()],
        tool_names=body.tools or (),
    )
    return answer_json(show_agent(await writing(lambda s: agents.create(s, values, relations))))


@api.get("/agents/")
@describes(list[AgentShown], tags=TAGS)
async def list_agents() -> Response:
    """List the agents."""
    from portico.server.db.queries import agents

    page = asked_page(columns=ORDERS)
    wanted = agents.Wanted(
        tags=request.args.getlist("tags"),
        match_all_tags=asked_flag("match_all_tags"),
        **{name: request.args[name] for name in FILTERS if name in request.args},
    )
    found = await reading(lambda s: agents.list_page(s, page, wanted))
    return answer_json([show_agent(view) for view in found])


@api.get("/agents/count")
@describes(int, tags=TAGS)
async def count_agents() -> Response:
    """Count the agents."""
    from portico.server.db.queries import agents

    return answer_json(await reading(agents.count))


@api.get("/agents/<agent_id>")
@describes(AgentShown, tags=TAGS)
async def retrieve_agent(agent_id: str) -> Response:
    """Give an agent with all that belongs to it."""
    from portico.server.db.queries import agents
    from portico.server.db.tables import Agent

    found = await reading(lambda s: agents.view(s, s.find(Agent, agent_id)))
    return answer_json(show_agent(found))


@api.patch("/agents/<agent_id>")
@describes(AgentShown, body=AgentUpdate, tags=TAGS)
async def update_agent(agent_id: str) -> Response:
    """Change an agent; lists of what belongs to it replace those that it has."""
    from portico.server.db.queries import agents

    body = await read(AgentUpdate)
    values, relations = with_model(body.values()), relations_of(body)
    changed = await writing(lambda s: agents.change(s, agent_id, values, relations))
    return answer_json(show_agent(changed))


@api.delete("/agents/<agent_id>")
@describes(None, tags=TAGS)
async def delete_agent(agent_id: str) -> Response:
    """Delete an agent with its messages and runs; its blocks stay."""
    from portico.server.db.tables import Agent

    await writing(lambda s: s.session.delete(s.find(Agent, agent_id, lock=True)))
    return answer_json(None)


def relations_of(body: AgentUpdate, **others: Any) -> "Relations":
    """Read what is to belong to the agent."""
    from portico.server.db.queries.agents import Relations

    if body.secrets:
        raise RequestError(501, "Agents keep no secrets here: nothing runs tools that need them.")
    return Relations(
        block_ids=body.block_ids,
        tags=body.tags,
        tool_ids=body.tool_ids,
        **others,
    )


def with_model(values: dict[str, Any]) -> dict[str, Any]:
    """Check the model's handle, and let its window be the agent's where none is chosen."""
    if "model" not in values:
        return values
    try:
        model = current_state().models.find(values["model"])
    except UnknownModelError as error:
        raise RequestError(404, f"There is {error}.") from error
    return {"context_window": model.window, **values}
