"""The certificate of --localhttps: made once, kept in private, made again when it cannot serve."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio

from portico.server.local_certificate import LocalCertificate, local_certificate
from tests.server.host.wiring import echo, running


def contents(kept: LocalCertificate) -> list[bytes]:
    return [path.read_bytes() for path in (kept.certificate, kept.key, kept.authority)]


def test_it_is_made_once_and_private(tmp_path: Path) -> None:
    kept = local_certificate(tmp_path / "storage")
    before = contents(kept)
    assert contents(local_certificate(tmp_path / "storage")) == before
    assert kept.key.parent.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in kept.key.parent.iterdir()} == {0o600}
    assert len(list(kept.key.parent.iterdir())) == 3


@pytest.mark.trio
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
async def test_a_client_that_trusts_its_authority_is_served(tmp_path: Path, name: str) -> None:
    kept = local_certificate(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(kept.certificate, kept.key)
    client = ssl.create_default_context(cafile=kept.authority)
    async with running(echo, tls=server) as run:
        stream = trio.SSLStream(
            (await run.client()).stream, client, server_hostname=name, https_compatible=True
        )
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")


def spoil_by_date(kept: LocalCertificate, directory: Path) -> None:
    kept.key.unlink()
    local_certificate(directory, now=datetime.now(UTC) - timedelta(days=800))


SPOILS = {
    "no key": lambda kept, _: kept.key.unlink(),
    "no authority": lambda kept, _: kept.authority.unlink(),
    "empty certificate": lambda kept, _: kept.certificate.write_bytes(b""),
    "another's key": lambda kept, _: kept.key.write_bytes(
        local_certificate(kept.key.parent / "other").key.read_bytes()
    ),
    "a key that others read": lambda kept, _: kept.key.chmod(0o640),
    "soon expired": spoil_by_date,
}


@pytest.mark.parametrize("name", SPOILS)
def test_one_that_cannot_serve_is_made_again(tmp_path: Path, name: str) -> None:
    kept = local_certificate(tmp_path)
    SPOILS[name](kept, tmp_path)
    before = kept.certificate.read_bytes()
    local_certificate(tmp_path)
    assert kept.certificate.read_bytes() != before
    assert kept.key.stat().st_mode & 0o777 == 0o600
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(kept.certificate, kept.key)


def test_a_failed_write_leaves_no_half_file(tmp_path: Path) -> None:
    (tmp_path / "localhttps" / "cert.pem").mkdir(parents=True)
    with pytest.raises(OSError):
        local_certificate(tmp_path)
    assert {path.name for path in (tmp_path / "localhttps").iterdir()} == {
        "authority.pem",
        "cert.pem",
    }
