"""A row that an engine does not promise is stated by ``portico plan``."""

import json
import signal

import pytest

from tests.faults.harness import Load, serving, thorough
from tests.faults.rows import ROWS
from tests.servers import run

pytestmark = pytest.mark.socket

# What the tests here hold on both of the other engines too.
HELD = {"drain", "twice", "frozen", "supervisor-killed", "malformed", "large", "refused", "log"}
HELD_BY = {"uvicorn": set[str](), "granian": {"descriptors"}}


@pytest.mark.parametrize("engine", ["uvicorn", "granian"])
def test_what_is_not_promised_is_stated(engine: str) -> None:
    code, output, _ = run("plan", "--engine", engine, "--format", "json")
    stated = {exposure["fault"] for exposure in json.loads(output)["exposures"]}
    assert code == 0
    assert stated == ROWS.keys() - HELD - HELD_BY[engine]


def test_the_host_promises_all() -> None:
    _, output, _ = run("plan", "--format", "json")
    assert json.loads(output)["exposures"] == []


@thorough
@pytest.mark.parametrize("engine", ["uvicorn", "granian"])
@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_ends_nobody(engine: str, workers: int) -> None:
    with serving(engine=engine, workers=workers) as server:
        with Load(server.address) as load:
            load.wait_for_more(50)
            server.signal(signal.SIGHUP)
            server.stdout.wait_for_line(lambda line: "SIGHUP changes nothing" in line, 5)
            load.wait_for_more(100)
        assert len(server.events("lifespan.startup")) == workers
        assert server.stop() == 0
    assert load.failures == []
