"""What the tests of faults share: they tell what they measured, for the table."""

from collections.abc import Callable

import pytest

from tests.faults.rows import ROWS

Measured = Callable[..., None]


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Record what was measured for a row, with the engine and the workers of this test."""

    def record(row: str, text: str, *, engine: str = "hypercorn", workers: int = 1) -> None:
        assert row in ROWS
        request.node.user_properties.append(("fault", (row, engine, workers, text)))

    return record
