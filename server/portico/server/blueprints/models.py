"""The models that agents can have."""

from typing import Final, Literal

import msgspec
from quart import Blueprint, Response, request

from portico.server.blueprints.operation import describes
from portico.server.models.provider import Model
from portico.server.state import current_state

api: Final = Blueprint("models", __name__)
TAGS: Final = ("models",)


class ModelShown(msgspec.Struct):
    """A language model."""

    handle: str
    name: str
    display_name: str
    model: str
    provider_name: str
    provider_type: Literal["letta", "openai"]
    provider_category: Literal["base"]
    model_endpoint: str | None
    context_window: int
    max_context_window: int
    # Closed in the clients: the word for any OpenAI-compatible or built-in model.
    model_endpoint_type: Literal["openai"] = "openai"
    model_type: Literal["llm"] = "llm"


class EmbeddingModelShown(msgspec.Struct):
    """An embedding model."""

    handle: str
    name: str


def show(model: Model) -> ModelShown:
    """Give *model* as the clients read it."""
    return ModelShown(
        handle=model.handle,
        name=model.name,
        display_name=model.name,
        model=model.name,
        provider_name=model.provider,
        provider_type="letta" if model.endpoint is None else "openai",
        provider_category="base",
        model_endpoint=model.endpoint,
        context_window=model.window,
        max_context_window=model.window,
    )


@api.get("/models/")
@describes(list[ModelShown], tags=TAGS)
async def models() -> Response:
    """List the language models."""
    shown = [show(model) for model in await current_state().models.models()]
    for field in ("provider_name", "provider_type", "provider_category"):
        wanted = request.args.getlist(field)
        shown = [model for model in shown if not wanted or getattr(model, field) in wanted]
    return Response(msgspec.json.encode(shown), content_type="application/json")


@api.get("/models/embedding/")
@describes(list[EmbeddingModelShown], tags=TAGS)
async def embedding_models() -> Response:
    """List the embedding models: there are none yet."""
    return Response(b"[]", content_type="application/json")
