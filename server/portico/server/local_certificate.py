"""A certificate for this machine's own names, made once and kept, so that HTTPS can be tried.

No public authority signs names like ``localhost``; browsers are shown the authority's file to
trust. For development only: the key of the authority is thrown away after signing.
"""

import os
import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from portico.core.launch import LOCAL_CERTIFICATE, LOCAL_KEY

NAMES: Final = ("localhost", "127.0.0.1", "::1")

_VALID: Final = timedelta(days=825)
_RENEWED_BEFORE: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class LocalCertificate:
    """Where the files are: PEM, the certificate with its chain.

    Attributes:
        certificate: What is served.
        key: Its private key, readable for the owner alone.
        authority: What a browser or ``curl --cacert`` is told to trust.
    """

    certificate: Path
    key: Path
    authority: Path


def local_certificate(directory: Path, *, now: datetime | None = None) -> LocalCertificate:
    """The certificate kept under *directory*, made if there is none that can be used.

    Args:
        directory: Made if it is not there; the files are in a folder of their own, mode 0700.
        now: The time to judge validity by; the clock's unless given.

    Raises:
        OSError: the files cannot be read or written.
    """
    certificate, key = directory / LOCAL_CERTIFICATE, directory / LOCAL_KEY
    certificate.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate.parent.chmod(0o700)
    kept = LocalCertificate(certificate, key, certificate.with_name("authority.pem"))
    now = now or datetime.now(UTC)
    if not _is_usable(kept, now):
        _make(kept, now)
    return kept


def _is_usable(kept: LocalCertificate, now: datetime) -> bool:
    """Whether key and certificate match, are private, and stay valid for a while."""
    try:
        if kept.key.stat().st_mode & 0o077 or not kept.authority.stat().st_size:
            return False
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(kept.certificate, kept.key)
        return now + _RENEWED_BEFORE < _expiry(kept.certificate) < now + _VALID + _RENEWED_BEFORE
    except (FileNotFoundError, ssl.SSLError, ValueError):
        return False


def _expiry(certificate: Path) -> datetime:
    from cryptography import x509  # slow to import, and needed with --localhttps alone

    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc


def _make(kept: LocalCertificate, now: datetime) -> None:
    import trustme

    expiry = now + _VALID
    authority = trustme.CA(organization_name="Portico localhttps", organization_unit_name="local")
    issued = authority.issue_cert(*NAMES, common_name="localhost", not_after=expiry)
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    # The key last: with the old key, the new certificate does not match and is made again.
    _write(kept.authority, authority.cert_pem.bytes())
    _write(kept.certificate, chain)
    _write(kept.key, issued.private_key_pem.bytes())


def _write(path: Path, data: bytes) -> None:
    """Replace *path* at once, so that no reader sees half of it; mode 0600."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
