"""Certificates tried before anything is bound, and served by every engine."""

import json
import ssl
import sys
import urllib.request
from pathlib import Path

import pytest

from portico.adapters.tls import TlsError, check_tls
from portico.core.engines import EngineName
from portico.core.launch import TlsPlan
from portico.core.settings import Secret
from tests.adapters.certificates import Certificate, encrypt_key, make_certificate
from tests.servers import serve


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("engine", ["hypercorn", "uvicorn", "granian"])
def test_a_good_pair_passes(certificate: Certificate, engine: EngineName):
    check_tls(
        TlsPlan(str(certificate.cert), str(certificate.key), ca=str(certificate.cert)), engine
    )


def test_an_encrypted_key_needs_its_password(certificate: Certificate, tmp_path: Path):
    key = str(encrypt_key(certificate, tmp_path / "encrypted.key", "opensesame"))
    cert = str(certificate.cert)
    check_tls(TlsPlan(cert, key, Secret("opensesame")), "uvicorn")
    with pytest.raises(TlsError, match="tls_key_password is missing"):
        check_tls(TlsPlan(cert, key), "uvicorn")
    with pytest.raises(TlsError, match="tls_key_password does not open it"):
        check_tls(TlsPlan(cert, key, Secret("wrong")), "hypercorn")
    with pytest.raises(TlsError, match="granian cannot read the encrypted key"):
        check_tls(TlsPlan(cert, key, Secret("opensesame")), "granian")


def test_each_mistake_is_named(certificate: Certificate, tmp_path: Path):
    cert, key = str(certificate.cert), str(certificate.key)
    other = make_certificate(tmp_path, "other")
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    for plan, message in [
        (TlsPlan("/nowhere/c.pem", key), "cannot read /nowhere/c.pem: No such file or directory"),
        (TlsPlan(cert, "/nowhere/k.pem"), "cannot read /nowhere/k.pem: No such file or directory"),
        (TlsPlan(cert, str(other.key)), f"the key {other.key} does not belong to the certificate"),
        (TlsPlan(str(text), key), f"{text} or {key} is no certificate with its key in PEM"),
        (TlsPlan(cert, str(text)), f"{cert} or {text} is no certificate with its key in PEM"),
        (TlsPlan(cert, key, ca="/nowhere/a.pem"), "cannot read /nowhere/a.pem"),
        (TlsPlan(cert, key, ca=str(text)), f"{text} has no certificate in PEM"),
    ]:
        with pytest.raises(TlsError) as error:
            check_tls(plan, "hypercorn")
        assert str(error.value).startswith(message)


@pytest.mark.socket
@pytest.mark.parametrize(
    ("engine", "workers"),
    [("hypercorn", 1), ("uvicorn", 1), ("uvicorn", 2), ("granian", 1)],
)
def test_every_engine_serves_https(certificate: Certificate, engine: str, workers: int):
    changes = json.dumps({"tls": certificate.paths, "workers": workers})
    command = [sys.executable, "-m", "tests.adapters.launched", engine, "make_application", changes]
    context = ssl.create_default_context(cafile=str(certificate.cert))
    with serve(command=command) as server:
        assert server.url.startswith("https://127.0.0.1:")
        with urllib.request.urlopen(server.url, context=context, timeout=10) as answer:
            assert answer.read() == b"plain"
        assert server.stop() == 0
