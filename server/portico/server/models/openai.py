"""Any OpenAI-compatible service, over httpx: the same on Trio and on asyncio.

Source: https://platform.openai.com/docs/api-reference/chat (streaming).
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import uniform
from typing import Any, Final

import anyio
import httpx
import msgspec

from portico.core.settings.secret import Secret
from portico.server.models.provider import (
    DEFAULT_WINDOW,
    ChatMessage,
    ErrorType,
    Finish,
    Model,
    ModelError,
    Usage,
)

CONNECT_S: Final = 5.0
READ_S: Final = 60.0
"""Silence after which a service is given up."""
TOTAL_S: Final = 600.0
ATTEMPTS: Final = 3
"""Connections that are tried; what was sent once is never sent again."""
BACKOFF_S: Final = 0.25
SHOWN: Final = 300
"""Characters of a service's own words that are shown."""
END: Final = "[DONE]"

FINISHES: Final[Mapping[str | None, Finish]] = {"length": "max_tokens_exceeded"}
ERROR_TYPES: Final[Mapping[int, ErrorType]] = {
    401: "llm_authentication",
    403: "llm_authentication",
    408: "llm_timeout",
    429: "llm_rate_limit",
    504: "llm_timeout",
}


class Chunk(msgspec.Struct):
    """One event of a streamed completion, as far as it is used."""

    class Choice(msgspec.Struct):
        """One alternative."""

        class Delta(msgspec.Struct):
            """What is new."""

            content: str | None = None

        delta: Delta = msgspec.field(default_factory=Delta)
        finish_reason: str | None = None

    class Tokens(msgspec.Struct):
        """What it cost."""

        prompt_tokens: int = 0
        completion_tokens: int = 0

    choices: list[Choice] = []
    usage: Tokens | None = None
    error: Any = None


class Listing(msgspec.Struct):
    """The list of models."""

    class Entry(msgspec.Struct):
        """One of them; some services tell the window."""

        id: str
        max_model_len: int | None = None

    data: list[Entry]


class OpenAIReply:
    """A reply of a service, as it arrives."""

    __slots__ = ("_lines", "_pieces", "_where", "complete", "finish", "request", "usage")

    def __init__(self, where: str, request: dict[str, Any], lines: AsyncIterator[str]) -> None:
        self._where = where
        self._lines = lines
        self._pieces: list[str] = []
        self.complete = False
        self.request = request
        self.usage = Usage()
        self.finish: Finish = "end_turn"

    @property
    def response(self) -> dict[str, Any]:
        """What was said so far."""
        return {
            "model": self.request["model"],
            "content": "".join(self._pieces),
            "finish_reason": self.finish if self.complete else None,
        }

    def __aiter__(self) -> "OpenAIReply":
        return self

    async def __anext__(self) -> str:
        # No generator: Trio objects to one that its reader leaves in the middle.
        async for line in self._lines:
            data = line[5:].strip() if line.startswith("data:") else ""
            if data == END:
                self.complete = True
                break
            if data and (piece := self._read(data)):
                self._pieces.append(piece)
                return piece
        self._check()
        raise StopAsyncIteration

    def _read(self, data: str) -> str:
        try:
            chunk = msgspec.json.decode(data, type=Chunk)
        except msgspec.MsgspecError as error:
            raise broken(self._where, f"sent what is no chunk of a completion: {error}") from error
        if chunk.error is not None:
            raise ModelError("llm_error", f"{self._where} broke off", str(chunk.error)[:SHOWN])
        if chunk.usage is not None:
            self.usage = Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        if choice.finish_reason is not None:
            self.complete = True
            self.finish = FINISHES.get(choice.finish_reason, "end_turn")
        return choice.delta.content or ""

    def _check(self) -> None:
        if not self.complete:
            raise broken(self._where, "ended the answer in the middle")
        if not self._pieces:
            raise ModelError("llm_empty_response", f"{self._where} gave an empty answer")


