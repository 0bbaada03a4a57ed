"""What every provider of models offers: a list, and replies that arrive piece by piece."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

DEFAULT_WINDOW: Final = 128_000
"""Tokens of context where a service does not say."""

Finish = Literal["end_turn", "max_tokens_exceeded"]
ErrorType = Literal[
    "llm_timeout",
    "llm_rate_limit",
    "llm_authentication",
    "llm_empty_response",
    "llm_error",
    "stream_incomplete",
]

STATUSES: Final[dict[ErrorType, int]] = {
    "llm_timeout": 504,
    "llm_rate_limit": 429,
    "llm_authentication": 502,
    "llm_empty_response": 502,
    "llm_error": 502,
    "stream_incomplete": 503,
}
"""What a client is answered: a key that a service refuses is the server's fault, not theirs."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model.

    Attributes:
        provider: The first part of its handle.
        name: The rest, as the service calls it.
        endpoint: The service's base URL, or None for the built-in one.
        window: Tokens of context.
    """

    provider: str
    name: str
    endpoint: str | None = None
    window: int = DEFAULT_WINDOW

    @property
    def handle(self) -> str:
        """Its name in the API."""
        return f"{self.provider}/{self.name}"


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a conversation, as models take it."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Both."""
        return self.prompt_tokens + self.completion_tokens


class ModelError(Exception):
    """A model gave no answer, or not all of it.

    Attributes:
        error_type: Why, in the API's words.
        message: What is wrong and where, for the one who must act; no secret.
        detail: What the service said, shortened.
    """

    def __init__(self, error_type: ErrorType, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.error_type: ErrorType = error_type
        self.message = message
        self.detail = detail

    @property
    def status(self) -> int:
        """The status of an answer that has not begun."""
        return STATUSES[self.error_type]


class UnknownModelError(Exception):
    """A handle names no provider that there is."""


class Reply(Protocol):
    """A reply as it arrives: iterate to the end, then ask for what it cost.

    Attributes:
        finish: Why it ended.
        usage: What it cost, as far as is known.
        request: What was sent, for the trace.
        response: What came back, for the trace.
    """

    finish: Finish
    usage: Usage
    request: dict[str, Any]

    @property
    def response(self) -> dict[str, Any]:
        """Give what came back so far."""
        ...

    def __aiter__(self) -> AsyncIterator[str]: ...


class Provider(Protocol):
    """A source of models.

    Attributes:
        name: The first part of its models' handles.
    """

    name: str

    async def models(self) -> tuple[Model, ...]:
        """List what it offers.

        Raises:
            ModelError: It cannot be asked.
        """
        ...

    def reply(
        self, model: str, messages: tuple[ChatMessage, ...]
    ) -> AbstractAsyncContextManager[Reply]:
        """Begin a reply; leaving the block ends it at once.

        Raises:
            ModelError: There is none, or it breaks off.
        """
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...
