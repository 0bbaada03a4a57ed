"""Every test of the suite runs on each engine; an engine starts once for the session."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.engines import Bare, Engine, InMemory, OnSocket, OverRsgi, OverWsgi, host
from tests.servers import ENGINES

HERE: Final = Path(__file__).parent


@pytest.fixture(scope="session", params=("exchange", "asgi", "wsgi", "rsgi", *ENGINES))
def engine(request: pytest.FixtureRequest, reference: Bare) -> Iterator[Engine]:
    match request.param:
        case "exchange":
            yield reference
        case "asgi":
            yield InMemory()
        case "wsgi":
            yield OverWsgi()
        case "rsgi":
            yield OverRsgi()
        case name:
            with host(name) as server:
                yield OnSocket(name, server)


@pytest.fixture(scope="session")
def reference() -> Bare:
    return Bare()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs on a real engine; the hook is given the items of every directory."""
    for item in items:
        parameters = getattr(item, "callspec", None)
        if HERE in item.path.parents and parameters and parameters.params.get("engine") in ENGINES:
            item.add_marker(pytest.mark.socket)
