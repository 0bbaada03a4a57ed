"""The soak's own rounds, briefly: `just soak` runs them for minutes."""

import pytest

from tests.faults.harness import thorough
from tests.faults.soak import Soak

pytestmark = [pytest.mark.socket, thorough]


@pytest.mark.parametrize("secure", [False, True])
def test_nothing_grows_or_fails_under_hostile_and_honest_load(secure: bool) -> None:
    soak = Soak(secure, seconds=1)
    soak.run()
    assert soak.broken == []
