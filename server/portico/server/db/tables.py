"""The tables of what users make: organisations, users, agents, blocks, tools, conversations.

Those of turns (messages, runs, steps) stand in `turns`, and are named here too.
"""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portico.server.db.base import Base, Dated, Document, Id, Owned, to
from portico.server.db.turns import (
    IdempotencyKey,
    Message,
    ProviderTrace,
    Run,
    RunEvent,
    Step,
    StepMetrics,
)

__all__ = [
    "Agent",
    "AgentBlock",
    "AgentTag",
    "AgentTool",
    "Base",
    "Block",
    "Conversation",
    "IdempotencyKey",
    "Message",
    "Organization",
    "ProviderTrace",
    "Run",
    "RunEvent",
    "Step",
    "StepMetrics",
    "Tool",
    "User",
]


class Organization(Dated, Base):
    """Whose data it is."""

    __tablename__ = "organizations"

    id: Mapped[Id]
    name: Mapped[str]
    privileged_tools: Mapped[bool] = mapped_column(default=False)


class User(Dated, Base):
    """Who acts, for one organisation."""

    __tablename__ = "users"

    id: Mapped[Id]
    organization_id: Mapped[str] = to("organizations")
    name: Mapped[str]


class Agent(Owned, Base):
    """An agent; `options` holds what is given back as it was given."""

    __tablename__ = "agents"
    __table_args__ = (Index("ix_agents_order", "organization_id", "created_at", "id"),)

    id: Mapped[Id]
    name: Mapped[str]
    agent_type: Mapped[str] = mapped_column(String(64))
    system: Mapped[str] = mapped_column(default="")
    description: Mapped[str | None]
    model: Mapped[str]
    embedding: Mapped[str | None]
    context_window: Mapped[int] = mapped_column(BigInteger)
    timezone: Mapped[str | None]
    hidden: Mapped[bool | None]
    project_id: Mapped[str | None]
    message_ids: Mapped[list[str]] = mapped_column(default=list)
    metadata_: Mapped[Document | None] = mapped_column("metadata")
    options: Mapped[Document] = mapped_column(default=dict)
    last_stop_reason: Mapped[str | None] = mapped_column(String(64))
    last_run_completion: Mapped[datetime | None]
    last_run_duration_ms: Mapped[int | None] = mapped_column(BigInteger)


class Block(Owned, Base):
    """A block of memory; `options` holds what is given back as it was given."""

    __tablename__ = "blocks"
    __table_args__ = (Index("ix_blocks_order", "organization_id", "created_at", "id"),)

    id: Mapped[Id]
    label: Mapped[str | None]
    value: Mapped[str]
    limit: Mapped[int] = mapped_column(BigInteger, default=100_000)
    description: Mapped[str | None]
    read_only: Mapped[bool] = mapped_column(default=False)
    is_template: Mapped[bool] = mapped_column(default=False)
    hidden: Mapped[bool | None]
    project_id: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(default=list)
    metadata_: Mapped[Document | None] = mapped_column("metadata")
    options: Mapped[Document] = mapped_column(default=dict)


class AgentBlock(Base):
    """A block that an agent has; one block may serve many agents, each label once in an agent."""

    __tablename__ = "agents_blocks"
    __table_args__ = (UniqueConstraint("agent_id", "label"),)

    agent_id: Mapped[str] = mapped_column(
        ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True
    )
    block_id: Mapped[str] = mapped_column(
        ForeignKey("blocks.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    label: Mapped[str]


class AgentTag(Base):
    """A tag of an agent."""

    __tablename__ = "agents_tags"

    agent_id: Mapped[str] = mapped_column(
        ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True
    )
    tag: Mapped[str] = mapped_column(primary_key=True, index=True)


class Tool(Owned, Base):
    """A tool, as it is listed; nothing runs it here."""

    __tablename__ = "tools"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    id: Mapped[Id]
    name: Mapped[str]
    description: Mapped[str | None]
    tool_type: Mapped[str] = mapped_column(String(64), default="custom")
    source_type: Mapped[str | None] = mapped_column(String(64))
    source_code: Mapped[str | None]
    json_schema: Mapped[Document | None]
    tags: Mapped[list[str]] = mapped_column(default=list)
    return_char_limit: Mapped[int] = mapped_column(default=50_000)
    metadata_: Mapped[Document | None] = mapped_column("metadata")


class AgentTool(Base):
    """A tool that an agent has."""

    __tablename__ = "agents_tools"

    agent_id: Mapped[str] = mapped_column(
        ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True
    )
    tool_id: Mapped[str] = mapped_column(
        ForeignKey("tools.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class Conversation(Owned, Base):
    """A thread of messages of its own with an agent."""

    __tablename__ = "conversations"
    __table_args__ = (Index("ix_conversations_order", "organization_id", "created_at", "id"),)

    id: Mapped[Id]
    agent_id: Mapped[str] = to("agents")
    summary: Mapped[str | None]
    description: Mapped[str | None]
    model: Mapped[str | None]
    model_settings: Mapped[Document | None]
    context_window_limit: Mapped[int | None] = mapped_column(BigInteger)
    in_context_message_ids: Mapped[list[str]] = mapped_column(default=list)
    hidden: Mapped[bool] = mapped_column(default=False)
    archived: Mapped[bool] = mapped_column(default=False)
    archived_at: Mapped[datetime | None]
    last_message_at: Mapped[datetime | None]
    last_run_completion: Mapped[datetime | None]
