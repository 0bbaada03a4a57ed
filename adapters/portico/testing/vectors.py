"""The vectors of the request policy, in the format of tests/vectors/policy_vectors.py."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

from portico.core.events import RequestHead
from portico.core.policy import Policy
from portico.core.routes import Route
from portico.core.settings import TABLE, Secret, Settings, build

__all__ = ["Vector", "encode", "head_of", "policy_of", "read_vectors", "settings_of"]

Vector: TypeAlias = Mapping[str, Any]


@cache
def read_vectors() -> tuple[Vector, ...]:
    """Give the vectors that the package brings."""
    text = files("portico.testing").joinpath("policy.json").read_text(encoding="utf-8")
    return tuple(json.loads(text)["vectors"])


def policy_of(vector: Vector) -> Policy:
    """Compile the settings and routes of a vector."""
    routes = [Route(**flags) for flags in vector.get("routes", ())]
    return Policy.compile(settings_of(vector.get("settings", {})), routes=routes)


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
