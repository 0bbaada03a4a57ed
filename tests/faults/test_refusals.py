"""What cannot be served is said in one line, soon, and with a code that is not 0."""

import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Measured
from tests.faults.harness import on_every_engine
from tests.servers import run

pytestmark = pytest.mark.socket

SOON_S = 2.0


def timed(*arguments: str, **given: Any) -> tuple[int, list[str], float]:
    """Run ``portico serve`` to its end: code, lines of reason, seconds."""
    began = time.monotonic()
    code, output, errors = run("serve", *arguments, **given)
    took_s = time.monotonic() - began
    assert output == ""
    return code, errors.splitlines(), took_s


@on_every_engine
def test_a_taken_port(engine: str, workers: int, measured: Measured) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, lines, took_s = timed("--engine", engine, "--workers", str(workers), "--port", port)
    measured("refused", f"port: exit {code}, {took_s:.2f} s", engine=engine, workers=workers)
    assert (code, len(lines)) == (2, 1)
    assert f"127.0.0.1:{port}: it is in use" in lines[0]
    assert took_s < SOON_S


@on_every_engine
def test_a_bad_certificate(engine: str, workers: int, measured: Measured, tmp_path: Path) -> None:
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    environ = {"LETTA_TLS_CERT": str(text), "LETTA_TLS_KEY": str(text)}
    chosen = ("--port", "0", "--engine", engine, "--workers", str(workers))
    code, lines, took_s = timed(*chosen, environ=environ)
    measured("refused", f"certificate: exit {code}, {took_s:.2f} s", engine=engine, workers=workers)
    assert (code, len(lines)) == (78, 1)
    assert str(text) in lines[0]
    assert took_s < SOON_S


@on_every_engine
def test_an_unknown_key(engine: str, workers: int, measured: Measured) -> None:
    files = {"conf.yaml": "server:\n  prot: 8283\n"}
    chosen = ("--port", "0", "--engine", engine, "--workers", str(workers))
    code, lines, took_s = timed(*chosen, files=files)
    measured("refused", f"unknown key: exit {code}, {took_s:.2f} s", engine=engine, workers=workers)
    assert code == 78
    assert any("server.prot" in line for line in lines)
    assert took_s < SOON_S
