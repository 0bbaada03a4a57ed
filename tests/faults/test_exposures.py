"""What other engines do not survive is named by the table of faults, once each."""

import pytest

from portico.core.engines import ENGINES, EngineName
from portico.core.faults import EXPOSURES
from tests.faults.rows import ROWS


@pytest.mark.parametrize("engine", ENGINES)
def test_each_is_a_row_of_the_table_in_its_order(engine: EngineName):
    named = [exposure.fault for exposure in EXPOSURES[engine]]
    assert named == [row for row in ROWS if row in named]
