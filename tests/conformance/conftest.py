"""Every test of the suite runs on each engine; an engine starts once for the session."""

from collections.abc import Iterator

import pytest

from tests.conformance.engines import Bare, Engine, InMemory, OnSocket, host
from tests.servers import ENGINES


@pytest.fixture(scope="session", params=("exchange", "asgi", *ENGINES))
def engine(request: pytest.FixtureRequest, reference: Bare) -> Iterator[Engine]:
    match request.param:
        case "exchange":
            yield reference
        case "asgi":
            yield InMemory()
        case name:
            with host(name) as server:
                yield OnSocket(name, server)


@pytest.fixture(scope="session")
def reference() -> Bare:
    return Bare()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(f"[{name}" in item.name for name in ENGINES):
            item.add_marker(pytest.mark.socket)
