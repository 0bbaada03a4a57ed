"""The application that the real engines serve: every policy of the suite, chosen by the path.

Vectors, whose paths are their own, are chosen by a header (vectors.py).
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Final

from portico.adapters.asgi import PolicyMiddleware
from portico.core.access import AccessRecord
from portico.core.cors import CorsConfig, CorsPolicy
from portico.core.policy import Policy
from portico.core.settings import Settings
from tests.conformance.application import Receive, Scope, Send, application
from tests.conformance.policies import cors_policies, settings_policies
from tests.conformance.vectors import select, serve_vector

DEFAULT: Final = "full"
"""The policy of a path that names none, such as that of ``*``."""


class Dispatcher:
    """Put in front of the one application the policy that a path's first segment names."""

    def __init__(
        self, policies: Mapping[str, Policy], on_record: Callable[[AccessRecord], None]
    ) -> None:
        self._on_record = on_record
        self._behind = {
            name: PolicyMiddleware(application, policy, on_record=on_record)
            for name, policy in policies.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await application(scope, receive, send)
        if (vector := select(scope)) is not None:
            return await serve_vector(vector, self._on_record, scope, receive, send)
        name = scope["path"].lstrip("/").partition("/")[0]
        behind = self._behind.get(name, self._behind[DEFAULT])
        return await behind(scope, receive, send)


@cache
def compile_policies() -> dict[str, Policy]:
    """Compile every policy of the suite."""
    own = {name: Policy.compile(settings) for name, settings in settings_policies().items()}
    others = {name: with_cors(config) for name, config in cors_policies().items()}
    return {**own, **others}


def with_cors(config: CorsConfig) -> Policy:
    """Compile the policy of default settings with *config* for CORS.

    Settings cannot say everything that a configuration can: their max_age is never absent.
    """
    policy = Policy.compile(Settings())
    return replace(policy, pipeline=replace(policy.pipeline, cors=CorsPolicy.compile(config)))


def make() -> Dispatcher:
    """Make the application whose access records go to standard output, one a line."""
    return Dispatcher(compile_policies(), write)


def write(record: AccessRecord) -> None:
    sys.stdout.buffer.write(record.line())
    sys.stdout.buffer.flush()
