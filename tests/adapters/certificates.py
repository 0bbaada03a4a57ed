"""Certificates for tests, made by the openssl command."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files of one self-signed certificate for localhost."""

    cert: Path
    key: Path

    @property
    def paths(self) -> dict[str, str]:
        """The two paths as a plan has them."""
        return {"cert": str(self.cert), "key": str(self.key)}


def make_certificate(directory: Path, name: str = "localhost") -> Certificate:
    """Make a certificate in *directory*."""
    made = Certificate(directory / f"{name}.pem", directory / f"{name}.key")
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", str(made.key), "-out", str(made.cert), "-days", "2", "-subj", f"/CN={name}"),
        *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
    )
    return made


def encrypt_key(certificate: Certificate, path: Path, password: str) -> Path:
    """Write the key once more, as an encrypted PKCS#8 file."""
    openssl(
        *("pkcs8", "-topk8", "-in", str(certificate.key), "-out", str(path)),
        *("-passout", f"pass:{password}"),
    )
    return path


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
