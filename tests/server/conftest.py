"""What the tests of the server share: both runtimes, in turn."""

from typing import cast

import pytest

from portico.server.application import Runtime


@pytest.fixture(params=["trio", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run a test that is marked with `anyio` on each runtime."""
    return cast("str", request.param)


@pytest.fixture
def runtime(anyio_backend: str) -> Runtime:
    """The runtime that the test runs on."""
    return cast("Runtime", anyio_backend)
