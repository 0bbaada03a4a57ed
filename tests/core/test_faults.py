"""What other engines do not survive is said in one sentence each."""

import pytest

from portico.core.engines import ENGINES, EngineName
from portico.core.faults import EXPOSURES


@pytest.mark.parametrize("engine", ENGINES)
def test_each_says_why_in_one_sentence(engine: EngineName):
    for exposure in EXPOSURES[engine]:
        assert engine in exposure.why
        assert not exposure.why.endswith(".")


def test_the_host_survives_all():
    assert EXPOSURES["hypercorn"] == ()
