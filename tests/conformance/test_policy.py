"""Every vector of the request policy, through every shell and on every engine."""

import pytest

from portico.testing.comparison import compare
from portico.testing.requests import request_of
from tests.conformance.deviations import GAPS, REFUSED_BY_ENGINES, find_gap, is_known
from tests.conformance.engines import Bare, Engine, OnSocket
from tests.conformance.vectors import VECTORS, framed


@pytest.mark.parametrize("vector", VECTORS)
def test_a_vector_of_the_policy_gets_its_answer(
    engine: Engine, reference: Bare, vector: str
) -> None:
    request = framed(request_of(VECTORS[vector]))
    expected = reference.meet(vector, request)
    if find_gap(engine.name, VECTORS[vector]):
        return
    came = engine.meet(vector, request)
    if isinstance(engine, OnSocket) and not came.records:
        reason = str(expected.records[0]["reason"])
        assert came.status == REFUSED_BY_ENGINES[engine.name][reason][0]
        assert_no_record(engine)
        return
    found = compare(vector, expected, came, request)
    assert [x for x in found if not is_known(engine.name, request, x)] == []


def assert_no_record(engine: OnSocket) -> None:
    """The next record is the next request's."""
    came = engine.meet("ordinary", request_of(VECTORS["ordinary"]))
    (record,) = came.records
    assert (b"x-request-id", str(record["request_id"]).encode()) in came.headers


def test_no_deviation_is_out_of_date(engine: Engine, reference: Bare) -> None:
    """Each gap leaves out a vector, and each reason is given to one that the engine refuses."""
    gaps = {find_gap(engine.name, vector) for vector in VECTORS.values()} - {None}
    assert gaps == set(GAPS.get(engine.name, {}))
    refused = set()
    for reason in REFUSED_BY_ENGINES.get(engine.name, {}):
        for name, vector in VECTORS.items():
            if vector["expect"].get("reason") == reason:
                request = framed(request_of(vector))
                refused |= {reason} if not engine.meet(name, request).records else set()
    assert refused == set(REFUSED_BY_ENGINES.get(engine.name, {}))
