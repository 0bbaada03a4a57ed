"""Every policy that the suite asks by name: those of the vectors, of the browser, and its own."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from portico.core.cors import CorsConfig
from portico.core.settings import Secret, Settings, build
from tests.browser.matrix import POLICIES as BROWSER_POLICIES
from tests.conformance.cases import ALLOWED, MAX_BODY, MAX_HEAD, MAX_TARGET, PASSWORD

VECTORS: Final = Path(__file__).parent.parent / "vectors"

FULL: Final = MappingProxyType[str, Any](
    {
        "cors.origins": (ALLOWED.decode(), "https://*.example.com"),
        "cors.methods": ("GET", "PUT", "PATCH"),
        "cors.request_headers": ("Content-Type", "Authorization"),
        "cors.expose": ("X-Total", "ETag"),
        "cors.max_age": 7200.0,
    }
)

# Every test of an engine guesses from one address.
UNLIMITED: Final = MappingProxyType[str, Any]({"ratelimit.auth_failures": "10000/s"})

OWN: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "full": FULL,
        "secure": {**FULL, "auth.required": True, "auth.password": Secret(PASSWORD), **UNLIMITED},
        "closed": {"cors.origins": ()},
        "handshakes": {**FULL, "cors.websocket_missing_origin": "deny"},
        "bounded": {
            **FULL,
            "server.max_target": MAX_TARGET,
            "server.max_head": MAX_HEAD,
            "server.max_body": MAX_BODY,
        },
        "lone": {**FULL, "server.max_concurrency": 1},
        "hasty": {**FULL, "server.request_timeout": 0.1},
    }
)
"""Settings by path; what is missing has its default."""


@cache
def decide_vectors() -> tuple[dict[str, Any], ...]:
    """Return the vectors that decide a request, from every file of CORS vectors."""
    files = sorted(VECTORS.glob("cors*.json"))
    vectors = [vector for file in files for vector in json.loads(file.read_text())["vectors"]]
    return tuple(vector for vector in vectors if vector["type"] == "decide")


def key_of(vector: Mapping[str, Any]) -> str:
    """Name a vector's policy by its content: files may mean different things by one name."""
    text = json.dumps(vector["policy"], sort_keys=True)
    return f"vector-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def settings_policies() -> dict[str, Settings]:
    """Return the suite's own policies."""
    return {name: build(values) for name, values in OWN.items()}


def cors_policies() -> dict[str, CorsConfig]:
    """Return the policies that are given as CORS configurations alone."""
    vectors = {key_of(vector): vector["policy"] for vector in decide_vectors()}
    browser = {f"browser-{name}": policy for name, policy in BROWSER_POLICIES.items()}
    return {name: config_of(policy) for name, policy in {**vectors, **browser}.items()}


def config_of(policy: Mapping[str, Any]) -> CorsConfig:
    """Read a policy as the vectors write it."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in policy.items()
    }
    return CorsConfig(**values)