def broken(where: str, what: str) -> ModelError:
    """Make the error of a service that does not keep to the protocol."""
    return ModelError("llm_error", f"{where} {what}")


class OpenAIService:
    """One service."""

    def __init__(
        self,
        name: str,
        base_url: str,
        key: Secret | None = None,
        *,
        connect_s: float = CONNECT_S,
        read_s: float = READ_S,
        total_s: float = TOTAL_S,
    ) -> None:
        """Prepare to speak to it; nothing is sent before it is needed."""
        self.name = name
        self._base_url = base_url.rstrip("/")
        self._where = f"the model service {name} at {self._base_url}"
        self._total_s = total_s
        headers = {} if key is None else {"authorization": f"Bearer {key.reveal()}"}
        timeout = httpx.Timeout(read_s, connect=connect_s)
        # The proxies of this process's environment are not the settings' business.
        self._client = httpx.AsyncClient(headers=headers, timeout=timeout, trust_env=False)

    async def models(self) -> tuple[Model, ...]:
        """List what it offers."""
        with self._typed_errors():
            with anyio.fail_after(CONNECT_S + READ_S):
                answer = await self._send(self._client.build_request("GET", self._url("models")))
                try:
                    await self._check(answer)
                    listing = msgspec.json.decode(await answer.aread(), type=Listing)
                finally:
                    await close(answer)
        return tuple(self._model(entry) for entry in listing.data)

    @asynccontextmanager
    async def reply(
        self, model: str, messages: tuple[ChatMessage, ...]
    ) -> AsyncIterator[OpenAIReply]:
        """Begin a reply."""
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        request = self._client.build_request("POST", self._url("chat/completions"), json=body)
        with self._typed_errors(), anyio.fail_after(self._total_s):
            answer = await self._send(request)
            lines = answer.aiter_lines()
            try:
                await self._check(answer)
                yield OpenAIReply(self._where, body, lines)
            finally:
                await end(lines)
                await close(answer)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _url(self, path: str) -> str:
        return f"{self._base_url}/{path}"

    def _model(self, entry: Listing.Entry) -> Model:
        return Model(self.name, entry.id, self._base_url, entry.max_model_len or DEFAULT_WINDOW)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        """Send *request*, and again only if no connection was made."""
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                await anyio.sleep(uniform(0.5, 1.0) * BACKOFF_S * 2**attempt)  # noqa: S311
        return await self._client.send(request, stream=True)

    async def _check(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        kind = ERROR_TYPES.get(answer.status_code, "llm_error")
        said = (await answer.aread())[: 4 * SHOWN].decode("utf-8", "replace")[:SHOWN]
        key = answer.request.headers.get("authorization", "").removeprefix("Bearer ")
        shown = said.replace(key, "********") if key else said
        raise ModelError(kind, f"{self._where} answered {answer.status_code}", shown)

    def _typed_errors(self) -> "TypedErrors":
        return TypedErrors(self._where)


class TypedErrors:
    """Makes what goes wrong between here and a service a `ModelError`."""

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        """Begin to watch."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Translate *error*."""
        match error:
            case TimeoutError() | httpx.TimeoutException():
                raise ModelError("llm_timeout", f"{self._where} did not answer in time") from error
            case httpx.HTTPError() | httpx.InvalidURL():
                raise broken(self._where, f"cannot be reached: {error}") from error
            case msgspec.MsgspecError():
                raise broken(self._where, f"sent what cannot be read: {error}") from error
            case _:
                return


async def end(lines: AsyncIterator[str]) -> None:
    """End the generators behind *lines* where they wait: Trio objects to those left suspended."""
    with anyio.CancelScope(shield=True) as scope:
        scope.cancel()
        try:
            async for _ in lines:
                pass
        except (httpx.HTTPError, httpx.StreamError):
            return  # how a reply ended was told to its reader


async def close(answer: httpx.Response) -> None:
    """Close the connection of *answer*, whoever cancels this task."""
    with anyio.CancelScope(shield=True):
        await answer.aclose()
