"""Models: what is asked of them, what comes back, and what is told when it does not."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from socket import create_server

import anyio
import pytest

from portico.core.settings.resources import ModelsSettings
from portico.core.settings.secret import Secret
from portico.core.settings.services import Service as ServiceSetting
from portico.server.models.catalogue import FRESH_S, Catalogue
from portico.server.models.offline import LONGEST_COUNT, Offline, pieces
from portico.server.models.openai import OpenAIService
from portico.server.models.provider import (
    ChatMessage,
    ModelError,
    Provider,
    Reply,
    UnknownModelError,
    Usage,
)
from tests.fakes.openai import KEY, WORDS, Service, openai_service

pytestmark = pytest.mark.anyio
ASKED = (ChatMessage("system", "Be kind."), ChatMessage("user", "Say three words."))


@pytest.fixture
def service() -> Iterator[Service]:
    with openai_service() as started:
        yield started


@asynccontextmanager
async def closing(provider: Provider | Catalogue) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await provider.aclose()


async def collect(provider: Provider, model: str) -> tuple[list[str], Reply]:
    async with closing(provider), provider.reply(model, ASKED) as reply:
        return [piece async for piece in reply], reply


async def failure(provider: Provider, model: str) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await collect(provider, model)
    return caught.value


async def test_a_reply_arrives_piece_by_piece(service: Service) -> None:
    said, reply = await collect(OpenAIService("fake", service.url, Secret(KEY)), "talking")
    assert said == list(WORDS)
    assert (reply.finish, reply.usage) == ("end_turn", Usage(5, 3))
    assert reply.usage.total_tokens == 8
    assert service.requests == [reply.request]
    assert reply.request["messages"][1] == {"role": "user", "content": "Say three words."}
    assert reply.response["content"] == "".join(WORDS)


async def test_a_reply_cut_by_its_length_says_so(service: Service) -> None:
    _, reply = await collect(OpenAIService("fake", service.url), "short")
    assert reply.finish == "max_tokens_exceeded"


@pytest.mark.parametrize(
    ("model", "error_type", "status"),
    [
        ("unauthorized", "llm_authentication", 502),
        ("limited", "llm_rate_limit", 429),
        ("failing", "llm_error", 502),
        ("failing-later", "llm_error", 502),
        ("cutting", "llm_error", 502),
        ("malformed", "llm_error", 502),
        ("empty", "llm_empty_response", 502),
    ],
)
async def test_what_goes_wrong_has_a_type(
    service: Service, model: str, error_type: str, status: int
) -> None:
    error = await failure(OpenAIService("fake", service.url, Secret(KEY)), model)
    assert (error.error_type, error.status) == (error_type, status)
    assert service.url in error.message
    assert KEY not in error.message + error.detail
    assert len(service.requests) == 1


@pytest.mark.parametrize("model", ["silent", "hanging"])
@pytest.mark.parametrize(("read_s", "total_s"), [(0.2, 60.0), (60.0, 0.2)])
async def test_silence_has_an_end(
    service: Service, model: str, read_s: float, total_s: float
) -> None:
    provider = OpenAIService("fake", service.url, read_s=read_s, total_s=total_s)
    error = await failure(provider, model)
    assert error.error_type == "llm_timeout"
    assert service.left.wait(5)


@pytest.mark.parametrize("model", ["silent", "hanging"])
async def test_a_cancelled_reply_closes_the_connection_at_once(
    service: Service, model: str
) -> None:
    provider = OpenAIService("fake", service.url)

    async def read() -> None:
        async with provider.reply(model, ASKED) as reply:
            async for _ in reply:
                pass

    async with closing(provider), anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        with anyio.fail_after(5):
            while not service.requests:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert service.left.wait(1)


async def test_leaving_in_the_middle_closes_the_connection(service: Service) -> None:
    provider = OpenAIService("fake", service.url)
    async with closing(provider):
        async with provider.reply("hanging", ASKED) as reply:
            assert await anext(aiter(reply)) == WORDS[0]
        assert await anyio.to_thread.run_sync(service.left.wait, 5)


async def test_nobody_there_is_tried_again_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portico.server.models.openai.BACKOFF_S", 0.001)
    with create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    error = await failure(OpenAIService("fake", url), "talking")
    assert error.error_type == "llm_error"
    assert "cannot be reached" in error.message


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("count from 1 to 4", "1 2 3 4"),
        ("Please Count from 2 to -1.", "2 1 0 -1"),
        ("hello  there\nyou ", "hello  there\nyou "),
        ("", ""),
    ],
)
async def test_offline_echoes_and_counts(text: str, answer: str) -> None:
    assert "".join(pieces(text)) == answer


async def test_offline_does_not_count_for_ever() -> None:
    assert sum(1 for _ in pieces("count from 1 to 999999999")) == LONGEST_COUNT


async def test_offline_counts_words() -> None:
    said, reply = await collect(Offline(0.0), "offline")
    assert said == ["Say", " three", " words."]
    assert reply.usage == Usage(5, 3)
    assert reply.request["messages"][0] == {"role": "system", "content": "Be kind."}
    assert reply.response["content"] == "Say three words."


async def test_offline_keeps_its_pace() -> None:
    began = anyio.current_time()
    await collect(Offline(0.02), "offline")
    assert anyio.current_time() - began >= 0.06


async def test_the_built_in_model_needs_nothing() -> None:
    catalogue = Catalogue(ModelsSettings())
    assert [model.handle for model in await catalogue.models()] == ["letta/offline"]
    with pytest.raises(UnknownModelError, match="letta/offline"):
        catalogue.find("openai/gpt-4")


async def test_lists_are_asked_for_once_and_again_when_they_are_old(
    service: Service, tmp_path: Path
) -> None:
    now = [0.0]
    key = tmp_path / "key"
    key.write_text(f"{KEY}\n")
    settings = ModelsSettings(
        services=(ServiceSetting("more", service.url, str(key)),), openai_base_url=service.url
    )
    catalogue = Catalogue(settings, clock=lambda: now[0])
    async with closing(catalogue):
        assert catalogue.find("more/talking").name == "talking"
        assert service.listings == 0
        handles = {model.handle for model in await catalogue.models()}
        assert {"letta/offline", "more/talking", "openai/talking"} <= handles
        await catalogue.models()
        assert service.listings == 2
        now[0] = FRESH_S
        await catalogue.models()
        assert service.listings == 4
        async with catalogue.reply(catalogue.find("more/talking"), ASKED) as reply:
            assert [piece async for piece in reply] == list(WORDS)


async def test_a_service_that_cannot_be_asked_hides_no_other(tmp_path: Path) -> None:
    gone = ServiceSetting("gone", "http://127.0.0.1:9/v1", str(tmp_path / "no-key"))
    catalogue = Catalogue(ModelsSettings(services=(gone,)))
    async with closing(catalogue):
        assert [model.handle for model in await catalogue.models()] == ["letta/offline"]
