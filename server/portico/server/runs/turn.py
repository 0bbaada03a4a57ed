"""What is told to the database of a turn: how it begins and how it ends."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from portico.server.models.provider import ChatMessage


@dataclass(frozen=True, slots=True)
class Opening:
    """A turn that is to begin."""

    organization_id: str
    user_id: str | None
    agent_id: str
    asked: Sequence[tuple[str, str]]
    owner: str
    background: bool
    run_type: str
    fingerprint: str
    request_id: str
    is_retry: bool = False
    has_key: bool = False
    tracked: bool = True


@dataclass(frozen=True, slots=True)
class Begun:
    """A turn that has begun; `joined` if it had before."""

    run_id: str | None
    step_id: str
    handle: str
    context: tuple[ChatMessage, ...]
    at: datetime
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """What was sent to a model in a step, and what came back."""

    step_id: str
    request: dict[str, Any]
    response: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a turn ended, and all that is stored of it."""

    status: str
    stop_reason: str
    text: str
    message_id: str
    otid: str
    usage: tuple[int, int]
    duration_ns: int
    ttft_ns: int | None
    response: dict[str, Any]
    error: dict[str, Any] | None = None
    events: Sequence[tuple[int, str]] = field(default=())
    keep_input: bool = True
    with_reason: bool = True
    with_last_run: bool = False
