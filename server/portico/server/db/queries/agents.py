"""Agents with what belongs to them: blocks, tags and tools."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, delete, func, select
from werkzeug.exceptions import NotFound, UnprocessableEntity

from portico.server.db.database import ConflictError
from portico.server.db.ids import new_id
from portico.server.db.paging import Page
from portico.server.db.queries import blocks
from portico.server.db.queries.scope import Scope
from portico.server.db.tables import Agent, AgentBlock, AgentTag, AgentTool, Block, Tool


@dataclass(frozen=True, slots=True)
class Relations:
    """What is to belong to an agent; None leaves it as it is.

    Attributes:
        block_ids: Blocks that are there.
        new_blocks: Blocks to be made.
        tags: Tags.
        tool_ids: Tools.
        tool_names: Tools by their names, added to those.
    """

    block_ids: Sequence[str] | None = None
    new_blocks: Sequence[Mapping[str, Any]] = ()
    tags: Sequence[str] | None = None
    tool_ids: Sequence[str] | None = None
    tool_names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which agents are listed: those that pass every filter."""

    name: str | None = None
    query_text: str | None = None
    project_id: str | None = None
    last_stop_reason: str | None = None
    tags: Sequence[str] = ()
    match_all_tags: bool = False
    block_id: str | None = None


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent and what belongs to it."""

    agent: Agent
    blocks: list[Block] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)


def create(scope: Scope, values: Mapping[str, Any], relations: Relations) -> AgentView:
    """Store a new agent."""
    agent = scope.add(Agent(id=new_id("agent"), **values))
    relate(scope, agent, relations)
    return view(scope, agent)


def change(
    scope: Scope, agent_id: str, values: Mapping[str, Any], relations: Relations
) -> AgentView:
    """Change an agent; its options are changed one by one."""
    agent = scope.find(Agent, agent_id, lock=True)
    options = {**agent.options, **values.get("options", {})}
    for name, value in {**values, "options": options}.items():
        setattr(agent, name, value)
    relate(scope, agent, relations)
    scope.touch(agent)
    return view(scope, agent)


def relate(scope: Scope, agent: Agent, relations: Relations) -> None:
    """Give the agent its blocks, tags and tools."""
    if relations.block_ids is not None:
        wanted = scope.find_all(Block, relations.block_ids)
        forget(scope, AgentBlock, agent)
        for block in wanted:
            link(scope, agent, block)
    for values in relations.new_blocks:
        link(scope, agent, blocks.create(scope, values))
    if relations.tags is not None:
        forget(scope, AgentTag, agent)
        tags = dict.fromkeys(relations.tags)
        scope.session.add_all(AgentTag(agent_id=agent.id, tag=tag) for tag in tags)
    relate_tools(scope, agent, relations)
    scope.session.flush()


def relate_tools(scope: Scope, agent: Agent, relations: Relations) -> None:
    """Give the agent its tools, named by id or by name."""
    named = [find_tool(scope, name).id for name in relations.tool_names]
    if relations.tool_ids is None and not named:
        return
    wanted = scope.find_all(Tool, [*(relations.tool_ids or ()), *named])
    forget(scope, AgentTool, agent)
    scope.session.add_all(AgentTool(agent_id=agent.id, tool_id=tool.id) for tool in wanted)


def find_tool(scope: Scope, name: str) -> Tool:
    """Give the tool of that name.

    Raises:
        NotFound: There is none.
    """
    tool = scope.session.scalar(scope.select(Tool).where(Tool.name == name))
    if tool is None:
        raise NotFound(f"There is no tool named {name!r}.")
    return tool


def forget(scope: Scope, kind: type[Any], agent: Agent) -> None:
    """Take from the agent all that *kind* links it to."""
    scope.session.execute(delete(kind).where(kind.agent_id == agent.id))


def link(scope: Scope, agent: Agent, block: Block) -> None:
    """Give the agent a block.

    Raises:
        UnprocessableEntity: The block has no label.
        ConflictError: The agent has another block with that label.
    """
    if not block.label:
        raise UnprocessableEntity(f"Block {block.id} has no label, by which an agent knows it.")
    same = select(AgentBlock.block_id).where(
        AgentBlock.agent_id == agent.id, AgentBlock.label == block.label
    )
    present = scope.session.scalar(same)
    if present == block.id:
        return
    if present is not None:
        raise ConflictError(f"The agent has a block labelled {block.label!r} already: {present}.")
    scope.session.add(AgentBlock(agent_id=agent.id, block_id=block.id, label=block.label))
    scope.session.flush()


def attach(scope: Scope, agent_id: str, block_id: str) -> AgentView:
    """Give an agent a block that is there."""
    agent = scope.find(Agent, agent_id, lock=True)
    link(scope, agent, scope.find(Block, block_id))
    return view(scope, agent)


def detach(scope: Scope, agent_id: str, block_id: str) -> AgentView:
    """Take a block from an agent; the block itself stays."""
    agent, block = scope.find(Agent, agent_id, lock=True), scope.find(Block, block_id)
    scope.session.execute(
        delete(AgentBlock).where(AgentBlock.agent_id == agent.id, AgentBlock.block_id == block.id)
    )
    return view(scope, agent)


def find_block(scope: Scope, agent_id: str, label: str) -> Block:
    """Give the block that an agent knows by *label*.

    Raises:
        NotFound: It has none.
    """
    agent = scope.find(Agent, agent_id)
    found = scope.session.scalar(blocks.of_agent(scope, agent.id).where(Block.label == label))
    if found is None:
        raise NotFound(f"Agent {agent_id} has no block labelled {label!r}.")
    return found


def list_page(scope: Scope, page: Page, wanted: Wanted) -> list[AgentView]:
    """List agents."""
    return views(scope, scope.page(Agent, select_wanted(scope, wanted), page))


def count(scope: Scope) -> int:
    """Count the agents."""
    counted = select(func.count()).select_from(scope.select(Agent).subquery())
    return scope.session.scalar(counted) or 0


def select_wanted(scope: Scope, wanted: Wanted) -> Select[Agent]:
    """Select the agents that pass every filter."""
    query = scope.select(Agent)
    for name in ("name", "project_id", "last_stop_reason"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(getattr(Agent, name) == value)
    if wanted.query_text:
        query = query.where(Agent.name.icontains(wanted.query_text, autoescape=True))
    if wanted.block_id is not None:
        linked = select(AgentBlock.agent_id).where(AgentBlock.block_id == wanted.block_id)
        query = query.where(Agent.id.in_(linked))
    for group in groups(wanted):
        tagged = select(AgentTag.agent_id).where(AgentTag.tag.in_(group))
        query = query.where(Agent.id.in_(tagged))
    return query


def groups(wanted: Wanted) -> list[Sequence[str]]:
    """Give the tags in groups, of each of which an agent must have one."""
    if wanted.match_all_tags:
        return [[tag] for tag in wanted.tags]
    return [wanted.tags] if wanted.tags else []


def view(scope: Scope, agent: Agent) -> AgentView:
    """Give an agent with what belongs to it."""
    return views(scope, [agent])[0]


def views(scope: Scope, agents: Sequence[Agent]) -> list[AgentView]:
    """Give agents with what belongs to them, by one query for each kind."""
    ids = [agent.id for agent in agents]
    session = scope.session
    found_blocks = gather(
        session.execute(
            select(AgentBlock.agent_id, Block)
            .join(Block, Block.id == AgentBlock.block_id)
            .where(AgentBlock.agent_id.in_(ids))
            .order_by(Block.created_at, Block.id)
        ).tuples()
    )
    found_tags = gather(
        session.execute(
            select(AgentTag.agent_id, AgentTag.tag)
            .where(AgentTag.agent_id.in_(ids))
            .order_by(AgentTag.tag)
        ).tuples()
    )
    found_tools = gather(
        session.execute(
            select(AgentTool.agent_id, Tool)
            .join(Tool, Tool.id == AgentTool.tool_id)
            .where(AgentTool.agent_id.in_(ids))
            .order_by(Tool.name)
        ).tuples()
    )
    return [AgentView(a, found_blocks[a.id], found_tags[a.id], found_tools[a.id]) for a in agents]


def gather(rows: Iterable[tuple[str, Any]]) -> defaultdict[str, list[Any]]:
    """Put second columns together by their first."""
    gathered: defaultdict[str, list[Any]] = defaultdict(list)
    for first, second in rows:
        gathered[first].append(second)
    return gathered
