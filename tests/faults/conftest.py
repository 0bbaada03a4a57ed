"""What the tests of faults share: they tell what they measured, for the table."""

from collections.abc import Callable

import pytest

from tests.faults.rows import ROWS

Measured = Callable[..., None]
THOROUGH = "thorough"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"{THOROUGH}: more of the same, or slow; `just faults` runs these"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if THOROUGH in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker(THOROUGH)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Record what was measured for a row, with the engine and the workers of this test."""

    def record(row: str, text: str, *, engine: str = "hypercorn", workers: int = 1) -> None:
        assert row in ROWS
        request.node.user_properties.append(("fault", (row, engine, workers, text)))

    return record
