"""Which models there are: asked for when somebody wants to know, never at start."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from time import monotonic
from typing import Final

import anyio
import structlog

from portico.core.settings.resources import ModelsSettings
from portico.core.settings.secret import Secret
from portico.core.settings.services import Service
from portico.server.models.offline import MODEL, Offline
from portico.server.models.provider import (
    ChatMessage,
    Model,
    ModelError,
    Provider,
    Reply,
    UnknownModelError,
)

log: Final[structlog.typing.FilteringBoundLogger] = structlog.get_logger()

OPENAI: Final = "openai"
OPENAI_URL: Final = "https://api.openai.com/v1"
FRESH_S: Final = 300.0
"""How long a list speaks for its service."""
PATIENCE_S: Final = 10.0
"""How long a service may take to list its models before the others' are given without."""


class ServiceKeyError(Exception):
    """The file of a service's key cannot be read."""


class Catalogue:
    """The models of all providers."""

    def __init__(self, settings: ModelsSettings, *, clock: Callable[[], float] = monotonic) -> None:
        """Prepare to list and to call.

        Args:
            settings: Which services there are.
            clock: Monotonic seconds.
        """
        self._settings = settings
        self._clock = clock
        self._providers: dict[str, Provider] = {Offline.name: Offline(settings.offline_pace)}
        self._services = services(settings)
        self._lists: dict[str, tuple[float, tuple[Model, ...]]] = {}

    builtin: Final = MODEL

    async def models(self) -> list[Model]:
        """List the models of every provider that answers; an older list stands in for a newer."""
        async with anyio.create_task_group() as tasks:
            for name in self._services:
                tasks.start_soon(self._refresh, name)
        return [MODEL, *(m for name in self._services for m in self._lists.get(name, (0.0, ()))[1])]

    def find(self, handle: str) -> Model:
        """Give the model of *handle*, whether or not its service has listed it yet.

        Raises:
            UnknownModelError: There is no such provider.
        """
        provider, _, name = handle.partition("/")
        if provider == MODEL.provider and name == MODEL.name:
            return MODEL
        if provider not in self._services or not name:
            known = ", ".join([MODEL.handle, *(f"{service}/..." for service in self._services)])
            raise UnknownModelError(f"no model {handle}: there are {known}")
        listed = self._lists.get(provider, (0.0, ()))[1]
        unlisted = Model(provider, name, self._services[provider].base_url)
        return next((model for model in listed if model.name == name), unlisted)

    def reply(
        self, model: Model, messages: tuple[ChatMessage, ...]
    ) -> AbstractAsyncContextManager[Reply]:
        """Begin a reply of *model*."""
        return self._provider(model.provider).reply(model.name, messages)

    async def aclose(self) -> None:
        """Close what the providers have open."""
        for provider in self._providers.values():
            await provider.aclose()

    async def _refresh(self, name: str) -> None:
        listed_at, _ = self._lists.get(name, (-FRESH_S, ()))
        if self._clock() < listed_at + FRESH_S:
            return
        try:
            with anyio.fail_after(PATIENCE_S):
                listed = await self._provider(name).models()
        except (ModelError, ServiceKeyError, TimeoutError) as error:
            log.warning("models cannot be listed", service=name, error=str(error) or "no answer")
            return
        self._lists[name] = (self._clock(), listed)

    def _provider(self, name: str) -> Provider:
        provider = self._providers.get(name)
        if provider is None:
            # httpx costs a start 60 ms that most of them need not spend.
            from portico.server.models.openai import OpenAIService

            service = self._services[name]
            provider = OpenAIService(name, service.base_url, key_of(service, self._settings))
            self._providers[name] = provider
        return provider


def services(settings: ModelsSettings) -> Mapping[str, Service]:
    """Name every service; OpenAI's own URL is meant where only its key is given."""
    named = {service.name: service for service in settings.services}
    if settings.openai_base_url is not None or settings.openai_api_key is not None:
        named[OPENAI] = Service(OPENAI, settings.openai_base_url or OPENAI_URL)
    return named


def key_of(service: Service, settings: ModelsSettings) -> Secret | None:
    """Find the key of *service*.

    Raises:
        ServiceKeyError: Its file cannot be read.
    """
    if service.api_key_file is None:
        return settings.openai_api_key if service.name == OPENAI else None
    try:
        return Secret(Path(service.api_key_file).expanduser().read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ServiceKeyError(
            f"models.services {service.name}: api_key_file {service.api_key_file}: {error}"
        ) from error
