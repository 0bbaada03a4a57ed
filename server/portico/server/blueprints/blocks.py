"""Blocks of memory, on their own and as agents have them."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint, Response, request

from portico.server.blueprints.agent_shapes import (
    AgentShown,
    BlockShown,
    show_agent,
    show_block,
)
from portico.server.blueprints.content import answer_json, asked_page, read, reading, writing
from portico.server.blueprints.operation import describes

if TYPE_CHECKING:
    from portico.server.db.queries.scope import Scope

api: Final = Blueprint("blocks", __name__)
TAGS: Final = ("blocks",)

FILTERS: Final = ("label", "project_id", "label_search", "value_search", "description_search")
COLUMNS: Final = ("label", "value", "limit", "description", "read_only", "is_template", "hidden")
REQUIRED: Final = frozenset({"value", "limit", "read_only", "is_template", "tags"})
"""Columns that have no null."""
OPTIONS: Final = (
    *("base_template_id", "deployment_id", "entity_id", "preserve_on_migration"),
    *("template_id", "template_name"),
)

Limit = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Label = Annotated[str, Meta(min_length=1, max_length=255)]


class BlockUpdate(msgspec.Struct):
    """What is changed in a block."""

    label: Label | None | UnsetType = UNSET
    value: str | None | UnsetType = UNSET
    limit: Limit | None | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    read_only: bool | None | UnsetType = UNSET
    is_template: bool | None | UnsetType = UNSET
    hidden: bool | None | UnsetType = UNSET
    project_id: str | None | UnsetType = UNSET
    metadata: dict[str, Any] | None | UnsetType = UNSET
    tags: list[str] | None | UnsetType = UNSET
    base_template_id: str | None | UnsetType = UNSET
    deployment_id: str | None | UnsetType = UNSET
    entity_id: str | None | UnsetType = UNSET
    preserve_on_migration: bool | None | UnsetType = UNSET
    template_id: str | None | UnsetType = UNSET
    template_name: str | None | UnsetType = UNSET

    def values(self) -> dict[str, Any]:
        """Give what is stored, by column."""
        given = {name: v for name, v in msgspec.structs.asdict(self).items() if v is not UNSET}
        columns = {
            "metadata_" if name == "metadata" else name: value
            for name, value in given.items()
            if name not in OPTIONS and not (value is None and name in REQUIRED)
        }
        options = {name: given[name] for name in OPTIONS if name in given}
        return columns | ({"options": options} if options else {})


class BlockCreate(BlockUpdate, kw_only=True):
    """A new block."""

    label: Label
    value: str


@api.post("/blocks/")
@describes(BlockShown, body=BlockCreate, tags=TAGS)
async def create_block() -> Response:
    """Make a block."""
    from portico.server.db.queries import blocks

    body = await read(BlockCreate)
    return answer_json(show_block(await writing(lambda s: blocks.create(s, body.values()))))


@api.get("/blocks/")
@describes(list[BlockShown], tags=TAGS)
async def list_blocks() -> Response:
    """List the blocks."""
    from portico.server.db.queries import blocks

    page = asked_page("asc")
    wanted = {name: request.args[name] for name in FILTERS if name in request.args}
    if "name" in request.args:
        wanted["label"] = request.args["name"]
    if request.args.get("templates_only") == "true":
        wanted["is_template"] = "true"
    found = await reading(lambda s: blocks.list_page(s, page, wanted))
    return answer_json([show_block(block) for block in found])


@api.get("/blocks/<block_id>")
@describes(BlockShown, tags=TAGS)
async def retrieve_block(block_id: str) -> Response:
    """Give a block."""
    from portico.server.db.tables import Block

    return answer_json(show_block(await reading(lambda s: s.find(Block, block_id))))


@api.patch("/blocks/<block_id>")
@describes(BlockShown, body=BlockUpdate, tags=TAGS)
async def update_block(block_id: str) -> Response:
    """Change a block."""
    from portico.server.db.queries import blocks
    from portico.server.db.tables import Block

    body = await read(BlockUpdate)

    def change(scope: "Scope") -> Block:
        return blocks.change(scope, scope.find(Block, block_id, lock=True), body.values())

    return answer_json(show_block(await writing(change)))


@api.delete("/blocks/<block_id>")
@describes(None, tags=TAGS)
async def delete_block(block_id: str) -> Response:
    """Delete a block, which the agents that have it lose."""
    from portico.server.db.tables import Block

    await writing(lambda s: s.session.delete(s.find(Block, block_id)))
    return answer_json(None)


@api.get("/blocks/<block_id>/agents")
@describes(list[AgentShown], tags=TAGS)
async def list_block_agents(block_id: str) -> Response:
    """List the agents that have a block."""
    from portico.server.db.queries import agents
    from portico.server.db.tables import Block

    page = asked_page()

    def find(scope: "Scope") -> list[agents.AgentView]:
        block = scope.find(Block, block_id)
        return agents.list_page(scope, page, agents.Wanted(block_id=block.id))

    return answer_json([show_agent(view) for view in await reading(find)])


BLOCKS: Final = "/agents/<agent_id>/core-memory/blocks"


@api.get(BLOCKS)
@describes(list[BlockShown], tags=TAGS)
async def list_agent_blocks(agent_id: str) -> Response:
    """List the blocks of an agent."""
    from portico.server.db.queries import blocks
    from portico.server.db.tables import Agent, Block

    page = asked_page()

    def find(scope: "Scope") -> list[Block]:
        agent = scope.find(Agent, agent_id)
        return scope.page(Block, blocks.of_agent(scope, agent.id), page)

    return answer_json([show_block(block) for block in await reading(find)])


@api.get(f"{BLOCKS}/<label>")
@describes(BlockShown, tags=TAGS)
async def retrieve_agent_block(agent_id: str, label: str) -> Response:
    """Give the block that an agent knows by its label."""
    from portico.server.db.queries import agents

    found = await reading(lambda s: agents.find_block(s, agent_id, label))
    return answer_json(show_block(found))


@api.patch(f"{BLOCKS}/<label>")
@describes(BlockShown, body=BlockUpdate, tags=TAGS)
async def update_agent_block(agent_id: str, label: str) -> Response:
    """Change the block that an agent knows by its label."""
    from portico.server.db.queries import agents, blocks

    body = await read(BlockUpdate)
    changed = await writing(
        lambda s: blocks.change(s, agents.find_block(s, agent_id, label), body.values())
    )
    return answer_json(show_block(changed))


@api.patch(f"{BLOCKS}/attach/<block_id>")
@describes(AgentShown, tags=TAGS)
async def attach_block(agent_id: str, block_id: str) -> Response:
    """Give an agent a block."""
    from portico.server.db.queries import agents

    return answer_json(show_agent(await writing(lambda s: agents.attach(s, agent_id, block_id))))


@api.patch(f"{BLOCKS}/detach/<block_id>")
@describes(AgentShown, tags=TAGS)
async def detach_block(agent_id: str, block_id: str) -> Response:
    """Take a block from an agent; the block itself stays."""
    from portico.server.db.queries import agents

    return answer_json(show_agent(await writing(lambda s: agents.detach(s, agent_id, block_id))))
