"""The tables of turns: messages, runs with their lease and events, steps and their traces."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portico.server.db.base import Base, Dated, Document, Id, Owned, to, to_if_there
from portico.server.db.ids import now


class Message(Owned, Base):
    """A stored message; `position` orders the messages of an agent."""

    __tablename__ = "messages"
    __table_args__ = (UniqueConstraint("agent_id", "position"),)

    id: Mapped[Id]
    agent_id: Mapped[str] = to("agents")
    conversation_id: Mapped[str | None] = to("conversations")
    run_id: Mapped[str | None] = to_if_there("runs")
    step_id: Mapped[str | None] = to_if_there("steps")
    position: Mapped[int] = mapped_column(BigInteger)
    role: Mapped[str] = mapped_column(String(32))
    content: Mapped[list[Any]] = mapped_column(default=list)
    name: Mapped[str | None]
    otid: Mapped[str | None]
    sender_id: Mapped[str | None]
    model: Mapped[str | None]
    tool_calls: Mapped[list[Any] | None]
    tool_call_id: Mapped[str | None]
    tool_returns: Mapped[list[Any] | None]
    is_err: Mapped[bool] = mapped_column(default=False)


class Run(Owned, Base):
    """One turn, who carries it out (the lease), and what came of it.

    `fingerprint` tells a retry of the same request; `cancel_requested_at` reaches other workers.
    """

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_order", "organization_id", "created_at", "id"),
        Index("ix_runs_lease", "status", "lease_expires_at"),
    )

    id: Mapped[Id]
    agent_id: Mapped[str] = to("agents")
    conversation_id: Mapped[str | None] = to_if_there("conversations")
    status: Mapped[str] = mapped_column(String(32), default="created")
    stop_reason: Mapped[str | None] = mapped_column(String(64))
    background: Mapped[bool] = mapped_column(default=False)
    metadata_: Mapped[Document | None] = mapped_column("metadata")
    request_config: Mapped[Document | None]
    request_id: Mapped[str | None]
    fingerprint: Mapped[str | None] = mapped_column(String(128), index=True)
    owner: Mapped[str | None] = mapped_column(String(128))
    lease_expires_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    response: Mapped[Document | None]
    error: Mapped[Document | None]
    callback_url: Mapped[str | None]
    callback_sent_at: Mapped[datetime | None]
    callback_status_code: Mapped[int | None]
    callback_error: Mapped[str | None]
    ttft_ns: Mapped[int | None] = mapped_column(BigInteger)
    total_duration_ns: Mapped[int | None] = mapped_column(BigInteger)
    completed_at: Mapped[datetime | None]


class RunEvent(Base):
    """One event of a run's stream, in its order."""

    __tablename__ = "run_events"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    payload: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)


class IdempotencyKey(Base):
    """A key that a user chose for a request, and the run that it started."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(128))
    run_id: Mapped[str] = to("runs")
    created_at: Mapped[datetime] = mapped_column(default=now)


class Step(Owned, Base):
    """One call of a model within a run."""

    __tablename__ = "steps"
    __table_args__ = (Index("ix_steps_order", "organization_id", "created_at", "id"),)

    id: Mapped[Id]
    origin: Mapped[str | None]
    run_id: Mapped[str | None] = to_if_there("runs")
    agent_id: Mapped[str | None] = to("agents")
    provider_id: Mapped[str | None] = mapped_column(String(64))
    provider_name: Mapped[str | None]
    provider_category: Mapped[str | None]
    model: Mapped[str | None]
    model_handle: Mapped[str | None]
    model_endpoint: Mapped[str | None]
    context_window_limit: Mapped[int | None] = mapped_column(BigInteger)
    prompt_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    completion_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    total_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    cached_input_tokens: Mapped[int | None] = mapped_column(BigInteger)
    cache_write_tokens: Mapped[int | None] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int | None] = mapped_column(BigInteger)
    prompt_tokens_details: Mapped[Document | None]
    completion_tokens_details: Mapped[Document | None]
    stop_reason: Mapped[str | None] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(32), default="pending")
    tags: Mapped[list[str]] = mapped_column(default=list)
    tid: Mapped[str | None]
    trace_id: Mapped[str | None] = mapped_column(index=True)
    request_id: Mapped[str | None]
    feedback: Mapped[str | None] = mapped_column(String(32))
    project_id: Mapped[str | None]
    error_type: Mapped[str | None]
    error_data: Mapped[Document | None]


class StepMetrics(Dated, Base):
    """How long the parts of a step took."""

    __tablename__ = "step_metrics"

    id: Mapped[str] = mapped_column(ForeignKey("steps.id", ondelete="CASCADE"), primary_key=True)
    run_id: Mapped[str | None] = mapped_column(String(64))
    agent_id: Mapped[str | None] = mapped_column(String(64))
    provider_id: Mapped[str | None] = mapped_column(String(64))
    project_id: Mapped[str | None]
    step_start_ns: Mapped[int | None] = mapped_column(BigInteger)
    step_ns: Mapped[int | None] = mapped_column(BigInteger)
    llm_request_start_ns: Mapped[int | None] = mapped_column(BigInteger)
    llm_request_ns: Mapped[int | None] = mapped_column(BigInteger)
    tool_execution_ns: Mapped[int | None] = mapped_column(BigInteger)


class ProviderTrace(Owned, Base):
    """Request and response of one call of a model."""

    __tablename__ = "provider_traces"

    id: Mapped[Id]
    step_id: Mapped[str] = to("steps")
    run_id: Mapped[str | None] = mapped_column(String(64))
    agent_id: Mapped[str | None] = mapped_column(String(64))
    call_type: Mapped[str] = mapped_column(String(32), default="agent_step")
    request_json: Mapped[Document]
    response_json: Mapped[Document]
