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


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what is stored by default, in ~/.portico, out of the home of whoever tests."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
