"""The vectors of the request policy, in the format of tests/vectors/policy_vectors.py."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeAlias

from portico.core.events import Ask, RequestHead
from portico.core.policy import Policy
from portico.core.ratelimit import FRESH, RateDecision
from portico.core.routes import Route
from portico.core.settings import TABLE, Secret, Settings, build
from portico.core.throttle import StoreFailed

__all__ = ["Vector", "encode", "find_of", "head_of", "policy_of", "read_vectors", "settings_of"]

Vector: TypeAlias = Mapping[str, Any]


def _read_decisions(answer: Any) -> object:
    """Read ``failed``, or for each charge: admitted, remaining, retry_after_s, reset_s."""
    if answer == "failed":
        return StoreFailed()
    return tuple(RateDecision(admitted, FRESH, *rest) for admitted, *rest in answer)


ANSWERS: Final[dict[str, Callable[[Any], object]]] = {
    "authentication": _read_decisions,
    "rate limit": _read_decisions,
}
"""How the answer to each stage's question is read from JSON."""


@cache
def read_vectors() -> tuple[Vector, ...]:
    """Give the vectors that the package brings."""
    text = files("portico.testing").joinpath("policy.json").read_text(encoding="utf-8")
    return tuple(json.loads(text)["vectors"])


def policy_of(vector: Vector) -> Policy:
    """Compile the settings, routes and codings of a vector."""
    routes = [Route(**flags) for flags in vector.get("routes", ())]
    settings = settings_of(vector.get("settings", {}))
    codings = tuple(vector.get("codings", ()))
    return Policy.compile(settings, routes=routes, codings=codings, shared_store=True)


def find_of(vector: Vector) -> Callable[[Ask], object]:
    """Give what answers the policy's questions, in turn, as a vector says."""
    answers = iter(vector.get("answers", ()))
    return lambda ask: ANSWERS[ask.stage](next(answers))


def settings_of(values: Mapping[str, Any]) -> Settings:
    """Give the settings that a vector's values stand for."""
    return build({path: _typed(path, value) for path, value in values.items()})


def _typed(path: str, value: Any) -> object:
    if TABLE[path].secret:
        return Secret(value)
    return tuple(value) if isinstance(value, list) else value


def head_of(request: Vector) -> RequestHead:
    """Give the request head, its names in lower case as every engine gives them."""
    lines = request.get("headers", ())
    headers = [(encode(name).lower(), encode(value)) for name, value in lines]
    if not request.get("hostless") and not any(name == b"host" for name, _ in headers):
        headers.insert(0, (b"host", b"api.test"))
    return RequestHead(
        request.get("method", "GET"),
        encode(request.get("path", "/")),
        encode(request.get("query", "")),
        headers,
        request.get("kind", "http"),
        request.get("scheme", "http"),
        request.get("http_version", "1.1"),
    )


def encode(text: str) -> bytes:
    r"""Give text as UTF-8; ``\udc80`` to ``\udcff`` stand for single bytes."""
    return text.encode("utf-8", "surrogateescape")
