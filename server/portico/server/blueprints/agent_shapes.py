"""Agents, blocks and tools as the clients read them (reference-api.md, 1.1)."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

if TYPE_CHECKING:
    from portico.server.db.queries.agents import AgentView
    from portico.server.db.tables import Agent, Block, Tool

AgentType = Literal[
    "memgpt_agent",
    "memgpt_v2_agent",
    "letta_v1_agent",
    "react_agent",
    "workflow_agent",
    "split_thread_agent",
    "sleeptime_agent",
    "voice_convo_agent",
    "voice_sleeptime_agent",
]
BUILT_IN: Final = "letta"


class BlockShown(msgspec.Struct):
    """A block of memory."""

    id: str
    value: str
    label: str | None
    limit: int
    description: str | None
    read_only: bool
    is_template: bool
    hidden: bool | None
    project_id: str | None
    tags: list[str]
    metadata: dict[str, Any]
    created_by_id: str | None
    last_updated_by_id: str | None
    base_template_id: str | None = None
    deployment_id: str | None = None
    entity_id: str | None = None
    preserve_on_migration: bool | None = None
    template_id: str | None = None
    template_name: str | None = None


class ToolShown(msgspec.Struct):
    """A tool."""

    id: str
    name: str
    description: str | None
    tool_type: str
    source_type: str | None
    source_code: str | None
    json_schema: dict[str, Any] | None
    tags: list[str]
    return_char_limit: int
    metadata_: dict[str, Any]
    created_by_id: str | None
    last_updated_by_id: str | None


class ModelConfiguration(msgspec.Struct):
    """How an agent's model is called."""

    model: str
    context_window: int
    handle: str
    provider_name: str
    model_endpoint: str | None = None
    # Closed in the clients: the word for any OpenAI-compatible or built-in model.
    model_endpoint_type: Literal["openai"] = "openai"
    provider_category: Literal["base"] = "base"


class Memory(msgspec.Struct):
    """The memory of an agent."""

    blocks: list[BlockShown]
    agent_type: AgentType
    file_blocks: list[Any]


class AgentShown(msgspec.Struct):
    """An agent."""

    id: str
    name: str
    agent_type: AgentType
    system: str
    description: str | None
    model: str
    llm_config: ModelConfiguration
    embedding: str | None
    memory: Memory
    blocks: list[BlockShown]
    tags: list[str]
    tools: list[ToolShown]
    message_ids: list[str]
    metadata: dict[str, Any]
    timezone: str | None
    hidden: bool | None
    project_id: str | None
    last_stop_reason: str | None
    last_run_completion: datetime | None
    last_run_duration_ms: int | None
    created_at: datetime
    updated_at: datetime
    created_by_id: str | None
    last_updated_by_id: str | None
    sources: list[Any]
    identities: list[Any]
    secrets: list[Any]
    model_settings: dict[str, Any] | None = None
    compaction_settings: dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    tool_rules: list[dict[str, Any]] | None = None
    message_buffer_autoclear: bool | None = None
    enable_sleeptime: bool | None = None
    max_files_open: int | None = None
    per_file_view_window_char_limit: int | None = None


def show_block(block: "Block") -> BlockShown:
    """Give *block* as the clients read it."""
    return BlockShown(
        id=block.id,
        value=block.value,
        label=block.label,
        limit=block.limit,
        description=block.description,
        read_only=block.read_only,
        is_template=block.is_template,
        hidden=block.hidden,
        project_id=block.project_id,
        tags=block.tags,
        metadata=block.metadata_ or {},
        created_by_id=block.created_by_id,
        last_updated_by_id=block.last_updated_by_id,
        **block.options,
    )


def show_tool(tool: "Tool") -> ToolShown:
    """Give *tool* as the clients read it."""
    return ToolShown(
        id=tool.id,
        name=tool.name,
        description=tool.description,
        tool_type=tool.tool_type,
        source_type=tool.source_type,
        source_code=tool.source_code,
        json_schema=tool.json_schema,
        tags=tool.tags,
        return_char_limit=tool.return_char_limit,
        metadata_=tool.metadata_ or {},
        created_by_id=tool.created_by_id,
        last_updated_by_id=tool.last_updated_by_id,
    )


def show_model(agent: "Agent") -> ModelConfiguration:
    """Give the model of *agent* as the clients read it."""
    provider, _, name = agent.model.partition("/")
    return ModelConfiguration(
        model=name,
        context_window=agent.context_window,
        handle=agent.model,
        provider_name=provider,
    )


def show_agent(view: "AgentView") -> AgentShown:
    """Give an agent as the clients read it, with all that belongs to it."""
    agent: Any = view.agent
    blocks = [show_block(block) for block in view.blocks]
    return AgentShown(
        id=agent.id,
        name=agent.name,
        agent_type=agent.agent_type,
        system=agent.system,
        description=agent.description,
        model=agent.model,
        llm_config=show_model(agent),
        embedding=agent.embedding,
        memory=Memory(blocks, agent.agent_type, []),
        blocks=blocks,
        tags=view.tags,
        tools=[show_tool(tool) for tool in view.tools],
        message_ids=agent.message_ids,
        metadata=agent.metadata_ or {},
        timezone=agent.timezone,
        hidden=agent.hidden,
        project_id=agent.project_id,
        last_stop_reason=agent.last_stop_reason,
        last_run_completion=agent.last_run_completion,
        last_run_duration_ms=agent.last_run_duration_ms,
        created_at=agent.created_at,
        updated_at=agent.updated_at,
        created_by_id=agent.created_by_id,
        last_updated_by_id=agent.last_updated_by_id,
        sources=[],
        identities=[],
        secrets=[],
        **agent.options,
    )
