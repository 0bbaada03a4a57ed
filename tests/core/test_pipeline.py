"""The pipeline knows which headers its stages read."""

from dataclasses import dataclass, replace

from portico.core.cors import CorsPolicy
from portico.core.exchange import Exchange
from portico.core.pipeline import Pipeline, Verdict
from portico.core.secure_headers import SecureHeaders
from portico.core.settings import Settings


@dataclass(frozen=True)
class Reader:
    """A stage that only reads."""

    reads: frozenset[bytes]
    name: str = "reader"

    def request(self, exchange: Exchange) -> Verdict:
        return None


def test_it_reads_what_its_stages_read() -> None:
    stages = (Reader(frozenset({b"a", b"b"})), Reader(frozenset()), Reader(frozenset({b"b"})))
    secure_headers = SecureHeaders.compile(Settings())
    pipeline = Pipeline(CorsPolicy.disabled(), stages, secure_headers)
    assert pipeline.reads == {b"a", b"b"}
    assert replace(pipeline, stages=stages[2:]).reads == {b"b"}
    assert replace(pipeline, stages=()).reads == frozenset()
