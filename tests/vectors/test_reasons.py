"""Every reason code that a stage declares has a vector, and the list of stages is whole."""

from pathlib import Path

import pytest

from portico.adapters.codings import OFFERED
from portico.core.policy import STAGES, Policy
from portico.core.problem import UNSENDABLE
from portico.core.secure_headers import SecureHeaders
from portico.core.settings import TABLE, Settings, build
from tests.vectors.run import load

VECTORS = load(Path(__file__).parent / "policy.json")
REASONS = [
    pytest.param(refusal, id=f"{stage.name}-{refusal.reason}")
    for stage in STAGES
    for refusal in stage.refusals
]
EVERYTHING = {
    "server.max_concurrency": 100,
    "server.force_https": True,
    "ratelimit.default": "1/s",
}


@pytest.mark.parametrize("refusal", REASONS)
def test_a_reason_code_has_a_vector(refusal):
    seen = {(v["expect"].get("reason"), v["expect"].get("status")) for v in VECTORS}
    assert (refusal.reason, refusal.problem.status) in seen


def test_a_replaced_answer_has_a_vector():
    seen = {(v["expect"].get("reason"), v["expect"]["status"]) for v in VECTORS}
    assert (UNSENDABLE.reason, UNSENDABLE.problem.status) in seen


def test_every_security_header_and_every_coding_has_a_vector():
    given = {item for v in VECTORS for item in v["expect"].get("headers", {}).items()}
    stage = SecureHeaders.compile(Settings())
    lines = {(n.decode(), v.decode()) for n, v in (*stage.plain, *stage.page, *stage.hsts)}
    assert lines | {("cache-control", "no-store")} <= given
    assert {("content-encoding", coding) for coding in OFFERED} <= given


def test_the_stages_are_those_that_are_composed_in_their_order():
    composed = [type(stage) for stage in Policy.compile(build(EVERYTHING)).pipeline.stages]
    assert composed == list(STAGES)
    fewer = [type(stage) for stage in Policy.compile(Settings()).pipeline.stages]
    assert fewer == [stage for stage in STAGES if stage in fewer]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_stage_names_settings_that_there_are(stage):
    for prefix in stage.settings:
        assert any(path.startswith(prefix) for path in TABLE)


def test_vectors_have_names_of_their_own():
    names = [vector["id"] for vector in VECTORS]
    assert len(set(names)) == len(names)
